"""The kept bank: used only where nothing can have changed, and never in the way."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studyapp.bank import compiled, load
from studyapp.bank.compiled import cache_file, load_compiled
from studyapp.bank.load import load_bank
from studyapp.bank.model import Bank
from studyapp.bank.search import Search
from studyapp.errors import BankError
from studyapp.paths import questions_dir


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder for kept banks."""
    return tmp_path / "cache"


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The banks that were parsed, in order."""
    seen: list[Path] = []

    def parse(folder: Path, extra: tuple[Path, ...] = ()) -> Bank:
        seen.append(folder)
        return load_bank(folder, extra)

    monkeypatch.setattr(load, "load_bank", parse)
    monkeypatch.setattr(compiled, "SETTLED_NS", 0)
    return seen


def test_a_kept_bank_is_the_parsed_one(questions, write, cache, parsed):
    """Questions, findings, paths and what could not be read come back as they were; nothing is parsed again."""
    write("second", "level: core", "level: cor")
    first = load_compiled(questions, (), cache)
    again = load_compiled(questions, (), cache)
    assert parsed == [questions]
    assert first == again == load_bank(questions)
    assert again.findings and again.unread and isinstance(again.questions["first"].path, Path)


def test_the_shipped_bank_comes_back_whole(cache, parsed):
    """Every form of the real content survives being kept."""
    load_compiled(questions_dir(), (), cache)
    assert load_compiled(questions_dir(), (), cache) == load_bank(questions_dir())
    assert len(parsed) == 1


def in_place(path: Path, old: str, new: str) -> None:
    """Change a file and leave its size and its mtime as they were."""
    text, before = path.read_text("utf-8"), path.stat()
    assert old in text and len(old) == len(new)
    path.write_text(text.replace(old, new), "utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a word of the same length": lambda q: in_place(q / "attention/first.yaml", "'One'", "'Uno'"),
    "longer": lambda q: (q / "attention/first.yaml").open("a").write("as_of: '2026-11'\n"),
    "new": lambda q: shutil.copy(q / "attention/first.yaml", q / "attention/second.yaml"),
    "removed": lambda q: (q / "attention/first.yaml").unlink(),
    "renamed": lambda q: (q / "attention/first.yaml").rename(q / "attention/other.yaml"),
    "broken": lambda q: (q / "attention/first.yaml").write_text("level: ["),
    "a shared file is new": lambda q: (q / "terms.yaml").write_text("- {en: 'mask', zh: '掩码'}\n", "utf-8"),
    "a shared file is gone": lambda q: (q / "topics.yaml").unlink(),
    "replaced by an older file": lambda q: (
        shutil.copy2(q / "attention/first.yaml", q / "x"), in_place(q / "x", "'One'", "'Uno'"),
        (q / "x").rename(q / "attention/first.yaml"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_of_a_file_is_seen(questions, cache, parsed, change):
    """After a file was changed, added, removed or replaced, the bank is what the files say now."""
    load_compiled(questions, (), cache)
    time.sleep(0.03)  # longer than a tick of the file system's clock
    change(questions)
    assert load_compiled(questions, (), cache) == load_bank(questions)
    assert len(parsed) == 2
    assert load_compiled(questions, (), cache) == load_bank(questions)
    assert len(parsed) == 2, "the changed bank was not kept"


def test_a_file_that_changed_this_instant_is_not_trusted(questions, cache, monkeypatch):
    """A bank whose file could still change within the same tick is not kept."""
    monkeypatch.setattr(compiled, "SETTLED_NS", 60 * 10**9)
    load_compiled(questions, (), cache)
    assert not list(cache.glob("*"))


def test_another_version_parses_again(questions, cache, parsed, monkeypatch):
    """What another version, or another form of the code, has kept is not read."""
    load_compiled(questions, (), cache)
    monkeypatch.setattr(compiled, "__version__", "0.0.0")
    assert load_compiled(questions, (), cache) == load_bank(questions)
    assert len(parsed) == 2


def test_a_changed_form_parses_again(monkeypatch):
    """A field more in a kind of value is another form."""
    before = compiled.made_by()
    monkeypatch.setattr(compiled.model, "Text", compiled.model.Term)
    assert compiled.made_by() != before


def damage(raw: bytes) -> dict[str, bytes]:
    """A cache file, damaged in every way that comes to mind."""
    middle = len(raw) // 2
    payload = compiled.msgspec.msgpack.encode({"made_by": 1, "stamps": [], "bank": []})
    return {
        "empty": b"",
        "short": raw[:middle],
        "a letter": raw.replace(b"Softmax saturates", b"Softmax sAturates"),
        "text": b"not a bank at all",
        "other types, right checksum": compiled._checksum(payload) + payload,
        "bottomless": compiled._checksum(b"\x91" * 100_000) + b"\x91" * 100_000,
    }


@pytest.mark.parametrize("kind", damage(b"0123456789"))
def test_a_damaged_cache_is_parsed_over(questions, cache, parsed, kind):
    """A cache file that is damaged or of other types costs a parse, and is whole afterwards."""
    good = load_compiled(questions, (), cache)
    path = cache_file(questions, (), cache)
    path.write_bytes(damage(path.read_bytes())[kind])
    assert load_compiled(questions, (), cache) == good
    assert load_compiled(questions, (), cache) == good
    assert len(parsed) == 2


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_no_bytes_in_the_cache_raise(questions, cache, content):
    """Whatever the cache holds, the bank loads."""
    payload = compiled._checksum(content) + content
    cache.mkdir(exist_ok=True)
    cache_file(questions, (), cache).write_bytes(payload)
    assert "first" in load_compiled(questions, (), cache).questions


def test_a_cache_that_cannot_be_written_is_done_without(questions, tmp_path):
    """A file where the folder should be, a folder where the file should be, or no place at all: the bank loads."""
    (tmp_path / "file").write_text("")
    cache_file(questions, (), tmp_path / "odd").mkdir(parents=True)
    for place in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "odd", None):
        assert "first" in load_compiled(questions, (), place).questions


def test_two_banks_have_a_cache_each(questions, write, cache, parsed, tmp_path):
    """With a personal bank and without it are two things; neither drives the other out."""
    write("loose", folder=tmp_path / "mine")
    for _ in range(2):
        assert set(load_compiled(questions, (), cache).questions) == {"first"}
        assert set(load_compiled(questions, (tmp_path / "mine",), cache).questions) == {"first", "mine:loose"}
    assert len(parsed) == 2


def test_few_combinations_are_kept(questions, write, cache, monkeypatch, tmp_path):
    """The folder does not grow with every bank that was ever named."""
    monkeypatch.setattr(compiled, "SETTLED_NS", 0)
    for i in range(compiled.MOST_KEPT + 3):
        write("loose", folder=tmp_path / f"mine{i}")
        load_compiled(questions, (tmp_path / f"mine{i}",), cache)
    assert len(list(cache.iterdir())) == compiled.MOST_KEPT


def test_what_is_no_bank_is_an_error_with_a_cache_too(tmp_path, cache):
    """Without the folder of questions there is no bank."""
    with pytest.raises(BankError):
        load_compiled(tmp_path / "nowhere", (), cache)


def test_a_kept_bank_is_searched_like_a_parsed_one(cache, monkeypatch):
    """The texts that were folded when the bank was kept find what those folded now find, and are not folded again."""
    monkeypatch.setattr(compiled, "SETTLED_NS", 0)
    load_compiled(questions_dir(), (), cache)
    kept, fresh = load_compiled(questions_dir(), (), cache), Search(load_bank(questions_dir()))
    assert kept.folded
    monkeypatch.setattr("studyapp.bank.search._fields", lambda question: pytest.fail("folded again"))
    search = Search(kept)
    for words in ("softmax", "KV 缓存", "d_k", "nowhere"):
        assert [q.id for q in search(words)] == [q.id for q in fresh(words)]


def test_a_kept_bank_is_read_without_the_parser(tmp_path):
    """Reading a kept bank costs a small part of parsing it."""
    cache = tmp_path / "cache"
    start = time.process_time()
    load_compiled(questions_dir(), (), cache)
    parse = time.process_time() - start
    start = time.process_time()
    load_compiled(questions_dir(), (), cache)
    assert time.process_time() - start < parse / 4
