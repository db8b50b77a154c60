"""The bank in forms that other programs read."""

from studyapp.export import anki, csv_notes, jsonl, markdown
from studyapp.export.options import Exporter

FORMATS: dict[str, Exporter] = {"anki": anki.export, "csv": csv_notes.export, "markdown": markdown.export, "json": jsonl.export}
WITH_PROGRESS = ("anki", "json")
