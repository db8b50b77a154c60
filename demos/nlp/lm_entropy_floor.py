r"""The loss of a language model cannot fall below the entropy of fresh text; on text it was trained on it can.

语言模型在新文本上的损失降不到文本的熵以下；在训练过的文本上却可以。

A text whose entropy is known, and tables of the last k tokens. Turn `measured` to "training": the largest table
breaks the floor, by remembering. 把 `measured` 改为 "training"：最大的表靠记忆冲破下界。
"""

from bisect import bisect_right

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show

STATES, F64 = 8, torch.float64


@exercise(claims=("held_out_loss_stays_above_the_entropy",), wrong=("counts_in_bits", "forgets_the_shares"))
def entropy_rate(p: Tensor) -> Tensor:
    """The least loss that a model of next tokens can reach on text of a Markov chain, in nats per token, a scalar; p
    (states, states) holds the probabilities of the next token by row.

    下一个 token 的模型在一条马尔可夫链的文本上所能达到的最低损失，nat/token，标量；p (states, states) 的每一行是下一个 token 的概率。"""
    shares = torch.linalg.matrix_power(p, 4096)[0]                              # (states,): how often each state occurs
    by_state = -torch.special.xlogy(p, p).sum(1)                                # (states,): entropy of what follows it
    return shares @ by_state


def chain() -> Tensor:
    """A Markov chain with Dirichlet(0.5) rows, (states, states)."""
    p = torch.distributions.Dirichlet(torch.full((STATES,), 0.5, dtype=F64)).sample((STATES,))
    return 0.98 * p + 0.02 / STATES                                             # no state is a trap


def text(p: Tensor, tokens: int) -> Tensor:
    """A text of the chain, (tokens,)."""
    edges, x, out = p.cumsum(1)[:, :-1].tolist(), 0, []
    for u in torch.rand(tokens).tolist():
        x = bisect_right(edges[x], u)                                           # the next token by its share of (0, 1)
        out.append(x)
    return torch.tensor(out)


def contexts(x: Tensor, order: int) -> tuple[Tensor, Tensor]:
    """The last `order` tokens as one number, and the token after them."""
    keys = torch.zeros(len(x) - 6, dtype=torch.long)                            # the same places whatever the order
    for back in range(order, 0, -1):
        keys = STATES * keys + x[6 - back : len(x) - back]
    return keys, x[6:]


def losses(train: Tensor, tests: list[Tensor], order: int) -> list[float]:
    """Mean −log p under a table of counts of the last `order` tokens, each count starting at 0.05."""
    keys, after = contexts(train, order)
    counts = torch.bincount(STATES * keys + after, minlength=STATES ** (order + 1)).view(-1, STATES)
    means = []
    for keys, after in (contexts(x, order) for x in tests):
        seen = counts[keys] + 0.05                                              # (places, states): what followed this context
        means.append(-(seen.gather(1, after[:, None])[:, 0] / seen.sum(1)).log().mean().item())
    return means


RANGES = {
    "tokens": between(10_000, 20_000), "measured": one_of("held out", "training"),
    "lengths": each(between(1000, 50_000), at_least=2, rising=True), "source": one_of("the same", "another"),
}  # fmt: skip


@breaks(measured="training", en="With six tokens of context nearly each place of the training text is a context of its own.",
        zh="上下文取六个 token 时，训练文本几乎每处都是独一无二的上下文，等于背下来。")
def claim_held_out_loss_stays_above_the_entropy(tokens=20_000, measured="held out"):
    """On fresh text one token of context reaches the entropy rate of a Markov source and six tokens end above it; on the
    training text six tokens go far below.

    在新文本上，看一个 token 就达到马尔可夫源的熵率，看六个反而更高；在训练文本上，看六个会远低于熵率。"""
    p = chain()
    floor, train, fresh = entropy_rate(p).item(), text(p, tokens), text(p, tokens)
    rows = [losses(train, [train, fresh], order) for order in range(7)]
    show(lines("tokens of context", range(7), {"training text": [r[0] for r in rows], "held out": [r[1] for r in rows],
                                              "entropy rate": [floor] * 7}, y_label="nats per token"))
    picked = [r[0 if measured == "training" else 1] for r in rows]
    # the mean of 10,000 or more losses of spread about 1: five standard errors
    expect("loss less the entropy rate", torch.tensor(picked) - floor, at_least=0, within=0.05, at=("context", range(7)))
    expect("held out with one token, less the entropy rate", rows[1][1] - floor, equals=0, within=0.05)
    expect("training text with six tokens, less the entropy rate", rows[6][0] - floor, at_most=-0.2)


@breaks(source="another", en="A model of one source does not come near the entropy of another, however much it reads.",
        zh="学了一个源的模型，读得再多，也达不到另一个源的熵。")
def claim_the_gap_halves_with_twice_the_text(lengths=(1000, 4000, 16_000), source="the same"):
    """A count table that can hold the truth is above the entropy by about its free numbers over twice its training
    tokens: 56/2n for 8 by 8, from 1,000 tokens on.

    能表示真实分布的计数表，损失比熵高出约“自由参数数 ÷ 训练 token 数的两倍”：8 × 8 的表为 56/2n（1,000 token 以上）。"""
    p = chain()
    truth = p if source == "the same" else chain()
    shares, gaps = torch.linalg.matrix_power(truth, 4096)[0], []
    for n in lengths:
        rows = []
        for _ in range(6):
            x = text(p, n)
            q = torch.bincount(STATES * x[:-1] + x[1:], minlength=STATES**2).double().view(STATES, STATES) + 0.5
            rows.append((shares @ (truth * (truth / (q / q.sum(1, keepdim=True))).log()).sum(1)).item())
        gaps.append(sum(rows) / 6)
    known = [56 / (2 * n) for n in lengths]
    show(lines("tokens", lengths, {"loss less entropy": gaps, "56/2n": known}, log="xy", y_label="nats per token"))
    # χ² with 56 degrees, six texts: a spread of 0.08; rare cells and the added ½ bend it at the shortest texts
    expect("gap over 56/2n", [g / k for g, k in zip(gaps, known, strict=True)], equals=1, within=0.4, at=("tokens", lengths))


def drill_two_states(rng) -> Drill:
    """The entropy rate of a symmetric two-state source."""
    percent = rng.choice([50, 25, 10, 20])
    value = entropy_rate(torch.tensor([[1 - percent / 100, percent / 100], [percent / 100, 1 - percent / 100]], dtype=F64)).item()
    return Drill(
        en=f"A source of two tokens switches to the other one with {percent} % at each place. What is the least loss of any model on "
           f"fresh text, in nats per token?",
        zh=f"一个只有两种 token 的源，每一处以 {percent}% 的概率换成另一种。任何模型在新文本上的最低损失是多少 nat/token？",
        answer=value, within=0.01,
        steps=[("both states are equally frequent, so it is the entropy of one switch", "两种状态一样多，所以就是一次切换的熵"),
               (f"−{percent / 100:g} ln {percent / 100:g} − {1 - percent / 100:g} ln {1 - percent / 100:g} = {value:.3f}",) * 2],
        proved_by="held_out_loss_stays_above_the_entropy",
    )


ZH = {
    "tokens of context": "上下文的 token 数", "training text": "训练文本", "held out": "留出文本", "entropy rate": "熵率",
    "nats per token": "nat/token", "loss less the entropy rate": "损失减熵率", "context": "上下文",
    "held out with one token, less the entropy rate": "留出文本、一个 token 时减熵率",
    "training text with six tokens, less the entropy rate": "训练文本、六个 token 时减熵率", "tokens": "token 数",
    "loss less entropy": "损失减熵", "56/2n": "56/2n", "gap over 56/2n": "差距与 56/2n 之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
