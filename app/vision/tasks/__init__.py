"""Vision tasks: one file each."""
