r"""LoRA keeps up with full tuning while the data fit its values, and falls behind beyond that.

数据装得进 LoRA 的参数时，它跟得上全参数微调；装不下了，就落后。

A toy for Schulman et al. 2025, «LoRA rank»: random labels, whose bits one can count. Turn `r` to 32,
the full rank, and nothing is lost. 玩具实验：随机标签，比特数数得出来。把 `r` 改为满秩 32，就什么也不丢。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, breaks, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam

WIDTH, CLASSES = 32, 32


def memorise(x: Tensor, labels: Tensor, r: int, steps: int = 120) -> Tensor:
    """Mean loss in nats after so many steps of Adam on one linear layer of zeros: full for r = 0, else a LoRA of rank r (α = 8).
    x (examples, 32)."""
    if r:
        a = ((torch.rand(r, WIDTH) * 2 - 1) / WIDTH**0.5).requires_grad_()
        b = torch.zeros(CLASSES, r).requires_grad_()
        parts, weight = [b, a], lambda: 8 / r * b @ a
    else:
        w = torch.zeros(CLASSES, WIDTH).requires_grad_()
        parts, weight = [w], lambda: w
    adam = Adam(parts, 0.05)
    for _ in range(steps):
        adam.step(F.cross_entropy(x @ weight().T, labels))
    return F.cross_entropy(x @ weight().T, labels).detach()


def task(examples: int, labels: str = "random") -> tuple[Tensor, Tensor]:
    """Random directions (examples, 32), and random labels, or the same for all: 5 bits each, or none."""
    x = 8 * F.normalize(torch.randn(examples, WIDTH), dim=1)
    y = torch.randint(0, CLASSES, (examples,))
    return x, y if labels == "random" else torch.zeros_like(y)


RANGES = {
    "r": one_of(4, 32),
    "labels": one_of("random", "one for all"),
}


@breaks(r=32, en="At full rank LoRA has the values of the full matrix and more.", zh="满秩时 LoRA 的参数比整个矩阵还多。")
@breaks(labels="one for all", en="One label for all is almost no information: the smallest rank holds it.",
        zh="标签全相同，几乎没有信息：最小的秩也装得下。")
def claim_lora_falls_behind_when_the_data_outgrow_it(r=4, labels="random"):
    """At rank 4 (256 values) LoRA fits 24 random labels of 5 bits as well as full tuning, and is 0.3 nats or more behind on 128
    (toy).

    秩 4（256 个数）时，24 个 5 比特的随机标签拟合得和全参数微调一样好；128 个时落后 0.3 nat 以上（玩具）。"""
    examples = (24, 64, 128)
    gaps = [(memorise(*one, r) - memorise(*one, 0)).item() for one in (task(n, labels) for n in examples)]
    bits = [n * math.log2(CLASSES) / (r * (WIDTH + CLASSES)) for n in examples]
    show(lines("bits in the labels per trained value", bits, {"loss of LoRA less full tuning's": gaps}, y_label="nats"))
    expect("behind on 24 examples, nats", gaps[0], at_most=0.05)
    expect("behind on 128 examples, nats", gaps[-1], at_least=0.3)


@breaks(r=4, en="A higher rank only helps where it is needed; on 4 the gap stays.", zh="秩 4 装不下，差距仍在。")
def claim_a_higher_rank_closes_the_gap(r=32):
    """On the same 128 random labels the gap is closed at full rank: it is capacity, not LoRA as such (toy).

    同样 128 个随机标签，满秩时差距消失：原因是容量，而不是 LoRA 本身（玩具）。"""
    x, y = task(128)
    ranks = (1, 4, 32)
    ends = [memorise(x, y, k).item() for k in ranks]
    full = memorise(x, y, 0).item()
    show(lines("rank", ranks, {"LoRA": ends, "full": [full] * len(ranks)}, log="x", y_label="nats"))
    expect("behind at this rank, nats", ends[ranks.index(r)] - full, at_most=0.05)
    expect("behind at rank 1, nats", ends[0] - full, at_least=1.0)


def drill_bits(rng) -> Drill:
    """Bits in the data against values of the adapter."""
    examples, tokens, bits, millions = rng.choice([(10_000, 500, 1, 20), (1_000, 400, 1, 4), (100_000, 300, 1, 40), (5_000, 1_000, 1, 10)])
    value = examples * tokens * bits / (millions * 1e6)
    return Drill(
        en=f"SFT on {examples:,} answers of {tokens} tokens at about {bits} bit of loss per token, with an adapter of {millions} million "
           "values. How many bits per trained value is that (an upper bound of what there is to store)?",
        zh=f"SFT：{examples:,} 条各 {tokens} token 的回答，每 token 的损失约 {bits} 比特；adapter 有 {millions} 百万个数。"
           "每个被训练的数要存多少比特（上界）？",
        answer=value,
        steps=[(f"{examples:,} · {tokens} · {bits} = {examples * tokens * bits / 1e6:g} million bits",
                f"{examples:,} · {tokens} · {bits} = {examples * tokens * bits / 1e6:g} 百万比特"),
               (f"over {millions} million: {value:g}; a network stores up to about 2 per value",
                f"除以 {millions} 百万：{value:g}；网络每个数最多约存 2 比特")],
        proved_by="lora_falls_behind_when_the_data_outgrow_it",
    )


ZH = {
    "bits in the labels per trained value": "标签的比特数 / 被训练的数",
    "loss of LoRA less full tuning's": "LoRA 的损失减去全参数微调的",
    "nats": "nat",
    "behind on 24 examples, nats": "24 例时落后，nat",
    "behind on 128 examples, nats": "128 例时落后，nat",
    "rank": "秩",
    "full": "全参数",
    "behind at this rank, nats": "此秩下落后，nat",
    "behind at rank 1, nats": "秩 1 时落后，nat",
}

if __name__ == "__main__":
    main()
