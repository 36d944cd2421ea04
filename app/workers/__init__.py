"""Children that can be killed."""
