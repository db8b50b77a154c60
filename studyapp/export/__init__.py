"""The bank in forms that other programs read; `formats` has them by name."""
