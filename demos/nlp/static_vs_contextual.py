r"""One word, two senses: the embedding is the same in both, the state after a layer is not.

一个词两个义项：嵌入在两处完全相同，过一层之后的状态则不同。

A word means what its neighbour says. Turn `neighbour` to "masked": attention sees nothing to tell the senses by.
词义由邻居决定。把 `neighbour` 改为 "masked"：注意力看不到任何可以区分义项的东西。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam

CUES, OTHERS = 6, 12                                                     # neighbours of each sense, other words
AMBIGUOUS = 2 * CUES + OTHERS                                            # the id of the word with two senses


@exercise(claims=("the_lookup_is_the_same_and_the_state_is_not", "a_decoder_does_not_know_what_follows"),
          wrong=("looks_up_only", "attends_to_itself_only", "forgets_the_mask"))
def contextual(states: Tensor, weights: tuple[Tensor, ...], causal: bool) -> Tensor:
    """One attention layer with a residual, states (B, n, d) → (B, n, d); weights are W_Q, W_K, W_V, W_O, each
    (d, d), applied from the right.

    带残差的一层注意力：states (B, n, d) → (B, n, d)；weights 依次为 W_Q、W_K、W_V、W_O，均为 (d, d)，从右边相乘。"""
    q, k, v = (states @ w for w in weights[:3])
    scores = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5                  # (B, n, n)
    if causal:
        later = torch.ones(scores.shape[1:], dtype=torch.bool).triu(1)
        scores = scores.masked_fill(later, -torch.inf)
    return states + scores.softmax(-1) @ v @ weights[3]


def sentences(count: int, length: int, cue_at: int) -> tuple[Tensor, Tensor]:
    """Word ids (count, length) with the ambiguous word in the middle, a cue of its sense at `cue_at`, and the
    senses (count,)."""
    ids, sense = 2 * CUES + torch.randint(OTHERS, (count, length)), torch.randint(2, (count,))
    ids[:, length // 2] = AMBIGUOUS
    ids[:, cue_at] = torch.randint(CUES, (count,)) + CUES * sense
    return ids, sense


RANGES = {
    "width": between(8, 64),
    "length": between(5, 15),
    "state": one_of("after a layer", "embedding"),
    "mask": one_of("causal", "none"),
    "neighbour": one_of("seen", "masked"),
}


def drawn(width: int) -> tuple[Tensor, tuple[Tensor, ...]]:
    """A table of embeddings and the four matrices of a layer, in float64."""
    table = torch.randn(AMBIGUOUS + 1, width, dtype=torch.float64)
    return table, tuple(torch.randn(4, width, width, dtype=torch.float64) / width**0.5)


@breaks(state="embedding", en="A table has one row for a word, whatever stands around it.",
        zh="一张表里每个词只有一行，不管周围是什么。")
def claim_the_lookup_is_the_same_and_the_state_is_not(width=32, length=9, state="after a layer"):
    """In two sentences the ambiguous word enters as the very same vector; after one layer of attention its states
    differ.

    同一个多义词在两个句子里输入的向量完全相同；过一层注意力之后，两处的状态就不同了。"""
    (table, weights), middle = drawn(width), length // 2
    ids, _ = sentences(2, length, middle - 1)
    ids[0, middle - 1], ids[1, middle - 1] = 0, CUES                     # a cue of either sense
    entered = table[ids]
    after = contextual(entered, weights, causal=False) if state == "after a layer" else entered
    gaps = [(x[0, middle] - x[1, middle]).norm() / x[0, middle].norm() for x in (entered, after)]
    show(bars(["embedding", "as set"], {"difference of the two states": gaps}))
    expect("difference of the embeddings", gaps[0], equals=0)
    expect("difference of the states", gaps[1], at_least=0.01)
    q, k, v = (entered @ w for w in weights[:3])
    torchs = entered + F.scaled_dot_product_attention(q, k, v) @ weights[3]
    if state == "after a layer":
        expect("the layer less torch's", after - torchs, equals=0, within=1e-10)  # 1e-16 of sums over the width


@breaks(mask="none", en="Looking both ways, the word is told apart by what comes after it.",
        zh="双向可见时，后文也能区分词义。")
def claim_a_decoder_does_not_know_what_follows(width=32, length=9, mask="causal"):
    """With its cue after it, a causal model's state at the ambiguous word is the same for both senses; a later
    position knows.

    线索在后面时，因果模型在多义词处的状态对两个义项完全相同；要到后面的位置才知道。"""
    (table, weights), middle = drawn(width), length // 2
    ids, _ = sentences(1, length, length - 2)
    both = ids.repeat(2, 1)
    both[0, length - 2], both[1, length - 2] = 0, CUES
    after = contextual(table[both], weights, causal=mask == "causal")
    moved = (after[0] - after[1]).norm(dim=1)                            # (length,)
    show(bars([f"{i}" for i in range(length)], {"difference of the two senses": moved},
              title=f"the word at {middle}, its cue at {length - 2}"))
    expect("difference at the word", moved[middle], equals=0)
    expect("difference at the last position", moved[-1], at_least=0.001)


@breaks(neighbour="masked", en="With the cue masked out of attention only the word itself is left.",
        zh="线索被掩码移出注意力后，就只剩这个词本身。")
def claim_attention_tells_the_senses_apart(width=16, length=7, neighbour="seen"):
    """A classifier on the embedding can do no better than ln 2; on the state after one trained attention layer it
    tells the senses apart.

    分类器接在嵌入上，损失最好也只有 ln 2；接在训练过的一层注意力之后，就能分清义项。"""
    table = (torch.randn(AMBIGUOUS + 1, width) / width**0.5).requires_grad_()
    weights = [(torch.randn(width, width) / width**0.5).requires_grad_() for _ in range(4)]
    head = torch.zeros(width, 2, requires_grad=True)
    alone, alone_head = (torch.randn(width)).requires_grad_(), torch.zeros(width, 2, requires_grad=True)
    layer, static = Adam([table, head, *weights], lr=0.02), Adam([alone, alone_head], lr=0.02)
    curves: dict[str, list[Tensor]] = {"after a layer": [], "embedding": []}
    for _ in range(80):
        ids, sense = sentences(64, length, length // 2 - 1)
        if neighbour == "masked":
            ids[:, length // 2 - 1] = 2 * CUES                           # one word for all: no cue
        states = contextual(table[ids], tuple(weights), causal=False)[:, length // 2]
        for name, optimiser, logits in (("after a layer", layer, states @ head),
                                        ("embedding", static, (alone @ alone_head).expand(64, 2))):
            loss = F.cross_entropy(logits, sense)
            curves[name].append(loss.detach())
            optimiser.step(loss)
    show(lines("step", range(1, 81), {**curves, "ln 2": [math.log(2)] * 80}, y_label="nats"))
    expect("last losses after a layer", torch.stack(curves["after a layer"][-10:]).mean(), at_most=0.3)
    # Ten batches of 64 senses: their mean strays from ln 2 by a few hundredths at most.
    expect("last losses on the embedding", torch.stack(curves["embedding"][-10:]).mean(), equals=math.log(2), within=0.05)


@breaks(state="embedding", en="A static vector lies along its row, and is the same in every sentence.",
        zh="静态向量就沿着它那一行，在每个句子里都相同。")
def claim_a_fixed_output_row_leaves_the_state_free(state="after a layer"):
    """Two states whose cosine is negative both give one word a probability over 0.99: that its output row is fixed does
    not make the states alike.

    余弦为负的两个状态，都能给同一个词 0.99 以上的概率：输出行固定，并不使状态变得相同。"""
    rows = torch.randn(2000, 256)                                        # far more words than dimensions
    own, side = rows[0], torch.randn(256)
    side = side - (side @ own) / (own @ own) * own                       # at right angles to the word's row
    side = side * own.norm() / side.norm() * (state == "after a layer")
    sizes, cosines, sure = (0.0, 0.4, 0.8, 1.2, 1.5), [], []
    for size in sizes:
        pair = torch.stack((own + size * side, own - size * side))       # (2, width)
        cosines.append(F.cosine_similarity(pair[0], pair[1], dim=0))
        sure.append((pair @ rows.T).softmax(1)[:, 0].min())
    show(lines("part beside the row over the part along it", sizes, {"cosine of the two": cosines, "probability of the word": sure}))
    expect("probability of the word", sure, at_least=0.99, at=("part", sizes))
    expect("cosine at the largest part", cosines[-1], at_most=-0.1)


ZH = {
    "embedding": "嵌入", "as set": "按设定", "difference of the two states": "两处状态之差", "difference of the embeddings": "嵌入之差",
    "difference of the states": "状态之差", "the layer less torch's": "这一层与 torch 的实现之差",
    "difference of the two senses": "两个义项的状态之差", "the word at {}, its cue at {}": "词在 {}，线索在 {}",
    "difference at the word": "该词处之差", "difference at the last position": "最后位置之差", "after a layer": "一层之后", "step": "步",
    "ln 2": "ln 2", "nats": "纳特", "last losses after a layer": "一层之后，末尾的损失",
    "last losses on the embedding": "嵌入上，末尾的损失",
    "part beside the row over the part along it": "垂直于该行的部分与沿该行的部分之比", "cosine of the two": "两者的余弦",
    "probability of the word": "该词的概率", "part": "比值", "cosine at the largest part": "比值最大时的余弦",
}

if __name__ == "__main__":
    main()
