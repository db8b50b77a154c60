"""Interview study in a terminal, where every answer is proven by a demo."""

__version__ = "0.1.0"
