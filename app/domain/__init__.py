"""Nouns of the field, without I/O."""
