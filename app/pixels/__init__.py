"""Pictures: headers in the API, pixels in the child."""
