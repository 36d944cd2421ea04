"""Stored media: uploaded, listed, delivered, expired."""
