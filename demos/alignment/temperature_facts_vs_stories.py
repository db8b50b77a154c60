r"""A low temperature helps where the most likely answer is right, and hurts where it is wrong.

最可能的答案是对的时候，低温有益；它是错的时候，低温有害。

One set of logits, read as a question of fact and as the start of a story. Turn `right` to 1, the
runner-up: accuracy now rises with the temperature.
把 `right` 改为 1（第二可能的答案）：正确率反而随温度上升。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, one_of, show

LOGITS = (2.0, 1.0, 0.5, 0.0, -0.5, -1.0)


def sample(logits: Tensor, temperature: float, draws: int) -> Tensor:
    """Answers drawn at a temperature: (draws,), numbers of answers; logits are (answers,)."""
    return (logits / temperature).softmax(0).multinomial(draws, replacement=True)


def greedy(logits: Tensor, temperature: float, draws: int) -> Tensor:
    """The most likely answer, again and again."""
    return logits.argmax().expand(draws)


DECODING = {"sampling": sample, "greedy": greedy}
RANGES = {
    "right": one_of(0, 1, 3), "decoding": one_of("sampling", "greedy"), "draws": between(1000, 20000),
    "temperatures": each(between(0.1, 10.0), at_least=2, at_most=8, rising=True),
    "stories": between(4, 16),
}  # fmt: skip


@breaks(right=1, en="Where the runner-up is right, a low temperature settles on the wrong answer.",
        zh="正确的是第二可能的答案时，低温会固定在错误答案上。")
@breaks(right=3, en="Where a rather unlikely answer is right, only a high temperature finds it at all.",
        zh="正确的是不太可能的答案时，只有高温才碰得到它。")
def claim_low_temperature_helps_only_if_the_argmax_is_right(draws=4000, right=0,
                                                            temperatures=(0.2, 0.5, 1.0, 2.0)):
    """Where the most likely answer is right, accuracy rises to nearly 1 as the temperature falls;
    where it is not, it falls to 0.

    最可能的答案正确时，温度越低正确率越接近 1；否则正确率趋于 0。"""
    z = torch.tensor(LOGITS)
    found = torch.stack([(sample(z, t, draws) == right).float().mean() for t in temperatures])
    softmax = torch.stack([(z / t).softmax(0) for t in temperatures])      # (temperatures, answers)
    show(lines("temperature", temperatures, {f"P(answer {i})": softmax[:, i] for i in (0, 1, 3)},
               log="x", y_label="probability"))
    # six standard errors of a share of `draws` answers
    expect("share right less softmax(z/T)", found - softmax[:, right], equals=0,
           within=3 / draws**0.5, at=("temperature", temperatures))
    cold = (z / 0.1).softmax(0)
    expect("accuracy at temperature 0.1", cold[right], at_least=0.99)
    expect("the same if another answer were right", cold[1:], at_most=0.01)


@breaks(decoding="greedy", en="Greedy decoding tells one story, however often it is asked.",
        zh="贪心解码无论问多少次，都是同一个故事。")
def claim_the_same_spread_gives_variety(stories=8, temperatures=(0.2, 0.5, 1.0, 2.0),
                                        decoding="sampling"):
    """The number of different stories among n rises with the temperature: it is Σ 1 − (1 − pᵢ)ⁿ.

    n 个故事中不同的个数随温度上升：等于 Σ 1 − (1 − pᵢ)ⁿ。"""
    z, repeats, distinct, formula = torch.tensor(LOGITS), 2000, [], []
    for t in temperatures:
        told = DECODING[decoding](z, t, repeats * stories).view(repeats, stories)
        hit = torch.zeros(repeats, len(z)).scatter(1, told, 1.0)           # (repeats, answers)
        distinct.append(hit.sum(1).mean())
        formula.append((1 - (1 - (z / t).softmax(0)) ** stories).sum())
    show(lines("temperature", temperatures, {"different stories": distinct, "formula": formula},
               log="x", y_label=f"of {stories}"))
    expect("different stories less the formula",
           [float(d - f) for d, f in zip(distinct, formula, strict=True)], equals=0, within=0.15,
           at=("temperature", temperatures))
    steps = torch.stack(formula).diff()
    # float32: where nothing changes any more, two sums of six terms differ by rounding
    expect("formula at each temperature less that at the one before", steps, at_least=-1e-5)
    expect("formula at temperature 10 less that at 0.1",
           float((1 - (1 - (z / 10).softmax(0)) ** stories - 1 + (1 - (z / 0.1).softmax(0)) ** stories).sum()),
           at_least=1)


def drill_accuracy(rng) -> Drill:
    """Accuracy of two answers at a temperature."""
    odds, t = rng.choice([(9, 0.5), (4, 0.5), (4, 2.0), (9, 2.0), (3, 0.5), (16, 4.0)])
    first = rng.choice([True, False])
    p = torch.tensor([odds, 1.0]).log().div(t).softmax(0)[0 if first else 1].item()
    which = ("the more likely", "更可能的") if first else ("the less likely", "不太可能的")
    return Drill(
        en=f"Of two answers one is {odds} times as likely at temperature 1; {which[0]} one is right. "
           f"How accurate is sampling at temperature {t:g}?",
        zh=f"两个答案，温度为 1 时其一的概率是另一个的 {odds} 倍，{which[1]}那个是对的。温度 {t:g} 采样的正确率是多少？",
        answer=p, within=0.006,
        steps=[(f"odds become {odds}^(1/{t:g}) = {odds ** (1 / t):g}", f"比值变为 {odds}^(1/{t:g}) = {odds ** (1 / t):g}"),
               (f"accuracy {p:.3f}", f"正确率 {p:.3f}")],
        proved_by="low_temperature_helps_only_if_the_argmax_is_right",
    )


ZH = {
    "temperature": "温度", "P(answer {})": "P(答案 {})", "probability": "概率",
    "share right less softmax(z/T)": "正确率与 softmax(z/T) 之差", "accuracy at temperature 0.1": "温度 0.1 时的正确率",
    "the same if another answer were right": "若正确的是别的答案，同一正确率",
    "different stories": "不同的故事", "formula": "公式", "of {}": "共 {} 个",
    "different stories less the formula": "不同故事数与公式之差",
    "formula at each temperature less that at the one before": "公式：每个温度与前一个之差",
    "formula at temperature 10 less that at 0.1": "公式：温度 10 与 0.1 之差",
}

if __name__ == "__main__":
    main()
