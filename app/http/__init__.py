"""Words of HTTP."""
