"""A fingerprint of Python source by what it does."""

import ast
import copy
import hashlib
from functools import lru_cache
from typing import Any

BESIDE = {"ZH", "RANGES"}  # tables that no claim's outcome depends on
MARKS = {"breaks", "exercise", "guess"}
UNSAID = {"kind", "type_comment", "ctx"}
"""Fields of a node that say nothing of what it does."""
DECLARE = {*MARKS, "Drill", "between", "each", "one_of"}


@lru_cache(maxsize=4)
def parsed(source: str) -> ast.Module:
    """The tree of a source, not to be changed: who reads a demo asks for its fingerprint next.

    Raises:
        SyntaxError, ValueError, RecursionError: where it is not Python.
    """
    return ast.parse(source)


@lru_cache(maxsize=1024)
def source_hash(source: str) -> str:
    """A fingerprint of what a demo's claims do by default, the same on every Python.

    Left out are comments, layout, docstrings, and what stands beside the claims: ranges, wrong ways, guesses, Chinese labels, drills.
    """
    tree = parsed(source)
    shared = {n.targets[0].id for n in tree.body if _assigns(n) and _called(n.value) == "breaks"}  # type: ignore[attr-defined]
    body: list[ast.stmt] = []
    for node in map(copy.copy, tree.body):
        if _assigns(node) and node.targets[0].id in BESIDE | shared:  # type: ignore[attr-defined]
            continue
        if isinstance(node, ast.FunctionDef):
            if node.name.startswith("drill_"):
                continue
            node.decorator_list = [d for d in node.decorator_list if _called(d) not in MARKS | shared]
        if isinstance(node, ast.ImportFrom) and node.module == "studyapp.evidence":
            node.names = [alias for alias in node.names if alias.name not in DECLARE]
        body.append(node)
    return hashlib.sha256(_dump(ast.Module(body, tree.type_ignores)).encode()).hexdigest()


def _assigns(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)


def _called(node: ast.expr) -> str:
    function = node.func if isinstance(node, ast.Call) else node
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _dump(node: Any) -> str:
    if isinstance(node, list):
        return f"[{','.join(map(_dump, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = []
    for name in node._fields:
        if name in UNSAID:
            continue
        value = getattr(node, name, None)
        if name == "body" and isinstance(value, list) and value and _is_docstring(node, value[0]):
            value = value[1:]
        if value is not None and value != []:
            fields.append(f"{name}={_dump(value)}")
    return f"{type(node).__name__}({','.join(fields)})"


def _is_docstring(node: ast.AST, first: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
