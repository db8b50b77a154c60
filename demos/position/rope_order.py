r"""Where to rotate: q and k, not v; after projection and norm; a key once, when it is cached.

在哪里旋转：转 q、k，不转 v；在投影与归一化之后；key 只在写入 cache 时转一次。

Su et al. 2021 (RoFormer), §3.4. A layer whose scores are relative gives the same output when all
positions move together. Turn `rotated` to "q, k, v" or `order`: absolute position comes back.
把 `rotated` 改为 "q, k, v"，或改变 `order`：绝对位置又会出现。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, expect, lines, main, one_of, show

F64 = torch.float64


def rotate(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """RoPE on interleaved pairs; x (n, d), positions (n,)."""
    theta = base ** (-torch.arange(0, x.shape[-1], 2, dtype=F64) / x.shape[-1])
    phase = torch.polar(torch.ones(len(x), len(theta), dtype=F64), positions[:, None] * theta)
    return torch.view_as_real(torch.view_as_complex(x.reshape(len(x), -1, 2)) * phase).flatten(-2)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention of one head, (n, d)."""
    return F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]


def norm(x: Tensor, gain: Tensor) -> Tensor:
    """RMSNorm with a gain for each coordinate."""
    return F.rms_norm(x, (x.shape[-1],)) * gain


ORDERS = ("project, norm, rotate", "project, rotate, norm", "rotate, project")
RANGES = {
    "d_head": between(4, 256, multiple_of=2), "length": between(4, 64),
    "shift": between(1, 100_000), "base": between(100.0, 1e6), "rotated": one_of("q, k", "q, k, v"),
    "order": one_of("project, norm, rotate", "project, rotate, norm", "rotate, project"),
    "key_at": one_of("its own position", "the newest position"),
}  # fmt: skip


@breaks(rotated="q, k, v", en="With v rotated as well the output moves with the absolute position.",
        zh="若连 v 也旋转，输出就随绝对位置改变。")
def claim_rotating_v_makes_output_position_dependent(
    d_head=128, length=32, shift=1000, base=10000.0, rotated="q, k"
):
    """With q and k rotated the output ignores a common shift; rotating v as well makes it move,
    unless the output is rotated back.

    只旋转 q、k 时，整体平移不改变输出；若连 v 也旋转，输出就随绝对位置改变，除非再把输出反向旋转。"""
    q, k, v = torch.randn(3, length, d_head, dtype=F64)

    def output(p: Tensor, way: str) -> Tensor:
        values = v if way == "q, k" else rotate(v, p, base)
        turned = attend(rotate(q, p, base), rotate(k, p, base), values)
        return rotate(turned, -p, base) if way == "q, k, v, and the output back" else turned

    here = torch.arange(length)
    ways = ("q, k", "q, k, v", "q, k, v, and the output back")
    change = {w: (output(here + shift, w) - output(here, w)).abs().amax(1) for w in ways}
    show(lines("token", here, change, y_label="change of the output when all move"))
    slack = 1e-15 * (length + shift) * d_head               # of angles, times scores of size d
    expect(f"change of the output, {rotated} rotated", change[rotated], equals=0, within=slack)
    expect("change with the output rotated back", change[ways[2]], equals=0, within=slack)


@breaks(order="project, rotate, norm", en="A norm with gains after the rotation breaks it.",
        zh="旋转之后再做带增益的归一化，会破坏相对性。")
@breaks(order="rotate, project", en="A rotation before W_Q and W_K is mixed away by them.",
        zh="在 W_Q、W_K 之前旋转，会被它们打乱。")
def claim_rotation_comes_last(
    d_head=128, length=32, shift=1000, base=10000.0, order="project, norm, rotate"
):
    """Project, normalise, then rotate keeps the score relative; rotating before W_Q, or before a
    norm with gains, breaks it.

    先投影、再归一化、最后旋转，得分保持相对；在 W_Q 之前旋转，或在带增益的归一化之前旋转，都会破坏它。"""
    x = torch.randn(length, d_head, dtype=F64)
    w = torch.randn(2, d_head, d_head, dtype=F64)
    gains = 0.5 + torch.rand(2, d_head, dtype=F64)

    def scores(p: Tensor, order: str) -> Tensor:
        def one(w: Tensor, gain: Tensor) -> Tensor:
            y = x @ w / d_head**0.5
            return {"project, norm, rotate": rotate(norm(y, gain), p, base),
                    "project, rotate, norm": norm(rotate(y, p, base), gain),
                    "rotate, project": rotate(x, p, base) @ w / d_head**0.5}[order]

        return one(w[0], gains[0]) @ one(w[1], gains[1]).T

    here = torch.arange(length)
    change = {o: (scores(here + shift, o) - scores(here, o)).abs().amax(1) for o in ORDERS}
    show(lines("query", here, change, y_label="change of the scores when all move"))
    expect(f"change of the scores, {order}", change[order], equals=0,
           within=1e-15 * (length + shift) * d_head)


@breaks(key_at="the newest position",
        en="Rotated by the newest position, all keys look equally near.",
        zh="若都按最新位置旋转，所有 key 看起来一样近。")
def claim_rotated_keys_can_be_cached(
    d_head=128, length=32, base=10000.0, key_at="its own position"
):
    """A key rotated once, when it is stored, serves every later query: decoding from the cache
    gives the full pass's output.

    key 在写入缓存时旋转一次，此后可供每个 query 使用：逐 token 解码与整段计算输出一致。"""
    q, k, v = torch.randn(3, length, d_head, dtype=F64)
    positions = torch.arange(length)
    full = attend(rotate(q, positions, base), rotate(k, positions, base), v)
    cache, decoded = torch.empty(0, d_head, dtype=F64), []
    for t in range(length):
        now = positions[t : t + 1]
        cache = torch.cat((cache, rotate(k[t : t + 1], now, base)))           # rotated once
        keys = cache
        if key_at == "the newest position":
            keys = rotate(k[: t + 1], now.expand(t + 1), base)
        weights = (rotate(q[t : t + 1], now, base) @ keys.T / d_head**0.5).softmax(-1)
        decoded.append(weights @ v[: t + 1])
    gap = (torch.cat(decoded) - full).abs().amax(-1)
    show(lines("token", positions, {"largest difference": gap}))
    expect("output from the cache less the full pass", gap, equals=0,
           within=1e-15 * length * d_head, at=("token", positions))


ZH = {
    "change of the output when all move": "整体平移时输出的变化",
    "{} rotated": "旋转 {}",
    "{}, and the output back": "{}，输出再转回",
    "change of the output, {}": "输出的变化，{}",
    "change with the output rotated back": "输出再转回时的变化",
    "change of the scores when all move": "整体平移时得分的变化",
    "change of the scores, {}": "得分的变化，{}",
    "project, norm, rotate": "投影、归一化、旋转",
    "project, rotate, norm": "投影、旋转、归一化",
    "rotate, project": "旋转、投影",
    "largest difference": "最大差异",
    "output from the cache less the full pass": "由 cache 得到的输出与整段计算之差",
}

if __name__ == "__main__":
    main()
