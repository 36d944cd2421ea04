"""Sockets: listeners, protocols, and the life of the service."""
