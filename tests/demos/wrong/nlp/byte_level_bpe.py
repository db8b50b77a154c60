"""Plausible wrong bodies of the exercises of nlp/byte_level_bpe."""


def utf8__takes_two_bytes_at_most(code):
    """UTF-16's high and low byte."""
    return [code] if code < 0x80 else [code >> 8 & 0xFF, code & 0xFF]


def utf8__forgets_the_marks(code):
    """Tail bytes without their leading 10."""
    if code < 0x80:
        return [code]
    count = 2 if code < 0x800 else 3 if code < 0x10000 else 4
    tail = [code >> 6 * k & 0x3F for k in range(count - 1)]
    lead = {2: 0xC0, 3: 0xE0, 4: 0xF0}[count]
    return [lead | code >> 6 * (count - 1), *reversed(tail)]


def complete__shows_all(buffer):
    """Nothing is held back."""
    return len(buffer)


def complete__holds_every_tail(buffer):
    """Holds back from the last lead byte on, finished or not."""
    for back in range(1, min(4, len(buffer)) + 1):
        if buffer[-back] >= 0xC0:
            return len(buffer) - back
        if buffer[-back] < 0x80:
            break
    return len(buffer)
