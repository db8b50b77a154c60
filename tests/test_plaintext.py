"""What others wrote reaches the terminal only as text that can be seen."""

import json
import time
import unicodedata
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from studyapp.bank.model import Finding
from studyapp.check.wording import HIDDEN, INLINE_TEX
from studyapp.cli import cli
from studyapp.errors import did_you_mean
from studyapp.plaintext import printable, printable_all, printable_line
from studyapp.render.formula import formula

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("A\x1b]0;PWNED\x07B", "A\\u001b]0;PWNED\\u0007B"),
        ("\x9b31m", "\\u009b31m"),
        ("a\rb\nc\td\n", "a\\u000db\nc\td\n"),
        ("\u202egnp\u061c", "\\u202egnp\\u061c"),
        ("\x00\x7f\ud800", "\\u0000\\u007f\\ud800"),
        ("plain 中文 √d ✓ é 👩‍🔬", "plain 中文 √d ✓ é 👩‍🔬"),
    ],
)
def test_controls_are_seen_and_text_stays(text: str, seen: str) -> None:
    """ESC, C0, C1, bidi controls and lone surrogates become visible; letters, tabs and lines stay as they are."""
    assert printable(text) == seen


@given(st.text())
def test_nothing_of_any_text_steers_a_terminal(text: str) -> None:
    """No control character but tab and newline is left in any text, no bidi control, and it can be written as UTF-8."""
    cleaned = printable(text)
    cleaned.encode()
    assert not [c for c in cleaned if unicodedata.category(c) == "Cc" and c not in "\n\t"]
    assert not set(cleaned) & set(BIDI)
    assert "\n" not in printable_line(text)


@given(st.recursive(st.text() | st.integers() | st.none(), lambda v: st.lists(v) | st.dictionaries(st.text(), v), max_leaves=8))
def test_json_says_the_same(value: object) -> None:
    """JSON made printable reads back as the same values, whatever they hold."""
    text = json.dumps(value, ensure_ascii=False)
    assert json.loads(printable(text)) == value
    assert not set(printable(text)) & set(BIDI + "\x7f\x9b")


def test_every_text_of_a_value_is_cleaned() -> None:
    """Cells, labels and names are cleaned wherever they stand; numbers stay numbers."""
    assert printable_all({"a\x1b": ("b\x1b", 1, [None, "c\x1b"])}) == {"a\\u001b": ("b\\u001b", 1, [None, "c\\u001b"])}


def test_a_finding_is_one_line_without_escapes() -> None:
    """Path, key and problem of a finding cannot set the title, nor begin a line of their own."""
    finding = Finding(Path("e\x1b]0;X\x07/x.yaml"), 1, "\x1b[2J", "«a\nb» cannot be a key", "\u202equote it")
    assert str(finding) == r"e\u001b]0;X\u0007/x.yaml:1: \u001b[2J: «a\u000ab» cannot be a key; \u202equote it"


QUESTION = "ask: {en: 'a', zh: '中'}\n"


def test_a_folder_with_such_a_name_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic's folder that could steer the terminal is told of by `check`, cleaned, and is no topic."""
    monkeypatch.setenv("STUDYAPP_HOME", str(tmp_path / "home"))
    for number, name in enumerate(("e\x1b]0;PWNTITLE\x07", "\u202etopic", "*")):
        folder = tmp_path / "mine" / name
        folder.mkdir(parents=True)
        (folder / f"x{number}.yaml").write_text('"\\e]0;PWNED\\ax": 1\nask: \'a\'\nanswer: \'b\'\n', encoding="utf-8")
    said = CliRunner().invoke(cli, ["--bank", str(tmp_path / "mine"), "check"])
    assert said.exit_code == 1
    assert said.output.count("cannot be a topic") == 3
    assert not set(said.output) & set("\x1b\x07\u202e")
    due = CliRunner().invoke(cli, ["--bank", str(tmp_path / "mine"), "due"])
    assert not set(due.output) & set("\x1b\x07\u202e") and "\n  *" not in due.stdout


def test_an_error_is_cleaned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a person typed or a file is called does not come back raw in an error."""
    monkeypatch.setenv("STUDYAPP_HOME", str(tmp_path))
    said = CliRunner().invoke(cli, ["show", "\x1b]0;PWNED\x07"])
    assert said.exit_code == 1
    assert "PWNED" in said.output and not set(said.output) & set("\x1b\x07")


def seconds(work: object) -> float:
    """CPU seconds of a call."""
    assert callable(work)
    start = time.process_time()
    work()
    return time.process_time() - start


@pytest.mark.parametrize(
    "work",
    [
        lambda: HIDDEN.sub("", "`" * 64_000),
        lambda: HIDDEN.sub("", "\n".join(" " * (i % 40) + "```" for i in range(3_000))),
        lambda: INLINE_TEX.search("$a" + "_" * 64_000),
        lambda: INLINE_TEX.search("$a_" * 20_000),
        lambda: did_you_mean("x" * 16_000, ["softmax-overflow"] * 300),
        lambda: formula("\\sqrt{" * 600 + "x" + "}" * 600),
        lambda: formula("\\frac{" * 90 + "x" + "}{y}" * 90),
        lambda: formula("\\sqrt{" * 15 + "x" + "}" * 15),
    ],
    ids=["backticks", "fences", "underscores", "dollars", "names", "roots", "fractions", "deep"],
)
def test_small_hostile_texts_take_no_time(work: object) -> None:
    """Shapes that took seconds take a fraction of one: patterns are linear, and what nests too deep is not drawn."""
    assert seconds(work) < 1.0


@pytest.mark.parametrize(
    ("text", "found"),
    [("a $x_i$ b", True), (r"$\frac{a}$", True), ("costs $5 and $6_", False), ("$a$", False), ("$a_$5", False), ("$ a_b$", False)],
)
def test_inline_tex_is_still_found(text: str, found: bool) -> None:
    """A formula between single dollars is found; prices are none."""
    assert bool(INLINE_TEX.search(text)) is found


@pytest.mark.parametrize("text", ["`a`", "``a`", "```\ncode 中x\n```", "$$\nx\n$$", "https://a.b/c"])
def test_code_and_addresses_are_still_hidden(text: str) -> None:
    """What is no prose is left out of the rules on wording."""
    assert HIDDEN.sub("", text).strip() == ""
