r"""An adapter is a small bottleneck with a skip connection inside a frozen block: it starts as the
identity.

adapter 是冻结模块里带跳跃连接的小瓶颈网络：训练从恒等映射开始。

Houlsby et al. 2019, §2.1. Turn `start` to "random": the pre-trained function is gone before the
first step. Turn `activation` to "identity": the adapter becomes a matrix that can be merged.
把 `start` 改为 "random"：第一步之前，预训练的函数就没了；把 `activation` 改为 "identity"：adapter 成了可以合并的矩阵。
"""

import torch
from torch import Tensor, nn

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import operations


@exercise(
    claims=("a_zero_start_is_the_identity_and_learns", "no_matrix_replaces_an_adapter"),
    wrong=("forgets_the_skip", "activates_at_the_end", "leaves_out_the_activation"),
)
def adapter(x: Tensor, down: Tensor, down_bias: Tensor, up: Tensor, up_bias: Tensor) -> Tensor:
    """A bottleneck adapter with ReLU on x (rows, d); down is (d, m), up (m, d), the biases (m,) and
    (d,).

    对 x (rows, d) 的瓶颈 adapter，激活用 ReLU；down 为 (d, m)，up 为 (m, d)，偏置为 (m,) 与 (d,)。"""
    return x + torch.relu(x @ down + down_bias) @ up + up_bias


def without_activation(x: Tensor, down: Tensor, down_bias: Tensor, up: Tensor, up_bias: Tensor) -> Tensor:
    """The wrong way: two matrices in a row are one matrix of rank m."""
    return x + (x @ down + down_bias) @ up + up_bias


KINDS = {"relu": adapter, "identity": without_activation}


def fresh(width: int, bottleneck: int, start: str) -> list[Tensor]:
    """The four tensors of an adapter, trainable: zeros for `up`, for both matrices, or for none."""
    down, up = torch.randn(width, bottleneck) / width**0.5, torch.randn(bottleneck, width) / bottleneck**0.5
    if start == "both zero":
        down = torch.zeros_like(down)
    if start != "random":
        up = torch.zeros_like(up)
    parts = down, torch.zeros(bottleneck), up, torch.zeros(width)
    return [one.requires_grad_() for one in parts]


def blocks(x: Tensor, frozen: list[tuple[Tensor, Tensor]], adapters: list[list[Tensor]]) -> Tensor:
    """Residual feed-forward blocks on x (rows, width), an adapter after each where there is one:
    before the residual is added."""
    for i, (w1, w2) in enumerate(frozen):
        y = torch.relu(x @ w1) @ w2
        x = x + (adapter(y, *adapters[i]) if adapters else y)
    return x


def base(width: int, layers: int) -> list[tuple[Tensor, Tensor]]:
    """Frozen weights of the blocks."""
    return [(torch.randn(width, 2 * width) / width**0.5, torch.randn(2 * width, width) / (2 * width) ** 0.5)
            for _ in range(layers)]


RANGES = {
    "width": between(2, 256),
    "bottleneck": between(1, 64),
    "bottlenecks": each(between(1, 512), rising=True),
    "layers": between(1, 6),
    "rank": between(1, 16),
    "start": one_of("zero up", "both zero", "random"),
    "activation": one_of("relu", "identity"),
    "sites": one_of("two a layer", "one a layer"),
    "lora": one_of("merged", "unmerged"),
}


@breaks(start="random", en="The first forward pass is no longer the pre-trained one.", zh="第一次前向就已不是预训练的函数。")
@breaks(start="both zero", en="With both matrices zero neither gets a gradient.", zh="两个矩阵都为零时，都没有梯度。")
def claim_a_zero_start_is_the_identity_and_learns(width=32, bottleneck=8, layers=3, start="zero up"):
    """With a zero up-projection the adapted model starts as the base model, bit by bit, and the
    up-projection has a gradient.

    up 投影为零时，加了 adapter 的模型一开始与原模型逐位相同，而 up 投影有梯度。"""
    frozen, x = base(width, layers), torch.randn(64, width)
    adapters = [fresh(width, bottleneck, start) for _ in range(layers)]
    out = blocks(x, frozen, adapters)
    gap = (out - blocks(x, frozen, [])).abs().max()
    target = torch.randn(64, width)
    gradients = torch.autograd.grad(((out - target) ** 2).mean(), [t for a in adapters for t in a])
    names = ("down", "down bias", "up", "up bias")
    show(bars(names, {"size of the gradient, layer 1": [g.norm() for g in gradients[:4]]}))
    expect("difference from the base model", gap, equals=0)
    expect("size of up's gradient", [gradients[4 * i + 2].norm() for i in range(layers)], at_least=1e-6,
           at=("layer", range(layers)))


@breaks(activation="identity", en="Without an activation the adapter is I + down·up, and merges into the matrix before it.",
        zh="没有激活，adapter 就是 I + down·up，可以并入它前面的矩阵。")
def claim_no_matrix_replaces_an_adapter(width=32, bottleneck=8, activation="relu"):
    """The best affine map misses a random ReLU adapter's own contribution by over a tenth of its
    size, and nothing without the activation.

    最好的仿射映射，对随机 ReLU adapter 自身贡献的误差也超过其大小的十分之一；去掉激活则没有误差。"""
    x = torch.randn(4096, width, dtype=torch.float64)
    parts = [one.detach().double() for one in fresh(width, bottleneck, "random")]
    added, linear = (kind(x, *parts) - x for kind in (KINDS[activation], without_activation))   # (rows, width)
    design = torch.cat((x, torch.ones(len(x), 1, dtype=torch.float64)), 1)
    # Normal equations: with thousands of random rows they are well conditioned.
    best = torch.linalg.solve(design.T @ design, design.T @ added)              # (width + 1, width)
    missed = (design @ best - added).norm(dim=0) / (added - added.mean(0)).norm(dim=0)
    show(lines("output", range(width), {"part that no affine map gives": missed}))
    expect("part that no affine map gives", missed.square().mean().sqrt(), at_least=0.1)
    best = torch.linalg.solve(design.T @ design, design.T @ linear)
    # float64: sums over 4096 rows, solved with a condition number of a few
    expect("the same without the activation", (design @ best - linear).norm() / linear.norm(), equals=0, within=1e-10)


@breaks(sites="one a layer", en="Pfeiffer's layout has one adapter a layer, and half of the parameters.",
        zh="Pfeiffer 的放法每层只有一个 adapter，参数减半。")
def claim_houlsby_adapters_have_2md_m_d(bottlenecks=(8, 64, 256), sites="two a layer"):
    """An adapter has 2md + m + d parameters; two in each of BERT-large's 24 layers make 6.3 million
    at m = 64, 1.9 % of it.

    一个 adapter 有 2md + m + d 个参数；BERT-large 的 24 层各放两个，m = 64 时共 630 万，占 1.9%。"""
    d, count = 1024, 24 * (2 if sites == "two a layer" else 1)
    with torch.device("meta"):
        sizes = [count * sum(p.numel() for part in (nn.Linear(d, m), nn.Linear(m, d)) for p in part.parameters())
                 for m in bottlenecks]
    show(lines("bottleneck m", bottlenecks, {"parameters": sizes}, log="xy"))
    expect("parameters", sizes, equals=[48 * (2 * m * d + m + d) for m in bottlenecks], at=("m", bottlenecks))
    share = [100 * s / 335_141_888 for s, m in zip(sizes, bottlenecks, strict=True) if m == 64]    # BERT-large
    if share:
        expect("per cent of BERT-large at m = 64", share, equals=1.9, within=0.05)


@breaks(lora="unmerged", en="Unmerged, LoRA runs two more products beside each weight.", zh="不合并时，LoRA 在每个权重旁多算两个乘积。")
def claim_an_adapter_adds_products_a_merged_lora_does_not(width=32, bottleneck=8, layers=3, rank=4, lora="merged"):
    """An adapter adds two matrix products to a block for good, unmerged LoRA two to each of its
    matrices; merged, LoRA runs as many as the base model.

    adapter 在每个模块里永远多两个矩阵乘，不合并的 LoRA 每个矩阵多两个；合并后与原模型的个数相同。"""
    frozen, x = base(width, layers), torch.randn(8, width)
    low = [[(torch.randn(w.shape[0], rank), torch.randn(rank, w.shape[1])) for w in pair] for pair in frozen]

    def with_lora(way: str) -> Tensor:
        y = x
        for pair, factors in zip(merged if way == "merged" else frozen, low, strict=True):
            h = y
            for i, (w, (a, b)) in enumerate(zip(pair, factors, strict=True)):
                z = h @ w if way == "merged" else h @ w + (h @ a) @ b
                h = torch.relu(z) if i == 0 else z
            y = y + h
        return y

    merged = [tuple(w + a @ b for w, (a, b) in zip(pair, factors, strict=True))
              for pair, factors in zip(frozen, low, strict=True)]
    works = (lambda: blocks(x, frozen, []), lambda: with_lora(lora), lambda: with_lora("unmerged"),
             lambda: blocks(x, frozen, [fresh(width, bottleneck, "zero up") for _ in range(layers)]))
    products = []
    for work in works:
        with operations() as ran:
            work()
        products.append(ran.count("mm"))
    show(bars(["base", f"LoRA, {lora}", "LoRA, unmerged", "adapter"], {"matrix products": products}))
    expect("products beyond the base, with LoRA", products[1] - products[0], equals=0)
    expect("products beyond the base, LoRA unmerged", products[2] - products[0], equals=4 * layers)
    expect("products beyond the base, with adapters", products[3] - products[0], equals=2 * layers)


def drill_parameters(rng) -> Drill:
    """Parameters that adapters add to a model."""
    d, m, layers, sites = rng.choice([(1024, 64, 24, 2), (768, 64, 12, 2), (4096, 64, 32, 2), (768, 48, 12, 1), (1000, 10, 10, 2)])
    with torch.device("meta"):
        one = sum(p.numel() for part in (nn.Linear(d, m), nn.Linear(m, d)) for p in part.parameters())
    total = layers * sites * one
    return Drill(
        en=f"Width {d}, bottleneck {m}, {layers} layers with {sites} adapter{'s' if sites > 1 else ''} each, biases included. "
           "How many parameters do the adapters add?",
        zh=f"宽度 {d}，瓶颈 {m}，{layers} 层，每层 {sites} 个 adapter，含偏置。adapter 共增加多少参数？",
        answer=total,
        steps=[(f"one adapter: 2·{m}·{d} + {m} + {d} = {one:,}", f"一个 adapter：2·{m}·{d} + {m} + {d} = {one:,}"),
               (f"{layers} · {sites} · {one:,} = {total:,}", f"{layers} · {sites} · {one:,} = {total:,}")],
        proved_by="houlsby_adapters_have_2md_m_d",
    )


ZH = {
    "down": "down",
    "down bias": "down 偏置",
    "up": "up",
    "up bias": "up 偏置",
    "size of the gradient, layer 1": "第 1 层梯度的大小",
    "difference from the base model": "与原模型之差",
    "size of up's gradient": "up 的梯度大小",
    "layer": "层",
    "output": "输出",
    "the same without the activation": "去掉激活后的同一部分",
    "part that no affine map gives": "任何仿射映射都给不出的部分",
    "bottleneck m": "瓶颈 m",
    "parameters": "参数",
    "per cent of BERT-large at m = 64": "m = 64 时占 BERT-large 的百分比",
    "base": "原模型",
    "adapter": "adapter",
    "LoRA, {}": "LoRA（{}）",
    "matrix products": "矩阵乘的个数",
    "products beyond the base, with adapters": "adapter 比原模型多的乘积",
    "products beyond the base, LoRA unmerged": "不合并的 LoRA 比原模型多的乘积",
    "products beyond the base, with LoRA": "LoRA 比原模型多的乘积",
}

if __name__ == "__main__":
    main()
