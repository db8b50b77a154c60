"""A fingerprint of Python source by what it does."""

import ast
import hashlib
from typing import Any


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
