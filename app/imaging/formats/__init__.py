"""The picture formats that are accepted, one a file (`app/imaging/picture_format.py` says what each member means)."""
