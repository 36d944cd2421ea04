"""Media types."""
