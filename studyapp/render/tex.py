r"""TeX made ready for TeXicode, which draws it in cells: operators get room, and a script goes where a reader expects it.

TeXicode sets no space, draws a subscript that Unicode lacks as a superscript a row lower, and loses the upper one of two
scripts where it cannot turn it round ($q_m^T$). So subscripts are written out here in the line, as ₘ or as _head, Σ takes one
cell with its limits beside it, and √ stands before what it spans. What is written out is hidden in letters that TeXicode
passes through, and comes back by `revealed`.
"""

import re
from dataclasses import dataclass


def _names(text: str) -> list[str]:
    return text.split()


TOKEN = re.compile(r"\\text\{[^{}]*\}|\\[a-zA-Z]+|\\.|\s+|.", re.DOTALL)
SUBSCRIPTS = dict(zip("0123456789+-=()aehijklmnoprstuvxβγρφχ", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ", strict=True))
RARE = set("CQqY")
"""Letters whose raised forms few fonts have: they stand as they are, a row higher."""
GREEK = dict(
    zip(
        _names(
            "alpha beta gamma delta epsilon theta lambda mu nu pi rho sigma tau phi chi psi omega infty to le ge neq in"
        ),
        "αβγδεθλμνπρστφχψω∞→≤≥≠∈",
        strict=True,
    )
)
RELATIONS = _names(
    "= < > le ge leq geq ne neq approx to rightarrow leftarrow Rightarrow Leftrightarrow in sim propto equiv ll gg mapsto mid"
)
BINARY = _names("+ - times circ pm odot otimes oplus")
TIGHT = _names("cdot / | * ' .")
FUNCTIONS = _names("log ln exp max min sin cos tan tanh det arg argmax argmin sup inf lim Pr gcd deg dim ker")
LARGE = {"sum": "Σ", "prod": "Π"}
ARGUMENTS = {"frac": 2, "dfrac": 2, "tfrac": 2, "binom": 2} | dict.fromkeys(
    _names(
        "mathrm mathbf mathit mathbb mathcal mathsf operatorname hat bar tilde vec dot ddot widehat widetilde overline"
    ),
    1,
)
UPRIGHT = {"mathrm", "operatorname", "mathsf", "text"}
OPENING, CLOSING = set("([") | {"lfloor", "lceil", "{", "langle"}, set(")]") | {"rfloor", "rceil", "}", "rangle"}
SPACES = {*_names(", ; : ! quad qquad"), " "}
LONGEST, DEEPEST = 600, 16
"""Beyond these a formula is not drawn: TeXicode's time grows with the cube of the depth."""

HIDDEN = 0xAC00  # the Hangul syllables: letters to TeXicode, and in no formula here
FAR = {"ⱼ": 0x2BA0}
UNDERSCORE = chr(HIDDEN + ord("_"))
"""What a subscript that was written out begins with; the next letter must not run into it."""


@dataclass(frozen=True)
class Piece:
    """A part of a formula; its kind says where it wants room: atom, function, relation, binary, open, close, tight …"""

    kind: str
    tex: str


class Unreadable(ValueError):
    """Braces that do not match."""


def prepared(tex: str, roomy: bool = True) -> str:
    """`tex` for TeXicode; without space round operators where not `roomy`.

    Raises:
        Unreadable: where braces do not match, or it is longer or deeper than is drawn.
    """
    depth = 0
    for letter in re.sub(r"\\.", "", tex):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if not 0 <= depth <= DEEPEST:
            raise Unreadable(f"braces are nested more than {DEEPEST} deep" if depth > 0 else "a brace is closed twice")
    if depth or len(tex) > LONGEST:
        raise Unreadable("a brace is not closed" if depth else f"it is longer than {LONGEST} characters")
    return _written(_read(TOKEN.findall(" ".join(tex.split()))), roomy)


def revealed(drawn: str) -> str:
    """What TeXicode drew, with what was hidden from it."""
    back = {value: key for key, value in FAR.items()}
    return "".join(
        back.get(ord(c) - HIDDEN, chr(ord(c) - HIDDEN)) if HIDDEN <= ord(c) < HIDDEN + 0x2BA4 else c for c in drawn
    )


def _hidden(text: str) -> str:
    return "".join(chr(HIDDEN + FAR.get(c, ord(c))) for c in text)


Node = str | list["Node"]


def _read(tokens: list[str]) -> list[Node]:
    """Tokens with each braced group as a list."""
    stack: list[list[Node]] = [[]]
    for token in tokens:
        if token == "{":
            stack.append([])
        elif token == "}" and len(stack) > 1:
            group = stack.pop()
            stack[-1].append(group)
        elif token.strip() or token.startswith("\\"):
            stack[-1].append(token)
    return stack[0]


def _written(nodes: list[Node], roomy: bool) -> str:
    """The pieces of a row, with space between them where a reader wants it."""
    pieces: list[Piece] = []
    at = 0
    while at < len(nodes):
        if nodes[at] in ("_", "^"):
            scripts, at = _scripts(nodes, at)
            base = pieces.pop() if pieces else Piece("atom", "{}")
            pieces.append(Piece(base.kind, _closed(base.tex) + scripts))
        else:
            piece, at = _piece(nodes, at, roomy)
            pieces.append(piece)
    return _spaced(pieces) if roomy else "".join(_closed(p.tex) for p in pieces)


def _closed(tex: str) -> str:
    return tex + " " if re.search(r"\\[a-zA-Z]+$", tex) else tex


def _scripts(nodes: list[Node], at: int) -> tuple[str, int]:
    """All scripts that follow a base, the lower first: it is part of the name."""
    lower, upper = "", ""
    while at < len(nodes) and nodes[at] in ("_", "^"):
        mark, argument = nodes[at], nodes[at + 1] if at + 1 < len(nodes) else []
        at += 2
        if mark == "_":
            lower += _subscript(argument)
        else:
            upper += _superscript(argument)
    return lower + upper, at


def _subscript(argument: Node) -> str:
    text = _plain(argument)
    if text is None:
        return f"_{{{_written(_listed(argument), False)}}}"
    if all(c in SUBSCRIPTS for c in text):
        return _hidden("".join(SUBSCRIPTS[c] for c in text))
    return _hidden(f"_{text}" if re.fullmatch(r"\w+", text) else f"_{{{text}}}")


def _superscript(argument: Node) -> str:
    text = _plain(argument)
    if text == "⊤":
        return "^T"
    if text and RARE & set(text):
        return f"^{{{_hidden(text)}}}"
    return f"^{{{_written(_listed(argument), False)}}}"


def _listed(node: Node) -> list[Node]:
    return [node] if isinstance(node, str) else node


def _plain(node: Node) -> str | None:
    """A script as a row of characters; None where it is more than that."""
    text = ""
    for token in _listed(node):
        if isinstance(token, list):
            inner = _plain(token)
            if inner is None:
                return None
            text += inner
        elif token.startswith("\\text{"):
            text += token[6:-1]
        elif token == "\\top":
            text += "⊤"
        elif token.startswith("\\"):
            name = token[1:]
            if name in GREEK:
                text += GREEK[name]
            elif name not in SPACES and name not in UPRIGHT:
                return None
        elif token in "_^&":
            return None
        else:
            text += token
    return text.replace(" ", "")


def _piece(nodes: list[Node], at: int, roomy: bool) -> tuple[Piece, int]:
    """The piece that begins at a place, and where the next begins."""
    node = nodes[at]
    if isinstance(node, list):
        return Piece("atom", f"{{{_written(node, roomy)}}}"), at + 1
    name = node.removeprefix("\\") if len(node) > 1 else node
    if node in ("\\left", "\\right") and at + 1 < len(nodes):
        return Piece("open" if node == "\\left" else "close", f"{node}{nodes[at + 1]}"), at + 2
    if node == "\\sqrt" and at + 1 < len(nodes) and nodes[at + 1] != "[":
        return Piece("atom", _root(nodes[at + 1], roomy)), at + 2
    if node.startswith("\\") and name in LARGE:
        return Piece("function", _hidden(LARGE[name])), at + 1
    if node.startswith("\\") and name in ARGUMENTS:
        end = min(len(nodes), at + 1 + ARGUMENTS[name])
        inside = "".join(f"{{{_written(_listed(n), roomy and name not in UPRIGHT)}}}" for n in nodes[at + 1 : end])
        word = name in UPRIGHT and len(_plain(nodes[at + 1 : end]) or "") > 1
        return Piece("function" if word else "atom", node + inside), end
    if node.startswith("\\") and name in FUNCTIONS:
        return Piece("function", _hidden(name)), at + 1
    kinds = ((RELATIONS, "relation"), (BINARY, "binary"), (OPENING, "open"), (CLOSING, "close"), (TIGHT, "tight"))
    kind = next((k for names, k in kinds if name in names), "atom")
    if node.startswith("\\") and (name in SPACES or name == "\\"):
        kind = "space"
    elif node in ",;:":
        kind = "punctuation"
    elif node == "&":
        kind = "space"
    return Piece(kind, node), at + 1


def _root(argument: Node, roomy: bool) -> str:
    """√ before one atom, √(…) before a short row; a root over more is TeXicode's."""
    inside = _listed(argument)
    flat = "".join(t for t in inside if isinstance(t, str))
    if re.search(r"\\(frac|dfrac|tfrac|sqrt|sum|prod|begin)", str(inside)) or len(flat) > 16:
        return f"\\sqrt{{{_written(inside, roomy)}}}"
    bases = [n for i, n in enumerate(inside) if n not in ("_", "^") and (i == 0 or inside[i - 1] not in ("_", "^"))]
    tex = _written(inside, roomy)
    return _hidden("√") + (tex if len(bases) == 1 else f"({tex})")


def _spaced(pieces: list[Piece]) -> str:
    """Pieces joined, with room round relations, binary operators and functions, and after commas."""
    out = ""
    kinds = [_kind(pieces, i) for i in range(len(pieces))]
    for i, (piece, kind) in enumerate(zip(pieces, kinds, strict=True)):
        if i and _room(kinds[i - 1], kind, pieces[i - 1].tex, piece.tex):
            out += "\\ "
        out += _closed(piece.tex)
    return out


def _kind(pieces: list[Piece], at: int) -> str:
    """The kind of a piece where it stands: a sign that has nothing on one side belongs to the other."""
    if pieces[at].kind != "binary":
        return pieces[at].kind
    before = next((p.kind for p in reversed(pieces[:at]) if p.kind != "space"), "open")
    after = next((p.kind for p in pieces[at + 1 :] if p.kind != "space"), "close")
    return (
        "binary" if before in ("atom", "close", "tight") and after in ("atom", "open", "function", "binary") else "sign"
    )


def _room(before: str, after: str, left: str, right: str) -> bool:
    if "space" in (before, after) or right.startswith("\\text{ "):
        return False
    if "relation" in (before, after) or "binary" in (before, after) or before == "punctuation":
        return True
    if after == "function":
        return before in ("atom", "close", "function")
    return (before == "function" and after in ("atom", "sign")) or (after in ("atom", "open") and UNDERSCORE in left)
