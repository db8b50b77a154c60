r"""A policy trained on what a checker sees finds what the checker does not: visible score up, hidden score
down.

按检查器看得见的东西训练，策略就会找到检查器看不见的东西：可见分数上升，隐藏分数下降。

Toy: three ways to answer a coding task, one of them special-cases the visible tests; exact policy
gradient. Turn `reward` to "fresh tests": drawn anew each time, they cannot be special-cased. 把 `reward` 改为
"fresh tests"：每次重新抽测试，写特判就行不通。
"""

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, expect, heatmap, lines, main, one_of, show

F64 = torch.float64
HONEST, HACK, GIVES_UP = 0, 1, 2
SHARES = {"in 2 %": 0.02, "in 0.2 %": 0.002}
HIDDEN = torch.tensor([0.6, 0.0, 0.0], dtype=F64)                      # hidden tests passed, by strategy


def train(reward: Tensor, start: Tensor, steps: int = 400, lr: float = 0.5) -> Tensor:
    """Probabilities of the strategies after each step, (steps + 1, strategies), by the exact policy
    gradient π·(reward − E[reward]) in the logits."""
    logits, curve = start.log(), [start]
    for _ in range(steps):
        pi = logits.softmax(0)
        logits = logits + lr * pi * (reward - pi @ reward)
        curve.append(logits.softmax(0))
    return torch.stack(curve)


def start(hack_share: float) -> Tensor:
    """A base that solves a fifth of the tasks, and special-cases the tests this often."""
    return torch.tensor([0.3, hack_share, 0.7 - hack_share], dtype=F64)


RANGES = {
    "sampled": one_of("in 2 %", "in 0.2 %"), "reward": one_of("visible tests", "fresh tests"), "judges": between(2, 8),
    "combined": one_of("minimum", "mean"), "flaw": one_of("of one judge", "shared"), "level": between(0.5, 0.9),
}


@breaks(sampled="in 0.2 %", en="Sampled too rarely, it is outrun by honest answers, for these 2000 steps at least.",
        zh="采样到的机会太少，在这 2000 步里被老实回答甩开。")
@breaks(reward="fresh tests", en="Tests drawn anew cannot be special-cased, so only solving them pays.",
        zh="每次重抽的测试没法写特判，只有真的做对才有奖励。")
def claim_visible_score_rises_while_hidden_falls(sampled="in 2 %", reward="visible tests"):
    """From 2 % of special-casing, training on the visible tests ends with over 0.9 of it: the visible
    score rises throughout, the hidden one ends below its start.

    写特判起初只占 2 %，按可见测试训练后超过 0.9：可见分数一直上升，隐藏分数最终低于起点。"""
    visible = torch.tensor([0.6, 1.0 if reward == "visible tests" else 0.0, 0.0], dtype=F64)
    curve = train(visible, start(SHARES[sampled]), steps=2000)
    seen, hidden = curve @ torch.tensor([0.6, 1.0, 0.0], dtype=F64), curve @ HIDDEN
    steps = list(range(0, 2001, 50))
    show(lines("step", steps, {"visible tests": seen[steps], "hidden tests": hidden[steps], "special-casing": curve[steps, HACK]},
               y_label="share"))
    expect("share of special-casing at the end", curve[-1, HACK], at_least=0.9)
    expect("hidden score, end less start", hidden[-1] - hidden[0], at_most=-0.1)
    expect("smallest step of the visible score", seen.diff().min(), at_least=0)


@breaks(combined="mean", en="Under the mean of three, the fooled judge’s full mark outweighs the others’ doubt.",
        zh="三个裁判取平均时，被骗者的满分压过了其余两位的疑虑。")
@breaks(flaw="shared", en="If all judges fall for it, their number does not matter.", zh="若所有裁判都上当，再多也没用。")
def claim_the_minimum_of_judges_stops_a_flaw_of_one(judges=3, level=0.6, combined="minimum", flaw="of one judge"):
    """A trick that fools one of three judges pays under their mean and not under their minimum; one that
    fools all of them pays under both.

    只骗得过三个裁判之一的花招，按平均分有利可图，按最低分则不然；能骗过全部裁判的，两者都挡不住。"""
    scores = torch.zeros(judges, 3, dtype=F64)
    scores[:, HONEST], scores[:, HACK] = level, level - 0.1            # the trick looks a little worse
    scores[: judges if flaw == "shared" else 1, HACK] = 1.0
    reward = scores.amin(0) if combined == "minimum" else scores.mean(0)
    curve = train(reward, start(0.05), steps=3000)
    show(heatmap(scores, x_label="honest | trick | gives up", y_label="judge", title="score"))
    expect("share of the trick at the end", curve[-1, HACK], at_most=0.2)
    expect("share of honest answers at the end", curve[-1, HONEST], at_least=0.8)


ZH = {
    "step": "步", "visible tests": "可见测试", "hidden tests": "隐藏测试", "special-casing": "写特判", "share": "占比",
    "share of special-casing at the end": "最终写特判的占比", "hidden score, end less start": "隐藏分数，终点减起点",
    "smallest step of the visible score": "可见分数的最小增量", "honest | trick | gives up": "老实 | 花招 | 放弃",
    "judge": "裁判", "score": "分数", "share of the trick at the end": "最终花招的占比",
    "share of honest answers at the end": "最终老实回答的占比",
}

if __name__ == "__main__":
    main()
