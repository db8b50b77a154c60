"""A fingerprint of Python source by what it does."""

import ast
import hashlib
from functools import lru_cache
from typing import Any

BESIDE = {"ZH", "RANGES"}  # tables that no claim's outcome depends on
MARKS = {"breaks", "exercise", "guess"}
DECLARE = {*MARKS, "Drill", "between", "each", "one_of"}


@lru_cache(maxsize=1024)
def source_hash(source: str) -> str:
    """A fingerprint of what a demo's claims do by default, the same on every Python.

    Left out are comments, layout, docstrings, and what stands beside the claims: ranges, wrong ways, guesses, Chinese labels, drills.
    """
    tree = ast.parse(source)
    shared = {n.targets[0].id for n in tree.body if _assigns(n) and _called(n.value) == "breaks"}  # type: ignore[attr-defined]
    body = []
    for node in tree.body:
        if _assigns(node) and node.targets[0].id in BESIDE | shared:  # type: ignore[attr-defined]
            continue
        if isinstance(node, ast.FunctionDef):
            if node.name.startswith("drill_"):
                continue
            node.decorator_list = [d for d in node.decorator_list if _called(d) not in MARKS | shared]
        if isinstance(node, ast.ImportFrom) and node.module == "studyapp.evidence":
            node.names = [alias for alias in node.names if alias.name not in DECLARE]
        body.append(node)
    tree.body = body
    return hashlib.sha256(_dump(tree).encode()).hexdigest()


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
