r"""Sampling weights decide how often each source is repeated, and repeated tokens are worth less and less.

采样权重决定每个来源重复几遍，而重复的 token 越来越不值钱。

p ∝ n^α over sources of n tokens; the worth of repeats after Muennighoff et al. 2023, Eq. 5 and App. A (R* = 15.39). Turn
`draws` to 200: with a short run the smallest source is never repeated enough to be worn out.
对 n 个 token 的来源取 p ∝ n^α；重复的价值按 Muennighoff 等 2023，式 5 与附录 A（R* = 15.39）。把 `draws` 改为 200：训练短，
最小的来源重复不到「用旧」的程度。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show, table
from studyapp.evidence.tools import Adam

VOCABULARY, LENGTH, BATCH, SIZES = 32, 20, 10, (900, 90, 10)      # documents of the three sources
HALF_LIFE = 15.387756                                             # R* of Muennighoff et al. 2023, App. A


@exercise(claims=("a_power_in_between_is_best",), wrong=("scales_the_shares", "inverts_the_power"))
def shares(sizes: Tensor, alpha: float) -> Tensor:
    """The share with which each source is drawn: proportional to its size to the power alpha. Sizes and shares (sources,).

    每个来源被抽到的比例：与其大小的 alpha 次方成正比。大小与比例 (sources,)。"""
    weights = sizes.double() ** alpha
    return weights / weights.sum()


@exercise(claims=("repeats_wear_out",), wrong=("counts_every_epoch", "takes_epochs_for_repeats"))
def effective(unique: float, epochs: float) -> float:
    """What `unique` tokens seen for `epochs` ≥ 1 passes are worth in fresh tokens: U + U·R*·(1 − e^(−R/R*)), R the number of
    repeats, one less than the passes, R* = HALF_LIFE.

    `unique` 个 token 训练 `epochs` ≥ 1 遍，相当于多少新 token：U + U·R*·(1 − e^(−R/R*))，R 为重复次数，即遍数减一，R* = HALF_LIFE。"""
    repeats = epochs - 1
    return unique + unique * HALF_LIFE * (1 - math.exp(-repeats / HALF_LIFE))


def worth(pool: float, horizon: float) -> float:
    """Effective tokens of a run of `horizon` tokens over a pool of unique ones, repeated as often as it takes."""
    return horizon if horizon <= pool else effective(pool, horizon / pool)


def excess(alpha: float, draws: int, world: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Train a bigram model, a shared table and one per source, on documents drawn by `shares`; the held-out loss of each
    source above its entropy, and the passes over it, (sources,) each."""
    truth, documents = world                                              # (sources, V, V), (documents, LENGTH, 2)
    sizes = torch.tensor(SIZES)
    p, first = shares(sizes, alpha), sizes.cumsum(0) - sizes
    shared = torch.zeros(VOCABULARY, VOCABULARY, requires_grad=True)
    own = torch.zeros(len(SIZES), VOCABULARY, VOCABULARY, requires_grad=True)
    adam = Adam([shared, own], 0.05)
    for _ in range(draws // BATCH):
        source = torch.multinomial(p, BATCH, replacement=True)
        drawn = documents[first[source] + (torch.rand(BATCH) * sizes[source]).long()]        # (BATCH, LENGTH, 2)
        before, after = drawn.unbind(-1)
        adam.step(F.cross_entropy((shared[before] + own[source[:, None], before]).flatten(0, 1), after.flatten()))
    with torch.no_grad():
        gap = truth * (truth.log() - (shared + own).log_softmax(-1))      # KL of each row, held out exactly
    return gap.sum(-1).mean(-1), draws * p / sizes


def world() -> tuple[Tensor, Tensor]:
    """Three sources of bigrams that share half of their structure: the true tables, and the documents there are."""
    truth = (1.5 * (torch.randn(VOCABULARY, VOCABULARY) + torch.randn(len(SIZES), VOCABULARY, VOCABULARY))).softmax(-1)
    source = torch.arange(len(SIZES)).repeat_interleave(torch.tensor(SIZES))
    before = torch.randint(VOCABULARY, (sum(SIZES), LENGTH))
    after = torch.multinomial(truth[source[:, None], before].flatten(0, 1), 1).view_as(before)
    return truth, torch.stack([before, after], -1)


RANGES = {
    "draws": one_of(200, 600, 640, 4000),
    "between": between(0.45, 0.55),
    "epochs": each(between(1.0, 40.0), at_least=2, rising=True),
    "counted": one_of("with decay", "as fresh"),
    "pool": between(8.0, 12.0), "horizon": one_of(1.0, 14.0, 15.0, 16.0),
}


@breaks(draws=200, en="In a run of 200 draws the ten documents are seen seven times at most: equal shares are best.",
        zh="只抽 200 次时，那十篇文档至多看七遍：均匀采样最好。")
@breaks(draws=4000, en="In a run of 4,000 draws every up-sampled source is worn out: natural shares are best.",
        zh="抽 4000 次时，上采样的来源全被用旧：按自然比例最好。")
def claim_a_power_in_between_is_best(draws=600, between=0.5):
    """In 600 draws the mean loss is lowest for a power in between; drawn equally, the smallest source is repeated 20 times
    and has a tenth more held-out loss itself.

    抽 600 次时，取中间的幂，各来源平均损失最低；均匀采样使最小的来源重复 20 遍，它自己的留出损失反而高出一成。"""
    given, powers = world(), (1.0, between, 0.0)
    losses, epochs = zip(*(excess(a, draws, given) for a in powers), strict=True)
    show(table(["α", "passes over the smallest", "loss, largest", "loss, middle", "loss, smallest", "mean"], [
        [f"{a:g}", f"{e[2]:.1f}", *(f"{x:.3f}" for x in loss), f"{loss.mean():.3f}"]
        for a, e, loss in zip(powers, epochs, losses, strict=True)]))
    natural, middle, equal = (loss.mean() for loss in losses)
    expect("mean loss at the middle power, over the better of the two ends", middle / min(natural, equal), at_most=0.95)
    expect("loss of the smallest source, equal shares over middle power", losses[2][2] / losses[1][2], at_least=1.1)
    by_hand = [n**between / sum(m**between for m in SIZES) for n in SIZES]
    expect("shares", shares(torch.tensor(SIZES), between), equals=by_hand, within=1e-12)


@breaks(counted="as fresh", en="Counted as fresh tokens, sixteen passes would be worth sixteen.",
        zh="若都算新 token，十六遍就值十六遍。")
def claim_repeats_wear_out(epochs=(1.0, 4.0, 16.0, 40.0), counted="with decay"):
    """Under the fitted law 4 passes are worth 3.7 fresh ones, 16 passes 10.6, and no number of passes more than 16.4.

    按拟合的规律，4 遍值 3.7 遍新数据，16 遍值 10.6 遍，再多也不超过 16.4 遍。"""
    value = [effective(1.0, e) if counted == "with decay" else e for e in epochs]
    # The paper's derivation: each pass keeps a share 1 − δ of what the one before gave, R* = (1 − δ) / δ.
    keep = HALF_LIFE / (1 + HALF_LIFE)
    series = [sum(keep**k for k in range(int(e) + 1)) - (1 - (e - int(e))) * keep ** int(e) for e in epochs]
    show(lines("passes", epochs, {"worth": value, "as fresh": list(epochs), "geometric series": series}))
    expect("worth, over the geometric series", [v / s for v, s in zip(value, series, strict=True)], equals=1, within=0.04,
           at=("passes", epochs))
    expect("worth", value, at_most=1 + HALF_LIFE, at=("passes", epochs))
    expect("worth of 4 and of 16 passes", [effective(1.0, 4), effective(1.0, 16)], equals=[3.73, 10.58], within=0.01)


@breaks(horizon=1.0, en="A run of 1T tokens repeats nothing: then the tightest filter costs no tokens.",
        zh="只训练 1T token 时没有重复：最严的过滤也不损失 token。")
def claim_a_tight_filter_runs_out_of_tokens(pool=10.0, horizon=15.0):
    """Under that law the best tenth of a pool of 10T tokens, repeated to 15T, is worth at least a fifth fewer tokens than
    the best four tenths: quality has to pay for that.

    按这一规律，10T 的池子只留前十分之一、重复到 15T，其价值比留前十分之四至少少五分之一：这要靠质量补回来。"""
    kept = (0.05, 0.1, 0.2, 0.4, 1.0)
    value = [worth(share * pool, horizon) for share in kept]
    show(lines("share of the pool kept", kept, {"effective tokens, T": value}, log="x"))
    expect("effective tokens, a tenth over four tenths", value[1] / value[3], at_most=0.8)
    expect("effective tokens, all of it kept, over the run", value[4] / horizon, at_least=0.95)


def drill_shares(rng) -> Drill:
    """The share of a source under exponential sampling."""
    sizes, alpha = rng.choice([((900, 90, 10), 0.5), ((81, 16, 1), 0.25), ((100, 25, 4), 0.5), ((64, 27, 8), 1 / 3), ((900, 100), 0.5)])
    p = shares(torch.tensor(sizes), alpha)[-1].item()
    power = "1/3" if alpha == 1 / 3 else f"{alpha:g}"
    roots = [round(n**alpha, 2) for n in sizes]
    listed = ", ".join(map(str, sizes))
    return Drill(
        en=f"Sources of {listed} billion tokens are drawn with p ∝ n^α, α = {power}. What share does the smallest get?",
        zh=f"各来源有 {listed} 十亿 token，按 p ∝ n^α 采样，α = {power}。最小的来源占多大比例？",
        answer=p, within=0.005,
        steps=[(f"n^α: {roots}", f"n^α：{roots}"),
               (f"{roots[-1]} / {sum(roots):.2f} = {p:.3f}", f"{roots[-1]} / {sum(roots):.2f} = {p:.3f}")],
        proved_by="a_power_in_between_is_best",
    )


def drill_epochs(rng) -> Drill:
    """How often a mixture repeats a source."""
    total, percent, size = rng.choice([(300, 3, 3), (300, 60, 410), (15_000, 5, 100), (1000, 8, 20), (6000, 7, 140)])
    passes = total * percent / 100 / size
    return Drill(
        en=f"A run of {total:,} billion tokens draws {percent}% of them from a source of {size} billion. How many passes over it "
           "is that?",
        zh=f"训练共 {total:,} 十亿 token，其中 {percent}% 来自一个有 {size} 十亿 token 的来源。这个来源要训练几遍？",
        answer=passes, within=0.02 * passes,
        steps=[(f"drawn: {percent}% of {total:,} = {total * percent / 100:g}",
                f"抽取：{total:,} 的 {percent}% = {total * percent / 100:g}"),
               (f"{total * percent / 100:g} / {size} = {passes:.2f}", f"{total * percent / 100:g} / {size} = {passes:.2f}")],
        proved_by="a_power_in_between_is_best",
    )


ZH = {
    "passes over the smallest": "最小来源的遍数", "loss, largest": "损失：最大",
    "loss, middle": "损失：中间", "loss, smallest": "损失：最小",
    "mean": "平均",
    "mean loss at the middle power, over the better of the two ends": "中间幂的平均损失与两端中较好者之比",
    "loss of the smallest source, equal shares over middle power": "最小来源的损失：均匀采样与中间幂之比", "shares": "比例",
    "passes": "遍数", "worth": "价值", "as fresh": "当作新数据", "geometric series": "等比级数",
    "worth of 4 and of 16 passes": "4 遍与 16 遍的价值",
    "worth, over the geometric series": "价值与等比级数之比",
    "share of the pool kept": "池子的保留比例",
    "effective tokens, T": "等效 token（T）", "effective tokens, a tenth over four tenths": "等效 token：留十分之一与留十分之四之比",
    "effective tokens, all of it kept, over the run": "等效 token：全部保留时与训练量之比",
}

if __name__ == "__main__":
    main()
