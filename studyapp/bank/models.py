"""Named models: the facts of their configurations and reports, and what can be computed from them exactly.

A fact that nobody looked up is absent: None, or "" for a text. All numbers are whole: parameters, layers, tokens.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Literal

import msgspec

from studyapp.bank.text import Text

Kind = Literal["mha", "gqa", "mqa", "mla"]
Other = Literal["window", "chunk", "Gated DeltaNet", "KDA", "Mamba-2", "Lightning", "short convolution"]
Place = Literal["pre", "post", "post-in-branch", "sandwich", "parallel"]
Router = Literal["softmax", "softmax-of-chosen", "sigmoid", "sqrt-softplus"]
Balance = Literal["loss", "bias", "bias+loss", "quantile", "none"]


class ModelSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where facts were read: `what` kind of text, `where` it stands with its version, the day it was `read`."""

    what: Literal["config", "report", "code", "recipe", "secondary"]
    where: str
    read: str


class Attention(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How tokens are mixed.

    `ratio` "3:1" is three layers of the `other` kind to one of full attention. `full_layers` hold a cache that grows with
    the context, `window_layers` one of at most `window` tokens. For MLA: `latent` and `d_rope` numbers are cached a layer
    and token; queries come from `q_latent`; a head has `d_nope` + `d_rope` for scores and `d_value` for values.
    `state` numbers are what each layer of the `other` kind keeps of a sequence, however long.
    """

    kind: Kind
    ratio: str = ""
    other: Other | None = None
    window: int | None = None
    full_layers: int | None = None
    window_layers: int | None = None
    sparse: str = ""
    latent: int | None = None
    q_latent: int | None = None
    d_nope: int | None = None
    d_rope: int | None = None
    d_value: int | None = None
    state: int | None = None
    bias: bool = False
    sink: bool = False
    gate: bool = False
    shared_kv_projection: bool = False


class Position(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How order is known. `rotary` is how many numbers of a head are turned; `nope` names the layers without position."""

    kind: Literal["rope", "none", "learned", "sinusoidal", "alibi", "relative"]
    theta: int | None = None
    theta_local: int | None = None
    rotary: int | None = None
    scaling: Literal["linear", "ntk", "yarn", "llama3", "longrope", "proportional"] | None = None
    factor: int | None = None
    original: int | None = None
    nope: Literal["every-4th", "full-layers"] | None = None


class Norm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The norm, where it stands in a block, whether queries and keys have one, and the residual where it is not x + f(x)."""

    kind: Literal["rmsnorm", "layernorm"]
    place: Place
    qk: bool = False
    residual: str = ""


class FeedForward(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The feed-forward layer: its activation, its inner width where it is dense, the bound of a clamped activation."""

    kind: Literal["swiglu", "geglu", "gelu", "relu", "relu2", "xielu", "situ-glu"]
    d_ff: int | None = None
    clamp: int | None = None


class Experts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Routed experts: how many, how many a token uses, shared ones, the inner width of one; `latent` is the width they work at."""

    total: int
    active: int
    shared: int = 0
    d_expert: int | None = None
    latent: int | None = None
    dense_layers: int | None = None
    router: Router | None = None
    balance: Balance | None = None


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model that is named in the bank or in interviews; `id` is its key in models.yaml.

    `total` and `active` parameters are as announced; where a row has none, `counted_parameters` may know. `date` is a month,
    or a year where the month could not be confirmed.
    """

    id: str
    name: str
    maker: str
    date: str
    weights: Literal["open", "closed"]
    sources: tuple[ModelSource, ...]
    family: str = ""
    aliases: tuple[str, ...] = ()
    total: int | None = None
    active: int | None = None
    layers: int | None = None
    width: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    d_head: int | None = None
    attention: Attention | None = None
    position: Position | None = None
    norm: Norm | None = None
    ffn: FeedForward | None = None
    experts: Experts | None = None
    vocabulary: int | None = None
    context: int | None = None
    tied: bool | None = None
    precision: str = ""
    draft: str = ""
    licence: str = ""
    note: Text | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Every way to name it, without its family."""
        return (self.id, self.name, *self.aliases)


@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    """A name without case, spaces, hyphens and underscores: «Llama-3.1 8B» and «llama 3.1-8b» are one."""
    return re.sub(r"[\s_‑–-]+", "", name).casefold()


def named(models: Mapping[str, Model], name: str) -> list[Model]:
    """The model of a name, or all of a family, in no order; empty where none is so named."""
    wanted = fold(name)
    exact = [m for m in models.values() if wanted in map(fold, m.names)]
    return exact or [m for m in models.values() if m.family and fold(m.family) == wanted]


def total_parameters(model: Model) -> int | None:
    """Parameters as announced, else as counted from the configuration."""
    return model.total if model.total is not None else counted_parameters(model)


def active_parameters(model: Model) -> int | None:
    """Parameters that one token uses: as announced; all of them where there are no experts."""
    dense = model.active is None and model.experts is None and model.ffn is not None
    return total_parameters(model) if dense else model.active


def by_date(models: Mapping[str, Model]) -> list[Model]:
    """The newest first; of one month by name."""
    return sorted(sorted(models.values(), key=lambda m: m.name.casefold()), key=lambda m: m.date.ljust(7, "~"), reverse=True)


def cached_numbers(model: Model) -> int | None:
    """Numbers that one more token adds to the KV cache, over all layers whose cache grows; None where the row does not say.

    Keys of an indexer, the state of linear layers and a window's fixed part are not in it.
    """
    attention = model.attention
    if attention is None or model.layers is None or attention.shared_kv_projection:
        return None
    uniform = not attention.ratio and not attention.window
    layers = attention.full_layers if attention.full_layers is not None else model.layers if uniform else None
    if layers is None:
        return None
    if attention.kind == "mla":
        return None if attention.latent is None else layers * (attention.latent + (attention.d_rope or 0))
    if model.kv_heads is None or model.d_head is None:
        return None
    return layers * 2 * model.kv_heads * model.d_head


def cache_bytes(model: Model, tokens: int = 1, bytes_per_number: int = 2) -> int | None:
    """Bytes of the KV cache of one sequence of `tokens`, windows capped; None where the row does not say.

    With `tokens=1` and no windowed layers this is the bytes per token.
    """
    growing = cached_numbers(model)
    if growing is None or model.attention is None:
        return None
    numbers = growing * tokens
    if local := model.attention.window_layers:
        if model.kv_heads is None or model.d_head is None or model.attention.window is None:
            return None
        numbers += local * 2 * model.kv_heads * model.d_head * min(tokens, model.attention.window)
    return numbers * bytes_per_number


def counted_parameters(model: Model) -> int | None:
    """The parameters that follow from the configuration, to the last one; None where the form is not one of those below.

    Pre-norm RMSNorm decoders with gated feed-forward layers (three matrices), GQA or MLA, dense or with routed experts
    of the full width (a router without bias; shared experts of the same width); per-head QK-norm and QKV bias are counted.
    """
    simple = (
        model.norm is not None
        and (model.norm.kind, model.norm.place, model.norm.residual) == ("rmsnorm", "pre", "")
        and model.ffn is not None
        and model.ffn.kind in ("swiglu", "geglu")
        and model.position is not None
        and model.position.kind == "rope"
    )
    a = model.attention
    if not simple or a is None or a.sparse or a.sink or a.gate or a.shared_kv_projection or a.other not in (None, "window"):
        return None
    width, layers, vocabulary, ffn, norm = model.width, model.layers, model.vocabulary, model.ffn, model.norm
    if width is None or layers is None or vocabulary is None or model.tied is None or ffn is None or norm is None:
        return None
    mixing = _attention_parameters(model, a, width, norm.qk)
    feeding = _feed_forward_parameters(model, ffn, width, layers)
    if mixing is None or feeding is None:
        return None
    embeddings = vocabulary * width * (1 if model.tied else 2)
    return embeddings + layers * (mixing + 2 * width) + feeding + width


def _attention_parameters(model: Model, a: Attention, width: int, qk_norm: bool) -> int | None:
    if model.heads is None:
        return None
    if a.kind == "mla":
        if None in (a.latent, a.d_nope, a.d_rope, a.d_value) or qk_norm or a.bias:
            return None
        latent, nope, rope, value = (int(n or 0) for n in (a.latent, a.d_nope, a.d_rope, a.d_value))
        entry = a.q_latent or width
        query = entry * model.heads * (nope + rope) + (width * entry + entry if a.q_latent else 0)
        key_value = width * (latent + rope) + latent + latent * model.heads * (nope + value)
        return query + key_value + model.heads * value * width
    if model.kv_heads is None or model.d_head is None:
        return None
    inputs = (model.heads + 2 * model.kv_heads) * model.d_head
    return inputs * width + model.heads * model.d_head * width + (inputs if a.bias else 0) + (2 * model.d_head if qk_norm else 0)


def _feed_forward_parameters(model: Model, ffn: FeedForward, width: int, layers: int) -> int | None:
    """Over all layers."""
    experts = model.experts
    dense = layers if experts is None else experts.dense_layers
    if dense is None or (dense and ffn.d_ff is None):
        return None
    total = dense * 3 * width * (ffn.d_ff or 0)
    if experts is None:
        return total
    if experts.d_expert is None or experts.latent is not None:
        return None
    return total + (layers - dense) * ((experts.total + experts.shared) * 3 * width * experts.d_expert + experts.total * width)


def problems(model: Model) -> Iterator[tuple[str, str, str]]:
    """What in a row contradicts itself or stands without a source: key, problem, hint."""
    if not model.sources:
        yield "sources", "has no source", "say which configuration or report, and when it was read"
    for i, source in enumerate(model.sources):
        if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])(-\d{2})?", source.read):
            yield f"sources[{i}].read", f"«{source.read}» is not a day", "write '2026-11-26'"
    if not re.fullmatch(r"\d{4}(-(0[1-9]|1[0-2]))?", model.date):
        yield "date", f"«{model.date}» is not a month", "write '2026-11', or the year where the month is not known"
    yield from _head_problems(model)
    if model.active is not None and model.total is not None and model.active > model.total:
        yield "active", f"is more than the {model.total} in all", "look both up"
    if model.experts and model.experts.active > model.experts.total:
        yield "experts.active", f"is more than the {model.experts.total} there are", "look both up"
    a = model.attention
    if a and model.layers and (a.full_layers or 0) + (a.window_layers or 0) > model.layers:
        yield "attention", f"has more layers than the model's {model.layers}", "count them again"
    counted = counted_parameters(model)
    if counted and model.total and abs(counted - model.total) > 0.02 * model.total:
        yield "total", f"is {model.total}, and its configuration counts {counted}", "look the configuration up again"


def _head_problems(model: Model) -> Iterator[tuple[str, str, str]]:
    if model.attention is None or model.heads is None or model.kv_heads is None or model.attention.kind == "mla":
        return
    kind = "mqa" if model.kv_heads == 1 else "mha" if model.kv_heads == model.heads else "gqa"
    if model.heads % model.kv_heads:
        yield "kv_heads", f"do not divide the {model.heads} heads", "look both up"
    elif kind != model.attention.kind:
        yield "attention.kind", f"is {model.attention.kind}, and {model.heads} heads with {model.kv_heads} KV heads are {kind}", "mend one"
