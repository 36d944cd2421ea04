"""What was derived from media once and may be asked for again: one cache, in memory and behind it in files."""
