r"""Softmax and sigmoid routers choose alike; they differ in the weights, and in what a bias means.

softmax 与 sigmoid 路由器选的专家一样；不同的是权重，以及偏置的含义。

Dai et al. 2024, eq. 5 (softmax); DeepSeek-AI 2024, §2.1.2 (sigmoid); DeepSeek-AI 2026, §2.1
(√softplus). Turn `bias` to 0.3: now the choice depends on the score function.
把 `bias` 改为 0.3：选择就与打分函数有关了。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    each,
    expect,
    lines,
    main,
    one_of,
    show,
)

SCORES = {
    "softmax": lambda z: z.softmax(-1),
    "sigmoid": torch.sigmoid,
    "√softplus": lambda z: F.softplus(z).sqrt(),
}


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest scores of each row made to sum to 1, and their indices, both (tokens, k)."""
    largest = scores.topk(k)                                        # (tokens, k)
    return largest.values / largest.values.sum(1, keepdim=True), largest.indices


def top_k_by(scores: Tensor, k: int, renormalised: str) -> tuple[Tensor, Tensor]:
    """top_k, or, the other way, the scores as they are."""
    weights, chosen = top_k(scores, k)
    return (weights if renormalised == "yes" else scores.gather(1, chosen)), chosen


RANGES = {
    "tokens": between(64, 2048),
    "experts": between(16, 512),
    "k": between(2, 16),
    "bias": between(0.0, 1.0),
    "gaps": each(between(0.1, 8.0), at_least=2, rising=True),
    "other": between(0.5, 8.0),
    "score": one_of("softmax", "sigmoid", "√softplus"),
    "renormalised": one_of("yes", "no"),
}
AS_THEY_ARE = breaks(renormalised="no", en="Left as they are, softmax scores of the chosen sum to less than 1, sigmoid's to more.",
                     zh="不归一化时，所选专家的 softmax 分数之和小于 1，sigmoid 的则大于 1。")


@breaks(bias=0.3, en="A bias is added to scores of different size, so it moves other choices.",
        zh="偏置加在大小不同的分数上，改动的选择也就不同。")
def claim_the_choice_is_the_same(tokens=1024, experts=256, k=8, bias=0.0):
    """Without bias or groups every rising score function chooses the same experts: softmax, sigmoid
    and √softplus alike.

    没有偏置与分组时，任何单调递增的打分函数选出的专家都相同：softmax、sigmoid、√softplus 皆然。"""
    z = torch.randn(tokens, experts, dtype=torch.float64)
    b = bias * torch.randn(experts, dtype=torch.float64)
    sets = {n: (f(z) + b).topk(k).indices.sort(1).values for n, f in SCORES.items()}
    largest = z.topk(k).indices.sort(1).values
    same = [(one == largest).all(1).double().mean() for one in sets.values()]
    show(bars(list(sets), {"tokens with the experts of the largest logits": same}))
    expect("tokens with the experts of the largest logits", same, equals=1, at=("score", list(sets)))


@AS_THEY_ARE
def claim_weights_of_the_chosen_sum_to_one(tokens=512, experts=64, k=4, renormalised="yes"):
    """Left as they are, the chosen sigmoid scores sum to more than 1 on average, softmax scores to less;
    the division makes weights of either.

    所选专家的 sigmoid 分数之和平均大于 1，softmax 的小于 1；除以其和之后才都成为权重。"""
    z = torch.randn(tokens, experts, dtype=torch.float64)
    sums = {n: top_k_by(f(z), k, renormalised)[0].sum(1) for n, f in SCORES.items()}
    raw = {n: f(z).topk(k).values.sum(1).mean() for n, f in SCORES.items()}
    show(bars(list(SCORES), {"chosen scores, summed": list(raw.values()),
                             "weights, summed": [s.mean() for s in sums.values()]}))
    expect("chosen sigmoid scores, summed, mean", raw["sigmoid"], at_least=1)
    expect("chosen softmax scores, summed, mean", raw["softmax"], at_most=1)
    for name, total in sums.items():
        expect(f"weights of a token, summed: {name}", total, equals=1, within=1e-13)


@breaks(score="softmax", en="Softmax's ratio of two weights is e to the gap, wherever they lie.",
        zh="softmax 两权重之比恒为 e 的差值次方，与所处位置无关。")
def claim_sigmoid_weights_are_flatter(gaps=(0.5, 1.0, 2.0, 4.0), score="sigmoid"):
    """Two chosen logits a gap g apart get weights in the ratio e^g from softmax; sigmoid and
    √softplus give less, near 1 for large logits.

    两个所选 logit 相差 g，softmax 给出的权重之比是 e^g；sigmoid 与 √softplus 都更小，logit 大时接近 1。"""
    g = torch.tensor(gaps, dtype=torch.float64)
    places = {"low": -4.0, "middle": 0.0, "high": 4.0}
    pairs = {n: torch.stack([g + low, torch.full_like(g, low)], 1) for n, low in places.items()}
    ratio = {n: (lambda w: w[:, 0] / w[:, 1])(SCORES[score](z)) for n, z in pairs.items()}
    show(lines("gap of the logits", gaps, {**ratio, "e^Δ": g.exp()}, log="y",
               y_label="ratio of the weights"))
    expect("ratio over e^Δ, largest", torch.stack(list(ratio.values())) / g.exp(), at_most=1 - 1e-6)
    expect("ratio at high logits", ratio["high"] / (1 + g / 4), at_most=1 + 1e-9)


@breaks(score="softmax", en="One more liked expert shrinks all other scores, and the gap between two of them.",
        zh="别的专家分数一涨，其余分数全部变小，两者之差也随之变小。")
def claim_a_bias_means_the_same_for_every_token(other=4.0, experts=256, score="sigmoid"):
    """The gap between two experts' sigmoid scores does not depend on a third; softmax's does, so one
    bias cannot mean the same for every token.

    两个专家 sigmoid 分数之差与第三个专家无关；softmax 的则有关，同一个偏置对不同 token 意义不同。"""
    z = torch.randn(experts, dtype=torch.float64)
    z[:2] = torch.tensor([1.0, 0.0])
    rest = torch.linspace(-1.0, other, 8, dtype=torch.float64)
    gap = {n: torch.stack([(lambda s: s[0] - s[1])(f(torch.cat([z[:2], third[None], z[3:]])))
                           for third in rest]) for n, f in SCORES.items()}
    show(lines("logit of a third expert", rest.tolist(), {n: v / v[0] for n, v in gap.items()},
               y_label="gap of two scores, over the first"))
    expect("gap over the first", gap[score] / gap[score][0], equals=1, within=1e-12)


def drill_two_weights(rng) -> Drill:
    """The first weight of two chosen experts under either score function."""
    a, b = rng.choice([(2, 1), (1, 0), (2, 0), (3, 1), (1, -1), (0, -2)])
    name = rng.choice(["sigmoid", "softmax"])
    w = top_k(SCORES[name](torch.tensor([[a, b]], dtype=torch.float64)), 2)[0][0]
    s = torch.sigmoid(torch.tensor([float(a), float(b)]))
    how = ([(f"σ({a}) = {s[0]:.3f}, σ({b}) = {s[1]:.3f}", f"σ({a}) = {s[0]:.3f}，σ({b}) = {s[1]:.3f}"),
            (f"{s[0]:.3f} / {s.sum():.3f} = {w[0]:.3f}", f"{s[0]:.3f} / {s.sum():.3f} = {w[0]:.3f}")]
           if name == "sigmoid" else
           [(f"the others cancel: 1 / (1 + e^−{a - b}) = {w[0]:.3f}",
             f"其余约掉：1 / (1 + e^−{a - b}) = {w[0]:.3f}")])
    return Drill(
        en=f"The two chosen experts of a token have logits {a} and {b}. The router scores with {name} and makes the two "
           "weights sum to 1. What is the larger weight?",
        zh=f"一个 token 选中的两个专家的 logit 为 {a} 与 {b}。路由器用 {name} 打分，两个权重归一化为总和 1。较大的权重是多少？",
        answer=w[0].item(), within=0.005, steps=how,
        proved_by="weights_of_the_chosen_sum_to_one",
    )


ZH = {
    "√softplus": "√softplus",
    "tokens with the experts of the largest logits": "所选即 logit 最大专家的 token 占比",
    "score": "打分函数",
    "chosen scores, summed": "所选分数之和",
    "weights, summed": "权重之和",
    "chosen sigmoid scores, summed, mean": "所选 sigmoid 分数之和，均值",
    "chosen softmax scores, summed, mean": "所选 softmax 分数之和，均值",
    "weights of a token, summed: {}": "一个 token 的权重之和：{}",
    "low": "低",
    "middle": "中",
    "high": "高",
    "gap of the logits": "logit 之差",
    "ratio of the weights": "权重之比",
    "ratio over e^Δ, largest": "权重之比与 e^差 之比",
    "ratio at high logits": "logit 高处的权重之比",
    "logit of a third expert": "第三个专家的 logit",
    "gap of two scores, over the first": "两个分数之差，以最初值为 1",
    "gap over the first": "分数之差与最初值之比",
}

if __name__ == "__main__":
    main()
