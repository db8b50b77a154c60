"""A demo read from its source alone: nothing of it is run and no torch imported."""

import ast
import inspect
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from studyapp.bank.model import Finding, Text
from studyapp.errors import did_you_mean
from studyapp.evidence.claims import CLAIM_SECONDS, MOST_SECONDS, PREFIX
from studyapp.evidence.ranges import Range, effective, refusal
from studyapp.i18n import Translations
from studyapp.lab.declarations import BLANK_LINE, CHINESE, JOINED, Reader, called
from studyapp.lab.demo import Claim, Demo
from studyapp.lab.source import parsed, source_hash

ASSERT = re.compile(r"\bassert\b")
DOCSTRING = re.compile(r'(?:\s|#.*\n)*[rRuU]?("""|\'\'\')(.*?)(?:\1|\Z)', re.DOTALL)
SUMMARY_CHARACTERS = 2000


def parse_demo(path: Path, findings: list[Finding]) -> Demo:
    """The demo in a file; what is amiss but leaves it usable goes to `findings`.

    Raises:
        OSError, SyntaxError, ValueError: where the file cannot be read at all.
    """
    demo, found = _parsed(path, path.read_text(encoding="utf-8"))
    findings += found
    return demo


@lru_cache(maxsize=1024)
def _parsed(path: Path, source: str) -> tuple[Demo, tuple[Finding, ...]]:
    findings: list[Finding] = []
    tree = parsed(source)
    reader = Reader(path, tree, source.splitlines(), findings)
    if path.stem in sys.stdlib_module_names:
        reader.find(None, "", f"hides Python's own module {path.stem!r}", "give the demo another name")
    if not path.stem.isidentifier():
        reader.find(None, "", "has a name that is not one Python word", "use a-z, 0-9 and _")
    summary, doc = reader.texts(tree, "the demo")
    claims: dict[str, Claim] = {}
    for node in reader.functions(PREFIX):
        claim = _claim(node, reader)
        if claim.name in claims:
            reader.find(node, node.name, "is defined twice", "give each claim its own name")
        claims[claim.name] = claim
    if not claims:
        reader.find(None, "", "has no claim", f"write a function {PREFIX}…")
    _same_defaults(claims, path, findings)
    for stray in ast.walk(tree) if ASSERT.search(source) else ():
        if isinstance(stray, ast.Assert):
            reader.find(stray, "", "asserts", "say it with expect(…), which keeps the numbers")
    ranges = reader.ranges()
    check_contract(reader, claims, ranges)
    demo = Demo(
        f"{path.parent.name}/{path.stem}",
        path.parent.name,
        path,
        summary,
        doc,
        tuple(claims.values()),
        source,
        ranges,
        reader.zh(),
        reader.drills(claims),
        reader.exercises(claims),
    )
    source_hash(source)  # kept for when it is asked for: now its tree is at hand
    return demo, tuple(findings)


def read_summary(path: Path) -> Text:
    """What a demo's docstring says first, without reading the demo: empty where it does not begin with one."""
    try:
        with path.open(encoding="utf-8") as file:
            begin = DOCSTRING.match(file.read(SUMMARY_CHARACTERS))
    except (OSError, ValueError):
        return Text("", "")
    parts = [" ".join(p.split()) for p in BLANK_LINE.split(inspect.cleandoc(begin[2])) if p.strip()] if begin else []
    en = parts[0] if parts else ""
    return Text(en, JOINED.sub("", parts[1]) if len(parts) > 1 and CHINESE.search(parts[1]) else en)


def check_contract(reader: Reader, claims: Mapping[str, Claim], ranges: Mapping[str, Range]) -> None:
    """Whether wrong ways are named, and every parameter has a range that its defaults and wrong values lie in."""
    if claims and not any(claim.breaks for claim in claims.values()):
        hint = "put @breaks(name=value, en=…, zh=…) on the claims that a known wrong way refutes"
        reader.find(None, "", "names no wrong way", hint)
    wanted = {n: v for c in claims.values() for n, v in c.parameters.items() if not isinstance(v, bool) and v is not None}
    if lacking := [name for name in wanted if name not in ranges]:
        hint = 'add it to RANGES: "width": between(1, 4096)'
        reader.find(None, "RANGES", f"has nothing on {', '.join(lacking)}", hint)
    for name, one in ranges.items():
        if name not in wanted:
            reader.find(None, f"RANGES[{name}]", "is no parameter of a claim", did_you_mean(name, wanted) or "remove it")
        for other in one.references() - set(wanted):
            reader.find(None, f"RANGES[{name}]", f"names {other}, which is no parameter", did_you_mean(other, wanted))
    english = Translations.load("en")
    for claim in claims.values():
        at = _Line(claim.line)
        if problem := refusal(ranges, claim.parameters, english):
            reader.find(at, PREFIX + claim.name, f"by default {problem}", "mend the range or the default")
        for wrong in claim.breaks:
            if problem := refusal(ranges, effective(claim.parameters, wrong.parameters), english):
                hint = "a wrong way is in range, so that it can be tried"
                reader.find(at, PREFIX + claim.name, f"breaks where {problem}", hint)


class _Line(ast.AST):
    """A place in the file."""

    def __init__(self, lineno: int) -> None:
        self.lineno = lineno


def _claim(node: ast.FunctionDef, reader: Reader) -> Claim:
    sentence, _ = reader.texts(node, "the claim")
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
            hint = "write a number, a string, True, False, None or a tuple of these"
            reader.find(argument, f"{node.name}({argument.arg})", "has no literal default", hint)
    for extra in filter(None, (arguments.vararg, arguments.kwarg)):
        hint = "name every parameter and give it a default"
        reader.find(extra, f"{node.name}({extra.arg})", "takes any number of arguments", hint)
    timed, needs, limit = False, [], CLAIM_SECONDS
    for decorator in node.decorator_list:
        name = called(decorator)
        timed |= name == "timed"
        if name == "needs" and isinstance(decorator, ast.Call):
            needs += [a.value for a in decorator.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if name == "slow":
            limit = _limit(decorator, node, reader.path, reader.findings)
    name = node.name.removeprefix(PREFIX)
    breaks = reader.breaks(node, parameters)
    return Claim(name, sentence, parameters, timed, tuple(needs), node.lineno, limit, breaks, reader.guess(node))


def _limit(decorator: ast.expr, node: ast.FunctionDef, path: Path, findings: list[Finding]) -> float:
    """The seconds of `@slow(seconds)`."""
    arguments = [*decorator.args, *(k.value for k in decorator.keywords)] if isinstance(decorator, ast.Call) else []
    value = arguments[0].value if len(arguments) == 1 and isinstance(arguments[0], ast.Constant) else None
    if isinstance(value, int | float) and value is not True and 0 < value <= MOST_SECONDS:
        return float(value)
    hint = f"write @slow(seconds) with a number up to {MOST_SECONDS:g}"
    findings.append(Finding(path, decorator.lineno, node.name, "is slow without a number of seconds", hint))
    return CLAIM_SECONDS


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
                hint = "the same name means the same thing in one file"
                findings.append(Finding(path, claim.line, f"{PREFIX}{claim.name}({name})", problem, hint))
