"""Durable jobs: what takes longer than a request may, and survives a service that is killed."""
