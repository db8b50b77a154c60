"""Where the tree of a file is not of the form that its kind declares: all of it at once, each with its line.

msgspec converts what has passed; by itself it would stop at the first misfit and name no line.
"""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from studyapp.bank import yaml_nodes
from studyapp.bank.model import Finding, Model, Paper, Question, Source
from studyapp.bank.personal import foreign_hint
from studyapp.errors import Message, did_you_mean

GIVEN = {Question: ("id", "topic", "file"), Paper: ("key",), Source: ("id",), Model: ("id",)}
"""What comes from where a file or an entry stands, and is no key."""


def misfits(path: Path, node: yaml_nodes.Node, kind: Any, lenient: bool = False) -> Iterable[Finding]:
    """Where a node is not of the form of `kind`: all of it at once, each with its line.

    Where `lenient`, a key of the node itself that is not known is a warning.
    """
    if get_origin(kind) in (UnionType, Union):  # an optional part: where it is written, it is written whole
        kind = next(part for part in get_args(kind) if part is not NoneType)
    if get_origin(kind) is tuple:
        if not isinstance(node.value, list):
            yield Finding(path, node.line, node.key, "is not a list", "put it in [brackets], or each line after `- `")
            return
        for child in node.value:
            yield from misfits(path, child, get_args(kind)[0])
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield from _misfit_keys(path, node, kind, lenient)
    elif not isinstance(node.value, str):
        yield Finding(path, node.line, node.key, "is not a single text", "quote it, or put a block after `|`")
    elif kind is int and not re.fullmatch(r"[0-9]{1,15}", node.value):
        yield Finding(path, node.line, node.key, Message("«{value}» is not a number", value=node.value), "write digits only")
    elif kind is bool and node.value not in ("true", "false"):
        yield Finding(path, node.line, node.key, Message("«{value}» is neither true nor false", value=node.value), "write one of them")
    elif get_origin(kind) is Literal and node.value not in get_args(kind):
        hint = did_you_mean(node.value, get_args(kind)) or Message("one of {names}", names=", ".join(get_args(kind)))
        yield Finding(path, node.line, node.key, Message("«{value}» is not known here", value=node.value), hint)


@cache
def _fields(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """The keys that a file may give."""
    return {f.name: f for f in msgspec.structs.fields(kind) if f.name not in GIVEN.get(kind, ())}


def _misfit_keys(path: Path, node: yaml_nodes.Node, kind: type[msgspec.Struct], lenient: bool) -> Iterable[Finding]:
    fields = _fields(kind)
    if not isinstance(node.value, dict):
        yield Finding(path, node.line, node.key, "is not a mapping", Message("give it the keys {names}", names=", ".join(fields)))
        return
    dotted = f"{node.key}." if node.key else ""
    for name, child in node.value.items():
        if name in fields:
            yield from misfits(path, child, fields[name].type)
        else:
            hint = did_you_mean(name, fields)
            if lenient:
                hint = foreign_hint(name) or hint or Message("it is left out")
            hint = hint or Message("the keys are {names}", names=", ".join(fields))
            yield Finding(path, node.key_lines[name], dotted + name, "is no key here", hint, warning=lenient)
    for name, wanted in fields.items():
        if wanted.required and name not in node.value:
            yield Finding(path, node.line, dotted + name, "is missing", "write it")
