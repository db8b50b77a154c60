"""One module a screen: data in by constructor, wishes out by message."""
