"""YAML with nothing clever in it: mappings, lists and strings, each with the line it stands on.

Where YAML would silently make something else of it, it is refused: plain prose (cut at ` #`), duplicate keys,
anchors, aliases and tags.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from studyapp.bank.model import Finding
from studyapp.errors import Message

LONGEST_FILE = 256 * 1024
DEEPEST = 6
PROSE_KEYS = frozenset(
    {"en", "zh", "authors", "title", "heading", "note", "left_out", "ask", "brief", "answer", "wrong", "right"}
)
WORD = re.compile(r"[\w./#:§-]+", re.ASCII)
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
LINE_BREAK = re.compile(r"\r\n|[\r\n\x85\u2028\u2029]")


@dataclass
class Node:
    """A value of the file: a string, a list of nodes or nodes by key. `key` is the way to it, as in `points[2].en`."""

    value: Any
    line: int
    key: str = ""
    block: bool = False
    key_lines: dict[str, int] = field(default_factory=dict)

    def data(self) -> Any:
        """The bare strings, lists and dicts."""
        if isinstance(self.value, dict):
            return {k: v.data() for k, v in self.value.items()}
        if isinstance(self.value, list):
            return [v.data() for v in self.value]
        return self.value

    def walk(self) -> "Iterator[Node]":
        """This node and every node below it."""
        yield self
        children = self.value.values() if isinstance(self.value, dict) else self.value
        if not isinstance(self.value, str):
            for child in children:
                yield from child.walk()


class Refused(Exception):
    """The file cannot be read at all; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


def read(path: Path, longest: int = LONGEST_FILE, *, plain: bool = False) -> tuple[Node, list[Finding]]:
    """The file's tree, and what is wrong with the way it is written.

    Where `plain`, prose may stand unquoted as long as YAML keeps all of it.

    Raises:
        Refused: where there is no tree: not UTF-8, not YAML, too long, too deep, an anchor, an alias or a tag.
    """
    try:
        if not path.is_file():
            raise Refused(Finding(path, 1, "", "is not a file"))
        with path.open("rb") as file:
            raw = file.read(longest + 1)
        if len(raw) > longest:
            raise Refused(Finding(path, 1, "", Message("is longer than {most} KiB", most=longest // 1024), "split it"))
        text = raw.decode("utf-8")
    except OSError as error:
        raise Refused(Finding(path, 1, "", Message("cannot be read: {reason}", reason=error.strerror))) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Refused(Finding(path, line, "", "is not UTF-8", "save it as UTF-8")) from error
    return _Builder(path, text, plain).build()


class _Builder:
    """Makes the tree from the parser's events, so that nothing is resolved on the way."""

    def __init__(self, path: Path, text: str, plain: bool) -> None:
        self.path, self.text, self.plain = path, text, plain
        self.findings: list[Finding] = []

    @cached_property
    def lines(self) -> list[str]:
        return LINE_BREAK.split(self.text)

    def build(self) -> tuple[Node, list[Finding]]:
        try:
            self.events = iter(yaml.parse(self.text, Loader=yaml.CBaseLoader))
            root: Node | None = None
            for event in self.events:
                if isinstance(event, yaml.DocumentStartEvent):
                    if root is not None:
                        raise self.refuse(event, "", "holds a second document", "remove the `---`")
                    root = self.node(next(self.events), "", 0)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise Refused(Finding(self.path, line, "", Message("is not YAML: {problem}", problem=error.problem), "quote it?")) from error
        except yaml.YAMLError as error:
            raise Refused(Finding(self.path, 1, "", Message("is not YAML: {problem}", problem=" ".join(str(error).split())))) from error
        if root is None:
            raise Refused(Finding(self.path, 1, "", "is empty"))
        return root, self.findings

    def refuse(self, event: Any, key: str, problem: str, hint: str) -> Refused:
        return Refused(Finding(self.path, _line(event), key, problem, hint))

    def find(self, line: int, key: str, problem: str, hint: str) -> None:
        self.findings.append(Finding(self.path, line, key, problem, hint))

    def node(self, event: Any, key: str, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise self.refuse(event, key, "has an anchor or an alias", "write the text out, or quote a leading & or *")
        if event.tag is not None:
            raise self.refuse(event, key, Message("has the tag {tag}", tag=event.tag), "remove it, or quote a leading !")
        if depth > DEEPEST:
            raise self.refuse(event, key, Message("is nested deeper than {most} levels", most=DEEPEST), "see the form of a question")
        line = _line(event)
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event, key, line)
        node = Node({}, line, key) if isinstance(event, yaml.MappingStartEvent) else Node([], line, key)
        while not isinstance(inner := next(self.events), yaml.MappingEndEvent | yaml.SequenceEndEvent):
            if isinstance(node.value, list):
                node.value.append(self.node(inner, f"{key}[{len(node.value)}]", depth + 1))
            else:
                self.entry(node, inner, depth)
        return node

    def entry(self, node: Node, event: Any, depth: int) -> None:
        if not isinstance(event, yaml.ScalarEvent) or event.anchor is not None or event.tag is not None:
            raise self.refuse(event, node.key, "has a key that is not a word", "quote the text")
        name = Node(event.value, _line(event))
        key = f"{node.key}.{name.value}" if node.key else name.value
        if not WORD.fullmatch(name.value):
            self.find(name.line, node.key, Message("«{value}» cannot be a key", value=name.value), "quote the text it stands in")
        if name.value in node.value:
            self.find(name.line, key, "stands twice", "keep one")
        node.key_lines.setdefault(name.value, name.line)
        node.value.setdefault(name.value, self.node(next(self.events), key, depth + 1))

    def scalar(self, event: Any, key: str, line: int) -> Node:
        value = event.value
        plain = not event.style
        if event.style in ("|", ">"):
            value = value.strip("\n")
        if not value.strip():
            self.find(line, key, "is empty", "write it, or leave the key out where it is not required")
        elif plain and (_is_prose(key) or not WORD.fullmatch(value)):
            if not self.plain:
                self.find(line, key, "is unquoted text", "put it in single quotes, or in a block after `|`")
            elif self.cut(event):
                self.find(line, key, "is cut at a #", "put it in single quotes, or in a block after `|`")
        for bad in sorted(set(CONTROL.findall(value))):
            hint = "remove it; in double quotes a backslash is an escape" if event.style == '"' else "remove it"
            self.find(line, key, Message("holds the control character U+{code}", code=f"{ord(bad):04X}"), hint)
        return Node(value, line, key, event.style in ("|", ">"))

    def cut(self, event: Any) -> bool:
        """Whether a comment follows: what unquoted text says after ` #` is lost."""
        end = event.end_mark
        rest: str = self.lines[end.line][end.column :]
        return rest.lstrip().startswith("#")


def _is_prose(key: str) -> bool:
    """Whether what stands at `key` is for people, one word though it may be."""
    last = key.rpartition(".")[2]
    return last in PROSE_KEYS or last.startswith("points[")


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def line_of(root: Node, key: str) -> int:
    """The line of the node at `key`, or of the closest one above it that exists."""
    best = 1
    for node in root.walk():
        if node.key and (key == node.key or key.startswith((node.key + ".", node.key + "["))):
            best = node.line
    return best
