"""Webhooks: signed, sent again with growing pauses, to addresses outside only."""
