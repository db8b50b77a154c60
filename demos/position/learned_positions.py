r"""A learned position table ends at max_len, and each row learns only from sequences that reach it.

可学习的位置表到 max_len 为止，而且每一行只从到达它的序列中学习。

BERT and GPT-2 add such a table (Vaswani et al. 2017, §3.5, tried one). Turn `longest` to "max_len":
trained on sequences as long as the table, no row stays as it was.
把 `longest` 改为 "max_len"：用与表等长的序列训练，就没有哪一行保持原样。
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import Drill, between, breaks, expect, lines, main, one_of, show

LR, VOCABULARY = 1e-2, 50


def train(lengths: Tensor, max_len: int, width: int, optimizer: str = "AdamW", decay: float = 0.0):
    """Predict the token before from token + position, one sequence a step; lengths (steps,). Rows
    before and after, (max_len, width), and the steps with a gradient at each row, (max_len,)."""
    tokens, positions = nn.Embedding(VOCABULARY, width), nn.Embedding(max_len, width)
    head = nn.Linear(width, VOCABULARY)
    before, reached = positions.weight.detach().clone(), torch.zeros(max_len)
    weights = [*tokens.parameters(), *positions.parameters(), *head.parameters()]
    step = getattr(torch.optim, optimizer)(weights, lr=LR, weight_decay=decay)
    for n in lengths.tolist():
        ids = torch.randint(VOCABULARY, (n,))
        x = tokens(ids) + positions(torch.arange(n))                                  # (n, width)
        step.zero_grad()
        F.cross_entropy(head(x), ids.roll(1)).backward()
        reached += (positions.weight.grad != 0).any(1)
        step.step()
    return before, positions.weight.detach(), reached


def has(table: nn.Embedding, position: int, index: str) -> bool:
    """Whether a lookup at this position works."""
    try:
        table(torch.tensor([position % len(table.weight) if index == "modulo" else position]))
    except IndexError:
        return False
    return True


RANGES = {
    "max_len": between(65, 4096), "width": between(8, 1024), "trained": between(2, 64),
    "steps": between(1, 64), "decay": between(0.01, 1.0), "index": one_of("as is", "modulo"),
    "longest": one_of("trained", "max_len"), "optimizer": one_of("AdamW", "Adam"),
}  # fmt: skip


@breaks(index="modulo",
        en="Taken modulo max_len every lookup works, and two positions share a vector.",
        zh="若对 max_len 取模，查表总能成功，但两个位置共用一个向量。")
def claim_learned_table_ends_at_max_len(max_len=512, width=768, index="as is"):
    """A learned table has max_len × d weights and no row for position max_len: the lookup fails.
    The default is BERT-base's.

    可学习的表有 max_len × d 个参数，而且没有第 max_len 号位置：查表直接报错。默认值取自 BERT-base。"""
    table = nn.Embedding(max_len, width, _weight=torch.empty(max_len, width))
    around = [max_len - 2, max_len - 1, max_len, max_len + 1]
    found = [has(table, position, index) for position in around]
    show(lines("position", around, {"has a row": [float(f) for f in found]}))
    expect("weights of the table", sum(p.numel() for p in table.parameters()),
           equals=max_len * width)
    expect(
        "the position has a row", found, equals=[True, True, False, False], at=("position", around)
    )


@breaks(longest="max_len", en="Trained to its full length the table has no row left untouched.",
        zh="训练长度到表的尽头，就没有哪一行不被更新。")
def claim_a_row_learns_only_from_sequences_that_reach_it(
    max_len=96, trained=64, steps=64, width=64, longest="trained"
):
    """Row p is updated by the sequences longer than p and by no others: late rows less often than
    early ones, and those past the longest sequence never.

    第 p 行只由长于 p 的序列更新：靠后的行比靠前的更新得少，超过最长序列的行则从不更新。"""
    lengths = torch.randint(1, trained + 1, (steps,))
    lengths[0] = {"trained": trained, "max_len": max_len}[longest]
    before, after, reached = train(lengths, max_len, width)
    moved = (after - before).abs().amax(1)                                              # (max_len,)
    show(lines("position", range(max_len), {"steps with a gradient": reached}),
         lines("position", range(max_len), {"largest change of the row": moved}))
    longer = [(lengths > p).sum() for p in range(max_len)]
    expect("steps with a gradient", reached, equals=longer, at=("position", range(max_len)))
    # Adam's first step with a gradient moves every coordinate by about lr
    expect("largest change of a row that was reached", moved[:trained], at_least=LR / 4)
    expect("change of the rows past the trained length", moved[trained:], equals=0)


@breaks(optimizer="Adam", en="As L2 in the gradient, Adam scales the decay up to full steps.",
        zh="若作为 L2 放进梯度，Adam 会把它放大成整步。")
def claim_weight_decay_only_shrinks_unreached_rows(
    max_len=96, trained=64, steps=64, width=64, decay=0.1, optimizer="AdamW"
):
    """With AdamW the rows that no sequence reaches shrink by (1 − lr·decay) per step and learn
    nothing.

    用 AdamW 时，没有序列到达的行每步只缩小为 (1 − lr·decay) 倍，什么也学不到。"""
    start, end, _ = train(torch.full((steps,), trained), max_len, width, optimizer, decay)
    ratio = (end / start)[trained:]
    show(lines("position", range(max_len), {"norm before": start.norm(dim=1),
                                            "norm after": end.norm(dim=1)}))
    # float32: each step rounds by 6e-8
    expect("row after over row before", ratio, equals=(1 - LR * decay) ** steps,
           within=1e-7 * (steps + 2))


def drill_table_weights(rng) -> Drill:
    """The weights of a position table."""
    max_len, width = rng.choice([(512, 768), (512, 1024), (1024, 768), (1024, 1024), (2048, 512)])
    table = nn.Embedding(max_len, width, _weight=torch.empty(max_len, width))
    return Drill(
        en=f"A model of width {width} learns its positions, up to {max_len}. How many "
           "weights has the table?",
        zh=f"模型宽度 {width}，位置可学习，最多 {max_len} 个。位置表有多少个参数？",
        answer=table.weight.numel(),
        steps=[("weights = max_len × d", "参数 = max_len × d"),
               (f"{max_len} × {width} = {max_len * width:,}",) * 2],
        proved_by="learned_table_ends_at_max_len",
    )


ZH = {
    "position": "位置", "has a row": "有对应的行", "weights of the table": "表的参数",
    "the position has a row": "该位置有对应的行", "steps with a gradient": "有梯度的步数",
    "largest change of the row": "该行的最大变化",
    "largest change of a row that was reached": "到达过的行的最大变化",
    "change of the rows past the trained length": "超出训练长度的行的变化",
    "norm before": "训练前的范数", "norm after": "训练后的范数", "row after over row before": "训练后与训练前之比",
}

if __name__ == "__main__":
    main()
