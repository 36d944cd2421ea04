"""The operations: each file is one."""
