"""Kinds of jobs: one file each, found by their place."""
