"""What one client without a key can do to the service over its sockets: a black box, one file a family of attacks.

`registry.attacks()` gives them all; `python -m tests.stress.attacks` tries each in a memory control group and prints
the table of docs/security.md.
"""
