"""Named models as a table: which columns a topic needs, and how a fact is written for a person.

A cell is a number where the fact is one (so that it is drawn to the right and can be sorted), a text where it is not, and "–"
where nobody looked it up.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from studyapp.bank.models import (
    Attention,
    Model,
    active_parameters,
    cache_bytes,
    cached_numbers,
    total_parameters,
)
from studyapp.evidence.types import Cell, Table
from studyapp.i18n import Translations

UNKNOWN = "–"
T = Callable[..., str]


@dataclass(frozen=True)
class Column:
    """A fact of a model: `cell` writes it, `value` is what it is sorted by (None last)."""

    name: str
    cell: Callable[[Model, T], str | None]
    value: Callable[[Model], float | str | None]


def count(number: int | None) -> str | None:
    """A large number as 284B, 8.03B, 1.6T or 110M."""
    if number is None:
        return None
    for unit, size in (("T", 10**12), ("B", 10**9), ("M", 10**6)):
        if number >= size:
            return f"{number / size:.3g}{unit}" if number < 1000 * size else f"{number / size:,.0f}{unit}"
    return f"{number:,}"


def length(tokens: int | None) -> str | None:
    """A context length as 128K or 1M where it is a binary one, else with commas: 128,000 is not 128K."""
    if tokens is None:
        return None
    if tokens % 2**20 == 0:
        return f"{tokens // 2**20}M"
    return f"{tokens // 1024}K" if tokens % 1024 == 0 and tokens % 1000 else f"{tokens:,}"


def size(number: int | None) -> str | None:
    """Bytes as KiB, MiB or GiB to three digits."""
    if number is None:
        return None
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if number >= 2**power:
            return f"{number / 2**power:.3g} {unit}"
    return f"{number} B"


def _list(t: T, parts: Iterable[str]) -> str:
    """The parts that are not empty, with the comma of the language."""
    return t("models.comma").join(filter(None, parts))


def attention(model: Model, t: T) -> str | None:
    """How heads share keys and values: «GQA 32/8», «MLA 512+64»."""
    a = model.attention
    if a is None:
        return None
    if a.kind == "mla":
        return f"MLA {a.latent}+{a.d_rope or 0}" if a.latent else "MLA"
    heads = f" {model.heads}/{model.kv_heads}" if model.heads and model.kv_heads else ""
    return a.kind.upper() + heads


def pattern(model: Model, t: T) -> str | None:
    """Which layers see how far: «5:1 window 1024», «DSA top-2048», «full»."""
    a = model.attention
    if a is None:
        return None
    return _list(t, [_layers(a, t), a.sparse]) or t("models.full")


def _layers(a: Attention, t: T) -> str:
    other = {"window": t("models.window"), "chunk": t("models.chunk")}.get(a.other or "", a.other or "")
    if not other and a.window:
        other = t("models.window")
    reach = str(a.window) if a.window and a.other in (None, "window", "chunk") else ""
    return " ".join(filter(None, [a.ratio, other, reach]))


def position(model: Model, t: T) -> str | None:
    """How order is known: «RoPE 500,000, llama3 ×8»."""
    p = model.position
    if p is None:
        return None
    if p.kind != "rope":
        return t(f"models.position_{p.kind}")
    base = "/".join(f"{theta:,}" for theta in (p.theta_local, p.theta) if theta)
    a = model.attention
    whole = a.d_nope + (a.d_rope or 0) if a and a.d_nope is not None else model.d_head
    turned = f"{p.rotary}/{whole}" if p.rotary and whole and p.rotary < whole else ""
    scaling = f"{p.scaling}{f' ×{p.factor}' if p.factor else ''}" if p.scaling else ""
    nope = t("models.nope_" + p.nope.replace("-", "_")) if p.nope else ""
    return _list(t, [f"RoPE {base}".rstrip(), turned, scaling, nope])


def norm(model: Model, t: T) -> str | None:
    """The norm and its place: «RMSNorm pre, QK»."""
    n = model.norm
    if n is None:
        return None
    kind = "RMSNorm" if n.kind == "rmsnorm" else "LayerNorm"
    place = t("models.place_" + n.place.replace("-", "_"))
    return _list(t, [f"{kind} {place}", "QK-norm" if n.qk else "", n.residual])


FEED_FORWARD = {
    "swiglu": "SwiGLU", "geglu": "GeGLU", "gelu": "GELU", "relu": "ReLU", "relu2": "ReLU²", "xielu": "xIELU",
    "situ-glu": "SiTU-GLU",
}  # fmt: skip


def feed_forward(model: Model, t: T) -> str | None:
    """The activation and the width of the dense layers: «SwiGLU 14,336»."""
    f = model.ffn
    if f is None:
        return None
    clamp = t("models.clamp", n=f.clamp) if f.clamp else ""
    return _list(t, [f"{FEED_FORWARD[f.kind]} {f.d_ff:,}" if f.d_ff else FEED_FORWARD[f.kind], clamp])


def experts(model: Model, t: T) -> str | None:
    """«256 top-8 + 1»: routed experts, those a token uses, shared ones; a model without experts is dense."""
    e = model.experts
    if e is None:
        return t("models.dense") if model.ffn else None
    return f"{e.total} top-{e.active}" + (f" + {e.shared}" if e.shared else "")


def expert_width(model: Model, t: T) -> str | None:
    """The inner width of an expert; for a latent one «4096 @ 3584», the width it works at behind the sign."""
    e = model.experts
    if e is None or (e.d_expert is None and e.latent is None):
        return None
    return " @ ".join(str(n) for n in (e.d_expert or "?", e.latent) if n)


def router(model: Model, t: T) -> str | None:
    """How scores are made and how load is balanced."""
    e = model.experts
    if e is None or not (e.router or e.balance):
        return None
    scores = t("models.router_" + e.router.replace("-", "_")) if e.router else ""
    balance = t("models.balance_" + e.balance.replace("+", "_")) if e.balance else ""
    return _list(t, [scores, balance])


def cache(model: Model, t: T) -> str | None:
    """Bytes that one more token adds in 16 bit; where every layer has a window, what one adds until it is full."""
    return size(_cache(model))


def _cache(model: Model) -> int | None:
    numbers = cached_numbers(model)
    return cache_bytes(model) if numbers == 0 else None if numbers is None else 2 * numbers


def _number(read: Callable[[Model], int | None]) -> Callable[[Model, T], str | None]:
    return lambda model, t: None if (value := read(model)) is None else f"{value:,}"


def _text(write: Callable[[Model, T], str | None], name: str, value: Callable[[Model], float | str | None] | None = None) -> Column:
    return Column(name, write, value or (lambda model: write(model, Translations.load("en"))))


COLUMNS = {
    c.name: c
    for c in (
        _text(lambda m, t: m.name, "name", lambda m: m.name.casefold()),
        _text(lambda m, t: m.maker, "maker"),
        _text(lambda m, t: m.date, "date"),
        Column("total", lambda m, t: count(total_parameters(m)), total_parameters),
        Column("active", lambda m, t: count(active_parameters(m)), active_parameters),
        Column("layers", _number(lambda m: m.layers), lambda m: m.layers),
        Column("width", _number(lambda m: m.width), lambda m: m.width),
        Column("heads", _number(lambda m: m.heads), lambda m: m.heads),
        Column("kv_heads", _number(lambda m: m.kv_heads), lambda m: m.kv_heads),
        Column("d_head", _number(lambda m: m.d_head), lambda m: m.d_head),
        _text(attention, "attention"),
        _text(pattern, "pattern"),
        Column("cache", cache, _cache),
        _text(position, "position"),
        _text(norm, "norm"),
        _text(feed_forward, "ffn"),
        _text(experts, "experts", lambda m: m.experts.total if m.experts else None),
        Column("d_expert", expert_width, lambda m: m.experts.d_expert if m.experts else None),
        _text(router, "router"),
        Column("vocabulary", _number(lambda m: m.vocabulary), lambda m: m.vocabulary),
        Column("context", lambda m, t: length(m.context), lambda m: m.context),
        _text(lambda m, t: m.precision or None, "precision"),
        _text(lambda m, t: m.draft or None, "draft"),
        _text(lambda m, t: t(f"models.{m.weights}"), "weights"),
        _text(lambda m, t: m.licence or None, "licence"),
    )
}
DEFAULT = ("name", "date", "total", "active", "layers", "attention", "pattern", "position", "experts", "context")
TOPIC_COLUMNS = {
    "attention": ("name", "date", "layers", "heads", "kv_heads", "d_head", "pattern", "cache"),
    "position": ("name", "date", "position", "pattern", "context"),
    "normalization": ("name", "date", "norm", "layers"),
    "architectures": ("name", "date", "total", "layers", "width", "attention", "norm", "ffn"),
    "inference": ("name", "date", "active", "attention", "pattern", "cache", "draft", "context"),
    "compression": ("name", "date", "total", "precision"),
    "moe": ("name", "date", "total", "active", "experts", "d_expert", "router"),
    "nlp": ("name", "date", "total", "vocabulary", "context"),
    "distributed": ("name", "date", "total", "active", "layers", "width", "experts", "precision"),
    "foundations": ("name", "date", "total", "layers", "width", "ffn"),
}
"""The columns that a topic's questions are about; any other topic gets the first few of DEFAULT."""


def columns_of(topic: str) -> tuple[str, ...]:
    """The columns that a topic needs."""
    return TOPIC_COLUMNS.get(topic, DEFAULT[:4])


def table(models: Iterable[Model], columns: Sequence[str], language: str) -> Table:
    """`models` in the order given, under the headings of `language`.

    Raises:
        KeyError: for a column that does not exist.
    """
    t = Translations.load(language)
    rows = tuple(tuple(cell(model, name, t) for name in columns) for model in models)
    return Table(tuple(t(f"models.column_{name}") for name in columns), rows)


def cell(model: Model, column: str, t: T) -> Cell:
    """One fact as it is written."""
    return COLUMNS[column].cell(model, t) or UNKNOWN


def model_table(models: Iterable[Model], topic: str, language: str) -> Table:
    """The table that stands beside a question's `today`: the models it names, the columns that its topic needs.

    A column that none of the models fills is left out, the name never.
    """
    chosen = list(models)
    t = Translations.load(language)
    filled = [n for n in columns_of(topic) if n == "name" or any(COLUMNS[n].cell(m, t) for m in chosen)]
    return table(chosen, filled, language)


def sort(models: Iterable[Model], column: str, *, descending: bool = False) -> list[Model]:
    """By the value of a column; those that lack it come last either way."""
    known: list[tuple[float | str, str, Model]] = []
    unknown: list[Model] = []
    for model in models:
        value = COLUMNS[column].value(model)
        if value is None:
            unknown.append(model)
        else:
            known.append((value, model.id, model))
    known.sort(key=lambda entry: entry[:2], reverse=descending)
    return [model for *_, model in known] + unknown


def facts(model: Model, language: str) -> list[tuple[str, str]]:
    """All that is known of one model, as label and text, in the order of the columns; what is unknown is left out."""
    t = Translations.load(language)
    rows = [(t(f"models.column_{name}"), text) for name, c in COLUMNS.items() if (text := c.cell(model, t))]
    flags = ("bias", "sink", "gate", "shared_kv_projection")
    if extras := [t(f"models.{flag}") for flag in flags if model.attention and getattr(model.attention, flag)]:
        rows.append((t("models.extras"), _list(t, extras)))
    if model.note:
        rows.append((t("models.note"), model.note[language]))
    return rows


def sources(model: Model, language: str) -> list[str]:
    """Where the facts were read, in words."""
    t = Translations.load(language)
    return [f"{t(f'models.source_{s.what}')}: {s.where} ({t('models.read', day=s.read)})" for s in model.sources]
