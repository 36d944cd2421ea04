"""Where media and temporary files are kept."""
