r"""Users become concurrency through the share of time that each spends generating, and slots are planned
on the tail of it, not on the mean.

用户数乘以「正在生成的时间占比」才是并发；容量要按分布的尾部规划，而不是均值。

Each user is active with probability p at a random moment. Turn `activity` to "waves": the same mean, but
all users share busy and quiet hours, and the binomial tail is no longer what happens.
把 `activity` 改为 "waves"：均值不变，但所有用户共有忙时与闲时，二项分布的尾部就不成立了。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("independent_users_follow_the_binomial",),
          wrong=("forgets_the_idle", "forgets_the_combinations", "uses_the_mean_alone"))
def overload(users: int, share: float, slots: int) -> float:
    """The probability that more than `slots` of `users` are active at once, each independently with
    probability `share`, 0 < share < 1.

    users 个用户各自独立、以概率 share 处于活动状态（0 < share < 1）时，同时活动者超过 slots 的概率。"""
    def log_probability(k: int) -> float:
        ways = math.lgamma(users + 1) - math.lgamma(k + 1) - math.lgamma(users - k + 1)
        return ways + k * math.log(share) + (users - k) * math.log1p(-share)

    return sum(math.exp(log_probability(k)) for k in range(slots + 1, users + 1))


def active(users: int, share: float, moments: int, activity: str) -> Tensor:
    """How many users are active at each of some moments, drawn user by user; (moments,)."""
    shares = torch.full((moments, 1), share)
    if activity == "waves":                               # busy and quiet moments, the mean unchanged
        shares[::2], shares[1::2] = 1.5 * share, 0.5 * share
    return (torch.rand(moments, users) < shares).sum(1)


def phases(generating: float, thinking: float, cycles: int) -> tuple[Tensor, Tensor]:
    """Seconds of generating and of thinking, alternating: answers of about equal length, pauses of very
    different ones; (cycles,) each."""
    return (generating * (0.5 + torch.rand(cycles)),
            thinking * torch.empty(cycles).exponential_())


RANGES = {
    "users": one_of(1000, 2000, 4000),
    "share": between(0.1, 0.14),
    "slots": between(200, 300),
    "activity": one_of("independent", "waves"),
    "sizes": each(between(400, 4000), at_least=2, rising=True),
    "generating": between(10.0, 200.0),
    "share_of": one_of("cycle", "pause"),
}
WAVES = breaks(activity="waves", en="Users who are busy at the same hours add up: one share for all is no model.",
               zh="用户在同样的时段忙碌，会叠加起来：一个固定占比描述不了。")


@WAVES
def claim_independent_users_follow_the_binomial(users=2000, share=0.12, slots=256, activity="independent"):
    """Of 2,000 users active 12 % of the time each, 240 are active on average, and more than 256 for about
    13 % of the time, if they are independent.

    2,000 个用户各有 12 % 的时间在生成，平均 240 路并发；若彼此独立，约 13 % 的时间超过 256 路。"""
    counts = active(users, share, 4000, activity)
    limits = [slots + step for step in (-30, -15, 0, 15, 30)]
    seen = [(counts > limit).float().mean().item() for limit in limits]
    model = [overload(users, share, limit) for limit in limits]
    show(lines("slots", limits, {"drawn": seen, "binomial": model}, y_label="share of time over the limit"))
    expect("mean concurrency over users · share", counts.float().mean().item() / users / share, equals=1,
           within=0.01)
    # 4000 moments: a deviation of at most 0.5 / sqrt(4000) = 0.008
    expect("share of time over the limit", seen, equals=model, within=0.035, at=("slots", limits))


@breaks(activity="independent", en="Independent users stay near the mean: the binomial tail is right.",
        zh="相互独立的用户总在均值附近：二项分布的尾部是对的。")
def claim_shared_busy_hours_fill_the_slots(share=0.12, activity="waves"):
    """With the same mean but busy hours at one and a half times it, more than 256 of 2,000 users are active
    half of the time.

    均值相同，但忙时是均值的一倍半：2,000 个用户中，一半的时间超过 256 路。"""
    counts = active(2000, share, 2000, activity)
    spread = [200 + 10 * i for i in range(20)]
    show(lines("slots", spread, {"drawn": [(counts > s).float().mean() for s in spread],
                                 "binomial": [overload(2000, share, s) for s in spread]},
               y_label="share of time over the limit"))
    expect("share of time over one and an eighth of the mean",
           (counts > 2000 * share * 1.125).float().mean().item(), equals=0.5, within=0.05)


@WAVES
def claim_pooling_needs_less_headroom(sizes=(400, 1000, 4000), activity="independent"):
    """For 1 % overload, independent users need about 2.3 deviations above the mean: headroom in per cent
    falls with the root of their number.

    要把超载控制在 1 %，独立用户需要均值之上约 2.3 个标准差：余量的百分比随用户数的平方根下降。"""
    headroom, deviations = [], []
    for users in sizes:
        mean, deviation = 0.12 * users, math.sqrt(users * 0.12 * 0.88)
        needed = active(users, 0.12, 1500, activity).float().quantile(0.99).item()
        headroom.append(100 * (needed / mean - 1))
        deviations.append((needed - mean) / deviation)
    show(lines("users", sizes, {"headroom for 1 % overload": headroom}, log="xy", y_label="%"))
    # the 99 % quantile of 1500 moments wanders by 0.1 deviations; counts are whole
    expect("deviations above the mean", deviations, equals=2.33, within=0.45, at=("users", sizes))


@breaks(share_of="pause", en="The pause alone is not the cycle: generating takes time too.",
        zh="周期不只是停顿：生成本身也占时间。")
def claim_share_is_generating_over_the_cycle(generating=90.0, share_of="cycle"):
    """A user's share of active time is the mean time of an answer over that plus the mean pause, whatever
    their distributions.

    用户的活动占比等于平均生成时间除以它与平均停顿之和，与两者的分布无关。"""
    pauses, got = [60.0, 200.0, 660.0], []
    for pause in pauses:
        busy, idle = phases(generating, pause, 40000)
        got.append((busy.sum() / (busy.sum() + idle.sum())).item())
    model = [generating / (pause + (generating if share_of == "cycle" else 0)) for pause in pauses]
    show(lines("mean pause, s", pauses, {"drawn": got, "answer / (answer + pause)": model}, y_label="share"))
    # 40,000 pauses: a mean within 4 / sqrt(40000) = 2 % of itself
    expect("share of the time", [g / m for g, m in zip(got, model, strict=True)], equals=1, within=0.02,
           at=("pause", pauses))


def drill_users(rng) -> Drill:
    """How many users fill the slots on average."""
    slots, tokens, speed, pause = rng.choice([(100, 500, 10, 200), (128, 1100, 11, 300), (256, 700, 7, 300),
                                              (64, 800, 20, 120)])
    answer = tokens / speed
    users = slots * (answer + pause) / answer
    return Drill(
        en=f"A server holds {slots} streams at {speed} tokens/s each. An answer has {tokens} tokens, and a user "
           f"pauses {pause} s between answers. How many users fill all the streams on average?",
        zh=f"一个服务可承载 {slots} 路，每路 {speed} token/s。一次回答 {tokens} 个 token，用户在两次回答之间停顿 {pause} 秒。"
           f"平均多少用户恰好占满？",
        answer=users, within=0.02 * users,
        steps=[(f"an answer takes {tokens} / {speed} = {answer:g} s", f"一次回答 {tokens} / {speed} = {answer:g} 秒"),
               (f"share: {answer:g} / ({answer:g} + {pause}) = {answer / (answer + pause):.3g}",
                f"占比：{answer:g} / ({answer:g} + {pause}) = {answer / (answer + pause):.3g}"),
               (f"users: {slots} / share = {users:g}", f"用户数：{slots} / 占比 = {users:g}")],
        proved_by="share_is_generating_over_the_cycle",
    )


ZH = {
    "slots": "并发上限",
    "drawn": "抽样",
    "binomial": "二项分布",
    "share of time over the limit": "超过上限的时间占比",
    "mean concurrency over users · share": "平均并发与「用户数 · 占比」之比",
    "share of time over one and an eighth of the mean": "超过均值 1.125 倍的时间占比",
    "users": "用户数",
    "headroom for 1 % overload": "超载 1 % 所需余量",
    "deviations above the mean": "高出均值的标准差数",
    "mean pause, s": "平均停顿，秒",
    "answer / (answer + pause)": "生成 / (生成 + 停顿)",
    "share": "占比",
    "share of the time": "时间占比",
    "pause": "停顿",
}

if __name__ == "__main__":
    main()
