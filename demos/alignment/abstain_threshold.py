r"""With c points lost for a wrong answer, answer where confidence exceeds c/(1+c), if it is calibrated.

答错扣 c 分时，置信度超过 c/(1+c) 才作答：前提是置信度经过校准。

Kalai et al. 2025, §4.2. Right +1, wrong −c, “I don't know” 0. Turn `truth` to "overconfident" (right
in conf² of the cases): the formula answers too often.
把 `truth` 改为 "overconfident"（实际正确率为置信度的平方）：按公式作答就太频繁。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)

F64 = torch.float64


@exercise(claims=("the_rule_beats_every_threshold", "wrong_answers_fall_with_the_threshold"),
          wrong=("answers_above_one_half", "turns_the_penalty_round", "answers_always"))
def answers(confidence: Tensor, penalty: float) -> Tensor:
    """Whether to answer: where confidence (questions,) exceeds the threshold for a penalty c per
    wrong answer, 1 point per right one and 0 for “I don't know”. True and False, (questions,).

    是否作答：答错扣 c 分、答对得 1 分、回答“我不知道”得 0 分时，置信度 (questions,) 超过相应阈值的题才作答。
    返回真假值 (questions,)。"""
    return confidence > penalty / (1 + penalty)


def right_share(confidence: Tensor, truth: str) -> Tensor:
    """How often answers of this confidence are right."""
    return confidence if truth == "calibrated" else confidence**2


def score(confidence: Tensor, answered: Tensor, penalty: float, truth: str) -> Tensor:
    """Mean points per question, (…,): right answers less c times wrong ones; answered (…, questions)."""
    p = right_share(confidence, truth)
    return ((p - penalty * (1 - p)) * answered).mean(-1)


RANGES = {
    "truth": one_of("calibrated", "overconfident"), "grading": one_of("penalised", "accuracy"),
    "questions": between(2000, 20000),
    "penalties": each(between(0.0, 9.0), at_most=6, rising=True), "penalty": between(0.5, 9.0),
}  # fmt: skip
OVERCONFIDENT = breaks(
    truth="overconfident", en="Where confidence overstates how often it is right, the best threshold lies higher.",
    zh="置信度高估了正确率时，最佳阈值更高。")


@OVERCONFIDENT
def claim_the_rule_beats_every_threshold(penalties=(0.0, 1.0, 3.0), truth="calibrated"):
    """Among all thresholds c/(1+c) scores best: 0 without a penalty, ½ for c = 1, ¾ for c = 3; for
    an overconfident model (right in conf² of the cases) the best one is 0.87 at c = 3.

    在所有阈值中 c/(1+c) 得分最高：无惩罚为 0，c = 1 为 ½，c = 3 为 ¾；过度自信的模型（正确率为置信度的平方）在
    c = 3 时最佳阈值是 0.87。"""
    confidence = (torch.arange(1000, dtype=F64) + 0.5) / 1000              # uniform
    thresholds = torch.arange(0, 1, 0.005, dtype=F64)
    curves = {f"c = {c:g}": score(confidence, confidence > thresholds[:, None], c, truth)
              for c in penalties}                                          # (thresholds,) each
    best = [thresholds[curve.argmax()] for curve in curves.values()]
    show(lines("threshold", thresholds, curves, y_label="points per question"))
    expect("best threshold less c/(1+c)",
           [b - c / (1 + c) for b, c in zip(best, penalties, strict=True)], equals=0, within=0.005,
           at=("penalty c", penalties))
    by_rule = [score(confidence, answers(confidence, c), c, truth) for c in penalties]
    expect("score by the rule less the best", [s - curve.max() for s, curve in
                                               zip(by_rule, curves.values(), strict=True)],
           at_least=-1e-6, at=("penalty c", penalties))
    over = score(confidence, confidence > thresholds[:, None], 3.0, "overconfident")
    expect("best threshold for the overconfident at c = 3", thresholds[over.argmax()],
           equals=0.75**0.5, within=0.005)


@OVERCONFIDENT
def claim_wrong_answers_fall_with_the_threshold(questions=10000, penalty=3.0, truth="calibrated"):
    """With confidence spread evenly, a share (1−t)/2 of the answers given above threshold t is wrong:
    one in eight at ¾, half when everything is answered.

    置信度均匀分布时，高于阈值 t 的作答中有 (1−t)/2 是错的：t = ¾ 时为八分之一，全部作答时为一半。"""
    confidence = torch.rand(questions, dtype=F64)
    right = torch.rand(questions, dtype=F64) < right_share(confidence, truth)
    wrong, given = [], []
    for c in (0.0, penalty):
        answered = answers(confidence, c)
        given.append(answered.double().mean())
        wrong.append((answered & ~right).double().sum() / answered.sum())
    at = (0.0, penalty / (1 + penalty))
    show(lines("threshold", at, {"answered": given, "wrong among them": wrong,
                                 "(1 − t)/2": [(1 - t) / 2 for t in at]}))
    # six standard errors of the share among the answers that are left
    expect("wrong share less (1 − t)/2",
           [w - (1 - t) / 2 for w, t in zip(wrong, at, strict=True)], equals=0,
           within=3 / (questions / (1 + penalty)) ** 0.5, at=("threshold", at))


@breaks(grading="accuracy", en="Graded by accuracy, a withheld answer is a lost chance: guessing always pays.",
        zh="只看正确率，弃答等于放弃机会：猜总是划算的。")
def claim_abstaining_pays_only_under_a_penalty(grading="penalised"):
    """Losing 3 points per wrong answer, abstaining below ¾ scores 0.125, answering always −1; accuracy
    says 0.22 against 0.50, yet 4 % against 100 % of the misses are wrong.

    答错扣 3 分时，低于 ¾ 就弃答得 0.125 分，一律作答得 −1 分；正确率是 0.22 对 0.50，而没答对的题里答错的占 4% 对 100%。"""
    confidence = (torch.arange(1000, dtype=F64) + 0.5) / 1000
    ways = torch.stack((torch.ones_like(confidence), (confidence > 0.75).double()))
    points = {name: score(confidence, ways, c, "calibrated")
              for name, c in (("accuracy", 0.0), ("penalised", 3.0))}
    show(bars(["answers always", "abstains below ¾"], points, y_label="points per question"))
    expect("points gained by abstaining", points[grading][1] - points[grading][0], at_least=1)
    expect("accuracy, always and below ¾", points["accuracy"], equals=(0.5, 0.21875), within=1e-3)
    expect("penalised, always and below ¾", points["penalised"], equals=(-1.0, 0.125), within=1e-3)
    wrong = ((1 - confidence) * ways).mean(-1)                             # (ways,)
    expect("wrong over not right, always and below ¾", wrong / (1 - points["accuracy"]),
           equals=(1.0, 0.04), within=1e-3)


def drill_threshold(rng) -> Drill:
    """From which confidence to answer."""
    c = rng.choice([0.25, 0.5, 1, 1.5, 2, 3, 4, 9])
    return Drill(
        en=f"A right answer earns 1 point, a wrong one costs {c:g}, “I don't know” earns 0. From which confidence on should a "
           "calibrated model answer?",
        zh=f"答对得 1 分，答错扣 {c:g} 分，回答“我不知道”得 0 分。经过校准的模型从多大的置信度起应当作答？",
        answer=c / (1 + c), within=0.005,
        steps=[(f"expected points p − {c:g}(1 − p) = 0", f"期望得分 p − {c:g}(1 − p) = 0"),
               (f"p = {c:g}/{1 + c:g} = {c / (1 + c):.3g}", f"p = {c:g}/{1 + c:g} = {c / (1 + c):.3g}")],
        proved_by="the_rule_beats_every_threshold",
    )


ZH = {
    "threshold": "阈值", "points per question": "每题得分", "penalty c": "惩罚 c", "c = {}": "c = {}",
    "best threshold less c/(1+c)": "最佳阈值与 c/(1+c) 之差", "score by the rule less the best": "按规则的得分与最佳之差",
    "best threshold for the overconfident at c = 3": "过度自信者在 c = 3 时的最佳阈值",
    "answered": "作答", "wrong among them": "其中答错", "(1 − t)/2": "(1 − t)/2",
    "wrong share less (1 − t)/2": "错误比例与 (1 − t)/2 之差", "answers always": "一律作答",
    "abstains below ¾": "低于 ¾ 就弃答", "accuracy": "正确率", "penalised": "带惩罚",
    "points gained by abstaining": "弃答的得分收益", "accuracy, always and below ¾": "正确率，一律作答与低于 ¾ 弃答",
    "penalised, always and below ¾": "带惩罚，一律作答与低于 ¾ 弃答",
    "wrong over not right, always and below ¾": "没答对的题里答错的比例，一律作答与低于 ¾ 弃答",
}

if __name__ == "__main__":
    main()
