r"""Where the norm sits decides what grows with depth: the stream before it, or nothing, and then the skip path fades.

归一化放在哪里，决定什么随深度变化：要么残差流增长，要么不增长，而 skip 通路逐层衰减。

Xiong et al. 2020; Kim et al. 2025 (Peri-LN). Guess first what 16 sublayers do to the size of the stream. Turn `place` to
"post": the stream keeps its size, and the skip path keeps a 256th of the gradient.
先猜 16 个子层之后残差流有多大。把 `place` 改为 "post"：残差流大小不变，而 skip 通路上的梯度只剩 1/256。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show


def norm(h: Tensor) -> Tensor:
    """LayerNorm without gain over the last axis."""
    return F.layer_norm(h, h.shape[-1:], eps=1e-12)


@exercise(claims=("norms_at_the_output_bound_each_update", "post_norm_halves_the_skip_path"),
          wrong=("normalises_the_skip", "post_without_the_skip", "sandwich_without_its_output_norm",
                 "sandwich_reads_the_raw_stream"))
def sublayer(h: Tensor, branch, norm, place: str) -> Tensor:
    """One residual sublayer on the stream h (tokens, width); branch and norm are functions of such a tensor. place:
    "post" (original Transformer, BERT), "pre" (GPT-2, LLaMA), "inside" (OLMo 2: the branch's output alone is normalised)
    or "sandwich" (Gemma 2: the branch's input and output).

    对残差流 h (tokens, width) 做一个残差子层；branch 与 norm 是作用于这种张量的函数。place："post"（原始 Transformer、
    BERT）、"pre"（GPT-2、LLaMA）、"inside"（OLMo 2：只归一化分支的输出）、"sandwich"（Gemma 2：分支的输入与输出都归一化）。"""
    if place == "post":
        return norm(h + branch(h))
    update = branch(norm(h) if place in ("pre", "sandwich") else h)
    return h + (norm(update) if place in ("inside", "sandwich") else update)


def stack(x: Tensor, ws: Tensor, place: str, passes: float = 1.0, detached: bool = False) -> list[Tensor]:
    """The streams after 0, 1, … sublayers. Each branch is linear, w of ws (sublayers, width, width); `passes` is the share
    of its variance that depends on its input, the rest is a constant vector. Detached branches pass no gradient."""
    def branch_of(w: Tensor):
        def branch(h: Tensor) -> Tensor:
            out = passes**0.5 * h @ w
            if passes < 1:
                out = out + (1 - passes) ** 0.5 * w.norm() / w.shape[0] ** 0.5 * torch.randn(w.shape[0], dtype=w.dtype)
            return out.detach() if detached else out
        return branch

    streams = [norm(x)]
    for w in ws:
        streams.append(sublayer(streams[-1], branch_of(w), norm, place))
    return streams


def drawn(sublayers: int, width: int, tokens: int = 16) -> tuple[Tensor, Tensor]:
    """Tokens and the weights of linear branches that keep the variance."""
    return (torch.randn(tokens, width, dtype=torch.float64),
            torch.randn(sublayers, width, width, dtype=torch.float64) / width**0.5)


def gradient_kept(x: Tensor, ws: Tensor, place: str, passes: float = 1.0, detached: bool = False) -> list[float]:
    """Size of a random gradient at the output, carried back to each earlier stream, over its size at the output."""
    streams = stack(x.requires_grad_(), ws, place, passes, detached)
    grads = torch.autograd.grad(streams[-1], streams, torch.randn_like(x), materialize_grads=True)
    return [(g.norm() / grads[-1].norm()).item() for g in grads]


RANGES = {
    "sublayers": between(2, 16),
    "width": between(128, 192),
    "gains": each(between(0.25, 4.0), at_least=2, at_most=4, rising=True),
    "place": one_of("pre", "post", "inside", "sandwich"),
    "depths": each(between(2, 64), at_least=2, at_most=4, rising=True),
    "shares": each(between(0.0, 1.0), at_least=2, at_most=4, rising=True),
    "last_norm": one_of("yes", "no"),
}


@breaks(place="pre", en="With a norm at the input alone, a branch of gain g adds g² to the variance.",
        zh="只在输入处归一化，增益为 g 的分支每次给方差加 g²。")
@breaks(place="post", en="A norm after the addition holds the whole stream at variance 1.",
        zh="在相加之后归一化，整个残差流的方差保持为 1。")
def claim_norms_at_the_output_bound_each_update(sublayers=16, width=128, gains=(0.5, 1.0, 4.0), place="sandwich"):
    """With the branch's output normalised, inside or sandwich, the stream's variance after s sublayers is 1 + s
    whatever the branch's gain g; in pre-norm it is 1 + g²s.

    分支输出有归一化时（inside 或 sandwich），s 个子层之后残差流的方差是 1 + s，与分支增益 g 无关；pre-norm 则是 1 + g²s。"""
    x, ws = drawn(sublayers, width)
    found = {p: torch.tensor([[h.var().item() for h in stack(x, g * ws, p)] for g in gains])
             for p in ("pre", "post", "inside", "sandwich")}
    show(lines("sublayers", range(sublayers + 1), {f"{p}, branch gain {gains[-1]:g}": v[-1] for p, v in found.items()},
               log="y", y_label="variance of the stream"))
    s = torch.arange(sublayers + 1)
    # The update is orthogonal to the stream up to 1/√(tokens·width), the same for all branches: six of those.
    for i, g in enumerate(gains):
        for name in sorted({place, "inside"}):
            expect(f"{name}: variance over 1 + s, gain {g:g}", found[name][i] / (1 + s), equals=1, within=0.15,
                   at=("sublayers", s))
        expect(f"pre-norm variance over 1 + g²s, gain {g:g}", found["pre"][i] / (1 + g**2 * s), equals=1, within=0.15,
               at=("sublayers", s))
    read = {}
    for p in ("pre", "post", "inside", "sandwich"):                       # a branch that notes the size of what it reads
        sublayer(3 * norm(x), lambda u, p=p: read.update({p: u.square().mean().sqrt().item()}) or u, norm, p)
    expect("RMS of what a branch reads of a stream of RMS 3", list(read.values()), equals=[1, 3, 3, 1], within=1e-9,
           at=("place", list(read)))


@breaks(place="pre", en="Nothing stands on the skip path of a pre-norm stack: its gradient arrives whole.",
        zh="pre-norm 的 skip 通路上什么都没有，梯度原样到达。")
def claim_post_norm_halves_the_skip_path(sublayers=16, width=128, place="post"):
    """Along the skip path alone a post-norm stack of unit-variance branches keeps 2^(−s/2) of the gradient over s
    sublayers, 1/256 over 16; a pre-norm stack keeps all of it.

    分支方差为 1 时，只看 skip 通路，post-norm 经过 s 个子层保留梯度的 2^(−s/2)，16 个子层是 1/256；pre-norm 全部保留。"""
    x, ws = drawn(sublayers, width)
    kept = {p: gradient_kept(x, ws, p, detached=True) for p in {"pre", "post", place}}
    below = list(range(sublayers + 1))
    show(lines("sublayers to the output", below[::-1], {f"{p}-norm": kept[p] for p in ("pre", "post")}, log="y",
               y_label="gradient kept by the skip path"))
    # A branch's variance scatters by √(2/width) a token: 3 % on the first factor, and its root of s less on their mean.
    expect("factor per sublayer, times √2", 2**0.5 * kept[place][0] ** (1 / sublayers), equals=1,
           within=0.15 / sublayers**0.5 + 0.02)
    expect("gradient kept in pre-norm", kept["pre"], equals=1, within=1e-9)


@breaks(place="pre", en="In pre-norm the skip path alone keeps the gradient, whatever the branches pass.",
        zh="pre-norm 中，无论分支传不传，skip 通路本身就保住了梯度。")
def claim_the_branches_decide_whether_it_vanishes(sublayers=16, width=128, shares=(0.0, 0.5, 1.0), place="post"):
    """In a post-norm stack of unit-variance branches the whole gradient changes by √((1 + p)/2) per sublayer, p the share
    of a branch that depends on its input: kept for p = 1, halved every two sublayers for p = 0.

    分支方差为 1 的 post-norm 中，整个梯度每个子层乘以 √((1 + p)/2)，p 是分支里依赖输入的份额：p = 1 时保持，p = 0 时每两个子层减半。"""
    x, ws = drawn(sublayers, width)
    kept = torch.tensor([gradient_kept(x, ws, place, passes=p) for p in shares])
    above = torch.arange(sublayers, -1, -1)
    show(lines("sublayers to the output", above, {f"p = {p:g}": k for p, k in zip(shares, kept, strict=True)}, log="y",
               y_label="gradient over that at the output"))
    p = torch.tensor(shares)
    # A constant's variance scatters by √(2/width), the same for all tokens: 3 % on one factor, six of them, less on the mean.
    expect("factor per sublayer over √((1 + p)/2)", kept[:, 0] ** (1 / sublayers) / ((1 + p) / 2) ** 0.5, equals=1,
           within=0.2 / sublayers**0.5 + 0.03, at=("p", shares))


@breaks(last_norm="no", en="It is the last norm, dividing by √(1 + s), that makes the gradient small.",
        zh="使梯度变小的是末端的归一化，它除以 √(1 + s)。")
def claim_gradients_near_the_output_are_large_in_post_norm(depths=(4, 16, 64), width=128, last_norm="yes"):
    """At initialisation the last sublayer's weight gradient is the same at any depth s in post-norm; in pre-norm with its
    last norm it is √(2/(1 + s)) of that (linear branches of unit variance).

    初始化时，post-norm 最后一个子层的权重梯度与深度 s 无关；pre-norm 加末端归一化时是它的 √(2/(1 + s))（方差为 1 的线性分支）。"""
    found = {"pre": [], "post": []}
    for s in depths:
        x, ws = drawn(s, width)
        slope = torch.randn_like(x)
        for place, sizes in found.items():
            w = ws[-1].clone().requires_grad_()
            h = stack(x, ws[:-1], place)[-1]
            h = sublayer(h, lambda u, w=w: u @ w, norm, place)
            out = norm(h) if place == "pre" and last_norm == "yes" else h
            sizes.append(torch.autograd.grad(out, w, slope)[0].norm().item() / slope.norm().item())
    show(lines("sublayers", depths, {f"{p}-norm": v for p, v in found.items()}, log="xy",
               y_label="weight gradient of the last sublayer"))
    s = torch.tensor(depths)
    post, pre = torch.tensor(found["post"]), torch.tensor(found["pre"])
    # Tokens drift together with depth, a random walk of step 1/width: one sigma is 5 % at 64 sublayers; six of them.
    expect("post-norm gradient over that of the shallowest", post / post[0], equals=1, within=0.3, at=("sublayers", depths))
    expect("pre over post, over √(2/(1 + s))", pre / post / (2 / (1 + s)) ** 0.5, equals=1, within=0.3,
           at=("sublayers", depths))


def drill_skip_path(rng) -> Drill:
    """What the skip path of a post-norm model keeps."""
    layers = rng.choice([2, 3, 4, 5, 6])
    kept = 2.0 ** (-layers)
    return Drill(
        en=f"A post-norm Transformer has {layers} layers of two sublayers each; every branch has the variance of its "
           f"input. Which share of the output's gradient reaches the input along the skip path alone?",
        zh=f"一个 post-norm Transformer 有 {layers} 层，每层两个子层；每个分支的方差与输入相同。只沿 skip 通路，"
           f"输出处的梯度有多大比例到达输入？",
        answer=kept, within=0.02 * kept,
        steps=[("each norm divides by √(1 + 1) = √2", "每个归一化除以 √(1 + 1) = √2"),
               (f"{2 * layers} sublayers: 2^(−{2 * layers}/2) = 1/{2**layers}",
                f"{2 * layers} 个子层：2^(−{2 * layers}/2) = 1/{2**layers}")],
        proved_by="post_norm_halves_the_skip_path",
    )


def drill_relative_update(rng) -> Drill:
    """How much one sublayer changes a pre-norm stream."""
    before = rng.choice([8, 15, 24, 35, 48, 63, 99])
    share = (1 + before) ** -0.5
    return Drill(
        en=f"A pre-norm stream starts with variance 1 and every branch adds variance 1. {before} sublayers have run. How "
           f"large is the next update against the stream (ratio of RMS)?",
        zh=f"pre-norm 的残差流初始方差为 1，每个分支加上方差 1。已经过 {before} 个子层，下一次更新的 RMS 是残差流的多少？",
        answer=share, within=0.02 * share,
        steps=[(f"variance of the stream: 1 + {before} = {1 + before}", f"残差流方差：1 + {before} = {1 + before}"),
               (f"1/√{1 + before} = {share:.3g}", f"1/√{1 + before} = {share:.3g}")],
        proved_by="norms_at_the_output_bound_each_update",
    )


ZH = {
    "sublayers": "子层数",
    "{}, branch gain {}": "{}，分支增益 {}",
    "variance of the stream": "残差流的方差",
    "{}: variance over 1 + s, gain {}": "{}：方差与 1 + s 之比，增益 {}",
    "RMS of what a branch reads of a stream of RMS 3": "残差流的 RMS 为 3 时分支所读的 RMS",
    "pre-norm variance over 1 + g²s, gain {}": "pre-norm 的方差与 1 + g²s 之比，增益 {}",
    "sublayers to the output": "到输出的子层数",
    "pre-norm": "pre-norm",
    "post": "post",
    "place": "位置",
    "post-norm": "post-norm",
    "gradient kept by the skip path": "skip 通路保留的梯度",
    "factor per sublayer, times √2": "每个子层的倍数乘 √2",
    "gradient kept in pre-norm": "pre-norm 保留的梯度",
    "gradient over that at the output": "梯度与输出处之比",
    "factor per sublayer over √((1 + p)/2)": "每个子层的倍数与 √((1 + p)/2) 之比",
    "p = {}": "p = {}",
    "weight gradient of the last sublayer": "最后一个子层的权重梯度",
    "post-norm gradient over that of the shallowest": "post-norm 的梯度与最浅时之比",
    "pre over post, over √(2/(1 + s))": "pre 与 post 之比，再除以 √(2/(1 + s))",
}

if __name__ == "__main__":
    main()
