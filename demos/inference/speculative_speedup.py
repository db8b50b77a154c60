r"""Speculative decoding pays while a pass over γ + 1 tokens costs what a pass over one costs: in small batches.

只要一次检验 γ + 1 个 token 与解码一个 token 花费相同，投机解码就划算：也就是 batch 小的时候。

Leviathan et al. 2022, §3. Times are computed, in units of one pass that reads all weights. Turn `batch` to
512: the pass is bound by arithmetic, every drafted token is paid for, and decoding gets slower.
把 `batch` 改为 512：此时受算力限制，每个草稿 token 都要付出计算，解码反而变慢。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
    table,
)


@exercise(claims=("tokens_per_pass_are_a_geometric_sum", "published_factors"),
          wrong=("forgets_the_bonus_token", "adds_without_stopping", "counts_kept_drafts_only"))
def tokens_per_pass(alpha: float, gamma: int) -> float:
    """Tokens that one pass of the target yields on average: γ drafts, each kept with chance alpha if all
    before it were, and one token more (the replacement, or the next one where all were kept).

    目标模型一次前向平均得到多少 token：γ 个草稿，若前面的都保留，则每个以概率 alpha 保留；此外总多得一个
    （替换的 token，或全部保留时的下一个）。"""
    return sum(alpha**i for i in range(gamma + 1))


def pass_time(tokens: int, ridge: int) -> float:
    """Time of a pass over so many tokens of all sequences, in units of reading the weights: arithmetic takes
    over beyond `ridge` tokens. The KV cache is left out."""
    return max(1.0, tokens / ridge)


def speedup(alpha: float, gamma: int, cost: float, batch: int, ridge: int) -> float:
    """Speculative over plain decoding: tokens per time. One drafted token costs `cost` plain steps."""
    plain = pass_time(batch, ridge)
    return tokens_per_pass(alpha, gamma) * plain / (pass_time(batch * (gamma + 1), ridge) + gamma * cost * plain)


def kept_runs(alpha: float, gamma: int, refusals: str, passes: int) -> Tensor:
    """Drafts kept before the first refusal, (passes,): each draft by a chance of its own, or refusals come in
    stretches: in a share alpha of the passes every draft is kept, in the others none."""
    if refusals == "in stretches":
        return gamma * (torch.rand(passes) < alpha)
    return (torch.rand(passes, gamma) < alpha).long().cumprod(1).sum(1)


RANGES = {
    "alpha": between(0.05, 0.98),
    "alphas": each(between(0.05, 0.95), at_least=2, rising=True),
    "gamma": between(1, 8),
    "gammas": each(between(1, 16), rising=True),
    "cost": between(0.0, 0.3),
    "ridge": between(128, 1024),
    "batch": one_of(1, 2, 4, 8, 512),
    "draft_cost": one_of(0.0, 0.05, 0.1, 0.2, 0.3),
    "refusals": one_of("independent", "in stretches"),
    "bonus": between(0, 1),
}


@breaks(refusals="in stretches",
        en="Where easy and hard stretches alternate, the average rate hides long runs: more tokens per pass than the sum says.",
        zh="易、难段落成片出现时，平均接受率掩盖了连续的长串：每次得到的 token 比几何和更多。")
def claim_tokens_per_pass_are_a_geometric_sum(alphas=(0.5, 0.65, 0.8, 0.9), gamma=4, refusals="independent"):
    """With acceptance α at every position, independent of the rest, a pass of γ drafts yields
    (1 − α^(γ+1)) / (1 − α) tokens on average.

    若每个位置都独立地以 α 被接受，检验 γ 个草稿平均得到 (1 − α^(γ+1)) / (1 − α) 个 token。"""
    passes = 20_000
    runs = torch.stack([kept_runs(a, gamma, refusals, passes) for a in alphas]).double() + 1
    sums = [tokens_per_pass(a, gamma) for a in alphas]
    show(lines("α", alphas, {"tokens per pass, simulated": runs.mean(1), "1 + α + … + α^γ": sums}))
    error = runs.std(1) / passes**0.5
    expect("tokens per pass less the sum, in standard errors", (runs.mean(1) - torch.tensor(sums)) / error,
           equals=0, within=5, at=("α", alphas))          # five standard errors: one run in millions strays


@breaks(bonus=0, en="Without the token that every pass adds, the factors fall short of the published ones.",
        zh="若不计每次必得的那个 token，就达不到论文里的倍数。")
def claim_published_factors(bonus=1):
    """With a free draft, 60 % acceptance and two drafts give 1.96 times the tokens per pass; 80 % and five give
    3.69, for 1.63 times the arithmetic (Leviathan et al., Table 1).

    草稿不计成本时，接受率 60%、2 个草稿是 1.96 倍；80%、5 个草稿是 3.69 倍，计算量为 1.63 倍（Leviathan 等，表 1）。"""
    rows = ((0.6, 2, 1.96, 1.53), (0.7, 3, 2.53, 1.58), (0.8, 2, 2.44, 1.23), (0.8, 5, 3.69, 1.63),
            (0.9, 2, 2.71, 1.11), (0.9, 10, 6.86, 1.60))
    tokens = [tokens_per_pass(a, g) - 1 + bonus for a, g, *_ in rows]
    work = [(g + 1) / n for (_, g, *_), n in zip(rows, tokens, strict=True)]
    show(table({"α": [r[0] for r in rows], "γ": [r[1] for r in rows], "tokens per pass": tokens,
                "published factor": [r[2] for r in rows], "arithmetic": work, "published arithmetic": [r[3] for r in rows]}))
    expect("tokens per pass", tokens, equals=[r[2] for r in rows], within=0.0051)        # printed to two places
    expect("arithmetic per token over plain decoding", work, equals=[r[3] for r in rows], within=0.0051)


@breaks(batch=512, en="At 512 sequences plain decoding already keeps the arithmetic busy; every refused draft is lost time.",
        zh="512 条序列时，普通解码已占满算力，每个被拒的草稿都是白费时间。")
def claim_it_pays_in_small_batches(alpha=0.8, gamma=4, cost=0.05, batch=8, ridge=300):
    """Where reading the weights bounds the pass, checking γ drafts is free and speed rises by the tokens per
    pass; beyond the ridge each draft costs a token's arithmetic and speculation loses.

    受限于读取权重时，多检验 γ 个草稿不花时间，速度提高到每次得到的 token 数倍；越过拐点，每个草稿都要付出一个
    token 的计算，投机解码反而变慢。"""
    batches = (1, 8, 32, 64, 128, 256, 512, 1024)
    curve = [speedup(alpha, gamma, cost, b, ridge) for b in batches]
    show(lines("batch", batches, {"speed over plain decoding": curve, "no gain": [1] * len(batches)}, log="x"))
    here = speedup(alpha, gamma, cost, batch, ridge)
    free = (1 - alpha ** (gamma + 1)) / (1 - alpha) / (1 + gamma * cost)                 # Theorem 3.8
    crowded = speedup(alpha, gamma, cost, 4 * ridge, ridge)
    paid = (1 - alpha ** (gamma + 1)) / (1 - alpha) / (1 + gamma + gamma * cost)
    expect(f"speed at batch {batch}", here, equals=free, within=1e-12)
    expect("speed far beyond the ridge", crowded, equals=paid, within=1e-12)
    expect("speed far beyond the ridge, at most plain", crowded, at_most=1)


@breaks(draft_cost=0.0, en="If drafting cost nothing, more drafts would never hurt.", zh="若草稿毫无成本，多几个总不会更差。")
def claim_more_drafts_soon_stop_paying(alpha=0.7, gammas=(1, 2, 3, 4, 6, 8, 12, 16), draft_cost=0.1):
    """A further draft is kept less and less often, at the same cost, so speed peaks after a few: four at 70 %
    acceptance and a tenth of the target's cost.

    草稿越靠后越难保留，成本却不变，所以几个之后速度就到顶：接受率 70%、成本十分之一时是 4 个。"""

    def speed(drafts: int) -> float:
        return speedup(alpha, drafts, draft_cost, 1, 1 << 20)

    show(lines("γ", gammas, {"speed over plain decoding": [speed(g) for g in gammas]}))
    best = max(range(1, 200), key=speed)
    # the next draft pays where its chance, at the present cost, outweighs the cost of all tokens so far
    stops = (g for g in range(1, 200) if alpha ** (g + 1) * (1 + draft_cost * g) <= draft_cost * tokens_per_pass(alpha, g))
    expect("best number of drafts against the rule of the next draft", best, equals=next(stops, 199))
    named = max(range(1, 200), key=lambda g: speedup(0.7, g, 0.1 if draft_cost else 0.0, 1, 1 << 20))
    expect("best number of drafts at 70 % and a tenth", named, equals=4)
    expect("speed with 1000 drafts over the best", speed(1000) / speed(best), at_most=0.9)


def drill_tokens(rng) -> Drill:
    """Tokens per pass and speed at batch 1."""
    alpha, gamma, cost = rng.choice([(0.5, 2, 0.1), (0.5, 3, 0.1), (0.8, 2, 0.05), (0.6, 2, 0.1), (0.9, 2, 0.1), (0.8, 3, 0.1)])
    tokens = tokens_per_pass(alpha, gamma)
    return Drill(
        en=f"A draft costs {cost:g} of a target step, {gamma} tokens are drafted per pass, each kept with chance {alpha:g}. "
           f"Checking them takes one step. How many times as fast as plain decoding?",
        zh=f"一个草稿 token 的成本是目标模型一步的 {cost:g} 倍，每次起草 {gamma} 个，各以 {alpha:g} 的概率保留，检验只花一步。"
           f"速度是普通解码的几倍？",
        answer=speedup(alpha, gamma, cost, 1, 1 << 20), within=0.02,
        steps=[(f"tokens per pass: 1 + … + {alpha:g}^{gamma} = {tokens:.3g}",
                f"每次得到：1 + … + {alpha:g}^{gamma} = {tokens:.3g} 个 token"),
               (f"time: 1 + {gamma} · {cost:g} = {1 + gamma * cost:g}", f"时间：1 + {gamma} · {cost:g} = {1 + gamma * cost:g}"),
               (f"{tokens:.3g} / {1 + gamma * cost:g}", f"{tokens:.3g} / {1 + gamma * cost:g}")],
        proved_by="it_pays_in_small_batches",
    )


ZH = {
    "best number of drafts at 70 % and a tenth": "接受率 70%、成本十分之一时的最佳草稿数",
    "tokens per pass, simulated": "每次得到的 token 数，模拟",
    "tokens per pass less the sum, in standard errors": "每次得到的 token 数减去几何和，以标准误计",
    "tokens per pass": "每次得到的 token 数",
    "published factor": "论文中的倍数",
    "arithmetic": "计算量",
    "published arithmetic": "论文中的计算量",
    "arithmetic per token over plain decoding": "每 token 计算量与普通解码之比",
    "speed over plain decoding": "与普通解码的速度之比",
    "no gain": "无收益",
    "speed at batch {}": "batch 为 {} 时的速度比",
    "speed far beyond the ridge": "远过拐点时的速度比",
    "speed far beyond the ridge, at most plain": "远过拐点时的速度比，不超过普通解码",
    "best number of drafts against the rule of the next draft": "最佳草稿数与“下一个草稿”规则",
    "speed with 1000 drafts over the best": "1000 个草稿时与最佳的速度之比",
}

if __name__ == "__main__":
    main()
