r"""No hack in n audited samples means that at most about 3/n of them are hacks; auditing the highest rewards
finds them sooner.

抽查 n 个样本没发现作弊，只说明作弊率至多约 3/n；先查奖励最高的样本，发现得更快。

Hanley & Lippman-Hand's rule of three, against simulation. Turn `samples` to "of one prompt": audits
that repeat one another bound nothing. 把 `samples` 改为 "of one prompt"：彼此重复的抽查给不出这个界。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, one_of, show, table


def bound(n: int, confidence: float = 0.95) -> float:
    """The largest rate of hacks that leaves n independent samples clean with probability
    1 − confidence."""
    return 1 - (1 - confidence) ** (1 / n)


def audits(trials: int, n: int, rate: float, samples: str) -> Tensor:
    """Hacks found in each of `trials` audits of n samples, (trials,): independent ones, or all of one
    prompt, where the policy hacks always or never."""
    if samples == "of one prompt":
        return n * (torch.rand(trials) < rate)
    return (torch.rand(trials, n) < rate).sum(1)


RANGES = {
    "ns": each(between(10, 300), at_least=1, rising=True, at_most=4), "trials": between(5000, 20_000),
    "samples": one_of("independent", "of one prompt"), "hacks_score": one_of("higher", "as honest ones"),
    "audited": between(15, 30), "runs": between(100, 400),
}


@breaks(samples="of one prompt", en="Samples of one prompt stand or fall together: n of them are one.",
        zh="同一 prompt 的样本要么全作弊，要么全不作弊：n 个只算一个。")
def claim_a_clean_audit_bounds_the_rate(ns=(30, 100, 300), trials=20_000, samples="independent"):
    """If 1 − 0.05^(1/n) of the answers were hacks, n independent samples would all be clean in 5 % of
    audits; that rate is a little below 3/n.

    若作弊率为 1 − 0.05^(1/n)，n 个独立样本全部干净的概率是 5 %；这个比率略小于 3/n。"""
    clean = torch.tensor([(audits(trials, n, bound(n), samples) == 0).float().mean().item() for n in ns])
    sizes = [10, 30, 100, 300, 1000]
    show(lines("samples audited, none a hack", sizes, {"largest rate of hacks, 95 %": [bound(n) for n in sizes],
                                                       "3/n": [3 / n for n in sizes]}, log="xy"))
    # a share of 5 % in 20,000 trials scatters by 0.0015
    expect("share of clean audits", clean, equals=0.05, within=6 * (0.05 / trials) ** 0.5, at=("n", ns))
    expect("n times the rate", [n * bound(n) for n in ns], equals=3.0, within=0.45, at=("n", ns))


@breaks(hacks_score="as honest ones", en="Hacks that score like honest answers hide among them.",
        zh="得分与老实回答无异的作弊，藏在其中看不出来。")
def claim_the_highest_rewards_hold_the_hacks(audited=20, runs=200, hacks_score="higher"):
    """If 2 % of a thousand answers are hacks and score two standard deviations higher, the top twenty
    hold at least ten times as many as twenty at random.

    一千个回答中有 2 % 作弊、得分高两个标准差时，最高的二十个里作弊数至少是随机二十个的十倍。"""
    hack = torch.rand(runs, 1000) < 0.02
    reward = torch.randn(runs, 1000) + (2.0 * hack if hacks_score == "higher" else 0.0)
    top = reward.topk(audited).indices
    found, by_chance = hack.gather(1, top).float().sum(1).mean().item(), audited * 0.02
    show(table(["audit", f"hacks among {audited}"], [["highest rewards", found], ["at random", by_chance]]))
    expect("hacks among the highest over hacks at random", found / by_chance, at_least=10)


def drill_samples(rng) -> Drill:
    """How many samples to audit."""
    rate = rng.choice([0.01, 0.02, 0.03, 0.05, 0.1])
    n = math.log(0.05) / math.log(1 - rate)
    return Drill(
        en=f"A policy hacks in {rate:.0%} of its answers. How many independent samples must you audit to see at least one with 95 % "
           "probability?",
        zh=f"某策略在 {rate:.0%} 的回答里作弊。要以 95 % 的概率至少看到一个，需抽查多少个独立样本？",
        answer=n, within=0.05 * n + 1,
        steps=[(f"(1 − {rate:g})^n = 0.05", f"(1 − {rate:g})^n = 0.05"),
               (f"n = ln 0.05 / ln {1 - rate:g} = {n:.0f}, about 3/{rate:g} = {3 / rate:.0f}",
                f"n = ln 0.05 / ln {1 - rate:g} = {n:.0f}，约 3/{rate:g} = {3 / rate:.0f}")],
        proved_by="a_clean_audit_bounds_the_rate",
    )


ZH = {
    "samples audited, none a hack": "抽查数（无一作弊）", "largest rate of hacks, 95 %": "作弊率上限，95 %",
    "share of clean audits": "全部干净的占比", "n times the rate": "n 乘以该比率", "audit": "抽查方式",
    "hacks among {}": "{} 个中的作弊数", "highest rewards": "奖励最高", "at random": "随机",
    "hacks among the highest over hacks at random": "最高者与随机者中作弊数之比",
}

if __name__ == "__main__":
    main()
