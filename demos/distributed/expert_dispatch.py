r"""A token is sent once to each rank that holds one of its experts, and that is less than the weights.

token 对每个持有其所选专家的 rank 只发一次；搬 token 比搬权重少得多。

DeepEP counts so (`is_token_in_rank`). Guess first: 8 of 256 experts, two ranks; how many copies leave?
Turn `counted` to "per choice": four, where one is enough.
DeepEP 就是这样数的（`is_token_in_rank`）。先猜：256 选 8、两个 rank，要发出几份？把 `counted` 改为 "per choice"：
四份，其实一份就够。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, heatmap, lines, main, one_of, show
from studyapp.evidence.tools import named_model


@exercise(claims=("equals_a_loop", "a_token_is_sent_once_per_rank"),
          wrong=("deals_experts_round_robin", "follows_the_first_choice", "counts_every_choice"))
def needed(chosen: Tensor, experts: int, ranks: int) -> Tensor:
    """Which ranks a token must be sent to: True at (token, rank) if one of its experts lives there. chosen
    (tokens, k) holds expert ids; rank r owns experts r·E/N to (r+1)·E/N − 1.

    一个 token 要送往哪些 rank：(token, rank) 处为 True，表示它选的某个专家在那里。chosen (tokens, k) 是专家编号；
    第 r 个 rank 持有第 r·E/N 到 (r+1)·E/N − 1 号专家。"""
    home = chosen // (experts // ranks)                                     # (tokens, k): rank of each choice
    return F.one_hot(home, ranks).amax(1) > 0                               # once, however many of them agree


RANGES = {
    "ranks": one_of(1, 2, 3, 4, 6, 12),
    "rows": between(1, 64),
    "homes": one_of("in blocks", "round robin"),
    "counted": one_of("per rank", "per choice"),
    "tokens": one_of(1024, 8192, 65536, 524288),
}


@breaks(homes="round robin", en="If the experts lie elsewhere than the plan says, tokens reach ranks that cannot serve them.",
        zh="若专家不在方案所说的地方，token 就发到了没有该专家的 rank。")
def claim_equals_a_loop(ranks=4, rows=16, homes="in blocks"):
    """Expert e lives on rank e // (E/N); a token is sent to the ranks of its experts, each once.

    专家 e 在第 e // (E/N) 个 rank 上；token 发往它所选专家的那些 rank，各一次。"""
    chosen = torch.rand(rows, 12).topk(3).indices
    at = {e: e // (12 // ranks) if homes == "in blocks" else e % ranks for e in range(12)}
    wanted = [[any(at[e] == r for e in row) for r in range(ranks)] for row in chosen.tolist()]
    mine = needed(chosen, 12, ranks)
    show(heatmap(mine.int()[:16], x_label="rank", y_label="token", title="1: sent there"))
    expect("sent to a rank", mine.long(), equals=torch.tensor(wanted).long())


def copies(experts: int, k: int, ranks: int) -> float:
    """Mean number of other ranks that a token is sent to, for a router without preferences."""
    return (ranks - 1) * (1 - math.comb(experts - experts // ranks, k) / math.comb(experts, k))


@breaks(counted="per choice", en="Sent once per chosen expert, tokens whose experts share a rank travel several times.",
        zh="若按所选专家逐个发送，专家同在一个 rank 的 token 会重复发送。")
def claim_a_token_is_sent_once_per_rank(counted="per rank"):
    """With 8 of 256 experts a token goes to (N−1)(1 − C(E−E/N, k)/C(E, k)) other ranks on average: 1.0,
    2.7, 4.6 for N = 2, 4, 8, not 8(N−1)/N.

    256 选 8 时，一个 token 平均发往 (N−1)(1 − C(E−E/N, k)/C(E, k)) 个其他 rank：N = 2、4、8 时为 1.0、2.7、4.6，而不是 8(N−1)/N。"""
    ranks, rows = (2, 4, 8, 16, 64), 2048
    chosen = torch.rand(rows, 256).topk(8).indices
    sent = []
    for n in ranks:
        away = needed(chosen, 256, n)[:, 1:].sum(1) if counted == "per rank" else (chosen // (256 // n) > 0).sum(1)
        sent.append(away.double())
    formula = [copies(256, 8, n) for n in ranks]
    show(lines("ranks", ranks, {"copies of a token": [s.mean() for s in sent], "formula": formula,
                                "8(N−1)/N": [8 * (n - 1) / n for n in ranks]}, log="x"))
    expect("copies of a token, mean", [s.mean() for s in sent], equals=formula, at=("N", ranks),
           within=[6 * s.std() / rows**0.5 + 1e-12 for s in sent])          # six standard errors


@breaks(tokens=524288, en="At half a million tokens per rank the tokens outweigh the experts' weights.",
        zh="每个 rank 有五十万个 token 时，token 就比专家的权重还多。")
def claim_sending_tokens_beats_gathering_experts(tokens=8192):
    """For DeepSeek-V3 over 64 ranks, dispatching a layer's tokens moves fewer bytes than gathering its
    experts' weights, up to about 200,000 tokens per rank.

    DeepSeek-V3、64 个 rank：每个 rank 的 token 不到约 20 万时，一层 dispatch 的字节数少于收集该层全部专家的权重。"""
    model, ranks = named_model("deepseek-v3"), 64
    e, k, inner = (model["experts"][name] for name in ("total", "active", "d_expert"))
    away = needed(torch.rand(1024, e).topk(k).indices, e, ranks)[:, 1:].sum(1).double().mean().item()
    weights = 3 * model["width"] * inner * e * (ranks - 1) / ranks          # numbers, 16 bit both
    counts = (1024, 8192, 65536, 524288)
    show(lines("tokens per rank", counts, {"dispatch over gather": [n * away * model["width"] / weights for n in counts]}, log="xy"))
    expect("dispatched bytes over gathered bytes", tokens * away * model["width"] / weights, at_most=1)
    expect("tokens per rank where they are equal", weights / model["width"] / away, equals=205_000, within=10_000)


def drill_copies(rng) -> Drill:
    """Copies of a token."""
    e, k, n = rng.choice([(8, 2, 4), (8, 2, 2), (4, 2, 2), (16, 2, 4), (6, 2, 3), (12, 2, 4)])
    value, each = copies(e, k, n), e // n
    miss = math.comb(e - each, k) / math.comb(e, k)
    return Drill(
        en=f"{e} experts on {n} ranks, {each} on each; a token's {k} experts are any {k} with equal chance, and it is sent at "
           "most once to a rank. To how many other ranks does it go on average?",
        zh=f"{e} 个专家放在 {n} 个 rank 上，每个 {each} 个；token 等概率选 {k} 个专家，对同一个 rank 最多发送一次。平均发往几个其他 rank？",
        answer=value, within=0.02,
        steps=[(f"a given rank holds none of them with C({e - each}, {k})/C({e}, {k}) = {miss:.3f}",
                f"某个 rank 一个也没有的概率是 C({e - each}, {k})/C({e}, {k}) = {miss:.3f}"),
               (f"({n} − 1)(1 − {miss:.3f}) = {value:.2f}; per choice it would be {k * (n - 1) / n:g}",
                f"({n} − 1)(1 − {miss:.3f}) = {value:.2f}；按选择逐个发送则是 {k * (n - 1) / n:g}")],
        proved_by="a_token_is_sent_once_per_rank",
    )


def drill_break_even(rng) -> Drill:
    """Tokens per rank where dispatching costs as much as gathering the experts."""
    e, inner, c = rng.choice([(256, 2048, 6), (128, 1536, 4), (64, 1024, 3), (16, 4096, 2), (128, 768, 6)])
    value = 3 * e * inner / c
    return Drill(
        en=f"A MoE layer has {e} SwiGLU experts of inner width {inner}; a token is sent to {c} other ranks. From how many tokens "
           "per rank does one dispatch move as many numbers as gathering all experts' weights once? (Ignore (N−1)/N.)",
        zh=f"一个 MoE 层有 {e} 个内部宽度 {inner} 的 SwiGLU 专家；一个 token 发往 {c} 个其他 rank。每个 rank 有多少 token 时，"
           "一次 dispatch 搬的数与收集一遍全部专家权重一样多？（忽略 (N−1)/N）",
        answer=value,
        steps=[(f"weights: {e} · 3 · d · {inner}; tokens: T · {c} · d", f"权重：{e} · 3 · d · {inner}；token：T · {c} · d"),
               (f"T = 3 · {e} · {inner} / {c} = {value:,.0f}", f"T = 3 · {e} · {inner} / {c} = {value:,.0f}")],
        proved_by="sending_tokens_beats_gathering_experts",
    )


ZH = {
    "rank": "rank",
    "1: sent there": "1：发往该 rank",
    "sent to a rank": "是否发往某 rank",
    "ranks": "rank 数",
    "copies of a token": "一个 token 的份数",
    "formula": "公式",
    "copies of a token, mean": "一个 token 的份数，均值",
    "tokens per rank": "每个 rank 的 token 数",
    "dispatch over gather": "dispatch / 收集权重",
    "dispatched bytes over gathered bytes": "dispatch 的字节数 / 收集权重的字节数",
    "tokens per rank where they are equal": "两者相等时每个 rank 的 token 数",
}

if __name__ == "__main__":
    main()
