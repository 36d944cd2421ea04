"""What decides what comes next: the jobs child, and the service's side of it."""
