r"""AdapterFusion attends over the outputs of trained adapters: it picks one per token, where a fixed
mix cannot.

AdapterFusion 对已训练的各 adapter 的输出做注意力：它能逐 token 选择，固定的混合做不到。

Pfeiffer et al. 2021, §3.2. A toy: four frozen adapters, a task in which the sign of one feature says which
is right. Turn `target` to "none of them": no weight helps.
玩具实验：四个冻结的 adapter，某个特征的符号决定该用哪一个。把 `target` 改为 "none of them"：怎么加权都没用。
"""

import torch
from torch import Tensor, nn

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam


@exercise(claims=("fusion_chooses_by_token", "it_starts_as_the_mean_of_the_adapters"),
          wrong=("normalises_over_tokens", "attends_to_the_layer", "forgets_the_values"))
def fuse(h: Tensor, outputs: Tensor, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of each token over the adapters: h is (tokens, width), the layer's output; outputs
    is (tokens, adapters, width), what each adapter makes of it; the matrices are (width, width).
    The score is a plain dot product. Gives (tokens, width).

    每个 token 对各 adapter 做注意力：h 为该层输出 (tokens, width)，outputs 为各 adapter 的输出 (tokens, adapters, width)，
    三个矩阵为 (width, width)，分数用未缩放的点积。返回 (tokens, width)。"""
    scores = ((h @ query)[:, None] * (outputs @ key)).sum(-1)                 # (tokens, adapters)
    return (scores.softmax(-1)[..., None] * (outputs @ value)).sum(1)


def task(width: int, target: str, tokens: int = 512, adapters: int = 4) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Inputs, the outputs of frozen adapters, what is wanted, and which adapter is right."""
    h = torch.randn(tokens, width)
    made = torch.randn(adapters + 1, width, width) / width**0.5               # one more, which nobody trained
    bias = torch.randn(adapters + 1, width)                                   # by which a key knows the adapter
    outputs = torch.tanh(torch.einsum("tw,awv->tav", h, made) + bias)         # (tokens, adapters + 1, width)
    right = torch.where(h[:, 0] > 0, 1, 3) if target == "two of them" else torch.full((tokens,), adapters)
    return h, outputs[:, :adapters], outputs[torch.arange(tokens), right], right


def start(width: int) -> list[Tensor]:
    """Query and key near zero, the value matrix the identity."""
    parts = 0.01 * torch.randn(width, width), 0.01 * torch.randn(width, width), torch.eye(width)
    return [p.clone().requires_grad_() for p in parts]


RANGES = {
    "width": between(8, 24),
    "target": one_of("two of them", "none of them"),
    "value": one_of("identity", "random"),
    "matrices": one_of("query, key, value", "value alone"),
}


@breaks(target="none of them", en="Where no adapter fits, choosing among them gains little.",
        zh="没有一个 adapter 合适时，怎么选都没多大用。")
def claim_fusion_chooses_by_token(width=16, target="two of them"):
    """In the toy, fusion reaches less than a third of the error of the best fixed mix of the same
    four adapters.

    玩具实验里，融合的误差不到这四个 adapter 最优固定混合的三分之一。"""
    h, outputs, wanted, _ = task(width, target)
    flat = outputs.transpose(1, 2).reshape(-1, outputs.shape[1]).double()     # (tokens · width, adapters)
    mix = torch.linalg.solve(flat.T @ flat, flat.T @ wanted.reshape(-1).double())
    fixed = (flat @ mix - wanted.reshape(-1)).square().mean()
    parts, curve = start(width), []
    adam = Adam(parts[:2], lr=0.02)                                           # the values stay the identity
    for _ in range(150):
        loss = (fuse(h, outputs, *parts) - wanted).square().mean()
        curve.append(loss.item())
        adam.step(loss)
    show(lines("step", range(len(curve)), {"fusion": curve, "best fixed mix": [fixed.item()] * len(curve)}, log="y", y_label="error"))
    expect("error of fusion over the best fixed mix", curve[-1] / fixed, at_most=1 / 3)


@breaks(value="random", en="A random value matrix scrambles what the adapters know.", zh="随机的 value 矩阵会打乱 adapter 学到的东西。")
def claim_it_starts_as_the_mean_of_the_adapters(width=16, value="identity"):
    """With small query and key and the identity as value matrix, fusion starts as the plain mean of
    the adapters' outputs.

    query、key 很小而 value 矩阵取恒等时，融合一开始就是各 adapter 输出的平均。"""
    h, outputs, _, _ = task(width, "two of them")
    query, key, values = (p.detach() for p in start(width))
    if value == "random":
        values = torch.randn(width, width) / width**0.5
    fused, mean = fuse(h, outputs, query, key, values), outputs.mean(1)
    show(bars([f"output {i}" for i in range(4)], {"fusion": fused[0, :4], "mean": mean[0, :4]}))
    # scores have a standard deviation of about width · 1e-4, so weights are off by a few hundredths at most
    expect("difference from the mean", (fused - mean).norm() / mean.norm(), at_most=0.05)


@breaks(matrices="value alone", en="Without query and key there is nothing to choose with.", zh="没有 query 与 key，就无从选择。")
def claim_a_fusion_layer_outweighs_its_adapters(matrices="query, key, value"):
    """A fusion layer has 3d² weights: at d = 768 as many as 23 adapters of bottleneck 48, and all
    adapters still run.

    融合层有 3d² 个权重：d = 768 时相当于 23 个瓶颈为 48 的 adapter，而且所有 adapter 仍要运行。"""
    d, m = 768, 48
    with torch.device("meta"):
        count = 3 if matrices == "query, key, value" else 1
        fusion = sum(nn.Linear(d, d, bias=False).weight.numel() for _ in range(count))
        adapter = sum(p.numel() for part in (nn.Linear(d, m), nn.Linear(m, d)) for p in part.parameters())
    show(bars(["one adapter", "fusion layer"], {"weights": [adapter, fusion]}, log="y"))
    expect("weights of a fusion layer", fusion, equals=1_769_472)
    expect("adapters that weigh as much", fusion // adapter, equals=23)


def drill_weights(rng) -> Drill:
    """Weights of the fusion layers of a model."""
    d, layers = rng.choice([(768, 12), (1024, 24), (512, 6), (1000, 10)])
    total = layers * 3 * torch.empty(d, d, device="meta").numel()
    return Drill(
        en=f"AdapterFusion in {layers} layers of width {d}: query, key and value matrices without biases. How many weights does it train?",
        zh=f"在 {layers} 层、宽度 {d} 的模型里用 AdapterFusion：query、key、value 三个矩阵，无偏置。它训练多少个权重？",
        answer=total,
        steps=[(f"3 · {d}² = {3 * d * d:,} per layer", f"每层 3 · {d}² = {3 * d * d:,}"),
               (f"{layers} layers: {total:,}", f"{layers} 层：{total:,}")],
        proved_by="a_fusion_layer_outweighs_its_adapters",
    )


ZH = {
    "step": "步",
    "fusion": "融合",
    "best fixed mix": "最优固定混合",
    "error": "误差",
    "error of fusion over the best fixed mix": "融合误差与最优固定混合之比",
    "output {}": "输出 {}",
    "mean": "平均",
    "difference from the mean": "与平均之差",
    "one adapter": "一个 adapter",
    "fusion layer": "融合层",
    "weights": "权重",
    "weights of a fusion layer": "融合层的权重数",
    "adapters that weigh as much": "相当于多少个 adapter",
}

if __name__ == "__main__":
    main()
