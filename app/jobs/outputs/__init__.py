"""What kinds make: encoded parts, joined files, packages, sheets, stills, sound."""
