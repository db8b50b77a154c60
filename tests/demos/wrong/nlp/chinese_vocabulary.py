"""What a learner might write instead."""


def with_fallback__one_unknown_each(text, alphabet):
    """<unk> for what is not there: nothing comes back from it."""
    return [c if c in alphabet else "<unk>" for c in text]


def with_fallback__code_points(text, alphabet):
    """The bytes of the code point (UTF-16), not of UTF-8."""
    pieces = []
    for c in text:
        pieces += [c] if c in alphabet else [f"<0x{byte:02X}>" for byte in c.encode("utf-16-be")]
    return pieces


def with_fallback__two_bytes_each(text, alphabet):
    """The first byte of each character lost."""
    pieces = []
    for c in text:
        pieces += [c] if c in alphabet else [f"<0x{byte:02X}>" for byte in c.encode()[1:]]
    return pieces
