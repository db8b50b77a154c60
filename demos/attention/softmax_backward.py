r"""Backward through attention's softmax: dS = P ∘ (dP − rowsum(dP ∘ P)), and the row sum is rowsum(dO ∘ O).

注意力中 softmax 的反向：dS = P ∘ (dP − rowsum(dP ∘ P))，而其中的行和就是 rowsum(dO ∘ O)。

dX is the gradient of the loss with respect to X. Dao et al. 2022 (FlashAttention), appendix B.2 and algorithm 4.
Turn `causal`, `block_sizes` and `dropout`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from studyapp.evidence import bars, expect, heatmap, main, show, table

F64 = torch.float64


def softmax_backward(p: Tensor, dp: Tensor, row: Tensor | None = None) -> Tensor:
    """dS from P and dP, both (n, keys); `row` is rowsum(dP ∘ P), (n, 1), where it is already known."""
    return p * (dp - ((dp * p).sum(-1, keepdim=True) if row is None else row))


def attend(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Output (n, d), probabilities P (n, n) and the log-sum-exp of each row (n, 1)."""
    s = q @ k.T / q.shape[1] ** 0.5
    if causal:
        s = s.masked_fill(torch.ones_like(s, dtype=torch.bool).triu(1), -torch.inf)
    return s.softmax(-1) @ v, s.softmax(-1), s.logsumexp(-1, keepdim=True)


def attention_backward(q: Tensor, k: Tensor, v: Tensor, p: Tensor, do: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """dQ, dK, dV and dS, written out."""
    dv = p.T @ do  # (n, d)
    dp = do @ v.T  # (n, n)
    ds = softmax_backward(p, dp)
    scale = q.shape[1] ** -0.5
    return ds @ k * scale, ds.T @ q * scale, dv, ds


def blockwise_backward(
    q: Tensor, k: Tensor, v: Tensor, o: Tensor, lse: Tensor, do: Tensor, causal: bool, block: int
) -> tuple[tuple[Tensor, Tensor, Tensor], int]:
    """dQ, dK, dV from the output and log-sum-exp alone, `block` keys at a time; and the elements of the largest P."""
    row = (do * o).sum(-1, keepdim=True)  # (n, 1), before any block
    dq, dk, dv, largest, scale = torch.zeros_like(q), [], [], 0, q.shape[1] ** -0.5
    for start, (kb, vb) in enumerate(zip(k.split(block), v.split(block), strict=True)):
        s = q @ kb.T * scale  # (n, block), recomputed
        if causal:
            later = torch.arange(len(kb)) + start * block > torch.arange(len(q))[:, None]
            s = s.masked_fill(later, -torch.inf)
        p = torch.exp(s - lse)  # no second softmax: lse already normalises
        ds = softmax_backward(p, do @ vb.T, row)
        dq += ds @ kb * scale
        dk.append(ds.T @ q * scale)
        dv.append(p.T @ do)
        largest = max(largest, p.numel())
    return (dq, torch.cat(dk), torch.cat(dv)), largest


class Attention(torch.autograd.Function):
    """Attention with its backward written by hand; `variant` leaves something out on purpose."""

    @staticmethod
    def forward(ctx, q, k, v, causal, variant):
        o, p, _ = attend(q, k, v, causal)
        ctx.save_for_backward(q, k, v, p)
        ctx.variant = variant
        return o

    @staticmethod
    def backward(ctx, do):
        q, k, v, p = ctx.saved_tensors
        dq, dk, dv, _ = attention_backward(q, k, v, p, do)
        partial = {"without the row term": p, "diagonal of the Jacobian only": p * (1 - p)}
        if ctx.variant in partial:
            ds = partial[ctx.variant] * (do @ v.T)
            dq, dk = ds @ k / q.shape[1] ** 0.5, ds.T @ q / q.shape[1] ** 0.5
        elif ctx.variant == "without 1/√d":
            dq, dk = dq * q.shape[1] ** 0.5, dk * q.shape[1] ** 0.5
        elif ctx.variant == "dQ and dK exchanged":
            dq, dk = dk, dq
        return dq, dk, dv, None, None


def inputs(n: int, d: int) -> list[Tensor]:
    """q, k, v that record gradients, and an arbitrary gradient of the output, all (n, d) float64."""
    return [*(torch.randn(n, d, dtype=F64, requires_grad=True) for _ in "qkv"), torch.randn(n, d, dtype=F64)]


def claim_attention_softmax_backward_matches_closed_form(n=16, d=8, causal=True):
    """dV = PᵀdO, dP = dO Vᵀ, dS = P ∘ (dP − rowsum(dP ∘ P)), dQ = dS K/√d, dK = dSᵀQ/√d: as autograd finds them.

    dV = PᵀdO，dP = dO Vᵀ，dS = P ∘ (dP − rowsum(dP ∘ P))，dQ = dS K/√d，dK = dSᵀQ/√d：与 autograd 的结果一致。"""
    q, k, v, do = inputs(n, d)
    s = (q @ k.T / d**0.5).detach().requires_grad_()  # a leaf, so that autograd gives dS itself
    hidden = torch.ones(n, n, dtype=torch.bool).triu(1) if causal else torch.zeros(n, n, dtype=torch.bool)
    (s.masked_fill(hidden, -torch.inf).softmax(-1) @ v.detach()).backward(do)
    F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=causal)[0].backward(do)
    with torch.no_grad():
        dq, dk, dv, ds = attention_backward(q, k, v, attend(q, k, v, causal)[1], do)
    gaps = [(a - b).abs().max() for a, b in ((ds, s.grad), (dq, q.grad), (dk, k.grad), (dv, v.grad))]
    show(heatmap(ds, x_label="key", y_label="query", title="dS"))
    show(table({"gradient": ["dS", "dQ", "dK", "dV"], "largest difference from autograd": gaps}))
    expect("difference from autograd", gaps, at_most=1e-12, at=("gradient", ["dS", "dQ", "dK", "dV"]))
    expect("gradient of a masked score", ds[hidden].abs().max() if causal else 0.0, equals=0)


def claim_gradcheck_rejects_shortcuts(few=5, narrow=3, causal=True):
    """torch.autograd.gradcheck accepts the closed form, and rejects P ∘ dP without the row term, P ∘ (1 − P) ∘ dP with the
    Jacobian's diagonal only, a lost 1/√d, and dQ and dK exchanged.

    torch.autograd.gradcheck 认可这个闭式；去掉行和项的 P ∘ dP、只取 Jacobian 对角线的 P ∘ (1 − P) ∘ dP、漏掉 1/√d、把 dQ 与 dK
    互换，都通不过。"""
    q, k, v, _ = inputs(few, narrow)
    variants = ("closed form", "without the row term", "diagonal of the Jacobian only", "without 1/√d", "dQ and dK exchanged")
    passed = []
    for variant in variants:
        passed.append(torch.autograd.gradcheck(Attention.apply, (q, k, v, causal, variant), raise_exception=False))
    show(table({"backward": variants, "gradcheck": passed}))
    expect("gradcheck of the closed form", passed[0], equals=True)
    expect("gradcheck of the others", passed[1:], equals=False, at=("backward", variants[1:]))


def claim_score_gradient_rows_sum_to_zero(n=16, d=8, causal=True):
    """Every row of dS sums to zero, because softmax ignores a constant added to a row: keys compete, and dS is positive
    just where dP exceeds the row's average under P.

    dS 的每一行之和为零，因为 softmax 对整行加常数不敏感：各 key 此消彼长，dS 为正之处正是 dP 高于该行按 P 加权平均值之处。"""
    q, k, v, do = (t.detach() for t in inputs(n, d))
    s = (q @ k.T / d**0.5).requires_grad_()
    seen = torch.ones(n, n, dtype=torch.bool).tril(0 if causal else n)
    p = s.masked_fill(~seen, -torch.inf).softmax(-1)
    (p @ v).backward(do)
    dp = do @ v.T
    above = (dp - (p * dp).sum(-1, keepdim=True)).detach()
    show(table({"row": range(n), "row sum of dP": dp.sum(-1), "row sum of dS": s.grad.sum(-1), "Σ|dS|": s.grad.abs().sum(-1)}))
    expect("row sums of autograd's dS", s.grad.sum(-1), equals=0, within=1e-12, at=("row", range(n)))
    clear = seen & (above.abs() > 1e-9)
    expect("scores whose dS has the sign of dP less the average", (s.grad.sign() == above.sign())[clear].double().mean(),
           equals=1)
    shifted = (s + torch.randn(n, 1, dtype=F64)).masked_fill(~seen, -torch.inf).softmax(-1)
    expect("change of P when a constant is added to each row of S", (shifted - p).abs().max(), at_most=1e-12)


def claim_row_dot_equals_do_dot_o(length=256, head=32, causal=True, dropout=0.2):
    """rowsum(dP ∘ P) = rowsum(dO ∘ O), with dropout on P too: the row term takes two n × d matrices instead of two n × n.

    rowsum(dP ∘ P) = rowsum(dO ∘ O)，对 P 做 dropout 时也成立：求这一项只需两个 n × d 矩阵，而不必读两个 n × n 矩阵。"""
    q, k, v, do = (t.detach() for t in inputs(length, head))
    _, p, _ = attend(q, k, v, causal)
    gaps, rows = [], []
    for share in (0.0, dropout):
        kept = (torch.rand(length, length) >= share).double() / (1 - share)
        o, dp = (p * kept) @ v, kept * (do @ v.T)
        rows.append(((p * dp).sum(-1), (do * o).sum(-1)))
        gaps.append((rows[-1][0] - rows[-1][1]).abs().max())
    show(table({"row": range(0, length, 32), "rowsum(dP ∘ P)": rows[0][0][::32],
                "rowsum(dO ∘ O)": rows[0][1][::32], "dP ∘ P, dropout": rows[1][0][::32],
                "dO ∘ O, dropout": rows[1][1][::32]}))
    show(bars(["dP and P", "dO and O"], {"numbers read": [2 * length**2, 2 * length * head]}, title=f"n = {length}, d = {head}"))
    expect("rowsum(dP ∘ P) − rowsum(dO ∘ O)", gaps, at_most=1e-11, at=("dropout", (0.0, dropout)))


def claim_blockwise_backward_holds_no_n_by_n(length=256, head=32, block_sizes=(16, 48, 256), causal=True):
    """From Q, K, V, O and one log-sum-exp a row, block by block, come the same gradients: no n × n matrix, and 5 matrix
    products for the forward's 2.

    只用 Q、K、V、O 和每行一个 log-sum-exp，逐块计算即得同样的梯度：不存 n × n 矩阵，代价是 5 个矩阵乘，而前向是 2 个。"""
    q, k, v, do = inputs(length, head)
    want = torch.autograd.grad(F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=causal)[0], (q, k, v), do)
    gaps, largest, ratios = [], [], []
    with torch.no_grad():
        o, _, lse = attend(q, k, v, causal)
        with FlopCounterMode(display=False) as counter:
            torch.softmax(q @ k.T, -1) @ v
        forward = counter.get_total_flops()
        for block in block_sizes:
            with FlopCounterMode(display=False) as counter:
                got, elements = blockwise_backward(q, k, v, o, lse, do, causal, block)
            gaps.append(torch.stack([(a - b).abs().max() for a, b in zip(got, want, strict=True)]).max())
            largest.append(elements)
            ratios.append(counter.get_total_flops() / forward)
    show(table({"block of keys": block_sizes, "error": gaps, "largest P held, elements": largest, "n²": [length**2] * len(gaps),
                "FLOPs over forward": ratios}))
    expect("difference from autograd", gaps, at_most=1e-11, at=("block", block_sizes))
    expect("elements of the largest P", largest, equals=[length * min(b, length) for b in block_sizes], at=("block", block_sizes))
    expect("FLOPs of backward over forward", ratios, equals=2.5, at=("block", block_sizes))


def claim_output_layer_gradient_is_p_minus_y(n=16, vocabulary=12):
    """Under cross-entropy dP is −y/p, and the same formula collapses to (p − y)/N.

    在交叉熵之下 dP 为 −y/p，同一公式就化简为 (p − y)/N。"""
    logits = torch.randn(n, vocabulary, dtype=F64, requires_grad=True)
    labels = torch.randint(vocabulary, (n,))
    F.cross_entropy(logits, labels).backward()
    p, y = logits.detach().softmax(-1), F.one_hot(labels, vocabulary).double()
    general = softmax_backward(p, -y / p / n)
    gaps = [((p - y) / n - logits.grad).abs().max(), (general - logits.grad).abs().max()]
    show(table({"formula": ["(p − y)/N", "P ∘ (dP − rowsum(dP ∘ P)), dP = −y/(pN)"], "difference from autograd": gaps}))
    expect("difference from autograd", gaps, at_most=1e-12)


def claim_p_minus_y_is_wrong_inside_attention(n=16, d=8, draws=8):
    """Inside attention there is no label: for an arbitrary dO no choice of key as «y» and no factor turns p − y into a row
    of dS.

    注意力内部没有标签：对任意给定的 dO，无论把哪个 key 当作「y」、再乘什么系数，p − y 都变不成 dS 的一行。"""
    left = []
    for _ in range(draws):
        q, k, v, do = (t.detach() for t in inputs(n, d))
        _, p, _ = attend(q, k, v, False)
        ds = softmax_backward(p, do @ v.T)
        guesses = p[:, None, :] - torch.eye(n, dtype=F64)  # (n, n, n): row, label, key
        along = (guesses * ds[:, None]).sum(-1) / (guesses.norm(dim=-1) * ds.norm(dim=-1, keepdim=True))  # cosine
        left.append((1 - along.square()).clamp(min=0).sqrt().amin(-1))  # what the best label and factor leave over
    left = torch.cat(left)
    show(bars(["0–25%", "25–50%", "50–75%", "75–100%"], {"rows": torch.histc(left, 4, 0, 1)},
              title="share of |dS| that the best label and factor leave over"))
    expect("median share of |dS| left over", left.median(), at_least=0.3)
    expect("smallest share of |dS| left over", left.min(), at_least=1e-6)


if __name__ == "__main__":
    main()
