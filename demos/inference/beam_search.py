r"""Beam search keeps the b best prefixes at each step; a wide beam finds sequences that are more likely, and shorter.

束搜索每步保留最好的 b 个前缀；束越宽，找到的序列概率越高，也越短。

Meister et al. 2020; Stahlberg & Byrne 2019. Turn `beam` to "one": only the best prefix is kept at each step,
and sequences whose first token is second best are never seen.
把 `beam` 改为 "one"：每步只留最好的一个前缀，第一个 token 排第二的序列就再也看不到。
"""

from itertools import product

import torch
from torch import Tensor

from studyapp.evidence import (
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

Beam = list[tuple[float, tuple[int, ...]]]


@exercise(claims=("a_wide_beam_finds_the_most_likely", "wider_beams_find_more_likely_sequences"),
          wrong=("keeps_one_for_each_prefix", "forgets_the_past", "goes_on_after_the_end"))
def expand(beam: Beam, log_p: Tensor, width: int, end: int) -> Beam:
    """One step of beam search. beam: (log probability, tokens) pairs; log_p (vocabulary, vocabulary) holds the
    log probability of the next token, by the last one. Prefixes that ended stay as they are and compete with the
    rest; gives the `width` best, best first.

    束搜索的一步。beam 由（对数概率，token 序列）组成；log_p (vocabulary, vocabulary) 按上一个 token 给出下一个的对数
    概率。已结束的前缀原样保留，与其余的竞争；返回最好的 `width` 个，从好到差。"""
    longer = []
    for score, tokens in beam:
        if tokens[-1] == end:
            longer.append((score, tokens))
            continue
        longer += [(score + log, (*tokens, t)) for t, log in enumerate(log_p[tokens[-1]].tolist())]
    return sorted(longer, reverse=True)[:width]


def search(log_p: Tensor, width: int, length: int) -> Beam:
    """Beam search from token 0 for `length` steps; the last token of the vocabulary ends a sequence."""
    beam: Beam = [(0.0, (0,))]
    for _ in range(length):
        beam = expand(beam, log_p, width, len(log_p) - 1)
    return beam


def log_chance(log_p: Tensor, sequence: tuple[int, ...]) -> float:
    """Log probability of a sequence after token 0; -inf where something follows the end."""
    score, last = 0.0, 0
    for token in sequence:
        if last == len(log_p) - 1:
            score += 0.0 if token == last else -torch.inf            # after the end, only padding
        else:
            score += log_p[last, token].item()
        last = token
    return score


def chain(vocabulary: int, sharpness: float, end: float = 0.0) -> Tensor:
    """Log probabilities of a random chain, (vocabulary, vocabulary); its last token ends a sequence, with
    chance `end` everywhere."""
    logits = sharpness * torch.randn(vocabulary, vocabulary, dtype=torch.float64)
    logits[:, -1] = -torch.inf
    p = logits.softmax(1) * (1 - end)
    p[:, -1] = end
    return p.log()


RANGES = {
    "vocabulary": between(3, 5),
    "words": between(9, 24),
    "length": between(2, 4),
    "steps": between(8, 12),
    "widths": each(between(1, 16), at_least=3, at_most=5, rising=True),
    "sharpness": between(0.5, 2.0),
    "flatness": between(0.5, 1.2),
    "chains": between(10, 30),
    "beam": one_of("wide", "one"),
    "score": one_of("sum", "mean"),
}


GREEDY = breaks(
    beam="one",
    en="With one prefix kept, a sequence whose first token is second best is never seen.",
    zh="每步只留一个前缀，第一个 token 排第二的序列就再也看不到。",
)


@GREEDY
def claim_a_wide_beam_finds_the_most_likely(vocabulary=4, length=3, sharpness=1.0, chains=20, beam="wide"):
    """A beam as wide as there are prefixes finds the most likely sequence of all; greedy misses it on some chains.

    束宽到容得下全部前缀时，必能找到概率最高的序列；贪心在一些链上会错过它。"""
    gaps, greedy = [], []
    for _ in range(chains):
        log_p = chain(vocabulary, sharpness, end=0.1)
        best = max(log_chance(log_p, s) for s in product(range(vocabulary), repeat=length))       # by enumeration
        width = vocabulary**length if beam == "wide" else 1
        gaps.append(search(log_p, width, length)[0][0] - best)
        greedy.append(search(log_p, 1, length)[0][0] - best)
    show(lines("chain, by what greedy loses", range(chains), {"greedy": sorted(greedy), "this beam": sorted(gaps)},
               y_label="log probability less the best of all"))
    expect("this beam less the best of all sequences", gaps, equals=0, within=1e-9)       # sums of four float64 numbers


@GREEDY
def claim_wider_beams_find_more_likely_sequences(words=12, steps=8, widths=(1, 2, 4, 8), sharpness=1.0, chains=20, beam="wide"):
    """A beam of one is greedy decoding; wider beams find sequences that are more likely, on average.

    束宽为 1 就是贪心解码；平均而言，束越宽找到的序列概率越高。"""
    found = []
    for _ in range(chains):
        log_p = chain(words, sharpness)
        last, score = 0, 0.0
        for _ in range(steps):                                       # greedy, by itself
            score, last = score + log_p[last].max().item(), int(log_p[last].argmax())
        found.append([score, *(search(log_p, w if beam == "wide" else 1, steps)[0][0] for w in (1, *widths))])
    mean = torch.tensor(found, dtype=torch.float64)
    show(lines("width of the beam", widths, {"log probability found, mean": mean[:, 2:].mean(0)}))
    expect("beam of width 1 less greedy", mean[:, 1] - mean[:, 0], equals=0, within=1e-9)
    expect("widest beam less greedy, mean log probability", (mean[:, -1] - mean[:, 0]).mean(), at_least=0.05)


@breaks(score="mean", en="Divided by the length, the score no longer rewards stopping early.", zh="除以长度之后，得分不再偏爱早停。")
def claim_wide_beams_stop_early(words=16, steps=10, flatness=1.0, chains=12, score="sum"):
    """Each further token lowers the sum of log probabilities: where greedy goes to the last step, a beam wide enough to
    keep an early end token returns a shorter sequence.

    每多一个 token，对数概率之和就更低：贪心一直写到最后一步，而束宽到能留住早期的结束符时，返回的序列更短。"""
    widths = (1, 4, words, 4 * words)
    lengths = torch.zeros(len(widths))
    for _ in range(chains):
        log_p = chain(words, flatness, end=0.02)
        for i, w in enumerate(widths):
            beam = search(log_p, w, steps)
            best = max(beam, key=lambda one: one[0] / (len(one[1]) - 1) if score == "mean" else one[0])
            lengths[i] += (len(best[1]) - 1) / chains
    show(lines("width of the beam", widths, {"mean length of the winner": lengths}))
    # the likeliest of at most 24 words has a chance over 0.98/23, more than the end token's 0.02: greedy never ends early
    expect("length at a width of one over all steps", lengths[0] / steps, equals=1, within=1e-5)
    # ended at once: ln 0.02 = −3.9; ten steps at chances of a half or less: below −6.9
    expect("length at the widest beam over all steps", lengths[-1] / steps, at_most=0.75)


ZH = {
    "chain, by what greedy loses": "随机链，按贪心的损失排列",
    "greedy": "贪心",
    "this beam": "此束",
    "log probability less the best of all": "对数概率减去最优",
    "this beam less the best of all sequences": "此束减去全部序列的最优",
    "width of the beam": "束宽",
    "log probability found, mean": "找到的对数概率，平均",
    "beam of width 1 less greedy": "束宽 1 减去贪心",
    "widest beam less greedy, mean log probability": "最宽的束比贪心高出的对数概率，平均",
    "mean length of the winner": "胜出序列的平均长度",
    "length at a width of one over all steps": "束宽 1 的长度与总步数之比",
    "length at the widest beam over all steps": "最宽束的长度与总步数之比",
}

if __name__ == "__main__":
    main()
