"""Finding hands, gestures, faces and poses."""
