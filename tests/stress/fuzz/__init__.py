"""Bytes on the wire, changed at random: recorded requests, mutations with a seed, and a sender that judges answers."""
