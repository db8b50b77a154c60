"""What a question of one's own may leave out: a language, the brief, the points, the level, the quotes.

A personal question is completed to the form of all questions before it is judged, so that nothing else knows of it.
"""

import re
from dataclasses import replace

from studyapp.bank.model import LANGUAGES
from studyapp.bank.yaml_nodes import Node
from studyapp.errors import Message

SYNONYMS = {"question": "ask", "q": "ask", "front": "ask", "title": "ask", "a": "answer", "back": "answer"}
"""What other programs call the keys of a question."""
CODE = re.compile(r"(^ {0,3}(?:```|~~~).*?(?:^ {0,3}(?:```|~~~)|\Z)|\$\$.*?(?:\$\$|\Z)|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
INLINE_TEX = re.compile(r"(?<![\w$\\])\$(?![\s$])([^$\n]{1,200}?)(?<![\s\\])\$(?![\w$])")
BOLD = re.compile(r"\*\*(?!\s)([^*\n]+?)(?<!\s)\*\*")
NESTED = re.compile(r"\{[^{}]*[^\w\s{}\\][^{}]*\}|\{[^{}]*\{")


def complete(root: Node) -> Node:
    """The tree of a personal question, completed to that of any question; its texts with inline TeX made readable."""
    if not isinstance(root.value, dict):
        return root
    given: dict[str, Node] = dict(root.value)
    for key in ("ask", "brief", "answer", "today"):
        if key in given:
            given[key] = in_both(given[key], prose=key != "ask")
    nothing = Node(dict.fromkeys(LANGUAGES, Node("", root.line)), root.line)
    given.setdefault("brief", given.get("answer", nothing))  # a missing answer is said once
    given.setdefault("level", Node("core", root.line, "level"))
    points = given.setdefault("points", Node([], root.line, "points"))
    if isinstance(points.value, list):
        given["points"] = replace(points, value=[in_both(point) for point in points.value])
    corrections = given.get("corrections")
    if corrections and isinstance(corrections.value, list):
        given["corrections"] = replace(corrections, value=[_correction(each) for each in corrections.value])
    tags = given.get("tags")
    if tags and isinstance(tags.value, str):
        names = [name for each in tags.value.split(",") if (name := each.strip())]
        given["tags"] = replace(tags, value=[Node(name, tags.line, "tags") for name in names])
    return replace(root, value=given)


def in_both(node: Node, prose: bool = False) -> Node:
    """A text in both languages: where it is written in one, or without a language, the other says the same."""
    if isinstance(node.value, str):
        said = readable(node, prose)
        return Node(dict.fromkeys(LANGUAGES, said), node.line, node.key)
    if not isinstance(node.value, dict):
        return node
    texts = {k: readable(v, prose) if k in LANGUAGES else v for k, v in node.value.items()}
    first = next((texts[language] for language in LANGUAGES if language in texts), None)
    if first is not None:
        texts = dict.fromkeys(LANGUAGES, first) | texts
    return replace(node, value=texts)


def _correction(node: Node) -> Node:
    if not isinstance(node.value, dict):
        return node
    return replace(node, value={k: in_both(v) if k in ("wrong", "right") else v for k, v in node.value.items()})


def readable(node: Node, prose: bool = False) -> Node:
    """A text whose `$…$` stand in Unicode, or as their TeX.

    `prose` is Markdown, where TeX is set as code; what is not is one plain sentence, and `**` has no meaning in it.
    """
    if not isinstance(node.value, str):
        return node
    if not prose:
        node = replace(node, value=BOLD.sub(r"\1", node.value))
    if "$" not in node.value:
        return node
    parts = CODE.split(node.value)
    return replace(node, value="".join(part if i % 2 else _without_dollars(part, prose) for i, part in enumerate(parts)))


def _without_dollars(text: str, prose: bool) -> str:
    def drawn(match: re.Match[str]) -> str:
        tex = match[1]
        unicode = in_unicode(tex)
        return unicode if unicode is not None else f"`{tex}`" if prose and "`" not in tex else tex

    return INLINE_TEX.sub(drawn, text)


def in_unicode(tex: str) -> str | None:
    """A short formula as Unicode, None where it holds what has no Unicode, or would say something else unbraced."""
    if NESTED.search(tex) or "%" in tex:
        return None
    from pylatexenc.latex2text import LatexNodes2Text, get_default_latex_context_db

    known = get_default_latex_context_db()
    if not all(known.get_macro_spec(name) for name in re.findall(r"\\([A-Za-z]+|.)", tex)):
        return None
    try:
        text = " ".join(str(LatexNodes2Text(math_mode="text").latex_to_text(tex)).split())
    except Exception:  # whatever is not LaTeX stays as it was written
        return None
    return text if text and not re.search(r"[\\{}*`]", text) else None


def is_foreign(root: Node) -> bool:
    """Whether a file is a mapping that has nothing of a question: the settings of some other program."""
    return isinstance(root.value, dict) and not root.value.keys() & {"ask", "brief", "answer", "points", *SYNONYMS}


def foreign_hint(name: str) -> Message:
    """What a key of another program is called here, where that is known."""
    return Message("did you mean {names}?", names=SYNONYMS[name]) if name in SYNONYMS else Message("")
