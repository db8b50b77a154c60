"""The bank in forms that other programs read."""

from studyapp.export import anki, csv, json, markdown
from studyapp.export.common import Export

FORMATS: dict[str, Export] = {"anki": anki.export, "csv": csv.export, "markdown": markdown.export, "json": json.export}
WITH_PROGRESS = ("anki", "json")
