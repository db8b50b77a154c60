r"""Hiding a token by the attention mask hides it from the others, not from its own position.

用注意力掩码遮住一个 token，只是不让别的位置看到它，它自己的位置仍然知道。

Position i starts from its own embedding: that reaches its output through the residual, and its query.
Turn `closed` to "both": only place in, as XLNet's query stream does it; nothing leaks.
位置 i 从自己的嵌入出发：既经残差到达输出，又经 query 起作用。把 `closed` 改为 "both"：只输入位置（XLNet 的 query
流），就不再泄露。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    bars,
    between,
    breaks,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)
from studyapp.evidence.tools import Adam


@exercise(claims=("no_other_position_sees_it",), wrong=("masks_the_row", "zeroes_the_value", "hides_from_itself_only"))
def attend(q: Tensor, k: Tensor, v: Tensor, hidden: int) -> Tensor:
    """Attention (…, n, d) in which nobody, itself included, may attend to position `hidden`; q, k, v
    are (…, n, d), unmasked otherwise.

    任何位置（包括它自己）都不能关注 `hidden` 的注意力 (…, n, d)；q、k、v 为 (…, n, d)，此外不加掩码。"""
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5                # (…, n, n)
    scores[..., hidden] = -torch.inf                                     # a column: one key, every query
    return scores.softmax(-1) @ v


def encode(tokens: Tensor, place: Tensor, weights: list[Tensor], hidden: int, closed: str,
           masked_layers: str = "all") -> Tensor:
    """States (…, n, d) after the layers; tokens (…, n, d) and place (n, d) are embeddings. `closed` says what
    does not carry the hidden token: "none", "residual", "query" or "both"."""
    alone = torch.arange(len(place))[:, None] == hidden                  # (n, 1)
    whole, only_place = tokens + place, torch.where(alone, place, tokens + place)
    x = only_place if closed in ("residual", "both") else whole
    query = only_place if closed in ("query", "both") else whole
    for layer, (a, b, c, d) in enumerate(weights):
        masked = masked_layers == "all" or layer == 0
        seen = attend(query @ a, x @ b, x @ c, hidden) if masked else F.scaled_dot_product_attention(
            query @ a, x @ b, x @ c)
        x = query = x + seen @ d
    return x


RANGES = {
    "tokens": between(4, 12),
    "width": between(16, 64),
    "layers": between(2, 4),
    "closed": one_of("none", "residual", "query", "both"),
    "masked_layers": one_of("all", "first"),
    "hides": one_of("attention", "[MASK]"),
    "words": between(8, 20),
}


def drawn(tokens: int, width: int, layers: int) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Token and place embeddings (n, d), and four matrices for each layer, in float64."""
    ids, place = torch.randn(2, tokens, width, dtype=torch.float64)
    return ids, place, [torch.randn(4, width, width, dtype=torch.float64) / width**0.5 for _ in range(layers)]


def changes(closed: str, tokens: int, width: int, layers: int, masked_layers: str = "all") -> tuple[Tensor, Tensor]:
    """How far every position's state (n,) moves when the hidden middle token is another, or its place is."""
    (ids, place, weights), hidden = drawn(tokens, width, layers), tokens // 2
    alone = torch.arange(tokens)[:, None] == hidden
    other = torch.randn(width, dtype=torch.float64)

    def states(ids: Tensor, place: Tensor) -> Tensor:
        return encode(ids, place, weights, hidden, closed, masked_layers)

    before = states(ids, place)
    return ((states(torch.where(alone, other, ids), place) - before).norm(dim=1),
            (states(ids, torch.where(alone, other, place)) - before).norm(dim=1))


@breaks(masked_layers="first", en="From the second layer on the others read the state of position i, which holds the token.",
        zh="从第二层起，别的位置会读位置 i 的状态，而它含有该 token。")
def claim_no_other_position_sees_it(tokens=8, width=32, layers=2, masked_layers="all"):
    """If no layer lets anyone attend to position i, another token there changes no other position's state,
    and changes its own.

    若每一层都不许关注位置 i，换掉那里的 token，别的位置的状态都不变；它自己的状态却变了。"""
    moved, _ = changes("none", tokens, width, layers, masked_layers)
    show(bars([f"{i}" for i in range(tokens)], {"change of the state": moved},
              title=f"another token at position {tokens // 2}"))
    expect("change at the other positions", moved[torch.arange(tokens) != tokens // 2], equals=0)
    expect("change at its own position", moved[tokens // 2], at_least=0.5)


@breaks(closed="both", en="A start from the place alone carries nothing of the token.",
        zh="只从位置出发，就不带该 token 的任何信息。")
def claim_closing_one_leak_leaves_the_other(tokens=8, width=32, layers=2, closed="none"):
    """The token leaks through the residual and through its own query; either alone is enough, with both
    closed nothing is left.

    token 经残差泄露，也经自己的 query 泄露；任何一条都够了，两条都堵上才没有。"""
    ways = ("none", "residual", "query", "both")
    at, own, place = tokens // 2, [], []
    for way in (closed, *ways[1:]):
        by_token, by_place = changes(way, tokens, width, layers)
        own.append(by_token[at])
        place.append(by_place[at])
    names = ("as set", *ways[1:])
    show(bars(names, {"another token": own, "another place": place},
              title="change of the hidden position's state, by what is closed"))
    expect("change by its token", own[:3], at_least=0.01, at=("closed", names[:3]))
    expect("change by its token with both closed", own[3], equals=0)
    expect("change by its place", place, at_least=0.5, at=("closed", names))


@breaks(hides="[MASK]", en="Behind [MASK] nothing of a random token is left: no loss below ln V.",
        zh="换成 [MASK] 之后，随机 token 不留任何痕迹：损失不会低于 ln V。")
def claim_the_masked_position_copies_itself(words=12, tokens=8, width=32, hides="attention"):
    """On random words an honest guess costs ln V. Hidden by the attention mask, a word is predicted at
    almost no cost: the model copies it.

    对随机的词，诚实的猜测代价是 ln V。用注意力掩码去遮，预测几乎没有代价：模型在照抄。"""
    hidden, layers = tokens // 2, 1
    table = torch.randn(words + 1, width).requires_grad_()
    place = torch.randn(tokens, width).requires_grad_()
    weights = [(torch.randn(4, width, width) / width**0.5).requires_grad_() for _ in range(layers)]
    read = (torch.randn(width, words) / width**0.5).requires_grad_()
    optimiser, losses = Adam([table, place, read, *weights], lr=0.02), []
    for _ in range(60):
        ids = torch.randint(words, (64, tokens))                         # fresh: nothing to memorise
        shown = ids.clone()
        if hides == "[MASK]":
            shown[:, hidden] = words
        states = encode(table[shown], place, [tuple(w) for w in weights], hidden, "none")
        loss = F.cross_entropy(states[:, hidden] @ read, ids[:, hidden])
        losses.append(loss.detach())
        optimiser.step(loss)
    show(lines("step", range(1, 61), {"loss": losses, "ln V": [math.log(words)] * 60}, y_label="nats"))
    expect("loss at the end, over ln V", torch.stack(losses[-10:]).mean() / math.log(words), at_most=0.2)


ZH = {
    "change of the state": "状态的变化", "another token at position {}": "把位置 {} 的 token 换成别的",
    "change at the other positions": "其他位置的变化", "change at its own position": "自己位置的变化", "as set": "按设定",
    "residual": "残差", "query": "query", "both": "两者", "another token": "换 token", "another place": "换位置",
    "change of the hidden position's state, by what is closed": "被遮位置的状态变化（按堵住哪条路）", "closed": "堵住",
    "change by its token": "换其 token 引起的变化", "change by its token with both closed": "两条都堵上时换 token 引起的变化",
    "change by its place": "换其位置引起的变化", "step": "步", "ln V": "ln V", "nats": "纳特",
    "loss at the end, over ln V": "末尾的损失与 ln V 之比",
}

if __name__ == "__main__":
    main()
