r"""A class weight multiplies the odds: it moves the threshold and gives away the probability.

类别权重乘在几率上：它移动的是阈值，代价是概率不再可信。

Turn `read` to "as a probability": a class of one in a hundred, weighted 99 times, is announced at one half.
把 `read` 改为 "as a probability"：百分之一的类别加权 99 倍，报出的概率就是二分之一。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show, table

F64 = torch.float64


@exercise(claims=("a_weight_is_a_number_of_copies",), wrong=("over_the_rows", "weight_of_the_prediction"))
def weighted_cross_entropy(z: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """The weighted mean of the rows' cross-entropy, each with the weight of its right class: z is (rows,
    classes), target (rows,) of class numbers, weight (classes,); a number.

    各行交叉熵的加权平均，权重取其正确类别的权重：z 为 (rows, classes)，target (rows,) 为类别编号，weight 为 (classes,)；结果是一个数。"""
    loss = z.logsumexp(1) - z.gather(1, target[:, None]).squeeze(1)      # (rows,)
    w = weight[target]                                                   # (rows,)
    return (w * loss).sum() / w.sum()


def fit_logits(counts: Tensor, weight: float) -> Tensor:
    """For each kind of input the logit of class 1 that has the least weighted loss, by Newton's method:
    counts (kinds, 2) of labels 0 and 1, the result (kinds,)."""
    z = torch.zeros(len(counts), dtype=F64)
    zeros, ones = counts[:, 0], weight * counts[:, 1]
    for _ in range(60):
        p = z.sigmoid()
        z = z - ((zeros + ones) * p - ones).clamp(-1e9, 1e9) / ((zeros + ones) * p * (1 - p)).clamp(min=1e-12) * 0.7
    return z


COUNTS = torch.tensor([[999, 1], [990, 10], [900, 100], [500, 500]], dtype=F64)

RANGES = {
    "copies": between(2, 9), "averaged": one_of("weights", "rows"), "weight": between(0.1, 99.0),
    "read": one_of("less the log weight", "as a probability"), "threshold": one_of("1/(1 + w)", "one half"),
    "base": between(0.005, 0.02),
}  # fmt: skip


@breaks(averaged="rows", en="Divided by the rows, the loss grows with the share of the weighted class.",
        zh="除以行数时，损失会随加权类别的占比变大。")
def claim_a_weight_is_a_number_of_copies(copies=3, averaged="weights"):
    """A weight of 3 on a class is the same loss as three copies of each of its rows, if the sum is divided
    by the weights, as torch does, and not by the rows.

    某类权重为 3，等于把它的每一行复制三份；前提是总和除以权重之和（torch 就是这样），而不是除以行数。"""
    z, target = torch.randn(12, 3, dtype=F64), torch.arange(12) % 3
    weight = torch.tensor([1.0, 1.0, float(copies)], dtype=F64)
    repeats = weight[target].long()
    by_copies = F.cross_entropy(z.repeat_interleave(repeats, 0), target.repeat_interleave(repeats))
    got = weighted_cross_entropy(z, target, weight)
    if averaged == "rows":
        got = got * weight[target].sum() / len(z)
    show(bars(["weighted", "copied", "plain"], {"loss": [got, by_copies, F.cross_entropy(z, target)]}))
    expect("weighted loss less that of the copies", got - by_copies, equals=0, within=1e-12)
    expect("by hand less torch's", weighted_cross_entropy(z, target, weight) - F.cross_entropy(z, target, weight=weight),
           equals=0, within=1e-12)


@breaks(read="as a probability", en="As it stands the output is w·p/(w·p + 1 − p).", zh="直接读出的是 w·p/(w·p + 1 − p)。")
def claim_the_weight_multiplies_the_odds(weight=9.0, read="less the log weight"):
    """Trained with weight w on class 1, a model answers with w times the true odds: subtract ln w from the
    logit, and the true shares are back.

    对类别 1 以权重 w 训练，模型给出的几率是真实几率的 w 倍：从 logit 里减去 ln w，就回到真实比例。"""
    shares = COUNTS[:, 1] / COUNTS.sum(1)
    z = fit_logits(COUNTS, weight)
    p = (z - torch.tensor(weight, dtype=F64).log()).sigmoid() if read == "less the log weight" else z.sigmoid()
    show(lines("true share", shares, {"as trained": z.sigmoid(), "less ln w": (z - torch.tensor(weight).log()).sigmoid()}, log="x"))
    expect("probability less the share", p - shares, equals=0, within=1e-6, at=("share", shares))
    expect("odds as trained over the true odds", z.exp() / (shares / (1 - shares)), equals=weight, within=1e-4)
    expect("inputs whose order changed", int((z.argsort() != shares.argsort()).sum()), equals=0)


@breaks(threshold="one half", en="At one half the unweighted model misses the rare class.", zh="阈值取二分之一，不加权的模型会漏掉稀有类。")
def claim_a_threshold_does_the_same(weight=20.0, threshold="1/(1 + w)"):
    """The unweighted model with threshold 1/(1 + w) decides as the model trained with weight w does at one
    half: where w misses of class 1 cost as much as one false alarm.

    不加权的模型取阈值 1/(1 + w)，与以权重 w 训练、阈值取 1/2 的模型判断完全相同：前提是漏掉一个类别 1 的代价是误报的 w 倍。"""
    plain, weighted = fit_logits(COUNTS, 1.0).sigmoid(), fit_logits(COUNTS, weight).sigmoid()
    cut = 1 / (1 + weight) if threshold == "1/(1 + w)" else 0.5
    show(table({"share": COUNTS[:, 1] / COUNTS.sum(1), "unweighted": plain, "weighted": weighted}))
    away = ((plain - 1 / (1 + weight)).abs() > 1e-4)                     # no share just at the threshold
    expect("inputs decided otherwise", int(((plain > cut) != (weighted > 0.5))[away].sum()), equals=0)


@breaks(base=0.02, en="At twice the base rate, precision is nearly twice as high.", zh="基础比例翻倍，精确率也几乎翻倍。")
def claim_precision_falls_with_the_base_rate(base=0.01):
    """At a base rate of 1% a detector with recall 0.9 and 5% false alarms has precision 0.15; a model that
    always says no has accuracy 0.99 and recall 0.

    基础比例 1% 时，召回率 0.9、误报率 5% 的检测器，精确率只有 0.15；永远说「否」的模型准确率 0.99，召回率为 0。"""
    bases = (0.001, 0.01, 0.1, 0.5)
    precision = [0.9 * b / (0.9 * b + 0.05 * (1 - b)) for b in bases]
    show(lines("base rate", bases, {"precision": precision, "accuracy of always no": [1 - b for b in bases]}, log="x"))
    people = torch.zeros(100_000)
    ill = round(base * len(people))
    people[:ill] = 1
    alarm = torch.zeros_like(people)
    alarm[: round(0.9 * ill)] = 1                                        # found
    alarm[ill : ill + round(0.05 * (len(people) - ill))] = 1             # false alarms
    expect("precision, counted", (people * alarm).sum() / alarm.sum(), equals=0.1538, within=0.001)
    expect("accuracy of always no", (people == 0).float().mean(), equals=0.99, within=0.001)


def drill_precision(rng) -> Drill:
    """Precision from recall, false alarms and the base rate."""
    base, recall, false = rng.choice([(0.01, 0.9, 0.05), (0.01, 0.8, 0.02), (0.1, 0.9, 0.1), (0.02, 0.5, 0.01), (0.001, 1.0, 0.01)])
    hits, alarms = base * recall, (1 - base) * false
    got = hits / (hits + alarms)
    return Drill(
        en=f"{base:.1%} of the cases are positive. A detector has recall {recall:g} and a false-positive rate of {false:g}. "
           "What is its precision?",
        zh=f"{base:.1%} 的样本为正。检测器召回率 {recall:g}，假阳性率 {false:g}。精确率是多少？",
        answer=got, within=0.01,
        steps=[(f"of 1,000 cases {1000 * hits:.1f} are found, {1000 * alarms:.1f} falsely alarmed",
                f"1,000 个样本中找到 {1000 * hits:.1f} 个，误报 {1000 * alarms:.1f} 个"),
               (f"{1000 * hits:.1f} / {1000 * (hits + alarms):.1f} = {got:.3f}",) * 2],
        proved_by="precision_falls_with_the_base_rate",
    )


def drill_odds(rng) -> Drill:
    """What a weighted model's probability really says."""
    share, weight = rng.choice([(0.01, 99), (0.1, 9), (0.1, 3), (0.2, 4), (0.5, 3), (0.25, 9)])
    odds = share / (1 - share) * weight
    got = odds / (1 + odds)
    return Drill(
        en=f"Class 1 has a true share of {share:g} for some input. A model was trained with weight {weight} on class 1. Which "
           "probability does it announce?",
        zh=f"某个输入下类别 1 的真实比例为 {share:g}。模型训练时给类别 1 的权重是 {weight}。它报出的概率是多少？",
        answer=got, within=0.01,
        steps=[(f"odds {share:g}/{1 - share:g}, times {weight} = {odds:.4g}", f"几率 {share:g}/{1 - share:g}，乘 {weight} = {odds:.4g}"),
               (f"p = {odds:.4g}/{1 + odds:.4g} = {got:.3f}",) * 2],
        proved_by="the_weight_multiplies_the_odds",
    )


ZH = {
    "weighted": "加权", "copied": "复制", "plain": "普通", "loss": "损失",
    "weighted loss less that of the copies": "加权损失减复制后的损失",
    "by hand less torch's": "手写减 torch", "true share": "真实比例", "as trained": "直接读出", "less ln w": "减 ln w",
    "probability less the share": "概率减比例", "share": "比例", "odds as trained over the true odds": "读出的几率与真实几率之比",
    "inputs whose order changed": "次序改变的输入数", "unweighted": "不加权", "inputs decided otherwise": "判断不同的输入数",
    "base rate": "基础比例", "precision": "精确率", "accuracy of always no": "永远说否的准确率", "precision, counted": "数出来的精确率",
}  # fmt: skip

if __name__ == "__main__":
    main()
