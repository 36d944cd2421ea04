"""HTTP, whatever the resource: bodies, conditions, ranges, problems, guards."""
