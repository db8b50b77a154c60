"""A parsed bank kept beside the learner's other caches, so that opening the app does not parse hundreds of files.

A kept bank is used only where nothing can have changed: every file has the path, size, times and inode that it had, the
code that parsed it and the forms of its values are the same, and its checksum is right. In any doubt the files are
parsed, and what came of them is kept for the next time. Nothing here can fail: where the cache cannot be read or
written, the bank is parsed each time.
"""

import gc
import hashlib
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec

from studyapp import __version__
from studyapp.bank import model
from studyapp.bank.files import bank_files, personal_banks
from studyapp.bank.model import Bank
from studyapp.errors import BankError, Message, StudyError, as_message
from studyapp.files import atomic_write

CHECKSUM = 4
MOST_KEPT = 8
"""How many combinations of banks are kept."""
SETTLED_NS = 20_000_000
"""A file that changed within the last ticks of the file system's clock could change again and keep its time."""

Said = tuple[str, dict[str, str]]
"""A text in English: its template and its values."""
Stamp = tuple[str, int, int, int, int]
"""Path, size, mtime and ctime in nanoseconds, inode."""


class Compiled(msgspec.Struct, frozen=True):
    """What a cache file holds."""

    made_by: str
    stamps: tuple[Stamp, ...]
    bank: Bank
    said: tuple[tuple[Said, Said], ...]
    """The problem and the hint of each finding as template and values, for other languages."""


def load_compiled(questions_dir: Path, extra: Sequence[Path] = (), cache_dir: Path | None = None) -> Bank:
    """What `load_bank` gives, from the cache where that is certain to be the same; without `cache_dir` always parsed.

    Raises:
        BankError: as `load_bank`.
    """
    path = cache_file(questions_dir, extra, cache_dir) if cache_dir else None
    before = stamps(questions_dir, extra) if path else None
    if path and before and (bank := _read(path, before)) is not None:
        return bank
    from studyapp.bank.load import load_bank
    from studyapp.bank.search import folded_pages

    bank = load_bank(questions_dir, extra)
    settled = time.time_ns() - SETTLED_NS
    if path and before and before == stamps(questions_dir, extra) and all(max(s[2:4]) < settled for s in before):
        bank = replace(bank, folded=folded_pages(bank))
        _write(path, before, bank)
    return bank


def is_kept(questions_dir: Path, extra: Sequence[Path], cache_dir: Path) -> bool:
    """Whether the next `load_compiled` will read the cache."""
    current = stamps(questions_dir, extra)
    return current is not None and _read(cache_file(questions_dir, extra, cache_dir), current) is not None


def cache_file(questions_dir: Path, extra: Sequence[Path], cache_dir: Path) -> Path:
    """Where this combination of banks is kept."""
    names = "\0".join(str(folder.absolute()) for folder in (questions_dir, *extra))
    return cache_dir / f"bank-{hashlib.blake2b(names.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}.msgpack"


def stamps(questions_dir: Path, extra: Sequence[Path] = ()) -> tuple[Stamp, ...] | None:
    """What every file of the banks looks like from outside, None where that cannot be told."""
    try:
        personal = personal_banks(extra).values()
        paths = [*bank_files(questions_dir, False), *(path for own in personal for path in bank_files(own, True))]
        found = [(path, os.stat(path)) for path in paths]  # noqa: PTH116 - of text: see bank_files
    except (OSError, BankError):
        return None
    return tuple((path, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino) for path, s in found)


def made_by() -> str:
    """What parsed a bank: the app's version, the code of this package, and the fields of everything in a bank."""
    code = [(p.name, s.st_size, s.st_mtime_ns) for p in sorted(Path(__file__).parent.glob("*.py")) if (s := p.stat())]
    forms = [
        (name, [(f.name, str(f.type)) for f in msgspec.structs.fields(form)])
        for name, form in vars(model).items()
        if isinstance(form, type) and issubclass(form, msgspec.Struct) and form is not msgspec.Struct
    ]
    whole = [(f.name, str(f.type)) for f in fields(Bank)]
    text = repr((__version__, msgspec.__version__, code, forms, whole))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@contextmanager
def without_collection() -> Iterator[None]:
    """No garbage collection meanwhile: tens of thousands of values are made, and each pass would walk all that the app holds."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read(path: Path, current: tuple[Stamp, ...]) -> Bank | None:
    try:
        raw = path.read_bytes()
        payload = memoryview(raw)[CHECKSUM:]
        if raw[:CHECKSUM] != _checksum(payload):
            return None
        with without_collection():
            kept = msgspec.msgpack.decode(payload, type=Compiled, dec_hook=_decode)
        if kept.stamps != current or kept.made_by != made_by():
            return None
        pairs = zip(kept.bank.findings, kept.said, strict=True)
        findings = tuple(replace(f, problem=_message(problem), hint=_message(hint)) for f, (problem, hint) in pairs)
        return replace(kept.bank, findings=findings) if findings else kept.bank
    except (OSError, msgspec.MsgspecError, ValueError):
        return None


def _write(path: Path, current: tuple[Stamp, ...], bank: Bank) -> None:
    try:
        said = tuple((_said(finding.problem), _said(finding.hint)) for finding in bank.findings)
        plain = tuple(replace(finding, problem="", hint="") for finding in bank.findings)
        payload = msgspec.msgpack.encode(Compiled(made_by(), current, replace(bank, findings=plain), said), enc_hook=str)
        with atomic_write(path, lambda error: StudyError(str(error))) as part:
            part.write_bytes(_checksum(payload) + payload)
        others = sorted(path.parent.glob("bank-*.msgpack"), key=lambda each: each.stat().st_mtime, reverse=True)
        for old in others[MOST_KEPT:]:
            old.unlink(missing_ok=True)
    except (OSError, StudyError, msgspec.MsgspecError, ValueError):
        return  # the next start parses again


def _said(text: str) -> Said:
    message = as_message(text)
    return message.template, {name: str(value) for name, value in message.values.items()}


def _message(said: Said) -> Message:
    return Message(said[0], **said[1])


def _checksum(payload: bytes | memoryview) -> bytes:
    """Against damage, not against malice: a file of texts that are only shown gains an intruder nothing."""
    return zlib.crc32(payload).to_bytes(4, "big")


def _decode(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"{kind} is not in a bank")
