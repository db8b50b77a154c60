"""A process that exports cards due in some days and prints in how many days Anki has them due; see test_due_days."""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from anki.collection import Collection, ImportAnkiPackageOptions, ImportAnkiPackageRequest

from studyapp.export.anki import export
from studyapp.export.options import ExportOptions
from studyapp.i18n import Translations
from studyapp.render.document import document
from studyapp.reviews.cards import CardState, study_day
from studyapp.settings import Settings
from tests.export.conftest import bank_of, judge, question
from tests.export.test_due_days import DAYS, ROLLOVERS


class Store:
    """Cards in review, one due in each of DAYS; a card is named after its days."""

    def __init__(self, settings: Settings, now: datetime) -> None:
        self.settings, self.now = settings, now

    def cards(self) -> dict[str, CardState]:
        today = study_day(self.now, self.settings)
        known = {"stability": 9.0, "difficulty": 5.0, "last_day": today - 1, "last_at": self.now - timedelta(days=1), "reps": 3}
        return {f"{days}#recall": CardState(f"{days}#recall", "review", due_day=today + days, **known) for days in DAYS}

    def events(self) -> list[object]:
        return []


def days_in_anki(folder: Path, rollover: int) -> dict[str, int]:
    """In how many days Anki has each card due."""
    now, bank = datetime.now(UTC), bank_of([question(str(days), "attention") for days in DAYS])
    options = ExportOptions(
        bank=bank,
        document=lambda q: document(q, bank, judge),
        output=folder / f"{rollover}.apkg",
        languages=("en",),
        words=Translations.load("en"),
        now=now,
        store=Store(Settings(rollover_hour=rollover), now),  # type: ignore[arg-type]
    )
    export(options)
    anki = Collection(str(folder / f"{rollover}.anki2"))
    try:
        request = ImportAnkiPackageRequest(
            package_path=str(options.output), options=ImportAnkiPackageOptions(with_scheduling=True)
        )
        anki.import_anki_package(request)
        cards = [anki.get_card(card) for card in anki.find_cards("")]
        return {f"{rollover} {card.note()['Id']}": card.due - anki.sched.today for card in cards}
    finally:
        anki.close()


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    print(json.dumps({name: days for rollover in ROLLOVERS for name, days in days_in_anki(folder, rollover).items()}))
