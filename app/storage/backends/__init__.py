"""Storage back ends: one file each."""
