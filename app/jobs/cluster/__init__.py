"""Several services that share the jobs of one book, in PostgreSQL."""
