"""HTTP and WebSocket words."""
