"""Pictures: headers and their cost, decoding, encoding, drawing."""
