"""What `ballast doctor` looks at."""
