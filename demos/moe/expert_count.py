r"""More experts at the same active size: fewer tokens for each, more uneven loads, and the same traffic.

激活量不变而专家增多：每个专家的 token 变少、负载更不均，而通信量不变。

Fedus et al. 2021, §2.2; Dai et al. 2024, §5.1.2. A router without preferences. Turn `grows` to
"chosen": now k rises with the experts, and so does the traffic.
路由器没有偏好。把 `grows` 改为 "chosen"：k 随专家数一起增长，通信量也就增长。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, one_of, show


def route(tokens: int, experts: int, k: int, skew: float = 0.0) -> Tensor:
    """Chosen experts (tokens, k) of a router whose logits are noise, plus `skew` times a ramp."""
    logits = torch.randn(tokens, experts) + skew * torch.linspace(-1, 1, experts)
    return logits.topk(k).indices


def loads(chosen: Tensor, experts: int) -> Tensor:
    """Tokens per expert."""
    return torch.bincount(chosen.flatten(), minlength=experts).double()


def copies_sent(chosen: Tensor, experts: int, devices: int) -> tuple[float, float]:
    """Per token: vectors sent to other devices, one per chosen expert there, and one per device
    there. Experts lie on the devices in blocks, tokens evenly."""
    home = torch.arange(len(chosen)) * devices // len(chosen)              # (tokens,)
    at = chosen * devices // experts                                       # (tokens, k)
    away = at != home[:, None]
    seen = torch.zeros(len(chosen), devices).scatter(1, at, 1).scatter(1, home[:, None], 0)
    return away.sum(1).double().mean().item(), seen.sum(1).mean().item()


RANGES = {
    "counts": each(between(16, 512, multiple_of=16), at_least=2, at_most=6, rising=True),
    "tokens": between(1024, 8192),
    "k": between(1, 8),
    "batch": between(16, 256),
    "skew": between(0.0, 2.0),
    "grows": one_of("experts", "chosen"),
}


@breaks(skew=1.0, en="A router with preferences is far more uneven than chance.",
        zh="有偏好的路由器远比随机更不均。")
def claim_loads_scatter_like_chance(counts=(16, 64, 256), tokens=4096, k=8, skew=0.0):
    """A fair router gives each of E experts kN/E tokens on average, with relative spread
    √((1 − k/E)·E/(kN)): more experts, more uneven.

    无偏好的路由器给 E 个专家各分 kN/E 个 token，相对标准差为 √((1 − k/E)·E/(kN))：专家越多越不均。"""
    found, formula = [], []
    for experts in counts:
        draws = torch.stack([loads(route(tokens, experts, k, skew), experts)
                             for _ in range(max(1, 256 // experts))])
        mean = k * tokens / experts
        found.append(((draws - mean) ** 2).mean().sqrt() / mean)
        formula.append(((1 - k / experts) / mean) ** 0.5)
    show(lines("experts", counts, {"measured": found, "formula": formula}, log="xy",
               y_label="relative spread of the load"))
    # From some 240 loads a standard deviation is known to 1/√480 = 5 %: six sigma.
    expect("spread over the formula", [f / g for f, g in zip(found, formula, strict=True)], equals=1,
           within=0.3, at=("experts", counts))


@breaks(grows="chosen", en="What each token sends grows with k.", zh="每个 token 的发送量随 k 增长。")
def claim_traffic_follows_k(counts=(32, 64, 128, 256), tokens=4096, grows="experts"):
    """A token sends k(D − 1)/D vectors to other devices, however many experts there are: 3.5 for k = 4 and
    D = 8; sent once per device, they are 2.9.

    无论专家有多少，每个 token 都向其他设备发 k(D − 1)/D 个向量：k = 4、D = 8 时为 3.5 个；每台设备只发一次则约 2.9 个。"""
    ks = [4 if grows == "experts" else max(1, 4 * e // counts[0]) for e in counts]
    sent = torch.tensor([copies_sent(route(tokens, e, k), e, 8) for e, k in zip(counts, ks, strict=True)])
    once = [7 * (1 - math.comb(e - e // 8, 4) / math.comb(e, 4)) for e in counts]
    show(lines("experts", counts, {"one per expert": sent[:, 0], "one per device": sent[:, 1]}, log="x",
               y_label="vectors sent per token"))
    # One token's numbers deviate by up to 0.8: six sigma of the mean.
    expect("vectors sent, one per expert", sent[:, 0], equals=4 * 7 / 8, within=5 / tokens**0.5,
           at=("experts", counts))
    expect("vectors sent, one per device, over the formula", sent[:, 1] / torch.tensor(once), equals=1,
           within=5 / tokens**0.5, at=("experts", counts))
    # One token's number scatters less than a binomial, √(k·(D − 1))/D: six sigma of the mean.
    for k, devices in ((1, 8), (8, 8), (4, 2)):
        got = copies_sent(route(tokens, 64, k if grows == "experts" else 2 * k, 0.0), 64, devices)[0]
        expect(f"vectors sent with k = {k} on {devices} devices", got, equals=k * (devices - 1) / devices,
               within=6 * (k * (devices - 1)) ** 0.5 / devices / tokens**0.5)


@breaks(grows="chosen", en="If k grows as well, every expert keeps its rows.", zh="若 k 同步增长，每个专家的行数不变。")
def claim_rows_per_expert_shrink(counts=(16, 64, 256), batch=64, grows="experts"):
    """In a decode step of 64 tokens, top-8, each expert touched has 32 rows of 16 experts, and 2.3
    of 256: matmuls turn into reads of weights.

    64 个 token 的一个解码步、选 8：共 16 个专家时每个用到的专家有 32 行，256 个时只有 2.3 行，矩阵乘退化成读权重。"""
    k = 8
    rows, formula = [], []
    for e in counts:
        chosen = k if grows == "experts" else k * e // counts[0]
        per = torch.stack([loads(route(batch, e, chosen), e) for _ in range(16)])
        rows.append((per.sum() / (per > 0).sum()).item())
        formula.append(k * batch / (e * (1 - (1 - k / e) ** batch)))
    show(lines("experts", counts, {"measured": rows, "formula": formula}, log="xy",
               y_label="tokens per expert that has any"))
    expect("tokens per touched expert, over the formula", [r / f for r, f in zip(rows, formula, strict=True)],
           equals=1, within=0.1, at=("experts", counts))


def drill_load(rng) -> Drill:
    """The relative spread of the loads of a fair router."""
    tokens, k, experts = rng.choice([(1024, 2, 32), (4096, 8, 256), (2048, 4, 128), (4096, 2, 8), (1024, 1, 16)])
    mean = k * tokens / experts
    spread = ((1 - k / experts) / mean) ** 0.5
    return Drill(
        en=f"{tokens} tokens are routed to {experts} experts, top-{k}, without preferences. What is the standard deviation of an "
           "expert's load, in percent of the mean load?",
        zh=f"{tokens} 个 token 路由到 {experts} 个专家，选 {k}，没有偏好。一个专家负载的标准差是平均负载的百分之几？",
        answer=100 * spread, within=0.15,
        steps=[(f"mean k·N/E = {mean:g}", f"平均 k·N/E = {mean:g}"),
               (f"a load is binomial: √((1 − k/E) / mean) = √({1 - k / experts:.3g} / {mean:g}) = {100 * spread:.1f} %",
                f"负载服从二项分布：√((1 − k/E) / 平均) = √({1 - k / experts:.3g} / {mean:g}) = {100 * spread:.1f}%")],
        proved_by="loads_scatter_like_chance",
    )


def drill_rows(rng) -> Drill:
    """How many tokens an expert sees in a decode step."""
    batch, k, experts = rng.choice([(64, 8, 256), (128, 8, 256), (32, 4, 128), (256, 8, 512), (16, 2, 8)])
    return Drill(
        en=f"A decode step has {batch} tokens, top-{k} of {experts} experts, evenly loaded. How many tokens does an expert get "
           "on average?",
        zh=f"一个解码步有 {batch} 个 token，从 {experts} 个专家选 {k}，负载均匀。平均每个专家分到几个 token？",
        answer=k * batch / experts,
        steps=[(f"k·B/E = {k}·{batch}/{experts} = {k * batch / experts:g}", f"k·B/E = {k}·{batch}/{experts} = {k * batch / experts:g}")],
        proved_by="rows_per_expert_shrink",
    )


ZH = {
    "experts": "专家数",
    "measured": "实测",
    "formula": "公式",
    "relative spread of the load": "负载的相对标准差",
    "spread over the formula": "标准差与公式之比",
    "one per expert": "每个专家一份",
    "one per device": "每台设备一份",
    "vectors sent per token": "每 token 发送的向量数",
    "vectors sent, one per expert": "发送的向量数，每个专家一份",
    "vectors sent with k = {} on {} devices": "k = {}、{} 台设备时发送的向量数",
    "vectors sent, one per device, over the formula": "发送的向量数，每台设备一份，与公式之比",
    "tokens per expert that has any": "用到的专家平均分到的 token 数",
    "tokens per touched expert, over the formula": "用到的专家的 token 数与公式之比",
}

if __name__ == "__main__":
    main()
