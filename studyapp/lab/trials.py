"""Further runs of claims: with the wrong ways they name, with drawn parameters, or with a function that a learner wrote."""

import ast
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from studyapp.errors import DemoError
from studyapp.evidence.ranges import drawn
from studyapp.lab.demo import Demo, Exercise

BESIDE = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
"""What may stand beside a function that a learner wrote."""


@dataclass(frozen=True)
class Trial:
    """A claim run once more with other parameters, of which only the outcome counts.

    `expect` is "broken" for a wrong way, "held" for drawn parameters that leave the idea alone, and "any" for drawn ones that
    do not: of those only that they can be run.
    """

    claim: str
    parameters: Mapping[str, Any]
    expect: str = "broken"
    number: int = 0

    def typed(self) -> str:
        """The parameters as one would set them."""
        return " ".join(f"{name}={value!r}" for name, value in self.parameters.items())


def wrong_ways(demo: Demo, *, timed: bool | None = None) -> list[Trial]:
    """The wrong ways of a demo's claims, numbered within each from 1; only those of claims that are (not) timed."""
    return [
        Trial(claim.name, wrong.parameters, "broken", number)
        for claim in demo.claims
        if timed is None or claim.timed is timed
        for number, wrong in enumerate(claim.breaks, 1)
    ]


def draws(demo: Demo, count: int, seed: int = 0) -> Iterator[Trial]:
    """For each claim that has parameters with a range: every low end at once, then `count` draws.

    In every second one also the parameters that its wrong ways name are drawn; then nothing is expected of the verdict.
    """
    for claim in demo.claims:
        idea = {name for wrong in claim.breaks for name in wrong.parameters}
        rng = random.Random(f"{demo.name}.{claim.name}:{seed}")
        for number in range(count + 1):
            free = bool(idea) and number % 2 == 1
            ranges = {n: r for n, r in demo.ranges.items() if free or n not in idea}
            values = drawn(ranges, claim.parameters, rng, lowest=number == 0)
            values = values and {n: v for n, v in values.items() if n in demo.ranges and v != claim.parameters[n]}
            if values:
                yield Trial(claim.name, values, "any" if free else "held", number)


def written(exercise: Exercise, text: str) -> str:
    """A function's source from a body that was typed below the head that was shown, or from a file that holds the function.

    Beside the function such a file may have imports, helpers and constants, which it alone sees, and a part that runs only
    where the file is run by itself.

    Raises:
        DemoError: where it is not Python, the message naming the line as the learner sees it, or where more would run.
    """
    if re.search(rf"^[ \t]*def {exercise.name}\b", text, re.MULTILINE):
        source = dedent(text).strip("\n") + "\n"
        lost = len(text) - len(text.lstrip("\n"))  # lines above
        _check_beside(exercise, _parsed(source, lost), lost)
        return source
    _check_is_body(exercise, text)
    lines = text.strip("\n").splitlines() or ["pass"]
    if not lines[0].startswith((" ", "\t")):
        lines = [f"    {line}" for line in lines]
    source = f"{exercise.head}\n" + "\n".join(lines) + "\n"
    if len(_parsed(source, -len(exercise.head.splitlines()))) != 1:
        raise DemoError("there is more than {function} here", "indent the whole body below its head", function=exercise.name)
    return source


def _check_is_body(exercise: Exercise, text: str) -> None:
    """Refuse a file of other functions, such as one in which the function was given another name."""
    try:
        statements = ast.parse(dedent(text)).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    defines = any(isinstance(node, ast.FunctionDef) for node in statements)
    if defines and all(isinstance(node, BESIDE) or _is_text(node) or _is_main(node) for node in statements):
        raise DemoError("there is no {function} here", "write it under that name, as its head has it", function=exercise.name)


def _parsed(source: str, above: int) -> list[ast.stmt]:
    """The statements of a source; `above` is what its line numbers want to be the learner's."""
    try:
        return ast.parse(source).body
    except SyntaxError as error:
        line, reason = max((error.lineno or 1) + above, 1), error.msg
        raise DemoError("line {line} is not Python: {reason}", line=line, reason=reason) from error
    except (ValueError, RecursionError, MemoryError) as error:  # zero bytes; nested too deeply
        raise DemoError("line {line} is not Python: {reason}", line=1, reason=str(error)) from error


def _check_beside(exercise: Exercise, statements: Sequence[ast.stmt], above: int) -> None:
    hint = "beside it only imports, helpers and constants may stand"
    if sum(isinstance(n, ast.FunctionDef) and n.name == exercise.name for n in statements) != 1:
        raise DemoError("there is more than {function} here", hint, function=exercise.name)
    for node in statements:
        everything = isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
        if everything or not (isinstance(node, BESIDE) or _is_text(node) or _is_main(node)):
            raise DemoError("line {line}: there is more than {function} here", hint, line=node.lineno + above, function=exercise.name)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test) and not node.orelse


def replaced(tree: ast.Module, functions: Mapping[str, str]) -> list[tuple[str, list[ast.stmt]]]:
    """The statements of a module whose functions of these names have another source; decorators stay where they were.

    They come in pieces of one source each, in order: the name of the function whose source it is, "" for the module's own.
    What stands beside a function in its source is seen by it alone, so that no name of the module changes its meaning.

    Raises:
        ValueError: where a function is not there, or its source does not hold it once.
    """
    pieces: list[tuple[str, list[ast.stmt]]] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in functions:
            pieces.append((node.name, _in_place_of(node, functions[node.name], tree)))
        elif pieces and not pieces[-1][0]:
            pieces[-1][1].append(node)
        else:
            pieces.append(("", [node]))
    if missing := set(functions) - {name for name, _ in pieces}:
        raise ValueError(f"{', '.join(sorted(missing))} cannot be replaced by this")
    return pieces


def _in_place_of(old: ast.FunctionDef, source: str, tree: ast.Module) -> list[ast.stmt]:
    statements = ast.parse(source).body
    own = [n for n in statements if isinstance(n, ast.FunctionDef) and n.name == old.name]
    if len(own) != 1:
        raise ValueError(f"{old.name} cannot be replaced by this")
    function = own[0]
    function.decorator_list = old.decorator_list
    for node in (part for decorator in function.decorator_list for part in ast.walk(decorator)):
        ast.copy_location(node, function)  # a function begins at the line of its first decorator
    known = {ast.dump(node) for node in tree.body}
    inner = [n for n in (_unknown(s, tree) for s in statements) if n is function or (isinstance(n, BESIDE) and ast.dump(n) not in known)]
    if inner == [function]:
        return [function]
    maker = f"_{function.name}_as_written"
    made = ast.parse(f"def {maker}(): return {function.name}\n{function.name} = {maker}()").body
    for node in (part for statement in made for part in ast.walk(statement)):
        ast.copy_location(node, function)
    made[0].body[:0] = inner  # type: ignore[attr-defined]
    return made


def _unknown(node: ast.stmt, tree: ast.Module) -> ast.stmt | None:
    """A statement without the imports that the module has itself; None where nothing is left of it."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return node
    known = {name for other in tree.body if isinstance(other, ast.Import | ast.ImportFrom) for name in _imported(other)}
    node.names = [alias for alias, name in zip(node.names, _imported(node), strict=True) if name not in known]
    future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
    return node if node.names and not future else None


def _imported(node: ast.Import | ast.ImportFrom) -> list[tuple[str, ...]]:
    place = (node.module or "", str(node.level)) if isinstance(node, ast.ImportFrom) else ()
    return [(*place, alias.name, alias.asname or "") for alias in node.names]
