"""The forms of an export by name."""

from studyapp.export import anki, csv_notes, jsonl, markdown
from studyapp.export.options import Exporter

FORMATS: dict[str, Exporter] = {
    "anki": anki.export,
    "csv": csv_notes.export,
    "markdown": markdown.export,
    "json": jsonl.export,
}
WITH_PROGRESS = ("anki", "json")
TEXT = ("csv", "markdown", "json")
"""The forms that can be written to standard output."""
