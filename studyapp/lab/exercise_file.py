"""What a learner begins with when a function is to be written, and what helps on the way: the file, and hints."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator

from studyapp.lab.demo import Demo, Exercise
from studyapp.lab.trials import written

LONGEST = 100
EMPTY = "    raise NotImplementedError"


def first_text(demo: Demo, exercise: Exercise, note: str, there: str) -> str:
    """The file to begin with: the imports and constants that the function needs, its head, and a body that is none yet.

    Args:
        note: a line on what the file is for.
        there: the line above the functions of the demo that the body may call, as comments.
    """
    tree = ast.parse(demo.source)
    wanted = _names(ast.parse(f"{exercise.head}\n{exercise.body}"))
    constants = list(_constants(demo, tree, wanted))
    wanted |= {name for line in constants for name in _names(ast.parse(line))}
    imports = [line for node in tree.body if (line := _import(node, wanted))]
    called = [
        f"#   {signature(node)}"
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name in wanted and node.name != exercise.name
    ]
    parts = [[f"# {demo.name}.{exercise.name}", f"# {note}"], imports, constants, [f"# {there}", *called] if called else []]
    above = "\n\n".join("\n".join(part) for part in parts if part)
    return f"{above}\n\n\n{exercise.head}\n{EMPTY}\n"


def is_empty(exercise: Exercise, text: str) -> bool:
    """Whether nothing was written yet: the body is the one that the file began with, or none.

    Raises:
        DemoError: where the text is not Python, or more than the function.
    """
    tree = ast.parse(written(exercise, text))
    function = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == exercise.name)
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return all(_is_nothing(node) for node in body)


def _is_nothing(node: ast.stmt) -> bool:
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Raise(exc=ast.Name(id="NotImplementedError") | ast.Call(func=ast.Name(id="NotImplementedError"))):
            return True
    return False


def signature(node: ast.FunctionDef) -> str:
    """A function's head without its body, on one line."""
    result = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"def {node.name}({ast.unparse(node.args)}){result}"


def hints(demo: Demo, exercise: Exercise, language: str) -> list[str]:
    """What may be told one after the other: the idea in words, then the steps of the body as its comments have them."""
    idea = "\n".join(filter(None, (demo.summary[language], demo.about(language))))
    steps = list(_steps(exercise.body))
    return [text for text in (idea, "\n".join(steps)) if text]


def _steps(body: str) -> Iterator[str]:
    """The comments of a body in order, each behind the names that its line makes: «theta: (d/2,)»."""
    source = f"if 1:\n{body}\n"
    lines = source.splitlines()
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return
    for token in tokens:
        text = token.string.removeprefix("#").strip()
        if token.type == tokenize.COMMENT and not re.match(r"noqa|fmt:|type:", text):
            made = re.match(r"\s*([\w, \[\]]+?)\s*(?:[+*/-]|<<)?=(?!=)", lines[token.start[0] - 1])
            yield f"{made[1].strip()}: {text}" if made and made.end() <= token.start[1] else text


def _names(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _import(node: ast.stmt, wanted: set[str]) -> str:
    """An import statement of the demo, with the wanted names alone."""
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return ""
    names = [alias for alias in node.names if (alias.asname or alias.name.partition(".")[0]) in wanted]
    if not names:
        return ""
    return ast.unparse(ast.ImportFrom(node.module, names, node.level) if isinstance(node, ast.ImportFrom) else ast.Import(names))


def _constants(demo: Demo, tree: ast.Module, wanted: set[str]) -> Iterator[str]:
    """The assignments that the wanted names come from, where they stand on one line and rest on imports alone."""
    imported = {
        alias.asname or alias.name.partition(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    known = set(imported)
    for node in tree.body:
        if not (isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)):
            continue
        name, line = node.targets[0].id, ast.get_source_segment(demo.source, node) or ""
        if name in wanted and "\n" not in line and len(line) <= LONGEST and _names(node.value) <= known:
            known.add(name)
            yield line
