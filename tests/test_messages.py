"""Errors in the learner's language."""

import ast
import pickle
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from studyapp import errors
from studyapp.errors import Message, StudyError
from studyapp.i18n import Translations, _messages

SOURCE = Path(errors.__file__).parent
CHINESE = _messages("zh")
ZH = Translations.load("zh")
RAISED = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, StudyError)}
MADE = RAISED | {"Message", "unwritable"}
IN_A_LANGUAGE = {"t", "words", "count", "why", "exception_line"}
"""What gives a text that is in the learner's language already."""


def calls() -> Iterator[tuple[str, ast.Module, ast.Call]]:
    """Every place at which an error or a Message is made, with its module."""
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MADE:
                yield f"{path.relative_to(SOURCE.parent)}:{node.lineno}", tree, node


def findings() -> Iterator[tuple[str, ast.Module, ast.Call]]:
    """Every place of the bank's room at which a finding is made, which is what a bank of one's own is told.

    Not those on rows of models, which only the maintainers write."""
    for path in sorted((SOURCE / "bank").glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree) if path.name != "models.py" else ():
            named = getattr(node, "func", None)
            if isinstance(node, ast.Call) and getattr(named, "id", getattr(named, "attr", "")) in ("Finding", "find", "refuse"):
                yield f"{path.relative_to(SOURCE.parent)}:{node.lineno}", tree, node


def texts(tree: ast.Module, node: ast.expr, followed: frozenset[str] = frozenset()) -> Iterator[str | None]:
    """The templates that an argument may be; None for a text that is put together where it is passed."""
    match node:
        case ast.Constant(value=str(text)):
            yield from [text] if text else []
        case ast.IfExp(body=one, orelse=other):
            yield from [*texts(tree, one, followed), *texts(tree, other, followed)]
        case ast.BoolOp(values=values):
            yield from (text for value in values for text in texts(tree, value, followed))
        case ast.Name(id=name) if name not in followed:
            for other in ast.walk(tree):
                if isinstance(other, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in other.targets):
                    yield from texts(tree, other.value, followed | {name})
        case ast.JoinedStr() | ast.BinOp():
            yield None


def templates() -> Iterator[tuple[str, str | None]]:
    """Every English template of an error, and where it stands."""
    for where, tree, call in calls():
        for argument in call.args[: 1 if getattr(call.func, "id", "") == "Message" else 2]:
            for text in texts(tree, argument):
                yield where, text
    for where, tree, call in findings():
        for argument in call.args[-2:]:
            for text in texts(tree, argument):
                yield where, text


def placeholders(template: str) -> list[tuple[str, str, str]]:
    """The names, formats and conversions of a template, sorted."""
    return sorted((n, spec or "", how or "") for _, n, spec, how in string.Formatter().parse(template) if n)


def test_every_error_of_the_source_has_a_chinese_text() -> None:
    """A template that an error is made of stands in zh.toml with the same placeholders, and none is put together by hand."""
    found = list(templates())
    assert len(found) > 120
    assert [where for where, text in found if text is None] == []
    assert sorted({(text, where) for where, text in found if text is not None and text not in CHINESE}) == []
    assert {text for text, zh in CHINESE.items() if placeholders(text) != placeholders(zh)} == set()


def test_no_chinese_text_is_left_over_or_not_chinese() -> None:
    """zh.toml holds nothing that no error says, and each text that has words has Chinese ones."""
    used = {text for _, text in templates()}
    assert sorted(CHINESE.keys() - used) == []
    words = {t for t in CHINESE if re.search(r"[A-Za-z]", re.sub(r"\{[^}]*\}", "", t))}
    assert [t for t in words if not re.search(r"[\u4e00-\u9fff]", CHINESE[t])] == []


def test_a_message_reads_as_english_and_is_said_in_chinese_with_what_it_holds() -> None:
    """Messages within a message are said too, values stay as they are, and braces of a value are not looked into."""
    inner = Message("its texts cannot be read")
    error = StudyError("{path}: {found}", Message("Run: {command}", command="a {b}"), path="{x!r}", found=inner)
    assert (error.message, error.hint) == ("{x!r}: its texts cannot be read", "Run: a {b}")
    assert ZH.message(error.message) == "{x!r}：其中的文字无法读取" and ZH.message(error.hint) == "请运行：a {b}"
    assert Translations.load("en").message(error.message) == error.message == str(error)
    again = pickle.loads(pickle.dumps(error.message))
    assert ZH.message(again) == ZH.message(error.message)


@pytest.mark.parametrize("text", ["已经是中文 {x}", "a {broken", "{0.__class__}", "{path.__class__}", ""])
def test_a_text_that_is_no_template_stays_as_it_is(text: str) -> None:
    """A hint that is in the learner's language already, or holds braces of a file's name, is not formatted."""
    error = StudyError("{path}: {text}", text, path="p", text="t")
    assert error.hint == text and ZH.message(error.hint) == text
