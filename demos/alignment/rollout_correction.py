r"""Weights π_train / π_rollout make off-policy answers count as on-policy ones, at a price in variance.

权重 π_train / π_rollout 使 off-policy 的回答按 on-policy 计数，代价是方差。

verl's rollout correction; Zheng et al. 2025 (GSPO), §4.1. Turn `level` to "token": the weight stays
near 1 however long the answer is, and the gradient is no longer exact.
把 `level` 改为 "token"：无论回答多长，权重都接近 1，但梯度不再精确。
"""

import itertools
import math

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

F64 = torch.float64


@exercise(
    claims=("only_the_sequence_weight_is_exact", "the_spread_grows_with_the_root_of_the_length",
            "padding_has_no_weight"),
    wrong=("turns_the_ratio_round", "forgets_the_mask", "sums_probabilities", "averages_always"),
)
def weights(train: Tensor, rollout: Tensor, mask: Tensor, level: str) -> Tensor:
    """Importance weight of every token from log-probabilities of the sampled tokens: its own ratio
    ("token"), the product over its answer ("sequence") or the geometric mean ("geometric").
    train, rollout, mask (1: a token, 0: padding) and the result are (answers, tokens), 0 at padding.

    由采样 token 的对数概率求每个 token 的重要性权重：自己的比值（"token"）、整个回答的连乘（"sequence"）或几何平均
    （"geometric"）。train、rollout、mask（1 为 token，0 为 padding）与结果都是 (answers, tokens)，padding 处为 0。"""
    log_ratio = (train - rollout) * mask                                   # (answers, tokens)
    if level != "token":
        log_ratio = log_ratio.sum(1, keepdim=True).expand_as(log_ratio)
    if level == "geometric":
        log_ratio = log_ratio / mask.sum(1, keepdim=True)
    return log_ratio.exp() * mask


RANGES = {
    "level": one_of("sequence", "token", "geometric"), "vocabulary": between(2, 4),
    "tokens": between(2, 4), "gap": between(0.1, 0.5), "answers": between(2048, 8192),
    "lengths": each(between(16, 400), at_least=2, at_most=6, rising=True),
}  # fmt: skip
TOKEN = breaks(level="token", en="A token’s own ratio knows nothing of the tokens before and after it.",
               zh="token 自己的比值不涉及它前后的 token。")
GEOMETRIC = breaks(level="geometric", en="The geometric mean shrinks every weight towards 1.",
                   zh="几何平均把每个权重都拉向 1。")


@TOKEN
@GEOMETRIC
def claim_only_the_sequence_weight_is_exact(vocabulary=3, tokens=3, gap=0.3, level="sequence"):
    """Over all answers of three tokens, the gradient weighted by the whole answer’s ratio equals the
    trainer’s own policy gradient; with token ratios, or none, it does not.

    对三个 token 的全部回答求和：以整个回答的比值加权，梯度等于训练器自己的策略梯度；用 token 比值或不加权则不等。"""
    answers = torch.tensor(list(itertools.product(range(vocabulary), repeat=tokens)))
    prefix = torch.stack([(answers[:, :t] * vocabulary ** torch.arange(t)).sum(1)
                          for t in range(tokens)], 1)                      # (answers, tokens)
    z = torch.randn(tokens, vocabulary**tokens, vocabulary, dtype=F64, requires_grad=True)
    other = z.detach() + gap * torch.randn_like(z)                         # the rollout's logits
    at = torch.arange(tokens), prefix, answers

    def of(logits: Tensor) -> Tensor:
        return logits.log_softmax(-1)[at]                                  # (answers, tokens)

    reward = torch.randn(len(answers), dtype=F64)
    (exact,) = torch.autograd.grad(of(z).sum(1).exp() @ reward, z)
    mu, mask, errors = of(other), torch.ones(len(answers), tokens, dtype=F64), {}
    for name in ("none", "token", "geometric", "sequence"):
        w = mask if name == "none" else weights(of(z).detach(), mu, mask, name)
        loss = (mu.sum(1).exp()[:, None] * reward[:, None] * w * of(z)).sum()
        errors[name] = ((torch.autograd.grad(loss, z)[0] - exact).norm() / exact.norm()).item()
    show(table({"weight": list(errors), "error of the gradient": list(errors.values())}))
    expect(f"error of the gradient, {level}", errors[level], equals=0, within=1e-12)
    expect("error of the gradient, no weight and token weights", [errors["none"], errors["token"]],
           at_least=1e-3)


@TOKEN
@GEOMETRIC
def claim_the_spread_grows_with_the_root_of_the_length(lengths=(25, 100, 400), answers=4096,
                                                       level="sequence"):
    """Where log-ratios are independent, the log of an answer’s weight spreads √T times as far as a
    token’s, and of N answers about N·exp(−σ²T) count: 37 % for σ = 0.05 and 400 tokens.

    各 token 的对数比值独立时，一个回答的权重的对数散布为单个 token 的 √T 倍，N 个回答约有 N·exp(−σ²T) 个有效：
    σ = 0.05、400 个 token 时为 37%。"""
    sigma, longest = 0.05, max(lengths)
    # drawn from the rollout, whose mean log-ratio is −σ²/2: then a weight of one token has mean 1
    log_ratio = sigma * torch.randn(answers, longest, dtype=F64) - sigma**2 / 2
    spreads, counted = {name: [] for name in ("sequence", "token", "geometric")}, []
    for length in lengths:
        ones = torch.ones(answers, length, dtype=F64)
        for name, found in spreads.items():
            found.append(weights(log_ratio[:, :length], 0 * ones, ones, name)[:, 0].log().std())
        w = weights(log_ratio[:, :length], 0 * ones, ones, level)[:, 0]
        counted.append(w.sum() ** 2 / w.square().sum() / answers)
    show(lines("tokens in the answer", lengths, spreads, log="xy", y_label="spread of the log weight"),
         lines("tokens in the answer", lengths, {
             "answers that count": counted,
             "exp(−σ²T)": [math.exp(-(sigma**2) * t) for t in lengths]}))
    expect("spread over σ√T", [s / sigma / t**0.5 for s, t in
                               zip(spreads[level], lengths, strict=True)], equals=1,
           within=6 / (2 * answers) ** 0.5, at=("tokens in the answer", lengths))
    expect("spread of the geometric mean times √T/σ",
           [s / sigma * t**0.5 for s, t in zip(spreads["geometric"], lengths, strict=True)],
           equals=1, within=6 / (2 * answers) ** 0.5, at=("tokens in the answer", lengths))
    # E[w⁴] = exp(6σ²T): at σ²T = 1 the share scatters by 2.7/√answers; four and a half times that
    expect("share of answers that count less exp(−σ²T)",
           [c - math.exp(-(sigma**2) * t) for c, t in zip(counted, lengths, strict=True)],
           equals=0, within=12 / answers**0.5, at=("tokens in the answer", lengths))


def claim_padding_has_no_weight(answers=2048, level="sequence"):
    """Whatever stands at padding, it has weight 0 and changes no other weight.

    padding 处无论是什么，权重都是 0，也不改变其他权重。"""
    lengths = torch.arange(answers) % 8 + 1
    mask = (torch.arange(8) < lengths[:, None]).double()
    train, rollout = torch.randn(2, answers, 8, dtype=F64)
    found = weights(train, rollout, mask, level)
    moved = weights(train + 5 * (1 - mask), rollout, mask, level)
    show(table({"answers": [answers], "padded places": [int((1 - mask).sum())]}))
    expect("weight at padding", found[mask == 0], equals=0)
    expect("change of a weight by what stands at padding", moved - found, equals=0)


def drill_sequence_weight(rng) -> Drill:
    """The weight of an answer of three tokens."""
    rollout = [-round(rng.uniform(0.2, 2.5), 1) for _ in range(3)]
    steps = rng.choice([(0.1, 0.1, -0.1), (0.2, -0.1, 0.1), (-0.1, -0.2, 0.1), (0.3, -0.1, 0.2)])
    train = [round(r + s, 1) for r, s in zip(rollout, steps, strict=True)]
    total = sum(steps)
    value = weights(torch.tensor([train]), torch.tensor([rollout]), torch.ones(1, 3), "sequence")
    return Drill(
        en=f"Log-probabilities of three sampled tokens: rollout engine {rollout}, trainer {train}. "
           "What is the sequence-level importance weight?",
        zh=f"采样到的三个 token 的对数概率：rollout 引擎 {rollout}，训练器 {train}。序列级重要性权重是多少？",
        answer=value[0, 0].item(), within=0.02,
        steps=[(f"sum of the differences {total:+.1f}", f"差之和 {total:+.1f}"),
               (f"exp({total:+.1f}) = {math.exp(total):.2f}", f"exp({total:+.1f}) = {math.exp(total):.2f}")],
        proved_by="only_the_sequence_weight_is_exact",
    )


def drill_answers_that_count(rng) -> Drill:
    """The share of answers left by the product of ratios."""
    sigma, length = rng.choice([(0.05, 400), (0.1, 100), (0.1, 200), (0.02, 2500), (0.05, 800)])
    return Drill(
        en=f"Log-ratios of trainer to rollout are independent with standard deviation {sigma:g} per token. Weighted by the "
           f"product over {length} tokens, what share of the answers counts (effective sample size, exp(−σ²T))?",
        zh=f"训练器与 rollout 的对数比值逐 token 独立，标准差 {sigma:g}。以 {length} 个 token 的连乘加权，"
           "有效样本（exp(−σ²T)）占多大比例？",
        answer=math.exp(-(sigma**2) * length), within=0.01,
        steps=[(f"σ²T = {sigma:g}² · {length} = {sigma**2 * length:g}", f"σ²T = {sigma:g}² · {length} = {sigma**2 * length:g}"),
               (f"exp(−{sigma**2 * length:g}) = {math.exp(-(sigma**2) * length):.2f}",
                f"exp(−{sigma**2 * length:g}) = {math.exp(-(sigma**2) * length):.2f}")],
        proved_by="the_spread_grows_with_the_root_of_the_length",
    )


ZH = {
    "weight": "权重", "error of the gradient": "梯度的误差", "error of the gradient, {}": "梯度的误差，{}",
    "sequence": "序列", "token": "token", "geometric": "几何平均", "none": "不加权",
    "error of the gradient, no weight and token weights": "梯度的误差，不加权与逐 token 加权",
    "tokens in the answer": "回答的 token 数", "spread of the log weight": "权重对数的散布",
    "spread of the geometric mean times √T/σ": "几何平均的散布乘以 √T/σ", "answers that count": "有效回答的比例",
    "spread over σ√T": "散布与 σ√T 之比",
    "share of answers that count less exp(−σ²T)": "有效回答的比例与 exp(−σ²T) 之差",
    "answers": "回答数", "padded places": "padding 的位置数", "weight at padding": "padding 处的权重",
    "change of a weight by what stands at padding": "padding 处的内容引起的权重变化",
}

if __name__ == "__main__":
    main()
