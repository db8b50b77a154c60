"""Content into something to look at."""
