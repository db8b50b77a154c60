r"""A low-rank change is large in a few directions: it adds singular vectors that the base does not have.

低秩的改变集中在少数方向上：它给权重添上底座没有的奇异向量。

Shuttleworth et al. 2024 call them intruder dimensions; random changes here, not trained ones. Turn `shape`
to "spread": a change of the same size over all directions adds none. 此处是随机的改变，并非训练所得。
把 `shape` 改为 "spread"：同样大小、摊在所有方向上的改变，一个也不添。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show


@exercise(claims=("a_low_rank_change_adds_new_singular_vectors",), wrong=("keeps_the_sign", "counts_the_alike"))
def intruders(before: Tensor, after: Tensor, top: int, alike: float) -> int:
    """How many of the top left singular vectors of `after` have a cosine below `alike`, in magnitude, with every left
    singular vector of `before`; both weights are (d_out, d_in).

    `after` 的前 top 个左奇异向量中，有多少个与 `before` 的每一个左奇异向量的余弦（绝对值）都低于 `alike`；两个权重都是
    (d_out, d_in)。"""
    old, new = torch.linalg.svd(before)[0], torch.linalg.svd(after)[0][:, :top]
    return int(((new.T @ old).abs().amax(1) < alike).sum())


def base(d: int) -> Tensor:
    """A weight (d, d) with singular values 1, 1/√2, 1/√3, …, float64."""
    u, v = (torch.linalg.qr(torch.randn(d, d).double())[0] for _ in range(2))
    return u * torch.arange(1, d + 1).double() ** -0.5 @ v.T


def change(d: int, r: int, shape: str) -> Tensor:
    """A change (d, d) of Frobenius norm 1: a random product of rank r, or random numbers everywhere."""
    delta = torch.randn(d, r).double() @ torch.randn(r, d).double() if shape == "low rank" else torch.randn(d, d).double()
    return delta / delta.norm()


RANGES = {
    "shape": one_of("low rank", "spread"),
    "r": between(3, 4),
    "d": one_of(96, 128),
    "size": one_of(0.01, 0.25),
}
SPREAD = breaks(shape="spread", en="Spread over all directions, the same size stands out in none.",
                zh="摊在所有方向上，同样的大小在哪个方向都不突出。")


@SPREAD
def claim_a_low_rank_change_is_loud_in_few_directions(r=4, d=128, shape="low rank"):
    """Of the same Frobenius norm, a change of rank r has a largest singular value of at least 1/√r, one spread over all
    directions about 2/√d.

    Frobenius 范数相同时，秩 r 的改变最大奇异值至少为 1/√r，摊在所有方向上的约为 2/√d。"""
    ranks = (1, 2, 4, 8, 16, 32)
    largest = [torch.linalg.matrix_norm(change(d, k, shape), 2).item() for k in (*ranks, r)]
    spread = torch.linalg.matrix_norm(change(d, r, "spread"), 2)
    show(lines("rank", ranks, {"largest singular value": largest[:-1], "1/√r": [k**-0.5 for k in ranks],
                               "spread": [spread] * len(ranks)}, log="xy"))
    expect("largest singular value over 1/√r", [y * k**0.5 for y, k in zip(largest, (*ranks, r), strict=True)], at_least=1 - 1e-12)
    # the edge of a random spectrum is 2/√d up to d^(-2/3): 4 %, and room
    expect("spread, over 2/√d", spread * d**0.5 / 2, equals=1, within=0.12)


@SPREAD
@breaks(size=0.01, en="A change of one per cent of the weight moves its vectors a little and adds none.",
        zh="只有权重百分之一大小的改变，只稍稍转动原有向量，不添新的。")
def claim_a_low_rank_change_adds_new_singular_vectors(r=4, d=128, size=0.25, shape="low rank"):
    """A random change of rank 4, a quarter as large as the weight, puts vectors among the top 10 that resemble none of the
    weight's (cosine under 0.7); spread over all directions it puts none there (toy).

    大小为权重四分之一、秩 4 的随机改变，使前 10 个奇异向量里出现与原权重的都不像的（余弦低于 0.7）；摊在所有方向上则一个也没有
    （玩具）。"""
    w = base(d)
    sizes = (0.05, 0.1, 0.2, 0.3)
    curves = {kind: [intruders(w, w + s * w.norm() * change(d, r, kind), 10, 0.7) for s in sizes] for kind in ("low rank", "spread")}
    show(lines("size of the change over the weight", sizes, curves, y_label="new vectors in the top 10"))
    expect("new vectors in the top 10", intruders(w, w + size * w.norm() * change(d, r, shape), 10, 0.7), at_least=1)
    # by another road, eigenvectors of W Wᵀ: those of the spread change are all known
    spread = w + size * w.norm() * change(d, r, "spread")
    expect("new vectors in the top 10, spread", intruders(w, spread, 10, 0.7), equals=0)
    vectors = torch.linalg.eigh(spread @ spread.T)[1].flip(1)[:, :10]
    old = torch.linalg.eigh(w @ w.T)[1]
    nearest = (old.T @ vectors).abs().amax(0)
    show(bars([f"{i + 1}" for i in range(10)], {"largest cosine, spread": nearest}))
    expect("largest cosine of each top vector, spread", nearest, at_least=0.7, at=("vector", range(1, 11)))


def drill_loudness(rng) -> Drill:
    """How much larger the top singular value of a low-rank change is."""
    d, r = rng.choice([(4096, 16), (4096, 64), (1024, 16), (4096, 4), (1024, 4)])
    value = (d / r) ** 0.5 / 2
    return Drill(
        en=f"A change of rank {r} and one spread at random over all directions of a {d} × {d} weight have the same Frobenius norm. "
           "How many times the largest singular value of the second must that of the first be, at least?",
        zh=f"对 {d} × {d} 的权重，一个秩 {r} 的改变和一个随机摊在所有方向上的改变，Frobenius 范数相同。前者的最大奇异值至少是后者的几倍？",
        answer=value,
        steps=[(f"rank {r}: at least 1/√{r} = {r**-0.5:g} of the norm", f"秩 {r}：至少为范数的 1/√{r} = {r**-0.5:g}"),
               (f"spread: about 2/√{d} = {2 * d**-0.5:g}; the ratio is {value:g}", f"摊开：约 2/√{d} = {2 * d**-0.5:g}；比值 {value:g}")],
        proved_by="a_low_rank_change_is_loud_in_few_directions",
    )


ZH = {
    "rank": "秩",
    "largest singular value": "最大奇异值",
    "spread": "摊开",
    "low rank": "低秩",
    "largest singular value over 1/√r": "最大奇异值与 1/√r 之比",
    "spread, over 2/√d": "摊开的与 2/√d 之比",
    "size of the change over the weight": "改变相对权重的大小",
    "new vectors in the top 10": "前 10 个里的新向量",
    "new vectors in the top 10, spread": "前 10 个里的新向量，摊开",
    "largest cosine, spread": "最大余弦，摊开",
    "largest cosine of each top vector, spread": "摊开时前 10 个向量各自的最大余弦",
    "vector": "向量",
}

if __name__ == "__main__":
    main()
