"""The demos and their claims, read from the source alone: no demo and no torch is imported."""

import ast
import difflib
import hashlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from studyapp.bank.model import Finding, Text
from studyapp.errors import DemoError
from studyapp.evidence.claims import PREFIX
from studyapp.evidence.script import parse

CHINESE = re.compile(r"[\u3400-\u9fff]")
ASSERT = re.compile(r"\bassert\b")
BLANK_LINE = re.compile(r"\n\s*\n")
JOINED = re.compile(r"(?<=[\u3000-\u303f\u3400-\u9fff\uff00-\uffef])\s+(?=[\u3000-\u303f\u3400-\u9fff\uff00-\uffef])")


@dataclass(frozen=True)
class Claim:
    """A sentence that a demo shows. `parameters` are its defaults; `needs` what it cannot do without; `line` where it stands."""

    name: str
    sentence: Text
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timed: bool = False
    needs: tuple[str, ...] = ()
    line: int = 1


@dataclass(frozen=True)
class Demo:
    """A demo file; `doc` is what its docstring says after the summary."""

    name: str
    topic: str
    path: Path
    summary: Text
    doc: str
    claims: tuple[Claim, ...]
    source: str

    @cached_property
    def hash(self) -> str:
        """The fingerprint of what it does."""
        return source_hash(self.source)

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters of all its claims, each with the default of one that has it."""
        return {name: value for claim in self.claims for name, value in claim.parameters.items()}

    def defaults(self, parameter: str) -> tuple[Any, ...]:
        """The defaults of a parameter, more than one where claims need it in different sizes."""
        given = [c.parameters[parameter] for c in self.claims if parameter in c.parameters]
        return tuple(dict.fromkeys(given))

    def claim(self, name: str) -> Claim:
        """The claim of that name.

        Raises:
            DemoError: where there is none; the hint names the nearest.
        """
        for claim in self.claims:
            if claim.name == name.removeprefix(PREFIX):
                return claim
        raise DemoError(f"{self.name} has no claim {name!r}", did_you_mean(name, (c.name for c in self.claims)))

    def settle(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """`given` in the types of the defaults; text is read as it is on the command line («8,32»).

        Raises:
            DemoError: where a parameter is unknown or of another type.
        """
        known = self.parameters
        settled = {}
        for name, value in given.items():
            if name not in known:
                raise DemoError(f"{self.name} has no parameter {name!r}", did_you_mean(name, known))
            default = known[name]
            try:
                read = parse(value, default) if isinstance(value, str) and not isinstance(default, str) else value
                settled[name] = _like(read, default)
            except (TypeError, ValueError, SyntaxError) as error:
                wanted = f"give something like {default!r}"
                raise DemoError(f"{self.name}: {name} cannot be {value!r}", wanted) from error
        return settled


class Shelf(Mapping[str, Demo]):
    """The demos of a folder by name, each read when it is first asked for: reading hundreds takes a second.

    One that cannot be read is not on the shelf; `findings` holds what is wrong with those read so far.
    """

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = dict(paths)
        self._read: dict[str, Demo | None] = {}
        self.findings: list[Finding] = []

    def __getitem__(self, name: str) -> Demo:
        if name not in self._read:
            self._read[name] = self._open(self._paths[name])
        demo = self._read[name]
        if demo is None:
            raise KeyError(name)
        return demo

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._paths if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _open(self, path: Path) -> Demo | None:
        try:
            return read_demo(path, self.findings)
        except SyntaxError as error:
            self.findings.append(Finding(path, error.lineno or 1, "", f"is not Python: {error.msg}"))
        except (OSError, ValueError, RecursionError) as error:
            self.findings.append(Finding(path, 1, "", f"cannot be read: {error}"))
        return None


class Catalog:
    """The demos by name, and what is wrong with the files that could not be read as they should."""

    def __init__(self, demos: Shelf) -> None:
        self.demos = demos

    @classmethod
    def load(cls, demos_dir: Path) -> "Catalog":
        """Every `<topic>/<name>.py` under `demos_dir`; one broken file is a finding, not an exception."""
        paths = sorted(demos_dir.glob("*/*.py"))
        kept = [p for p in paths if p.parent.name != "recorded" and not p.name.startswith((".", "_"))]
        return cls(Shelf({f"{p.parent.name}/{p.stem}": p for p in kept}))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the files; reads them all."""
        len(self.demos)
        return tuple(self.demos.findings)

    def demo(self, name: str) -> Demo:
        """The demo of that name, "attention/score_scaling".

        Raises:
            DemoError: where there is none; the hint names the nearest.
        """
        if name in self.demos:
            return self.demos[name]
        raise DemoError(f"there is no demo {name!r}", did_you_mean(name, self.demos))

    def claim(self, reference: str) -> Claim:
        """The claim "attention/score_scaling.dot_product_variance_is_dk".

        Raises:
            DemoError: where demo or claim is unknown; the hint names the nearest.
        """
        demo, dot, claim = reference.partition(".")
        if not dot:
            raise DemoError(f"{reference!r} names no claim", "write topic/demo.claim")
        return self.demo(demo).claim(claim)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint naming the nearest of `known`, or all where they are few."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are: {', '.join(names)}" if 0 < len(names) <= 12 else ""


def read_demo(path: Path, findings: list[Finding]) -> Demo:
    """The demo in a file; what is amiss but leaves it usable goes to `findings`.

    Raises:
        OSError, SyntaxError, ValueError: where the file cannot be read at all.
    """
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source, str(path))
    if path.stem in sys.stdlib_module_names:
        findings.append(Finding(path, 1, "", f"hides Python's own module {path.stem!r}", "give the demo another name"))
    if not path.stem.isidentifier():
        findings.append(Finding(path, 1, "", "has a name that is not one Python word", "use a-z, 0-9 and _"))
    summary, doc = _texts(tree, path, "the demo", findings)
    claims: dict[str, Claim] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith(PREFIX):
            claim = _claim(node, path, findings)
            if claim.name in claims:
                findings.append(
                    Finding(path, node.lineno, node.name, "is defined twice", "give each claim its own name")
                )
            claims[claim.name] = claim
    if not claims:
        findings.append(Finding(path, 1, "", "has no claim", f"write a function {PREFIX}…"))
    _same_defaults(claims, path, findings)
    for stray in ast.walk(tree) if ASSERT.search(source) else ():
        if isinstance(stray, ast.Assert):
            findings.append(
                Finding(path, stray.lineno, "", "asserts", "say it with expect(…), which keeps the numbers")
            )
    name = f"{path.parent.name}/{path.stem}"
    return Demo(name, path.parent.name, path, summary, doc, tuple(claims.values()), source)


def source_hash(source: str) -> str:
    """A fingerprint of what a demo does: comments, layout and docstrings left out; the same on every Python."""
    return hashlib.sha256(_dump(ast.parse(source)).encode()).hexdigest()


def _dump(node: Any) -> str:
    if isinstance(node, list):
        return f"[{','.join(map(_dump, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = []
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(value, list) and value and _is_docstring(node, value[0]):
            value = value[1:]
        if value is not None and value != [] and name not in {"kind", "type_comment", "ctx"}:
            fields.append(f"{name}={_dump(value)}")
    return f"{type(node).__name__}({','.join(fields)})"


def _is_docstring(node: ast.AST, first: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )


def _texts(node: ast.Module | ast.FunctionDef, path: Path, what: str, findings: list[Finding]) -> tuple[Text, str]:
    line, key = getattr(node, "lineno", 1), getattr(node, "name", "")
    parts = [p for p in BLANK_LINE.split(inspect.cleandoc(ast.get_docstring(node) or "")) if p.strip()]
    if not parts:
        findings.append(
            Finding(path, line, key, f"{what} has no docstring", "say it in English, a blank line, then Chinese")
        )
        return Text("", ""), ""
    en = " ".join(parts[0].split())
    if len(parts) < 2 or not CHINESE.search(parts[1]):
        findings.append(
            Finding(path, line, key, f"{what} is not said in Chinese", "put it after the English, past a blank line")
        )
        return Text(en, en), "\n\n".join(parts[1:])
    return Text(en, JOINED.sub("", " ".join(parts[1].split()))), "\n\n".join(parts[2:])


def _claim(node: ast.FunctionDef, path: Path, findings: list[Finding]) -> Claim:
    sentence, _ = _texts(node, path, "the claim", findings)
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    positional = len(arguments.posonlyargs) + len(arguments.args)
    defaults: list[ast.expr | None] = [None] * (positional - len(arguments.defaults))
    defaults += [*arguments.defaults, *arguments.kw_defaults]
    parameters: dict[str, Any] = {}
    for argument, default in zip(named, defaults, strict=True):
        try:
            if default is None:
                raise ValueError
            value = ast.literal_eval(default)
            if not _is_parameter(value):
                raise ValueError
            parameters[argument.arg] = value
        except ValueError:
            findings.append(
                Finding(
                    path,
                    argument.lineno,
                    f"{node.name}({argument.arg})",
                    "has no literal default",
                    "write a number, a string, True, False, None or a tuple of these",
                )
            )
    for extra in filter(None, (arguments.vararg, arguments.kwarg)):
        findings.append(
            Finding(
                path,
                extra.lineno,
                f"{node.name}({extra.arg})",
                "takes any number of arguments",
                "name every parameter and give it a default",
            )
        )
    timed, needs = False, []
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
        timed |= name == "timed"
        if name == "needs" and isinstance(decorator, ast.Call):
            needs += [a.value for a in decorator.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return Claim(node.name.removeprefix(PREFIX), sentence, parameters, timed, tuple(needs), node.lineno)


def _is_parameter(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_is_parameter(v) for v in value)
    return value is None or isinstance(value, bool | int | float | str)


def _same_defaults(claims: Mapping[str, Claim], path: Path, findings: list[Finding]) -> None:
    seen: dict[str, Any] = {}
    for claim in claims.values():
        for name, value in claim.parameters.items():
            if type(seen.setdefault(name, value)) is not type(value):
                problem = "is of another type than in an earlier claim"
                mend = "the same name means the same thing in one file"
                findings.append(Finding(path, claim.line, f"{PREFIX}{claim.name}({name})", problem, mend))


def _like(value: Any, default: Any) -> Any:
    """`value` as the type of `default`; TypeError where it is another."""
    if default is None:
        return tuple(value) if isinstance(value, list) else value
    if isinstance(default, tuple):
        if not isinstance(value, tuple | list) or not value:
            raise TypeError(value)
        if not default:
            return tuple(value)
        pattern = next((d for t in (str, float, int) for d in default if type(d) is t), default[0])
        return tuple(_like(v, pattern) for v in value)
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        raise TypeError(value)
    return value
