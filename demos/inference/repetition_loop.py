r"""A model that copies makes a repeated sentence more likely each time it is repeated: greedy decoding cannot leave the loop.

会复制的模型，每重复一次，重复就更可能；贪心解码再也出不来。

Xu et al. 2022. A bigram model that also counts what followed the same token in this text. Turn `copying` to "no":
the counts are left out, and repeating changes nothing.
把 `copying` 改为 "no"：不看本文里的计数，重复多少次都一样。
"""

import math
from itertools import pairwise

import torch
from torch import Tensor

from studyapp.evidence import (
    between,
    breaks,
    expect,
    lines,
    main,
    one_of,
    show,
)


def next_token(base: Tensor, text: list[int], prior: float) -> Tensor:
    """Probabilities of the next token, (vocabulary,): what followed the same token earlier in this text, counted,
    beside `prior` counts of the base model, (vocabulary, vocabulary), row by last token."""
    counts = prior * base[text[-1]]
    for last, following in pairwise(text):
        if last == text[-1]:
            counts[following] += 1
    return counts / counts.sum()


def bigram(vocabulary: int) -> Tensor:
    """A base model: next-token probabilities by last token, (vocabulary, vocabulary)."""
    return (2 * torch.randn(vocabulary, vocabulary, dtype=torch.float64)).softmax(1)


def generate(base: Tensor, length: int, prior: float, temperature: float) -> list[int]:
    """So many tokens after token 0, greedy where the temperature is 0."""
    text = [0]
    for _ in range(length):
        p = next_token(base, text, prior)
        text.append(int(p.argmax()) if temperature == 0 else int((p.log() / temperature).softmax(0).multinomial(1)))
    return text


def distinct_pairs(text: list[int]) -> float:
    """Different pairs of neighbours over all pairs (distinct-2)."""
    pairs = list(pairwise(text))
    return len(set(pairs)) / len(pairs)


NEVER = 1e12  # so many counts of the base model that those of this text do not matter

RANGES = {
    "vocabulary": between(20, 60),
    "sentence": between(4, 12),
    "repeats": between(3, 8),
    "length": between(100, 300),
    "prior": between(0.5, 4.0),
    "copying": one_of("yes", "no"),
    "decoding": one_of("greedy", "sampled"),
}


@breaks(copying="no", en="Without copying, a sentence is as likely the sixth time as the first.",
        zh="不复制时，第六遍与第一遍的概率一样。")
def claim_repetition_reinforces_itself(vocabulary=40, sentence=8, repeats=6, prior=2.0, copying="yes"):
    """Each repetition of a sentence makes its next repetition more likely: after k times a token has probability
    (κ·p + k)/(κ + k), p the base model's and κ the weight of that model.

    句子每重复一次，下一次就更可能：重复 k 遍后，token 的概率是 (κ·p + k)/(κ + k)，p 为基础模型的概率，κ 为其权重。"""
    base = bigram(vocabulary)
    words = torch.randperm(vocabulary)[:sentence].tolist()           # no token twice, so each has one follower
    text, mean = [words[0]], []
    for _ in range(repeats):
        logs = []
        for token in (*words[1:], words[0]):
            logs.append(next_token(base, text, prior if copying == "yes" else NEVER)[token].log().item())
            text.append(token)
        mean.append(sum(logs) / sentence)
    follows = list(zip(words, (*words[1:], words[0]), strict=True))
    closed = [sum(math.log((prior * base[a, b].item() + k) / (prior + k)) for a, b in follows) / sentence for k in range(repeats)]
    show(lines("times repeated before", range(repeats), {"mean log probability of a token": mean}, y_label="nats"))
    expect("mean log probability less the closed form", [m - c for m, c in zip(mean, closed, strict=True)], equals=0, within=1e-9)


@breaks(decoding="sampled", en="Sampling draws another word now and then, and the text does not close into a loop.",
        zh="采样时不时抽到别的词，文本不会闭合成环。")
def claim_greedy_falls_into_a_loop(vocabulary=50, length=200, prior=4.0, decoding="greedy"):
    """Greedy decoding of a bigram closes into a loop, as it must where the next token follows from the last alone;
    sampling from the same model goes on finding new pairs.

    二元模型的贪心解码必然闭合成循环，因为下一个 token 只由上一个决定；从同一个模型采样则不断出现新的词对。"""
    base = bigram(vocabulary)
    text = generate(base, length, prior, 0.0 if decoding == "greedy" else 1.0)
    sampled = generate(base, length, NEVER, 1.0)
    seen = [distinct_pairs(text[: n + 1]) for n in range(10, length + 1, 10)]
    show(lines("tokens", range(10, length + 1, 10), {
        decoding: seen, "sampled without copying": [distinct_pairs(sampled[: n + 1]) for n in range(10, length + 1, 10)],
    }, y_label="different pairs over all pairs"))
    second = text[length // 2 :]
    period = next(n for n in range(1, length) if second[n:] == second[: len(second) - n])
    # a loop in which no token comes twice has at most `vocabulary` tokens, and once round its counts only grow
    expect("tokens in the loop of the second half", period, at_most=vocabulary)
    expect("different pairs over all pairs", distinct_pairs(text), at_most=vocabulary / length + 0.05)


ZH = {
    "times repeated before": "此前重复的次数",
    "mean log probability of a token": "token 的平均对数概率",
    "nats": "纳特",
    "mean log probability less the closed form": "平均对数概率减去闭式解",
    "tokens": "token 数",
    "greedy": "贪心",
    "sampled": "采样",
    "sampled without copying": "采样，不复制",
    "different pairs over all pairs": "不同词对占全部词对之比",
    "tokens in the loop of the second half": "后半段循环的 token 数",
}

if __name__ == "__main__":
    main()
