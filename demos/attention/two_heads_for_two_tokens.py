r"""One head gives every coordinate the same mixture of tokens, so fetching half a payload from each
of two costs half the variance; two heads do it.

一个头对所有坐标都用同一组混合权重，所以从两个 token 各取一半内容要损失一半方差；两个头就能做到。

Turn `heads` to 1, or to 16 of width 1: training stops at half the variance, or worse. Independent
Gaussian payloads; a decoder that knows a small vocabulary can do better.
把 `heads` 改为 1，或 16 个宽 1 的头：训练停在一半方差，甚至更差。内容是独立高斯；若解码器知道内容只取自小词表，可以更好。
"""

from functools import cache

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, each, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam

F64 = torch.float64


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Multi-head attention before W_O; q and k (…, n, D), v (…, batch, n, D)."""
    q, k = (t.unflatten(-1, (heads, -1)).transpose(-3, -2) for t in (q, k))          # (…, h, n, d)
    p = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)
    v = v.unflatten(-1, (heads, -1)).transpose(-3, -2)                         # (…, batch, h, n, d)
    return (p[:, None] @ v).transpose(-3, -2).flatten(-2)


@cache
def learn(heads: int, width: int, ring: int, tries: int, steps: int, seed: int) -> Tensor:
    """Losses (steps, tries) of learning “half of my left neighbour's content, half of my right
    one's”: queries and keys see the place alone, values the content, new in every step."""
    torch.manual_seed(seed)
    place = torch.eye(ring) * ring**0.5
    w_q, w_k = ((0.5 * torch.randn(tries, ring, width) / ring**0.5).requires_grad_() for _ in range(2))
    w_v, w_o = ((torch.randn(tries, 1, width, width) / width**0.5).requires_grad_() for _ in range(2))
    step, losses = Adam([w_q, w_k, w_v, w_o], lr=0.05), []
    for _ in range(steps):
        content = torch.randn(tries, 8, ring, width)                     # (tries, batch, n, D)
        half = width // 2
        wanted = torch.cat((content.roll(1, 2)[..., :half], content.roll(-1, 2)[..., half:]), -1)
        out = attend(place @ w_q, place @ w_k, content @ w_v, heads) @ w_o
        loss = (out - wanted).square().mean((1, 2, 3))                   # (tries,)
        step.step(loss.sum())
        losses.append(loss.detach())
    return torch.stack(losses)


RANGES = {
    "splits": each(between(0.0, 1.0), at_least=2, at_most=8, rising=True),
    "width": one_of(16, 32),
    "samples": between(2048, 8192),
    "fetch": one_of("half of each", "the mean"),
    "heads": one_of(1, 2, 4, 16),
    "steps": between(60, 90),
}


@breaks(fetch="the mean",
        en="The mean of both payloads is one mixture, p = 1/2, and costs nothing.",
        zh="两份内容的均值本身就是一种混合（p = 1/2），没有损失。")
def claim_one_head_has_a_half_variance_floor(splits=(0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0), width=16,
                                             samples=4096, fetch="half of each"):
    """From p·left + (1 − p)·right the best linear readout of half of each loses half the variance
    on average, whatever p is: errors (1 − p)² and p² over their sum.

    由 p·左 + (1 − p)·右 各取一半，无论 p 取多少，最佳线性读出平均都损失一半方差：两边误差是 (1 − p)² 与 p²，再除以
    二者之和。"""
    left, right = torch.randn(2, samples, width, dtype=F64)
    half, lost = width // 2, []
    for p in splits:
        seen = p * left + (1 - p) * right                            # all that one head can hand on
        wanted = torch.cat((left[:, :half], right[:, half:]),
                           1) if fetch == "half of each" else seen
        readout = torch.linalg.lstsq(seen, wanted).solution
        lost.append((seen @ readout - wanted).square().mean(0))
    lost = torch.stack(lost)                                             # (splits, D)
    p = torch.tensor(splits, dtype=F64)
    show(lines("weight on the left", splits,
               {"half of the left": lost[:, :half].mean(1),
                "half of the right": lost[:, half:].mean(1),
                "mean": lost.mean(1)}, y_label="error over variance"))
    # A mean of samples·D/2 squares scatters by √(2/(samples·D/2)); the fit takes up D/samples.
    slack = 6 * (4 / (samples * width)) ** 0.5 + width / samples
    expect("mean error over the variance", lost.mean(1), equals=0.5, within=slack,
           at=("weight", splits))
    expect("error of the left half", lost[:, :half].mean(1),
           equals=(1 - p) ** 2 / (p**2 + (1 - p) ** 2),
           within=2 * slack, at=("weight", splits))


@breaks(heads=1, en="One pattern cannot point at two neighbours.", zh="一种分布无法同时指向两个邻居。")
@breaks(heads=16, en="A head of width 1 cannot single out one of six keys.",
        zh="宽 1 的头无法从六个 key 中单独选出一个。")
def claim_two_heads_solve_it_and_sixteen_fail_again(heads=2, steps=60):
    """Trained to fetch from two tokens at once (width 16, best of four runs), one head stays at
    half the variance, two or four succeed, sixteen of width 1 fail.

    训练同时从两个 token 取内容（宽 16，四次取最好）：一个头停在一半方差，两个或四个头可以做到，十六个宽 1 的头做不到。"""
    seed = torch.initial_seed()
    runs = {h: learn(h, 16, 6, 4, steps, seed) for h in sorted({1, heads, 4, 16})}
    best = {h: run[:, run[-10:].mean(0).argmin()] for h, run in runs.items()}
    show(lines("step", range(steps), {f"h = {h}": curve for h, curve in best.items()},
               y_label="mean squared error"))
    ends = {h: curve[-10:].mean() for h, curve in best.items()}
    for h in sorted({heads, 4}):
        expect(f"error at the end, h = {h}", ends[h], at_most=0.1)
    # Sixteen heads of width 1 get a little below the floor of one head; a tenth of the variance is room.
    for h in (1, 16):
        expect(f"error at the end, h = {h}, over half the variance", ends[h] / 0.5, at_least=0.8)


ZH = {
    "weight on the left": "左边的权重", "half of the left": "左边那一半", "half of the right": "右边那一半",
    "mean": "平均", "error over variance": "误差与方差之比", "mean error over the variance": "平均误差与方差之比",
    "weight": "权重", "error of the left half": "左边一半的误差", "step": "步", "mean squared error": "均方误差",
    "error at the end, h = {}": "最后的误差，h = {}",
    "error at the end, h = {}, over half the variance": "最后的误差与一半方差之比，h = {}",
}

if __name__ == "__main__":
    main()
