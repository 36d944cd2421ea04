"""Measurements side by side with peers; each prints its numbers under the command that made them."""
