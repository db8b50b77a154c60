r"""Conversations packed in one row train as if each stood alone, if mask, positions and labels say so.

多个对话拼在一行里，只要掩码、位置与标签都设对，训练就与各自单独成行完全一样。

Turn `mask` to "causal": the second conversation reads the first. Turn `positions` to "run on" or `first`
to "trained": with learned positions, and a loss on all tokens, that changes the loss as well.
把 `mask` 改为 "causal"：第二个对话会读到第一个。把 `positions` 改为 "run on" 或 `first` 改为 "trained"：在可学习位置编码、全部
token 计损失时，损失也会改变。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, heatmap, main, one_of, show

F64 = torch.float64


@exercise(claims=("packed_loss_is_that_of_separate_rows", "the_mask_leaves_the_pairs_within"),
          wrong=("is_only_causal", "looks_ahead", "hides_the_token_itself"))
def packed_mask(documents: Tensor) -> Tensor:
    """Which key each query may read in a packed row: those of its own document, up to itself. documents (tokens,)
    numbers the conversation of each token; the result (tokens, tokens) is True where it may read.

    打包行里每个 query 可以读哪些 key：自己所在对话、不晚于自己的那些。documents (tokens,) 给出每个 token 所属对话的编号；结果为
    (tokens, tokens)，可读处为 True。"""
    same = documents[:, None] == documents                               # (queries, keys)
    return same.tril()


def token_losses(tokens: Tensor, positions: Tensor, mask: Tensor, weights: dict[str, Tensor], encoding: str) -> Tensor:
    """−log p of tokens 1, 2, … from a model of one attention layer; (tokens − 1,)."""
    x = weights["embedding"][tokens]                                     # (tokens, width)
    if encoding == "learned":
        x = x + weights["position"][positions]
        q = k = x
    else:                                                                # RoPE: pairs turned by the position
        half = x.shape[1] // 2
        turn = positions[:, None] / 100.0 ** (torch.arange(half, dtype=F64) / half)
        a, b = x[:, :half], x[:, half:]
        q = k = torch.cat((a * turn.cos() - b * turn.sin(), a * turn.sin() + b * turn.cos()), 1)
    x = x + (q @ k.T / x.shape[1] ** 0.5).masked_fill(~mask, -torch.inf).softmax(-1) @ x
    return F.cross_entropy((x @ weights["embedding"].T)[:-1], tokens[1:], reduction="none")


def model(vocabulary: int, width: int, tokens: int) -> dict[str, Tensor]:
    return {"embedding": torch.randn(vocabulary, width, dtype=F64), "position": torch.randn(tokens, width, dtype=F64)}


RANGES = {
    "lengths": each(between(2, 32), at_least=2, at_most=5), "width": between(2, 32, multiple_of=2),
    "vocabulary": between(4, 50), "mask": one_of("block", "causal"), "positions": one_of("restart", "run on"),
    "first": one_of("ignored", "trained"), "encoding": one_of("learned", "rope"),
}
CAUSAL = breaks(mask="causal", en="With the causal mask alone, later conversations read earlier ones.",
                zh="只有因果掩码时，后面的对话会读到前面的。")


def packed_and_alone(lengths, vocabulary, width, mask, positions, first, encoding) -> tuple[Tensor, Tensor]:
    """The mean loss over all trained tokens, packed in one row and each by itself."""
    weights = model(vocabulary, width, sum(lengths))
    rows = [torch.randint(vocabulary, (n,)) for n in lengths]
    documents = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    run_on = torch.arange(sum(lengths))
    restart = torch.cat([torch.arange(n) for n in lengths])
    allowed = packed_mask(documents) if mask == "block" else torch.ones(len(run_on), len(run_on)).tril().bool()
    losses = token_losses(torch.cat(rows), restart if positions == "restart" else run_on, allowed, weights, encoding)
    within = documents[1:] == documents[:-1]                             # the target is not a first token
    packed = losses[within].mean() if first == "ignored" else losses.mean()
    alone = torch.cat([token_losses(r, torch.arange(len(r)), packed_mask(torch.zeros(len(r))), weights, encoding)
                       for r in rows])
    return packed, alone.mean()


@CAUSAL
@breaks(positions="run on", en="Learned positions that run on give the second conversation other embeddings.",
        zh="可学习的位置编号不归零，第二个对话的嵌入就不同。")
@breaks(first="trained", en="The first token of a conversation would be predicted from the end of the one before.",
        zh="对话的第一个 token 会由上一个对话的末尾来预测。")
def claim_packed_loss_is_that_of_separate_rows(lengths=(5, 8, 4), vocabulary=12, width=8, mask="block",
                                               positions="restart", first="ignored"):
    """With a block-diagonal causal mask, positions that restart, and no target at the first token of each, a packed row
    has the loss of separate rows.

    使用分块对角的因果掩码、位置归零、每个对话的首 token 不作目标，打包行的损失就与分开各行的相同。"""
    packed, alone = packed_and_alone(lengths, vocabulary, width, mask, positions, first, "learned")
    show(bars(["packed", "separate rows"], {"mean loss": [packed, alone]}, y_label="nats"))
    # float64: sums of at most 160 terms of size below 100
    expect("packed loss less that of separate rows", packed - alone, equals=0, within=1e-11)


@CAUSAL
@breaks(encoding="learned", en="A learned position is absolute: it has to restart.", zh="可学习位置是绝对的：必须归零。")
def claim_rope_needs_no_restart(lengths=(5, 8, 4), vocabulary=12, width=8, mask="block", encoding="rope"):
    """With RoPE and the block mask, positions that run on give the same loss: only differences within a conversation
    enter.

    用 RoPE 加分块掩码时，位置一路编下去损失也不变：起作用的只是同一对话内的位置差。"""
    packed, alone = packed_and_alone(lengths, vocabulary, width, mask, "run on", "ignored", encoding)
    show(bars(["packed, positions run on", "separate rows"], {"mean loss": [packed, alone]}, y_label="nats"))
    # float64: as above, and angles of up to 160 rounded
    expect("packed loss less that of separate rows", packed - alone, equals=0, within=1e-10)


@CAUSAL
def claim_the_mask_leaves_the_pairs_within(lengths=(5, 8, 4), mask="block"):
    """Of n(n + 1)/2 causal pairs of the row only those within a conversation are left, the sum of each one's own.

    整行的 n(n + 1)/2 个因果对里，只留下各对话内部的，即各自因果对数之和。"""
    documents = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    allowed = packed_mask(documents) if mask == "block" else torch.ones(len(documents), len(documents)).tril().bool()
    show(heatmap(allowed.float(), x_label="key", y_label="query", title="may read"))
    counted = sum(q >= k for n in lengths for q in range(n) for k in range(n))
    expect("pairs that may read", allowed.sum(), equals=counted)
    expect("reads of a later token", allowed.triu(1).sum(), equals=0)


def drill_pairs(rng) -> Drill:
    """Query–key pairs of a packed row."""
    lengths = rng.choice([(3, 4), (4, 6), (2, 3, 5), (10, 20), (5, 5, 10)])
    pairs = sum(n * (n + 1) // 2 for n in lengths)
    whole = sum(lengths) * (sum(lengths) + 1) // 2
    parts = " + ".join(str(n * (n + 1) // 2) for n in lengths)
    return Drill(
        en=f"Conversations of {', '.join(map(str, lengths))} tokens are packed in one row, each masked from the others. How "
           "many query–key pairs may attend?",
        zh=f"长为 {'、'.join(map(str, lengths))} 个 token 的对话拼在一行，互相不可见。有多少个 query–key 对可以做注意力？",
        answer=float(pairs), within=0.1,
        steps=[(f"n(n + 1)/2 each: {parts} = {pairs}", f"各自 n(n + 1)/2：{parts} = {pairs}"),
               (f"the causal mask alone would leave {whole}", f"只用因果掩码会留下 {whole} 个")],
        proved_by="the_mask_leaves_the_pairs_within")


ZH = {
    "packed": "打包", "separate rows": "分开各行", "mean loss": "平均损失", "nats": "纳特",
    "packed loss less that of separate rows": "打包与分开的损失之差", "packed, positions run on": "打包，位置不归零",
    "key": "key", "query": "query", "may read": "可读", "pairs that may read": "可读的对数",
    "reads of a later token": "读到后面 token 的次数",
}

if __name__ == "__main__":
    main()
