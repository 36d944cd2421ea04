"""Modules that a zygote of the tests loads."""
