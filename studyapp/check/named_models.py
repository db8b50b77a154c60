"""Models that a text names: each is a row of models.yaml, and what the text says of its size is what the row says."""

import re
from collections.abc import Iterator, Mapping

from studyapp.bank.models import Model, fold, named

BRANDS = (
    r"Code[ -]Llama|L[lL]a[mM][aA]|Qwen|QwQ|DeepSeek|Gemini|Claude|Mistral|Mixtral|Ministral|Gemma|Kimi|GLM|MiniMax|OLMo|Olmo|Phi"
    r"|Falcon|Nemotron|SmolLM|MiMo|GPT|gpt-oss|Muse|Inkling|Ling|LongCat|Apertus|Command|EXAONE|Grok"
)
WORDS = (
    r"Next|Large|Small|Medium|Flash|Pro|Linear|Scout|Maverick|Nano|Super|Ultra|Thinking|Math|LLM|Coder|Exp|Spark|Glimmer|Open"
    r"|Vision|VL|Instruct|Base|Mini|mini|turbo|small|Hybrid|H1"
)
VERSION = r"[ -]?[VRKMv]?\d{1,2}(?:\.\d{1,2})?(?![\d,.%]*\d|[BMTbKk%]|[ -]?(?:×|x\d))"
SIZE = r"[ -](?:[AE]?\d+(?:\.\d+)?[BMTb]|\d+x\d+B)(?!\w)"
MENTION = re.compile(rf"(?<![A-Za-z0-9_-])(?:{BRANDS})(?:[ -]?(?:{WORDS})(?!\w))*(?:{VERSION})?(?:[ -](?:{WORDS})(?!\w)|{SIZE}|{VERSION})*")
NUMBERED = re.compile(r"\d")
SMALLEST = 6
FACTS = {
    "layers": re.compile(r"(?<![\d.])(\d+)(?:-| )?(?:layers?\b|层)"),
    "KV heads": re.compile(r"(?<![\d.])(\d+) (?:KV heads?\b|个 KV 头)"),
    "experts": re.compile(r"(?<![\d.])(\d+) (?:(?:routed )?experts?\b|个(?:路由)?专家)"),
}
SENTENCE = re.compile(r"(?<=[.!?;])\s+|(?<=[。！？；])|\n")
ROW = re.compile(r"^\s*\|\s*([^|]+?)\s*\|.*\d.*\|\s*$")


def mentions(text: str) -> Iterator[tuple[int, str]]:
    """The models that a text names, each with the line it stands on (from 0). A brand without a version is its family."""
    for match in MENTION.finditer(text):
        yield text[: match.start()].count("\n"), match[0]


def unknown(text: str, models: Mapping[str, Model]) -> Iterator[tuple[int, str]]:
    """The mentions that no row answers to. A bare brand («Qwen») needs one model of it."""
    found = list(mentions(text))
    known = {fold(n) for m in models.values() for n in (*m.names, m.family) if n} if found else set()
    for line, mention in found:
        name = fold(mention)
        bare = not NUMBERED.search(mention) and any(k.startswith(name) for k in known)
        if name not in known and not bare:
            yield line, mention


def contradictions(text: str, models: Mapping[str, Model]) -> Iterator[tuple[int, str, str]]:
    """Where a sentence about one model gives a number of layers, KV heads or experts that its row does not have.

    Line, what is said, what the row says. Sentences on several models, and numbers below SMALLEST, are left alone.
    """
    at = 0
    for sentence in SENTENCE.split(text):
        at = text.index(sentence, at)
        rows = {m.id: m for _, mention in mentions(sentence) for m in named(models, mention)}
        if len(rows) == 1:
            [model] = rows.values()
            for fact, pattern in FACTS.items():
                allowed = _values(model, fact)
                for match in pattern.finditer(sentence):
                    if allowed and int(match[1]) not in allowed and int(match[1]) >= SMALLEST:
                        line = text[: at + match.start()].count("\n")
                        yield line, f"{model.name}: {match[0]}", f"its row has {', '.join(map(str, sorted(allowed)))}"
        at += len(sentence)


def by_hand(text: str, models: Mapping[str, Model]) -> list[str]:
    """The models whose facts stand in a table of the text, where models.yaml could give them."""
    rows = [match[1] for line in text.split("\n") if (match := ROW.match(line))]
    return [row for row in rows if any(named(models, mention) for _, mention in mentions(row))]


def _values(model: Model, fact: str) -> set[int]:
    """The whole numbers that can be said of a fact."""
    if fact == "experts":
        e = model.experts
        numbers = (e.total, e.active, e.shared, e.total + e.shared, e.active + e.shared) if e else ()
        return set(numbers)
    if fact == "KV heads":
        return {n for n in (model.kv_heads, model.heads) if n} if model.kv_heads else set()
    if model.layers is None:
        return set()
    a, e = model.attention, model.experts
    parts = {model.layers, a.full_layers if a else None, a.window_layers if a else None, e.dense_layers if e else None}
    some = {n for n in parts if n}
    return some | {model.layers - n for n in some if n < model.layers}
