r"""h heads of width D/h are h attention patterns at once for the price of one; W_O adds up what they read.

h 个宽 D/h 的头，用一个头的代价同时给出 h 种注意力分布；W_O 把各头读到的内容加起来。

Vaswani et al. 2017, §3.2.2 and Table 3 (A). Turn `head_counts` and `width`.
"""

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from studyapp.evidence import bars, expect, heatmap, lines, main, progress, show, table


def split(x: Tensor, heads: int) -> Tensor:
    """(..., n, D) to (..., h, n, D/h)."""
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def weights_of(q: Tensor, k: Tensor, heads: int) -> Tensor:
    """The attention weights (..., h, n, n) of queries and keys (..., n, D)."""
    q, k = split(q, heads), split(k, heads)
    return (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1)


def read(p: Tensor, v: Tensor) -> Tensor:
    """What each head reads with weights p (..., h, n, n) from values v (..., n, D): (..., h, n, D/h)."""
    return p @ split(v, p.shape[-3])


def join(per_head: Tensor) -> Tensor:
    """(..., h, n, D/h) back to (..., n, D): the concatenation of the heads."""
    return per_head.transpose(-3, -2).flatten(-2)


def layer(x: Tensor, w: Tensor, heads: int) -> Tensor:
    """Multi-head attention on x (n, D) with w = W_Q, W_K, W_V, W_O, each (D, D)."""
    return join(read(weights_of(x @ w[0], x @ w[1], heads), x @ w[2])) @ w[3]


def learn(heads: int, width: int, ring: int, tries: int, steps: int, lr: float) -> Tensor:
    """Losses (steps, tries) of learning «the first half of my left neighbour's content, the second half of my right one's».

    Queries and keys see the position alone, values the content alone, which is new Gaussian noise in every step."""
    position = torch.eye(ring) * ring**0.5
    w_q, w_k = ((0.5 * torch.randn(tries, ring, width) / ring**0.5).requires_grad_() for _ in range(2))
    w_v, w_o = ((torch.randn(tries, 1, width, width) / width**0.5).requires_grad_() for _ in range(2))
    step = torch.optim.Adam([w_q, w_k, w_v, w_o], lr=lr)
    losses = []
    for _ in range(steps):
        content = torch.randn(tries, 8, ring, width)  # (tries, batch, n, D)
        wanted = torch.cat((content.roll(1, 2)[..., : width // 2], content.roll(-1, 2)[..., width // 2 :]), -1)
        p = weights_of(position @ w_q, position @ w_k, heads)  # (tries, h, n, n)
        out = join(read(p[:, None], content @ w_v)) @ w_o
        loss = (out - wanted).square().mean((1, 2, 3))  # (tries,)
        step.zero_grad()
        loss.sum().backward()
        step.step()
        losses.append(loss.detach())
    return torch.stack(losses)


def claim_one_head_has_a_half_variance_floor(splits=(0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0), width=16, samples=4096):
    """A head that puts weight p on one token and 1 − p on another cannot return half a payload of each: for independent
    Gaussian payloads the best readout loses half the variance on average, whatever p is.

    一个头给一个 token 权重 p、另一个 1 − p，就无法从二者各取一半内容：对独立高斯内容，无论 p 是多少，最佳读出平均都损失一半
    方差。"""
    left, right = torch.randn(2, samples, width)
    half = width // 2
    wanted = torch.cat((left[:, :half], right[:, half:]), 1)
    lost = []
    for p in splits:
        seen = p * left + (1 - p) * right  # (samples, D), all that one head can hand on
        readout = torch.linalg.lstsq(seen, wanted).solution
        lost.append((seen @ readout - wanted).square().mean(0))
    lost = torch.stack(lost)  # (splits, D)
    curves = {"half of the left": lost[:, :half].mean(1), "half of the right": lost[:, half:].mean(1), "mean": lost.mean(1)}
    show(lines("weight on the left", splits, curves, y_label="error over variance"))
    noise = (2 / (samples * half)) ** 0.5
    expect("mean error over the variance", lost.mean(1), equals=0.5, within=6 * noise + width / samples, at=("weight", splits))


def claim_two_heads_solve_it_and_sixteen_fail_again(tried=(1, 2, 4, 16), width=16, ring=6, tries=4, steps=80, lr=0.05):
    """Trained to fetch from two tokens at once (best of four runs), a layer of width 16 stays at half the variance with one
    head, succeeds with two or four, and fails again with sixteen heads of width 1.

    训练宽 16 的一层同时从两个 token 取内容（四次取最好）：一个头停在方差的一半，两个或四个头可以做到，十六个宽 1 的头又做不到。"""
    runs = [learn(h, width, ring, tries, steps, lr) for h in progress(tried)]
    ends = [run[-10:].mean(0) for run in runs]  # (tries,) each
    curves = {f"h = {h}": run[:, end.argmin()] for h, run, end in zip(tried, runs, ends, strict=True)}
    best = {h: end.min() for h, end in zip(tried, ends, strict=True)}
    show(lines("step", range(steps), curves, y_label="mean squared error"),
         bars(tried, {"error at the end": list(best.values())}, y_label="mean squared error", title="heads, best run"),
         table({"heads": tried, "best run": list(best.values()), "worst run": [end.max() for end in ends]}))
    able = [h for h in tried if h >= 2 and width // h >= 4]
    expect("error with two heads or more of width 4 or more", [best[h] for h in able], at_most=0.1, at=("heads", able))
    lost = [h for h in tried if h in {1, width}]
    expect("error with one head, or with heads of width 1", [best[h] for h in lost], at_least=0.4, at=("heads", lost))


def claim_the_layer_is_a_sum_of_h_patterns(head_counts=(1, 2, 4, 8, 16), width=16, tokens=6):
    """With its weights held, the layer is Σ Aₕ ⊗ (W_V W_O)ₕ: laid out as token pairs against feature pairs its Jacobian has
    rank h, so one head of any width is one pattern, and h heads are h.

    固定注意力权重时，这一层是 Σ Aₕ ⊗ (W_V W_O)ₕ：把 Jacobian 按 token 对和特征对排成矩阵，秩为 h；所以一个头无论多宽都只有
    一种分布，h 个头有 h 种。"""
    x, w = torch.randn(tokens, width).double(), torch.randn(4, width, width).double() / width**0.5
    spectra, ranks, shown = {}, [], min(max(head_counts) + 2, tokens**2)
    for h in head_counts:
        p = weights_of(x @ w[0], x @ w[1], h)
        jacobian = torch.autograd.functional.jacobian(lambda x, p=p: join(read(p, x @ w[2])) @ w[3], x)  # (n, D, n, D)
        paired = jacobian.transpose(1, 2).reshape(tokens**2, width**2)
        values = torch.linalg.svdvals(paired)
        spectra[f"h = {h}"] = (values / values[0])[:shown].clamp(min=1e-16)
        ranks.append(torch.linalg.matrix_rank(paired))
    show(lines("singular value", range(1, shown + 1), spectra, log="y", y_label="relative size"),
         table({"heads": head_counts, "head size": [width // h for h in head_counts], "rank": ranks}))
    most = tokens * (tokens - 1) + 1  # rows of A sum to 1
    expect("rank", ranks, equals=[min(h, most) for h in head_counts], at=("heads", head_counts))


def claim_parameters_and_matmul_flops_do_not_depend_on_heads(head_counts=(1, 2, 4, 8, 16), width=16, tokens=6):
    """At a fixed width D every number of heads has 4D² parameters and costs 8nD² + 4n²D matmul FLOPs; what grows with h is the
    number of weights, hn², that softmax goes through.

    宽度 D 固定时，无论多少个头，参数都是 4D²，matmul 都是 8nD² + 4n²D 次 FLOP；随 h 增长的是 softmax 要处理的权重数 hn²。"""
    x, w = torch.randn(tokens, width), torch.randn(4, width, width)
    held = [sum(p.numel() for p in nn.MultiheadAttention(width, h, bias=False).parameters()) for h in head_counts]
    work, elements = [], []
    for h in head_counts:
        with FlopCounterMode(display=False) as counter:
            layer(x, w, h)
        work.append(counter.get_total_flops())
        elements.append(weights_of(x @ w[0], x @ w[1], h).numel())
    show(table({"heads": head_counts, "parameters": held, "matmul FLOPs": work, "attention weights": elements}))
    expect("parameters", held, equals=4 * width**2, at=("heads", head_counts))
    expect("matmul FLOPs", work, equals=8 * tokens * width**2 + 4 * tokens**2 * width, at=("heads", head_counts))
    expect("attention weights", elements, equals=[h * tokens**2 for h in head_counts], at=("heads", head_counts))


def claim_narrow_heads_single_out_few_keys(head_sizes=(1, 2, 4, 8, 16), keys=64, queries=4096):
    """A head's score matrix has rank at most its size d_h. With d_h = 1 at most two keys can ever come first, whatever the
    query; of 64 random keys the more can, the larger d_h.

    一个头的分数矩阵秩不超过头的维度 d_h。d_h = 1 时，无论 query 是什么，最多只有两个 key 能排到第一；64 个随机 key 中，能排到
    第一的随 d_h 增多。"""
    ranks, winners = [], []
    for d in head_sizes:
        scores = torch.randn(queries, d).double() @ torch.randn(keys, d).double().T
        ranks.append(torch.linalg.matrix_rank(scores))
        winners.append(scores.argmax(1).unique().numel())
    show(lines("head size", head_sizes, {"keys that come first for some query": winners, "rank of the scores": ranks}, log="x"))
    expect("rank of the scores", ranks, equals=[min(d, keys) for d in head_sizes], at=("head size", head_sizes))
    expect("keys that come first at the smallest head size", winners[0], at_most=2 if head_sizes[0] == 1 else keys)
    expect("keys that come first, less those at the next smaller head size", torch.tensor(winners).diff(), at_least=1,
           at=("head size", head_sizes[1:]))


def claim_output_is_a_sum_over_head_blocks(heads=4, width=16, tokens=6):
    """nn.MultiheadAttention's output is Σ headₕ · W_Oʰ plus the bias, each head with its own (D/h, D) block of W_O; to prune a
    head is to leave out its term.

    nn.MultiheadAttention 的输出等于 Σ headₕ · W_Oʰ 再加偏置，每个头有自己的 (D/h, D) 块；剪掉一个头就是去掉那一项。"""
    x, torchs = torch.randn(1, tokens, width), nn.MultiheadAttention(width, heads, batch_first=True)
    nn.init.normal_(torchs.out_proj.bias)
    with torch.no_grad():
        whole = torchs(x, x, x, need_weights=False)[0][0]
        q, k, v = nn.functional.linear(x[0], torchs.in_proj_weight, torchs.in_proj_bias).chunk(3, -1)
        per_head = read(weights_of(q, k, heads), v)  # (h, n, D/h)
        blocks = torchs.out_proj.weight.T.unflatten(0, (heads, -1))  # (h, D/h, D)
        terms = per_head @ blocks  # (h, n, D)
        gap = (terms.sum(0) + torchs.out_proj.bias - whole).abs().max()
        kept = torch.arange(width) >= width // heads  # without the first head: fewer columns of Q, K, V, fewer rows of W_O
        smaller = join(read(weights_of(q[:, kept], k[:, kept], heads - 1), v[:, kept])) @ torchs.out_proj.weight.T[kept]
        pruned = (smaller - terms[1:].sum(0)).abs().max()
    show(table(("compared with", "max difference"), [("nn.MultiheadAttention", gap), ("a layer without head 0", pruned)]),
         bars([f"head {i}" for i in range(heads)], terms.norm(dim=(1, 2)), y_label="size of the term"))
    expect("sum over heads against nn.MultiheadAttention", gap, at_most=1e-5)
    expect("sum without head 0 against a layer without it", pruned, at_most=1e-5)


def claim_without_wo_a_head_writes_its_own_slice(heads=4, width=16, tokens=6):
    """Concatenation alone lets a head reach its own D/h of the D output coordinates; through W_O every head reaches all of
    them, so that several heads can write to the same one.

    只做拼接，一个头只能写到 D 个输出坐标中自己的 D/h 个；经过 W_O，每个头都能写到全部坐标，几个头也就可以写到同一个坐标。"""
    x, w = torch.randn(tokens, width), torch.randn(4, width, width) / width**0.5
    p = weights_of(x @ w[0], x @ w[1], heads)
    bare, mixed = [], []
    for h in range(heads):
        moved = x @ w[2]
        moved[:, h * width // heads : (h + 1) * width // heads] += torch.randn(tokens, width // heads)  # the values of head h
        change = join(read(p, moved)) - join(read(p, x @ w[2]))
        bare.append(change.abs().mean(0))
        mixed.append((change @ w[3]).abs().mean(0))
    bare, mixed = torch.stack(bare), torch.stack(mixed)  # (h, D)
    show(heatmap(bare, x_label="output coordinate", y_label="head", title="moved by a head, concatenation alone"),
         heatmap(mixed, x_label="output coordinate", y_label="head", title="moved by a head, through W_O"))
    expect("coordinates a head moves, concatenation alone", (bare > 1e-6).sum(1), equals=width // heads)
    expect("coordinates a head moves, through W_O", (mixed > 1e-6).sum(1), equals=width)


def claim_one_scalar_per_head_is_not_enough(heads=4, width=16, positions=64):
    """Fitted to the output of a random layer, one scalar per head in place of W_O misses nearly all of it and one matrix inside
    each head most of it; blocks that reach all coordinates fit.

    用一层随机注意力的输出来拟合：以每头一个标量代替 W_O，几乎什么也拟合不到；每个头内部用一个矩阵，大部分仍拟合不到；能写到
    全部坐标的块才能拟合。"""
    x, w = torch.randn(positions, width), torch.randn(4, width, width) / width**0.5
    concat = join(read(weights_of(x @ w[0], x @ w[1], heads), x @ w[2]))  # (n, D)
    target = concat @ w[3]
    d = width // heads
    parts, goals = concat.unflatten(1, (heads, d)), target.unflatten(1, (heads, d))  # (n, h, d)
    scalar = (parts * goals).sum((0, 2)) / parts.square().sum((0, 2))  # (h,) least squares, head by head
    inner = torch.stack([parts[:, h] @ torch.linalg.lstsq(parts[:, h], goals[:, h]).solution for h in range(heads)], 1)
    fits = {"scalar per head": parts * scalar[:, None], "matrix in each head": inner,
            "full W_O": (concat @ torch.linalg.lstsq(concat, target).solution).unflatten(1, (heads, d))}
    left = torch.stack([(fit - goals).norm() / target.norm() for fit in fits.values()])
    numbers = (heads, heads * d**2, width**2)
    show(bars(list(fits), {"share left over": left}, title="fit to the layer's output"),
         table({"in place of W_O": list(fits), "numbers": numbers, "‖rest‖/‖output‖": left}))
    expect("left over with one scalar per head", left[0], at_least=0.7)
    expect("left over with one matrix in each head", left[1], at_least=0.5)
    expect("left over with the full W_O", left[2], at_most=1e-4)


def claim_values_and_output_act_as_one_map(heads=4, width=16, tokens=6):
    """Per head only the products W_Q W_Kᵀ and W_V W_O count, each of rank at most D/h: an invertible matrix put between W_V and
    its block of W_O changes nothing.

    对每个头，起作用的只有 W_Q W_Kᵀ 与 W_V W_O 两个乘积，秩都不超过 D/h：在 W_V 与对应的 W_O 块之间插入一个可逆矩阵，
    什么都不变。"""
    x, w = torch.randn(tokens, width).double(), torch.randn(4, width, width).double() / width**0.5
    changed, d = w.clone(), width // heads
    rows = []
    for h in range(heads):
        own, a = slice(h * d, (h + 1) * d), torch.randn(d, d).double()
        changed[2][:, own], changed[3][own] = w[2][:, own] @ a, torch.linalg.inv(a) @ w[3][own]
        rows.append((h, torch.linalg.matrix_rank(w[0][:, own] @ w[1][:, own].T), torch.linalg.matrix_rank(w[2][:, own] @ w[3][own])))
    gap = (layer(x, changed, heads) - layer(x, w, heads)).abs().max()
    show(table(("head", "rank of W_Q W_Kᵀ", "rank of W_V W_O"), rows, title=f"matrices of {width} × {width}"),
         table({"W_V changed by": [(changed[2] - w[2]).abs().max()], "output changed by": [gap]}))
    expect("ranks", [row[1:] for row in rows], equals=d)
    expect("change of the output", gap, at_most=1e-9)


if __name__ == "__main__":
    main()
