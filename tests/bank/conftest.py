"""A small bank in a folder, to be broken one way at a time."""

from collections.abc import Callable
from pathlib import Path

import pytest

GOOD = (Path(__file__).parent / "good.yaml").read_text("utf-8")
TOPICS = """\
- id: attention
  title: {en: 'Attention', zh: '注意力'}
  questions: [second, first]
"""


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """A bank of one question, `attention/first`."""
    folder = tmp_path / "questions"
    (folder / "attention").mkdir(parents=True)
    (folder / "topics.yaml").write_text(TOPICS, "utf-8")
    (folder / "attention" / "first.yaml").write_text(GOOD, "utf-8")
    return folder


@pytest.fixture
def write(questions: Path) -> Callable[..., Path]:
    """Write a question, the good one with `old` turned into `new`."""

    def writer(name: str = "first", old: str = "", new: str = "", text: str = GOOD, folder: Path | None = None) -> Path:
        assert old in text
        path = (folder or questions / "attention") / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(old, new) if old else text, "utf-8")
        return path

    return writer
