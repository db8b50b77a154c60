r"""Objectives differ in what is hidden and how its losses are weighed; two of them give the likelihood of a text.

预训练目标的差别在于遮住什么、各处损失怎样加权；其中两种给出文本的似然。

Raffel et al. 2019 (spans); Sahoo et al. 2024 (masked diffusion). Turn `weight` to "1": BERT's plain sum is no
likelihood. 把 `weight` 改为 "1"：BERT 那样直接求和，就不是似然。
"""

import itertools
import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, main, one_of, show, table

Joint = Tensor                                                                  # (V, …, V): a probability for each text


@exercise(claims=("spans_become_sentinels", "t5_packs_568_tokens_into_512_and_114"),
          wrong=("masks_each_token", "repeats_one_sentinel", "forgets_the_last_sentinel"))
def corrupt_spans(tokens: list[str], spans: list[tuple[int, int]]) -> tuple[list[str], list[str]]:
    """T5's input and target: each span (start, length) is replaced by one sentinel "<0>", "<1>", … in the input; the
    target lists every sentinel with the tokens that it hides, and ends with one sentinel more. Spans are sorted.

    T5 的输入与目标：输入中每个片段 (起点, 长度) 换成一个哨兵 "<0>"、"<1>"……；目标依次列出哨兵及其遮住的 token，最后再加一个哨兵。
    片段已排序。"""
    source, target, at = [], [], 0
    for i, (start, length) in enumerate(spans):
        source += [*tokens[at:start], f"<{i}>"]
        target += [f"<{i}>", *tokens[start : start + length]]
        at = start + length
    return source + tokens[at:], [*target, f"<{len(spans)}>"]


def mask_each(tokens: list[str], spans: list[tuple[int, int]]) -> tuple[list[str], list[str]]:
    """BERT's way: a mask for each token, and all tokens asked for."""
    hidden = {i for start, length in spans for i in range(start, start + length)}
    return ["[MASK]" if i in hidden else token for i, token in enumerate(tokens)], [tokens[i] for i in sorted(hidden)]


def conditional(joint: Joint, text: tuple[int, ...], i: int, seen: set[int]) -> float:
    """p(text[i] | the tokens of text at `seen`), by adding up the joint."""
    def mass(known: set[int]) -> float:
        return float(joint[tuple(text[j] if j in known else slice(None) for j in range(len(text)))].sum())
    return mass(seen | {i}) / mass(seen)


def diffusion_loss(joint: Joint, text: tuple[int, ...], weight: str) -> float:
    """E over t in (0, 1) of w(t) · Σ over masked i of −log p(text[i] | unmasked), each token masked with probability t. Exact:
    ∫ t^m (1 − t)^(n − m) / t dt = (m − 1)! (n − m)! / n!, and without the 1/t it is m! (n − m)! / (n + 1)!."""
    n, total = len(text), 0.0
    for m in range(1, n + 1):
        by_t = math.factorial(m - 1) * math.factorial(n - m) / math.factorial(n)
        plain = math.factorial(m) * math.factorial(n - m) / math.factorial(n + 1)
        for masked in itertools.combinations(range(n), m):
            seen = set(range(n)) - set(masked)
            losses = -sum(math.log(conditional(joint, text, i, seen)) for i in masked)
            total += (by_t if weight == "1/t" else plain) * losses
    return total


RANGES = {
    "replaced": one_of("spans", "tokens"), "mean_span": between(1, 5), "tokens": between(2, 4), "vocabulary": between(2, 3),
    "weight": one_of("1/t", "1"), "model": one_of("one joint", "separate heads"),
}  # fmt: skip
EACH = breaks(replaced="tokens", en="A mask for each token keeps the input's length: the model sees how many are missing.",
              zh="每个 token 一个掩码，输入长度不变：模型看得出缺了几个。")


@EACH
def claim_spans_become_sentinels(replaced="spans"):
    """T5's example: “Thank you <X> me to your party <Y> week” is the input, “<X> for inviting <Y> last <Z>” the target; put
    together they give the text.

    T5 的例子：输入为 “Thank you <X> me to your party <Y> week”，目标为 “<X> for inviting <Y> last <Z>”；合起来就是原文。"""
    words, spans = ["Thank", "you", "for", "inviting", "me", "to", "your", "party", "last", "week"], [(2, 2), (8, 1)]
    source, target = (corrupt_spans if replaced == "spans" else mask_each)(words, spans)
    filled, place = [], {}
    for word in target:
        if word.startswith("<"):
            place[word] = filled = []
        filled.append(word)
    restored = [piece for word in source for piece in place.get(word, [word, word])[1:]]
    show(table({"part": ["text", "input", "target"], "tokens": [len(words), len(source), len(target)]}))
    expect("words restored", sum(a == b for a, b in zip(restored, words, strict=False)), equals=len(words))
    expect("input is the printed one", source == ["Thank", "you", "<0>", "me", "to", "your", "party", "<1>", "week"], equals=True)
    expect("target is the printed one", target == ["<0>", "for", "inviting", "<1>", "last", "<2>"], equals=True)


@EACH
@breaks(mean_span=1, en="Spans of one token need a sentinel each: the target is longer.",
        zh="片段只有一个 token 时，每个都要哨兵，目标更长。")
def claim_t5_packs_568_tokens_into_512_and_114(mean_span=3, replaced="spans"):
    """Hiding 15 % of 568 tokens in spans of 3 on average makes T5's input of 512 tokens and target of 114, the end mark of
    each counted.

    把 568 个 token 的 15% 按平均长 3 的片段遮住，就得到 T5 的 512 个输入 token 和 114 个目标 token（各含一个结束符）。"""
    hidden = round(0.15 * 568)
    spans = round(hidden / mean_span)
    lengths = [hidden // spans + (i < hidden % spans) for i in range(spans)]
    gap = (568 - hidden) // spans
    starts = [sum(lengths[:i]) + gap * i + 1 for i in range(spans)]
    way = corrupt_spans if replaced == "spans" else mask_each
    source, target = way([f"w{i}" for i in range(568)], list(zip(starts, lengths, strict=True)))
    # t5x, c4_v220_span_corruption: {"inputs": 512, "targets": 114}; our target's last sentinel is not in theirs, their end mark is
    show(bars(["text", "input", "target"], {"tokens": [568, len(source) + 1, len(target)]}))
    expect("tokens of the input and its end mark", len(source) + 1, equals=512)
    expect("tokens of the target", len(target), equals=114)


@breaks(weight="1", en="A plain sum over masked tokens at a mean rate of one half counts each token too little.",
        zh="对被掩 token 直接求和（平均掩一半），每个 token 都算少了。")
def claim_diffusion_weighs_masks_into_the_likelihood(tokens=3, vocabulary=3, weight="1/t"):
    """Masked at a random rate t and weighed by 1/t, the losses of the masked tokens add up to −log p(text), for every text,
    where the conditionals come from one joint.

    以随机比例 t 掩码、并以 1/t 加权，各被掩 token 的损失之和恰为 −log p(text)，对每个文本都成立，只要各条件概率来自同一个联合分布。"""
    joint = torch.rand((vocabulary,) * tokens, dtype=torch.float64) + 0.05
    joint /= joint.sum()
    texts = list(itertools.product(range(vocabulary), repeat=tokens))
    losses = [diffusion_loss(joint, text, weight) for text in texts]
    known = [-math.log(joint[text]) for text in texts]
    show(bars(["".join(map(str, t)) for t in texts[:9]], {"diffusion loss": losses[:9], "−log p": known[:9]}, y_label="nats"))
    expect("diffusion loss less −log p", [a - b for a, b in zip(losses, known, strict=True)], equals=0, within=1e-9)


@breaks(model="one joint", en="Counted on the same texts the conditionals have one joint: one probability in either order.",
        zh="都在同一批文本上计数，条件概率就出自同一个联合分布：按哪种次序相乘都一样。")
def claim_separate_conditionals_give_two_likelihoods(vocabulary=3, model="separate heads"):
    """Conditionals each counted on other texts, as a masked model learns them, disagree from left to right and from right to
    left; counted on the same texts they agree.

    像掩码模型那样，每个条件概率用不同的文本去学：从左到右与从右到左相乘，概率不同；都用同一批文本就相同。"""
    joint = torch.rand(vocabulary, vocabulary, dtype=torch.float64) + 0.05
    joint /= joint.sum()
    # a text trains what is masked in it: 300 with both tokens masked, 300 with b masked, 300 with a masked
    texts = torch.multinomial(joint.flatten(), 900, replacement=True).view(3, 300)
    texts = texts if model == "separate heads" else texts[:1].expand(3, -1)
    both, b_masked, a_masked = [torch.bincount(t, minlength=vocabulary**2).view(vocabulary, -1) + 0.5 for t in texts]
    p_a, p_b = both.sum(1) / both.sum(), both.sum(0) / both.sum()
    right = p_a[:, None] * (b_masked / b_masked.sum(1, keepdim=True))          # p(a) p(b | a)
    left = p_b[None] * (a_masked / a_masked.sum(0))                            # p(b) p(a | b)
    gap = 0.5 * (right - left).abs().sum()
    show(bars([f"{a}{b}" for a in range(vocabulary) for b in range(vocabulary)],
              {"a, then b": right.flatten(), "b, then a": left.flatten()}, y_label="probability"))
    expect("total variation between the two orders", gap, at_least=0.001)


def drill_t5_lengths(rng) -> Drill:
    """Lengths under span corruption."""
    tokens, span = rng.choice([(100, 3), (200, 3), (400, 3), (200, 5), (100, 5)])
    hidden, spans = round(0.15 * tokens), round(round(0.15 * tokens) / span)
    return Drill(
        en=f"Span corruption hides 15 % of {tokens} tokens in {spans} spans, one sentinel for each. How many tokens has the input, "
           f"end marks left out?",
        zh=f"片段破坏把 {tokens} 个 token 的 15% 遮成 {spans} 个片段，每个片段一个哨兵。输入有多少个 token（不计结束符）？",
        answer=tokens - hidden + spans, within=0,
        steps=[(f"hidden: 0.15 · {tokens} = {hidden}", f"遮住：0.15 · {tokens} = {hidden}"),
               (f"{tokens} − {hidden} + {spans} = {tokens - hidden + spans}",) * 2],
        proved_by="t5_packs_568_tokens_into_512_and_114",
    )


ZH = {
    "part": "部分",
    "input": "输入", "target": "目标", "words restored": "还原的词数", "input is the printed one": "输入与论文一致",
    "target is the printed one": "目标与论文一致", "text": "文本", "tokens": "token 数",
    "tokens of the input and its end mark": "输入的 token 数，含结束符",
    "tokens of the target": "目标的 token 数", "diffusion loss": "扩散损失", "−log p": "−log p", "nats": "nats",
    "diffusion loss less −log p": "扩散损失减 −log p", "a, then b": "先 a 后 b", "b, then a": "先 b 后 a", "probability": "概率",
    "total variation between the two orders": "两种次序之间的总变差",
}  # fmt: skip

if __name__ == "__main__":
    main()
