r"""Attention over more keys is flatter: entropy grows with ln n, and logits times ln n hold against it.

key 越多，注意力越分散：熵随 ln n 增长；按 ln n 放大 logits 可以与之抗衡。

The second problem of length extrapolation; no position code is in sight. Logits are independent and normal, as for
keys that have nothing to do with the query. Chiang & Cholak 2022; Qwen 2023. Turn `scale` to "none".
把 `scale` 改为 "none"：领先的 key 守不住一半。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, one_of, show, table

F64 = torch.float64


def entropy(logits: Tensor) -> Tensor:
    """Mean entropy of the softmax over the last axis, in nats."""
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1).mean()


SCALES = {"none": lambda n, trained: 1.0, "log n": lambda n, trained: math.log(n) / math.log(trained),
          "root": lambda n, trained: math.sqrt(math.log(n) / math.log(trained))}


def weight(n: int, lead: float) -> Tensor:
    """The weight of one key whose logit leads n − 1 equal ones."""
    return torch.cat((torch.tensor([lead], dtype=F64), torch.zeros(n - 1, dtype=F64))).softmax(0)[0]


RANGES = {
    "lengths": each(between(256, 16384), at_least=2, at_most=4, rising=True),
    "sigma": between(0.25, 1.0),
    "trained": between(64, 256),
    "scale": one_of("none", "log n", "root"),
    "lead": one_of("fixed", "with ln n"),
    "bias": one_of("ALiBi", "none", "turned"),
}


@breaks(scale="log n", en="Logits that grow with ln n are sharper: the entropy falls behind ln n.",
        zh="logits 随 ln n 放大后更尖：熵跟不上 ln n。")
def claim_entropy_grows_with_log_n(lengths=(256, 1024, 4096, 16384), sigma=1.0, scale="none"):
    """Four times the keys add ln 4 to the entropy of attention: it is ln n − σ²/2 for normal logits.

    key 增至四倍，注意力的熵增加 ln 4：对正态 logits，熵约为 ln n − σ²/2。"""
    got = torch.stack([entropy(SCALES[scale](n, 256) * sigma * torch.randn(64, n)) for n in lengths])
    law = torch.tensor([math.log(n) - sigma**2 / 2 for n in lengths])
    show(lines("keys n", lengths, {"entropy": got, "uniform: ln n": [math.log(n) for n in lengths]}, log="x",
               y_label="nats"))
    # The sum of 256 terms e^z varies by √(e − 1)/16; 64 rows make 1/8 of it, and n is finite: 0.01 low.
    expect("entropy − (ln n − σ²/2)", got - law, equals=0, within=0.08, at=("n", lengths))


@breaks(lead="with ln n", en="A lead that grows by ln n keeps its weight.", zh="领先幅度随 ln n 增长，权重就保得住。")
def claim_a_fixed_lead_loses_to_n(trained=256, lengths=(256, 1024, 4096, 16384), lead="fixed"):
    """A key whose logit leads by g gets e^g/(e^g + n − 1): with g fixed its odds fall like 1/n.

    logit 领先 g 的 key 得到权重 e^g/(e^g + n − 1)：g 不变，它的胜算按 1/n 下降。"""
    g = [math.log(trained if lead == "fixed" else n) for n in lengths]
    got = torch.stack([weight(n, one) for n, one in zip(lengths, g, strict=True)])
    needed = [math.log(n - 1) for n in lengths]
    show(lines("keys n", lengths, {"weight of the key": got}, log="xy"),
         table({"keys n": lengths, "lead g": g, "weight": got, "lead for one half": needed}))
    odds = [w / (1 - w) * (n - 1) for n, w in zip(lengths, got.tolist(), strict=True)]
    expect("odds of the key, times n − 1", odds, equals=trained, within=1e-6, at=("n", lengths))
    halves = torch.stack([weight(n, one) for n, one in zip(lengths, needed, strict=True)])
    expect("weight with a lead of ln(n − 1)", halves, equals=0.5, within=1e-9, at=("n", lengths))


@breaks(scale="none", en="Unscaled, the same lead is worth less with every key.", zh="不放大，key 越多，同样的领先越不值钱。")
@breaks(scale="root", en="A root of the factor is too little.", zh="系数开了根号就不够。")
def claim_log_n_scaling_keeps_a_key_that_leads(trained=256, lengths=(256, 1024, 4096, 16384), scale="log n"):
    """Scaled by ln n / ln L, a lead of ln L keeps half the weight at any n; larger leads win, smaller fade.

    按 ln n / ln L 放大后，领先 ln L 的 key 在任何 n 下都保住一半权重；领先更多的胜出，更少的仍会淡出。"""
    curves = {}
    for share in (0.5, 1.0, 1.5):                                        # leads, in units of ln L
        got = [weight(n, share * math.log(trained) * SCALES[scale](n, trained)) for n in lengths]
        curves[f"lead {share} · ln L"] = torch.stack(got)
    smaller, same, larger = curves.values()
    show(lines("keys n", lengths, curves, log="x", y_label="weight"))
    expect("weight at a lead of ln L", same, equals=0.5, within=1 / min(lengths), at=("n", lengths))   # n / (2n − 1)
    expect("growth of the weight at a lead of 1.5 ln L", larger.diff(), at_least=0, at=("n", lengths[1:]))
    expect("fall of the weight at a lead of 0.5 ln L", -smaller.diff(), at_least=0, at=("n", lengths[1:]))


@breaks(scale="none", en="Unscaled, all of ln n is added.", zh="不放大，ln n 全部加上去。")
@breaks(scale="root", en="A root of the factor saves less than the law says.", zh="系数开根号，省下的比规律说的少。")
def claim_log_n_scaling_slows_the_growth(lengths=(256, 1024, 4096, 16384), sigma=1.0, scale="log n"):
    """Times ln n / ln L the entropy of normal logits grows more slowly with n, by σ²/2 · (factor² − 1), but grows.

    乘以 ln n / ln L 后，正态 logits 的熵随 n 增长变慢，少了 σ²/2 · (系数² − 1)，但仍在增长。"""
    raw = [sigma * torch.randn(64, n) for n in lengths]
    factor = torch.tensor([SCALES["log n"](n, 256) for n in lengths])
    used = [SCALES[scale](n, 256) for n in lengths]
    scaled = torch.stack([entropy(z * f) for z, f in zip(raw, used, strict=True)])
    raw = torch.stack([entropy(z) for z in raw])
    show(lines("keys n", lengths, {"as trained": raw, "times ln n / ln L": scaled}, log="x", y_label="nats"))
    law = sigma**2 / 2 * (factor**2 - 1)
    # Both entropies come from the same logits; the law bends by a few per cent as factor · σ nears √(2 ln n).
    expect("entropy saved", raw - scaled, equals=law, within=0.02 + 0.06 * law, at=("n", lengths))
    expect("growth that is left", scaled.diff(), at_least=0, at=("n", lengths[1:]))


@breaks(bias="none", en="Without a bias every key counts.", zh="没有偏置，每个 key 都起作用。")
@breaks(bias="turned", en="With its sign turned ALiBi attends to the farthest keys.", zh="符号反了，ALiBi 只看最远的 key。")
def claim_windows_and_alibi_cap_the_entropy(lengths=(1024, 4096, 16384), sigma=1.0, bias="ALiBi"):
    """A window of 64, or ALiBi's bias of 1/16 per token, bounds how many keys count: the entropy no longer grows.

    宽 64 的窗口，或 ALiBi 每 token 1/16 的偏置，限定了起作用的 key 数：熵不再增长。"""
    slope = {"ALiBi": 1 / 16, "none": 0.0, "turned": -1 / 16}[bias]
    kinds, away = {"full": [], "ALiBi": [], "window": []}, []
    for n in lengths:
        logits, back = sigma * torch.randn(64, n), torch.arange(n)       # column 0 is the nearest key
        kinds["full"].append(entropy(logits))
        kinds["ALiBi"].append(entropy(logits - slope * back))
        kinds["window"].append(entropy(logits[:, :64]))
        away.append(((logits - slope * back).softmax(-1) * back).sum(-1).mean())
    show(lines("keys n", lengths, kinds, log="x", y_label="nats"))
    for kind in ("ALiBi", "window"):                                     # some 30 keys count: 64 rows vary by 0.05
        expect(f"change of the entropy, {kind}", kinds[kind][-1] - kinds[kind][0], equals=0, within=0.25)
    # Without noise the weights fall like e^(−back/16): 16 tokens away on average.
    expect("mean distance attended with ALiBi", torch.stack(away), equals=16, within=5, at=("n", lengths))


def drill_weight(rng) -> Drill:
    """The weight of a key that leads by ln k."""
    k, n = rng.choice([(100, 101), (100, 901), (255, 1021), (64, 577), (1000, 9001)])
    return Drill(
        en=f"{n:,} keys: all logits are equal but one, which leads by ln {k}. What is its attention weight?",
        zh=f"{n:,} 个 key，除一个外 logits 全相等，那一个领先 ln {k}。它的注意力权重是多少？",
        answer=weight(n, math.log(k)).item(), within=0.005,
        steps=[("p = e^g / (e^g + n − 1)",) * 2, (f"{k} / ({k} + {n - 1}) = {k / (k + n - 1):.3f}",) * 2],
        proved_by="a_fixed_lead_loses_to_n",
    )


ZH = {
    "keys n": "key 数 n", "entropy": "熵", "uniform: ln n": "均匀分布：ln n", "nats": "nat",
    "entropy − (ln n − σ²/2)": "熵 − (ln n − σ²/2)", "weight of the key": "该 key 的权重", "lead g": "领先 g",
    "weight": "权重", "lead for one half": "占一半所需的领先", "odds of the key, times n − 1": "该 key 的胜算乘 n − 1",
    "weight with a lead of ln(n − 1)": "领先 ln(n − 1) 时的权重", "lead {} · ln L": "领先 {} · ln L",
    "weight at a lead of ln L": "领先 ln L 时的权重",
    "growth of the weight at a lead of 1.5 ln L": "领先 1.5 ln L 时权重的增长",
    "fall of the weight at a lead of 0.5 ln L": "领先 0.5 ln L 时权重的下降", "as trained": "不缩放",
    "times ln n / ln L": "乘以 ln n / ln L", "entropy saved": "少掉的熵", "growth that is left": "剩余的增长",
    "full": "全部 key", "window": "窗口", "change of the entropy, {}": "熵的变化，{}",
    "mean distance attended with ALiBi": "ALiBi 的平均注意距离",
}

if __name__ == "__main__":
    main()
