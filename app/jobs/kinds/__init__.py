"""The kinds of jobs, one file each; found by `app.registry.discover`."""
