r"""An embedding layer is a look-up; which rows a step moves depends on the optimizer and on the head.

嵌入层就是查表；一步更新会动到哪些行，取决于优化器和输出头。

A row whose token is not in the batch has gradient 0 from the look-up, and AdamW moves it all the same.
Turn `optimizer` to "sgd": only the rows that occurred move. 把 `optimizer` 改为 "sgd"：只有出现过的行会动。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, main, one_of, show, table

LR, DECAY = 0.01, 0.1


@exercise(claims=("a_look_up_is_a_one_hot_product",), wrong=("counts_from_one", "scales_the_rows", "looks_up_columns"))
def embed(ids: Tensor, rows: Tensor) -> Tensor:
    """The input of the first layer (batch, tokens, width): for each token id of ids (batch, tokens) its row
    of rows (vocabulary, width).

    第一层的输入 (batch, tokens, width)：对 ids (batch, tokens) 中的每个 token id，取 rows (vocabulary, width) 的那一行。"""
    out = torch.empty(*ids.shape, rows.shape[1], dtype=rows.dtype)              # (batch, tokens, width)
    for b in range(ids.shape[0]):
        for t in range(ids.shape[1]):
            out[b, t] = rows[ids[b, t]]
    return out


def adamw(p: Tensor, g: Tensor, state: dict, decay: float) -> Tensor:
    """One step of AdamW (Loshchilov & Hutter 2019) with torch's defaults for the moments."""
    state["t"] = state.get("t", 0) + 1
    state["m"] = 0.9 * state.get("m", torch.zeros_like(p)) + 0.1 * g
    state["v"] = 0.999 * state.get("v", torch.zeros_like(p)) + 0.001 * g * g
    m, v = state["m"] / (1 - 0.9 ** state["t"]), state["v"] / (1 - 0.999 ** state["t"])
    return p * (1 - LR * decay) - LR * m / (v.sqrt() + 1e-8)


def gradient(rows: Tensor, ids: Tensor, head: str) -> Tensor:
    """∂loss/∂rows of a next-token loss whose head is a matrix of its own ("untied") or the rows themselves."""
    rows = rows.detach().requires_grad_()
    out = rows if head == "tied" else torch.randn_like(rows)
    loss = F.cross_entropy(rows[ids[:-1]] @ out.T, ids[1:])
    return torch.autograd.grad(loss, rows)[0]


def moved(old: Tensor, new: Tensor) -> Tensor:
    """(vocabulary,): which rows are not what they were."""
    return (old != new).any(1)


RANGES = {
    "tokens": between(2, 12), "vocabulary": between(30, 200), "width": between(2, 32),
    "optimizer": one_of("adamw", "sgd"), "head": one_of("untied", "tied"), "layout": one_of("rows", "columns"),
}  # fmt: skip


@breaks(layout="columns", en="x W with W (width, vocabulary) is the head's product, not the look-up's.",
        zh="x W 且 W 为 (width, vocabulary) 是输出头的乘法，不是查表。")
def claim_a_look_up_is_a_one_hot_product(tokens=5, vocabulary=30, width=8, layout="rows"):
    """Token ids (batch, tokens) become vectors (batch, tokens, width): each id's row, the same as a one-hot
    vector times the table.

    token id (batch, tokens) 变成向量 (batch, tokens, width)：取该 id 的那一行，等同于 one-hot 向量乘以嵌入表。"""
    ids, rows = torch.randint(vocabulary, (2, tokens)), torch.randn(vocabulary, width, dtype=torch.float64)
    one_hot = F.one_hot(ids, vocabulary).double()                               # (batch, tokens, vocabulary)
    product = one_hot @ (rows if layout == "rows" else rows.T.reshape(vocabulary, width))
    show(table({"tensor": ["ids", "one-hot", "vectors"], "numbers": [ids.numel(), one_hot.numel(), product.numel()]}))
    expect("vectors less the one-hot product", embed(ids, rows) - product, equals=0)
    expect("torch's embedding less the one-hot product", F.embedding(ids, rows) - product, equals=0)


@breaks(head="tied", en="A tied head turns every row into a class of the softmax, and each gets a gradient.",
        zh="绑定输出头后，每一行都是 softmax 的一个类别，都有梯度。")
def claim_the_gradient_has_only_the_rows_that_occurred(tokens=12, vocabulary=50, width=8, head="untied"):
    """With a head of its own, a table's gradient is zero in every row whose token the input does not hold;
    tied to the head, no row has a zero gradient.

    输出头不绑定时，输入中没有的 token 对应的行梯度为零；与输出头绑定后，每一行都有非零梯度。"""
    ids, rows = torch.randint(vocabulary, (tokens,)), 0.1 * torch.randn(vocabulary, width, dtype=torch.float64)
    occurred = torch.zeros(vocabulary, dtype=torch.bool)
    occurred[ids[:-1]] = True
    given = {how: (gradient(rows, ids, how) != 0).any(1) for how in ("untied", "tied")}  # (vocabulary,) each
    show(bars(["in the input", "untied", "tied"],
              {"rows with a gradient": [int(r.sum()) for r in (occurred, given["untied"], given["tied"])]}))
    expect("rows that have a gradient and did not occur, or the reverse", int((given[head] != occurred).sum()), equals=0)
    expect("rows with a gradient where the head is tied", int(given["tied"].sum()), equals=vocabulary)


@breaks(optimizer="sgd", en="Plain SGD without decay subtracts the gradient, and that is zero there.",
        zh="不带衰减的 SGD 只减去梯度，而那里的梯度是零。")
def claim_adamw_moves_rows_that_did_not_occur(tokens=4, vocabulary=50, width=8, optimizer="adamw"):
    """Two batches under AdamW: all rows of the table shrink by the decay, and a row seen only in the first
    batch goes on moving in the second by its momentum.

    AdamW 走两个 batch：表中所有行都因权重衰减而缩小；只在第一个 batch 出现的行，到第二个 batch 仍随动量继续移动。"""
    first, second = torch.randperm(vocabulary)[: 2 * tokens].split(tokens)      # no token in both
    rows = torch.randn(vocabulary, width, dtype=torch.float64)
    counts: dict[float, list[int]] = {0.0: [], DECAY: []}                       # rows that move, step by step
    for decay, steps in counts.items():
        p, state = rows, {}
        for ids in (first, second):
            g = gradient(p, ids, "untied")
            old, p = p, adamw(p, g, state, decay) if optimizer == "adamw" else p - LR * g
            steps.append(int(moved(old, p).sum()))
    seen = torch.zeros(vocabulary, dtype=torch.bool)
    seen[first[:-1]] = seen[second[:-1]] = True                                 # the last token is a label only
    show(bars(["in the second batch", "second step, no decay", "second step, decay"],
              {"rows that move": [tokens - 1, counts[0.0][1], counts[DECAY][1]]}))
    expect("rows that move with decay, first and second step", counts[DECAY], equals=vocabulary)
    expect("rows that move in the second step without decay", counts[0.0][1], equals=int(seen.sum()))


def drill_table_share(rng) -> Drill:
    """The embedding table of a model, as a share."""
    vocabulary, width, total = rng.choice([(152, 1024, 0.6), (128, 4096, 8.0), (32, 4096, 6.7), (262, 1152, 1.0)])
    share = 100 * vocabulary * width / (total * 1e6)
    return Drill(
        en=f"A model of {total:g}B parameters has a vocabulary of {vocabulary},000 and width {width:,}. "
           f"What share of its parameters is one embedding table?",
        zh=f"一个 {total:g}B 参数的模型，词表 {vocabulary},000，宽 {width:,}。一张嵌入表占参数的百分之几？",
        answer=share, unit="%", within=0.05 * share,
        steps=[(f"{vocabulary},000 · {width:,} = {vocabulary * width / 1000:.0f} million",
                f"{vocabulary},000 · {width:,} = {vocabulary * width / 1e5:.2f} 亿"),
               (f"over {total:g}B: {share:.1f} %", f"除以 {total:g}B：{share:.1f}%")],
        proved_by="a_look_up_is_a_one_hot_product",
    )


ZH = {
    "ids": "id", "one-hot": "one-hot",
    "tensor": "张量", "numbers": "数的个数", "vectors": "向量", "vectors less the one-hot product": "向量减 one-hot 乘积",
    "torch's embedding less the one-hot product": "torch 的 embedding 减 one-hot 乘积", "in the input": "输入中的", "untied": "不绑定",
    "tied": "绑定", "rows with a gradient": "有梯度的行",
    "rows that have a gradient and did not occur, or the reverse": "有梯度却没出现、或出现却没梯度的行",
    "rows with a gradient where the head is tied": "绑定输出头时有梯度的行",
    "in the second batch": "第二个 batch 中的", "second step, no decay": "第二步，无衰减", "second step, decay": "第二步，有衰减",
    "rows that move": "移动的行", "rows that move with decay, first and second step": "有衰减时第一步、第二步移动的行",
    "rows that move in the second step without decay": "无衰减时第二步移动的行",
}  # fmt: skip

if __name__ == "__main__":
    main()
