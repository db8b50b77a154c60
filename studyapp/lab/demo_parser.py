"""A demo read from its source alone: nothing of it is run and no torch imported."""

import ast
import inspect
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from studyapp.bank.model import Finding, Text
from studyapp.evidence.claims import CLAIM_SECONDS, MOST_SECONDS, PREFIX
from studyapp.lab.demo import Claim, Demo

CHINESE = re.compile(r"[\u3400-\u9fff]")
ASSERT = re.compile(r"\bassert\b")
BLANK_LINE = re.compile(r"\n\s*\n")
JOINED = re.compile(r"(?<=[\u3000-\u303f\u3400-\u9fff\uff00-\uffef])\s+(?=[\u3000-\u303f\u3400-\u9fff\uff00-\uffef])")


def parse_demo(path: Path, findings: list[Finding]) -> Demo:
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
    timed, needs, limit = False, [], CLAIM_SECONDS
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
        timed |= name == "timed"
        if name == "needs" and isinstance(decorator, ast.Call):
            needs += [a.value for a in decorator.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if name == "slow":
            limit = _limit(decorator, node, path, findings)
    return Claim(node.name.removeprefix(PREFIX), sentence, parameters, timed, tuple(needs), node.lineno, limit)


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
