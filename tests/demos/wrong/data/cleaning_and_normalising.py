"""Plausible wrong bodies of the exercises of data/cleaning_and_normalising."""

import unicodedata


def canonical__uses_the_compatibility_form(text):
    return unicodedata.normalize("NFKC", text)


def canonical__drops_the_accents(text):
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def kept_lines__looks_at_the_first_character(lines, marks):
    return [line for line in lines if line.startswith(tuple(marks))]


def kept_lines__wants_every_mark(lines, marks):
    return [line for line in lines if all(m in line for m in marks)]
