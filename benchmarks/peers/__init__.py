"""What a user would write or install instead: small servers, each run as a program of its own."""
