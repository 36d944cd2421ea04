"""Images: one picture in, another one out. Operations are plug-ins, applied in one fixed order at a bounded cost."""
