r"""A calibrated model is right as often as it says; one temperature repairs logits that are too large.

校准好的模型，说几成把握就有几成对；logits 整体偏大时，一个温度就能修好。

Guo et al. 2017. Turn `distortion` to "one class favoured": no temperature repairs a shift.
把 `distortion` 改为 "one class favoured"：平移不是温度能修的。
"""

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("it_measures_the_gap", "perfect_calibration_measures_above_zero"), wrong=("signed", "bins_alike", "squared"))
def expected_calibration_error(confidence: Tensor, correct: Tensor, bins: int) -> float:
    """The gap between mean confidence and accuracy in each of `bins` equal intervals of [0, 1], averaged
    with the share of examples in it: confidence (examples,), correct (examples,) of 0 and 1.

    把 [0, 1] 等分成 `bins` 个区间，求每个区间内平均置信度与准确率之差的绝对值，按样本占比加权平均：confidence (examples,)，
    correct (examples,) 取 0 或 1。"""
    which = (confidence * bins).long().clamp(max=bins - 1)               # the bin of each example
    excess = torch.zeros(bins, dtype=torch.float64).index_add_(0, which, (confidence - correct).double())
    return excess.abs().sum().item() / len(confidence)                   # Σ n_b/n · |mean gap of b|


@exercise(claims=("one_temperature_repairs_a_scale",), wrong=("multiplies", "from_the_confidence"))
def best_temperature(z: Tensor, labels: Tensor) -> float:
    """The T > 0 of the least mean cross-entropy of z/T on held-out logits z (examples, classes) with
    labels (examples,).

    在留出集 logits z (examples, classes) 与 labels (examples,) 上，使 z/T 的平均交叉熵最小的 T > 0。"""
    low, high = 0.05, 20.0
    for _ in range(25):                                                  # Σ (z_right − E_p z) has one change of sign
        t = math.sqrt(low * high)
        p = (z / t).softmax(1)
        gap = (z.gather(1, labels[:, None]).squeeze(1) - (p * z).sum(1)).mean()
        low, high = (low, t) if gap > 0 else (t, high)                   # too timid: sharpen
    return t


def sample(examples: int) -> tuple[Tensor, Tensor]:
    """Logits (examples, 4) and labels drawn from exactly their softmax."""
    z = 1.5 * torch.randn(examples, 4)
    return z, torch.multinomial(z.softmax(1), 1).squeeze(1)


def confident(z: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Confidence and correctness of the likeliest class."""
    p, answer = z.softmax(1).max(1)
    return p, (answer == labels).float()


RANGES = {
    "examples": between(16000, 30000), "scale": between(1.5, 4.0), "distortion": one_of("all logits scaled", "one class favoured"),
    "truth": one_of("calibrated", "overconfident"), "sizes": each(between(100, 6400), at_least=2, at_most=4, rising=True),
    "betas": each(between(0.05, 1.0), at_least=2, at_most=5, rising=True),
}  # fmt: skip


@breaks(truth="calibrated", en="Calibrated, nothing is left but noise.", zh="校准好时，剩下的只有噪声。")
def claim_it_measures_the_gap(examples=20000, scale=2.5, truth="overconfident"):
    """Logits multiplied by 2.5 keep every answer, yet cross-entropy rises, and the calibration error, here
    confidence less accuracy, is over 0.15.

    logits 乘以 2.5，答案一个不变，交叉熵却上升，校准误差（这里就是置信度减准确率）超过 0.15。"""
    z, labels = sample(examples)
    p, right = confident((scale if truth == "overconfident" else 1.0) * z, labels)
    which = (p * 10).long().clamp(max=9)
    filled = [b for b in range(10) if (which == b).any()]
    show(bars([f"{b / 10:g}–{(b + 1) / 10:g}" for b in filled],
              {"confidence": [p[which == b].mean() for b in filled], "accuracy": [right[which == b].mean() for b in filled]}))
    measured = expected_calibration_error(p, right, 10)
    by_loop = sum((which == b).float().mean() * abs(p[which == b].mean() - right[which == b].mean()) for b in filled)
    expect("calibration error less the loop's", measured - by_loop, equals=0, within=1e-5)
    expect("calibration error", measured, at_least=0.06 if scale < 2.5 else 0.15)
    # every bin overstates, so the error is the mean gap; bins near the noise may differ
    expect("calibration error less (mean confidence − accuracy)", measured - (p.mean() - right.mean()), equals=0, within=0.01)
    extra = F.cross_entropy(scale * z, labels) - F.cross_entropy(z, labels)
    expect("cross-entropy of the scaled logits less the plain ones", extra, at_least=0.03)
    expect("answers changed by the factor", int((z.argmax(1) != (scale * z).argmax(1)).sum()), equals=0)


@breaks(distortion="one class favoured", en="A constant added to one class is no change of scale.",
        zh="只给一个类别加常数，并不是整体缩放。")
def claim_one_temperature_repairs_a_scale(examples=20000, scale=2.5, distortion="all logits scaled"):
    """Fitted on held-out data, the temperature finds the factor 2.5: on new data the calibration error falls
    below 0.025, no answer changes. A constant added to one class it leaves above 0.05.

    在留出集上拟合，温度正好找到因子 2.5：新数据上校准误差降到 0.025 以下，答案一个不变。给某一类加常数，它修不好：误差仍超过 0.05。"""
    z, labels = sample(examples)
    favour = torch.tensor([2 * scale, 0.0, 0.0, 0.0])
    seen = scale * z if distortion == "all logits scaled" else z + favour
    half = examples // 2
    t = best_temperature(seen[:half], labels[:half])
    before, after = (expected_calibration_error(*confident(seen[half:] / one, labels[half:]), 10) for one in (1.0, t))
    show(bars(["T = 1", f"T = {t:.2f}"], {"calibration error on new data": [before, after]}))
    # the fitted T scatters by about 0.6/√(half) of itself: 1% at 5,000; six of these
    expect("fitted temperature over the factor", t / scale, equals=1, within=0.06)
    expect("calibration error after", after, at_most=0.025)
    shifted = (z + favour) / best_temperature(z[:half] + favour, labels[:half])
    expect("calibration error after, one class favoured", expected_calibration_error(*confident(shifted[half:], labels[half:]), 10),
           at_least=0.05)
    expect("answers changed", int(((seen / t).argmax(1) != seen.argmax(1)).sum()), equals=0)


@breaks(truth="overconfident", en="A real gap does not shrink with more data.", zh="真实的差距不会随数据增多而缩小。")
def claim_perfect_calibration_measures_above_zero(sizes=(100, 400, 1600), truth="calibrated"):
    """A perfectly calibrated model measures a calibration error above zero, about half as large with four
    times the data: with 100 examples and 15 bins it is over 0.08.

    完全校准的模型，测出的校准误差也大于零，数据变为四倍时约减半：100 个样本、15 个区间时超过 0.08。"""
    means = []
    for n in sizes:
        z, labels = sample(40 * n)
        p, right = confident(z * (2.5 if truth == "overconfident" else 1), labels)
        means.append(sum(expected_calibration_error(p[i : i + n], right[i : i + n], 15) for i in range(0, 40 * n, n)) / 40)
    show(lines("examples", sizes, {"measured on a calibrated model": means, "falls with 1/√n": [
        means[0] * math.sqrt(sizes[0] / n) for n in sizes]}, log="xy"))
    expect("measured error", means, at_least=0.002)
    # the mean of |noise| falls as 1/√n where bins are filled, a little slower where many hold one example
    ratio = [b / a * math.sqrt(m / n) for a, b, n, m in zip(means, means[1:], sizes, sizes[1:], strict=False)]
    expect("error times √n, over that of the size before", ratio, at_least=0.8)
    expect("error times √n, over that of the size before, from above", ratio, at_most=1.35)
    if sizes[0] == 100:
        expect("measured error at 100 examples", means[0], equals=0.11, within=0.03)  # 40 sets: scatters by 0.005


@breaks(truth="overconfident", en="From an overconfident start it is not the reward that opens the gap.",
        zh="若起点本已过度自信，差距就不是奖励造成的。")
def claim_reward_for_being_right_sharpens(betas=(0.1, 0.25, 1.0), truth="calibrated"):
    """Tilting a calibrated policy by exp(reward/β), the optimum of RL with a KL penalty, makes it surer
    but not more often right at its likeliest answer: the smaller β, the wider the gap.

    把校准好的策略按 exp(奖励/β) 倾斜（带 KL 惩罚的 RL 的最优解），它更有把握了，最可能答案的正确率却没变：β 越小，差距越大。"""
    z, labels = sample(20000)
    start = ((2.5 if truth == "overconfident" else 1.0) * z).log_softmax(1)
    gaps = []
    for beta in (*betas, 1e9):                                           # expected reward of an answer: its chance to be right
        p, right = confident(start + z.softmax(1) / beta, labels)
        gaps.append((p.mean() - right.mean()).item())
    show(lines("β", betas, {"confidence less accuracy": gaps[:-1], "before": [gaps[-1]] * len(betas)}, log="x"))
    expect("gap before", gaps[-1], equals=0, within=0.02)                # 20,000 draws: 0.0035 each; five of these
    expect("gap after less before", [g - gaps[-1] for g in gaps[:-1]], at_least=0.01, at=("β", betas))
    expect("gap at each β less at the next larger", [a - b for a, b in itertools.pairwise(gaps)], at_least=0)
    same = F.one_hot(z.argmax(1), 4) == F.one_hot((z.log_softmax(1) + z.softmax(1) / betas[0]).argmax(1), 4)
    expect("answers changed", int((~same).sum()), equals=0)


def drill_ece(rng) -> Drill:
    """Calibration error of three bins."""
    table = rng.choice([((20, 0.6, 0.5), (30, 0.8, 0.7), (50, 0.95, 0.85)), ((50, 0.55, 0.6), (50, 0.9, 0.7)),
                        ((10, 0.5, 0.5), (40, 0.7, 0.6), (50, 0.9, 0.8)), ((25, 0.6, 0.8), (75, 0.9, 0.8))])
    confidence = torch.cat([torch.full((n,), c) for n, c, _ in table])
    correct = torch.cat([(torch.arange(n) < round(n * a)).float() for n, _, a in table])
    counts = [round(n * a) for n, _, a in table]
    got = expected_calibration_error(confidence, correct, 20)
    rows = "; ".join(f"{n} examples, confidence {c:g}, {k} right" for (n, c, _), k in zip(table, counts, strict=True))
    rows_zh = "；".join(f"{n} 个样本、置信度 {c:g}、答对 {k} 个" for (n, c, _), k in zip(table, counts, strict=True))
    total = sum(n for n, _, _ in table)
    work = " + ".join(f"{n}·|{c:g} − {k / n:.3g}|" for (n, c, _), k in zip(table, counts, strict=True))
    return Drill(
        en=f"The bins of a reliability curve: {rows}. What is the expected calibration error?",
        zh=f"可靠性曲线的各个区间：{rows_zh}。期望校准误差是多少？",
        answer=got, within=0.005,
        steps=[(f"({work}) / {total} = {got:.3f}",) * 2], proved_by="it_measures_the_gap",
    )


ZH = {
    "confidence": "置信度", "accuracy": "准确率", "calibration error less the loop's": "校准误差减循环的",
    "calibration error": "校准误差",
    "calibration error less (mean confidence − accuracy)": "校准误差减（平均置信度 − 准确率）",
    "cross-entropy of the scaled logits less the plain ones": "缩放后的交叉熵减原来的",
    "answers changed by the factor": "因缩放而改变的答案数", "calibration error on new data": "新数据上的校准误差", "T = {}": "T = {}",
    "fitted temperature over the factor": "拟合的温度与因子之比", "calibration error after": "修正后的校准误差",
    "calibration error after, one class favoured": "偏向一个类别时，修正后的校准误差",
    "answers changed": "改变的答案数",
    "examples": "样本数", "measured on a calibrated model": "对校准好的模型测得", "falls with 1/√n": "按 1/√n 下降",
    "measured error": "测得的误差",
    "error times √n, over that of the size before": "误差乘 √n，与前一规模之比",
    "error times √n, over that of the size before, from above": "误差乘 √n，与前一规模之比（上界）",
    "measured error at 100 examples": "100 个样本时测得的误差", "β": "β", "confidence less accuracy": "置信度减准确率", "before": "之前",
    "gap before": "之前的差距", "gap after less before": "之后的差距减之前的",
    "gap at each β less at the next larger": "每个 β 的差距减下一个更大 β 的",
}  # fmt: skip

if __name__ == "__main__":
    main()
