r"""On which side to pad a causal model: right padding is harmless, left padding needs a mask and
positions that count real tokens.

因果模型补哪一边：右侧补齐无害；左侧补齐需要掩码，位置也要只数真实 token。

Batched generation pads on the left, so that the last index is a real token. Turn `positions` to
"index": absolute positions count the padding. Turn `mask` to "none": real tokens see it.
批量生成补左边，这样最后一个下标就是真实 token。把 `positions` 改为 "index"：绝对位置把补齐也数进去了；把
`mask` 改为 "none"：真实 token 会看到补齐。
"""

import torch
from torch import Tensor

from studyapp.evidence import bars, between, breaks, expect, main, one_of, show

F64 = torch.float64


def attend(x: Tensor, keep: Tensor, places: Tensor, rope: bool, w: Tensor,
           learned: Tensor) -> Tensor:
    """Causal attention over x (n, d) with `keep` (n,) True at keys that may be seen and `places`
    (n,) the positions; w is W_Q, W_K, W_V."""
    seen = torch.ones(len(x), len(x)).tril().bool() & keep
    seen |= torch.eye(len(x), dtype=torch.bool)                         # a padded query sees itself
    h = x if rope else x + learned[places]
    q, k = (turned(h @ m, places) if rope else h @ m for m in w[:2])
    scores = (q @ k.T / x.shape[1] ** 0.5).masked_fill(~seen, -torch.inf)
    return scores.softmax(-1) @ (h @ w[2])


def turned(x: Tensor, places: Tensor) -> Tensor:
    """RoPE: pair i of the row at position m turns by m·10000^(−2i/d)."""
    angle = places[:, None] * 10000.0 ** (-torch.arange(0, x.shape[1], 2, dtype=F64) / x.shape[1])
    pairs = torch.view_as_complex(x.unflatten(1, (-1, 2)).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle)).flatten(1)


RANGES = {
    "real": between(2, 32),
    "pads": between(1, 32),
    "d_head": between(4, 64, multiple_of=2),
    "side": one_of("left", "right"),
    "mask": one_of("keys", "none"),
    "positions": one_of("own", "index"),
}


def error(real: int, pads: int, d_head: int, side: str, mask: str, positions: str,
          rope: bool) -> Tensor:
    """(real,): how far each real token's output is from that of the sequence alone."""
    n, tokens, padding = real + pads, torch.randn(real, d_head, dtype=F64), torch.randn(pads, d_head, dtype=F64)
    w, learned = torch.randn(3, d_head, d_head, dtype=F64) / d_head**0.5, torch.randn(n, d_head, dtype=F64)
    is_real = torch.arange(n) >= pads if side == "left" else torch.arange(n) < real
    x = torch.cat((padding, tokens) if side == "left" else (tokens, padding))
    places = torch.arange(n) if positions == "index" else (is_real.cumsum(0) - 1).clamp(min=0)
    seen = is_real if mask == "keys" else torch.ones(n, dtype=torch.bool)
    alone = attend(tokens, torch.ones(real, dtype=torch.bool), torch.arange(real), rope, w, learned)
    out = attend(x, seen, places, rope, w, learned)
    return (out[is_real] - alone).abs().amax(1)


def draw(found: Tensor) -> None:
    """The error of each real token."""
    show(bars([f"token {i}" for i in range(min(len(found), 12))], {"error": found[:12]}))


@breaks(side="left", en="Padding that stands before a token is in its past.",
        zh="补齐排在前面，就成了后面 token 的「过去」。")
def claim_right_padding_is_harmless_without_a_mask(real=5, pads=3, d_head=16, side="right"):
    """In a causal model padding on the right leaves every real token as it was, even unmasked.

    因果模型里补右边，即使不加掩码，每个真实 token 的输出也不变。"""
    found = error(real, pads, d_head, side, "none", "own", False)
    draw(found)
    expect("error at real tokens", found, equals=0, within=1e-12, at=("token", range(real)))


@breaks(mask="none", en="Unmasked, every real token attends to the padding before it.",
        zh="不加掩码，每个真实 token 都会看到前面的补齐。")
@breaks(positions="index", en="Token i then has the learned position of i + pads.",
        zh="这样第 i 个 token 用的是第 i + pads 个位置向量。")
def claim_left_padding_needs_a_mask_and_its_own_positions(
    real=5, pads=3, d_head=16, mask="keys", positions="own"
):
    """On the left, with learned positions, outputs are right only with the padding masked and with
    positions that count real tokens alone.

    补左边且用学习的绝对位置时，要遮住补齐，位置又只数真实 token，输出才正确。"""
    found = error(real, pads, d_head, "left", mask, positions, False)
    draw(found)
    expect("error at real tokens", found, equals=0, within=1e-12, at=("token", range(real)))


@breaks(rope=False, en="A learned position is not shift-invariant.", zh="学习的绝对位置不具有平移不变性。")
@breaks(mask="none", en="RoPE does not hide the padding.", zh="RoPE 并不能遮住补齐。")
def claim_under_rope_the_shift_is_harmless(real=5, pads=3, d_head=16, mask="keys", rope=True):
    """Under RoPE positions may count the padding too: only offsets enter, so the shift cancels.

    用 RoPE 时，位置把补齐数进去也无妨：起作用的只有相对距离，平移会抵消。"""
    found = error(real, pads, d_head, "left", mask, "index", rope)
    draw(found)
    # Angles up to 64 keep 1e-14 of themselves in float64.
    expect("error at real tokens", found, equals=0, within=1e-10, at=("token", range(real)))


ZH = {"error": "误差", "error at real tokens": "真实 token 处的误差"}

if __name__ == "__main__":
    main()
