"""FFmpeg's programs as children."""
