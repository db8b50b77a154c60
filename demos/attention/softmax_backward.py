r"""Backward through attention's softmax: dS = P ∘ (dP − rowsum(dP ∘ P)), and the row sum is
rowsum(dO ∘ O).

注意力中 softmax 的反向：dS = P ∘ (dP − rowsum(dP ∘ P))，而其中的行和就是 rowsum(dO ∘ O)。

dX is the gradient of the loss in X. Dao et al. 2022 (FlashAttention), appendix B.2. Turn `way` to
"no row term": gradcheck rejects it. 把 `way` 改为 "no row term"：gradcheck 便不通过。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, heatmap, lines, main, one_of, show, table

F64 = torch.float64


@exercise(claims=("the_closed_form_is_autograds", "rows_of_ds_sum_to_zero"),
          wrong=("without_the_row_term", "diagonal_of_the_jacobian", "plain_mean", "sums_columns"))
def softmax_backward(p: Tensor, dp: Tensor) -> Tensor:
    """dS for P = softmax(S) along the last axis, from P and dP, both (queries, keys).

    P = softmax(S)（沿最后一维），由 P 与 dP（形状都是 (queries, keys)）求 dS。"""
    return p * (dp - (dp * p).sum(-1, keepdim=True))


class Attention(torch.autograd.Function):
    """Attention with its backward written by hand; `way` takes something out on purpose."""

    @staticmethod
    def forward(ctx, q, k, v, hidden, way):
        p = (q @ k.T / q.shape[1] ** 0.5).masked_fill(hidden, -torch.inf).softmax(-1)
        ctx.save_for_backward(q, k, v, p)
        ctx.way = way
        return p @ v

    @staticmethod
    def backward(ctx, do):
        q, k, v, p = ctx.saved_tensors
        dp = do @ v.T                                                    # (tokens, tokens)
        ds = {"no row term": p * dp, "diagonal only": p * (1 - p) * dp}.get(
            ctx.way, softmax_backward(p, dp))
        scale = 1.0 if ctx.way == "no 1/√d" else q.shape[1] ** -0.5
        dq, dk = ds @ k * scale, ds.T @ q * scale
        return *((dk, dq) if ctx.way == "dQ and dK exchanged" else (dq, dk)), p.T @ do, None, None


def inputs(tokens: int, d: int) -> tuple[Tensor, ...]:
    """q, k, v and a gradient of the output (tokens, d), and which scores a causal mask hides."""
    hidden = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
    return *torch.randn(4, tokens, d, dtype=F64), hidden


RANGES = {
    "tokens": between(3, 64), "d_head": between(2, 32), "dropout": between(0.1, 0.9),
    "way": one_of("closed form", "no row term", "diagonal only", "no 1/√d", "dQ and dK exchanged"),
    "against": one_of("the average under P", "the plain average"),
    "read": one_of("dO and O", "dO and V"),
}  # fmt: skip

NO_ROW_TERM = breaks(way="no row term", en="Without the row sum a constant in dP would move S.",
                     zh="没有行和，dP 里的常数也会改变 S。")
DIAGONAL = breaks(way="diagonal only", en="Each score moves all probabilities of its row, not one.",
                  zh="每个分数都会改变整行的概率，而不只是自己那个。")


@NO_ROW_TERM
@DIAGONAL
@breaks(way="no 1/√d", en="dQ and dK are then √d times too large.", zh="dQ、dK 会大出 √d 倍。")
@breaks(way="dQ and dK exchanged", en="dS K goes to the queries, dSᵀQ to the keys.",
        zh="dS K 给 query，dSᵀQ 给 key。")
def claim_the_closed_form_is_autograds(tokens=6, d_head=3, way="closed form"):
    """dV = PᵀdO, dP = dO Vᵀ, dS = P ∘ (dP − rowsum(dP ∘ P)), dQ = dS K/√d, dK = dSᵀQ/√d are the
    gradients that autograd and finite differences find.

    dV = PᵀdO，dP = dO Vᵀ，dS = P ∘ (dP − rowsum(dP ∘ P))，dQ = dS K/√d，dK = dSᵀQ/√d，与 autograd 及有限差分一致。"""
    *qkv, do, hidden = inputs(tokens, d_head)
    qkv = [x.requires_grad_() for x in qkv]
    ours = torch.autograd.grad(Attention.apply(*qkv, hidden, way), qkv, do)
    out = F.scaled_dot_product_attention(*(x[None] for x in qkv), is_causal=True)[0]
    wanted = torch.autograd.grad(out, qkv, do)
    show(lines("token", range(tokens), {"dQ by hand": ours[0][:, 0], "dQ by autograd": wanted[0][:, 0]},
               y_label="gradient"))
    gaps = [(a - b).abs().max() for a, b in zip(ours, wanted, strict=True)]
    expect("difference from autograd", gaps, equals=0, within=1e-12, at=("of", ["Q", "K", "V"]))
    few = [x.detach()[:4].requires_grad_() for x in qkv]
    passed = torch.autograd.gradcheck(
        Attention.apply,
        (*few, hidden[:4, :4][: len(few[0]), : len(few[0])], way),
        raise_exception=False,
    )
    expect("gradcheck passes", passed, equals=True)


@breaks(against="the plain average", en="What counts is the average under P, not that of all keys.",
        zh="要比的是按 P 加权的平均，而不是所有 key 的平均。")
def claim_rows_of_ds_sum_to_zero(tokens=16, d_head=8, against="the average under P"):
    """Every row of dS sums to zero: keys compete, and dS is positive just where dP exceeds the
    row's average under P; a masked score gets exactly 0.

    dS 的每一行之和为零：各 key 此消彼长，dP 高于该行按 P 加权的平均处 dS 为正；被掩的分数恰好得 0。"""
    q, k, v, do, hidden = inputs(tokens, d_head)
    s = (q @ k.T / d_head**0.5).requires_grad_()
    p = s.masked_fill(hidden, -torch.inf).softmax(-1)
    (p @ v).backward(do)
    p, dp = p.detach(), do @ v.T
    ds = softmax_backward(p, dp)
    show(heatmap(ds, x_label="key", y_label="query", title="dS"))
    expect("dS less autograd's", ds - s.grad, equals=0, within=1e-12)
    expect("row sums of dS", ds.sum(-1), equals=0, within=1e-12, at=("row", range(tokens)))
    expect("gradient of masked scores", ds[hidden], equals=0)
    middle = ((p * dp).sum(-1, keepdim=True) if against == "the average under P"
              else (dp.masked_fill(hidden, 0).sum(-1, keepdim=True) / (~hidden).sum(-1, keepdim=True)))
    clear = ~hidden & (ds.abs() > 1e-12)                        # the first row has one key and dS = 0
    expect("scores whose dS has not the sign of dP less the average",
           int((ds.sign() != (dp - middle).sign())[clear].sum()), equals=0)


@breaks(read="dO and V", en="dO ∘ V forgets the weights: a row's own value is not its output.",
        zh="dO ∘ V 忘了权重：一行自己的 value 并不是它的输出。")
def claim_row_dot_equals_do_dot_o(tokens=64, d_head=32, dropout=0.2, read="dO and O"):
    """rowsum(dP ∘ P) = rowsum(dO ∘ O), with dropout on P too: the row term needs two n × d matrices,
    not two n × n.

    rowsum(dP ∘ P) = rowsum(dO ∘ O)，对 P 做 dropout 时也成立：求这一项只需两个 n × d 矩阵，不必两个 n × n。"""
    q, k, v, do, hidden = inputs(tokens, d_head)
    p = (q @ k.T / d_head**0.5).masked_fill(hidden, -torch.inf).softmax(-1)
    rows = {}
    for share in (0.0, dropout):
        kept = (torch.rand(tokens, tokens) >= share).double() / (1 - share)
        o, dp = (p * kept) @ v, kept * (do @ v.T)
        rows[share] = (p * dp).sum(-1), (do * (o if read == "dO and O" else v)).sum(-1)
    show(lines("row", range(tokens), {"rowsum(dP ∘ P)": rows[dropout][0], read: rows[dropout][1]},
               title=f"dropout {dropout:g}"))
    show(table({"matrices": ["dP and P", "dO and O"],
                "numbers read": [2 * tokens**2, 2 * tokens * d_head]}))
    expect("rowsum(dP ∘ P) less the sum over d", [(a - b).abs().max() for a, b in rows.values()],
           equals=0, within=1e-11, at=("dropout", list(rows)))


def drill_row(rng) -> Drill:
    """One number of dS from a row of P and of dP."""
    p, text = rng.choice([((0.5, 0.25, 0.25), "1/2, 1/4, 1/4"), ((0.2, 0.3, 0.5), "0.2, 0.3, 0.5"),
                          ((0.1, 0.4, 0.5), "0.1, 0.4, 0.5"), ((0.6, 0.2, 0.2), "0.6, 0.2, 0.2")])
    g = rng.sample(range(-3, 6), 3)
    ds = softmax_backward(torch.tensor([p], dtype=F64), torch.tensor([g], dtype=F64))[0]
    mean = sum(a * b for a, b in zip(p, g, strict=True))
    return Drill(
        en=f"A row of P is ({text}), and dP there is ({g[0]}, {g[1]}, {g[2]}). What is the first number of dS?",
        zh=f"P 的一行是 ({text})，该处 dP 为 ({g[0]}, {g[1]}, {g[2]})。dS 的第一个数是多少？",
        answer=ds[0].item(), within=0.005,
        steps=[(f"average of dP under P: {mean:g}", f"dP 按 P 的平均：{mean:g}"),
               (f"{p[0]:g} · ({g[0]} − {mean:g}) = {ds[0]:g}".replace("− -", "+ "),) * 2],
        proved_by="the_closed_form_is_autograds",
    )


ZH = {
    "token": "token", "dQ by hand": "手写的 dQ", "dQ by autograd": "autograd 的 dQ", "gradient": "梯度",
    "difference from autograd": "与 autograd 之差", "of": "对", "gradcheck passes": "gradcheck 通过",
    "dS": "dS", "key": "key", "query": "query", "dS less autograd's": "dS 与 autograd 之差",
    "row sums of dS": "dS 的行和", "row": "行", "gradient of masked scores": "被掩分数的梯度",
    "scores whose dS has not the sign of dP less the average": "dS 与「dP 减平均」不同号的分数",
    "rowsum(dP ∘ P)": "rowsum(dP ∘ P)", "dO and O": "dO 与 O", "dO and V": "dO 与 V",
    "matrices": "矩阵", "dP and P": "dP 与 P", "numbers read": "读取的数", "dropout": "dropout",
    "dropout {}": "dropout {}", "rowsum(dP ∘ P) less the sum over d": "rowsum(dP ∘ P) 与沿 d 求和之差",
}  # fmt: skip

if __name__ == "__main__":
    main()
