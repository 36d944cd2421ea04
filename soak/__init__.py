"""`ballast soak`: the mixed load that the service must stand in a small memory control group, and the verdict on it.

It talks to the service by HTTP only, as any client does.
"""
