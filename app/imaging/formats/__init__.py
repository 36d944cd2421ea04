"""Picture headers, one format a file: bounded pure Python over the first bytes, no library."""
