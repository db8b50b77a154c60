r"""Additive scores cost no more matrix products than dot products, but write a tensor that is
`hidden` times as large.

加性打分的矩阵乘法并不比点积多，但要写出大 hidden 倍的张量。

Vaswani et al. 2017, §3.2.1. Turn `counted` to "matmul FLOPs": by those alone the two look alike.
把 `counted` 改为 "matmul FLOPs"：只看它，两者几乎没有差别。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, each, expect, lines, main, one_of, show
from studyapp.evidence.tools import Operations, flops, operations


def dot(q: Tensor, k: Tensor) -> Tensor:
    """One matrix product: (queries, d), (keys, d) to (queries, keys)."""
    return q @ k.T


def additive(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    """vᵀ tanh(W_q q + W_k k): each pair has a vector of `hidden` numbers of its own."""
    pairs = (q @ w_q)[:, None] + (k @ w_k)[None]                         # (queries, keys, hidden)
    return (torch.tanh(pairs) @ v[:, None]).squeeze(-1)                  # (queries, keys)


def ran(work, *args: Tensor) -> Operations:
    """What `work` wrote, operator by operator."""
    with operations() as seen:
        work(*args)
    return seen


def tensors(tokens: int, d: int, hidden: int) -> list[Tensor]:
    """q, k, W_q, W_k, v."""
    shapes = ((tokens, d), (tokens, d), (d, hidden), (d, hidden), (hidden,))
    return [torch.randn(*shape) for shape in shapes]


RANGES = {
    "lengths": each(between(16, 256), at_least=2, at_most=6, rising=True),
    "d_head": between(4, 64), "hidden": between(4, 64),
    "score": one_of("additive", "dot"),
    "counted": one_of("bytes written", "matmul FLOPs"),
}  # fmt: skip


@breaks(score="dot", en="The dot product's largest tensor is the n × n scores themselves.",
        zh="点积最大的张量就是 n × n 的分数本身。")
def claim_additive_needs_an_n_n_d_tensor(lengths=(32, 64, 128, 256), d_head=16, hidden=16,
                                         score="additive"):
    """Additive scores write an n × n × hidden tensor and take a tanh of each of its elements, where
    the dot product writes n × n and bends nothing.

    加性打分写出 n × n × hidden 的张量，并对每个元素取 tanh；点积只写 n × n，也不取 tanh。"""
    seen = {"dot": [], "additive": []}
    for n in lengths:
        q, k, *weights = tensors(n, d_head, hidden)
        seen["dot"].append(ran(dot, q, k))
        seen["additive"].append(ran(additive, q, k, *weights))
    largest = {name: [max(row.written for row in s.rows) // 4 for s in many]
               for name, many in seen.items()}
    bent = {name: [sum(row.written for row in s.rows if row.name == "tanh") // 4 for s in many]
            for name, many in seen.items()}
    show(lines("n", lengths, largest, log="xy", y_label="numbers in the largest tensor"))
    wanted = [n * n * hidden for n in lengths]
    expect("numbers in the largest tensor", largest[score], equals=wanted, at=("n", lengths))
    expect("tanh evaluations", bent[score], equals=wanted, at=("n", lengths))
    expect("numbers in the largest tensor, dot", largest["dot"], equals=[n * n for n in lengths],
           at=("n", lengths))


@breaks(counted="matmul FLOPs", en="By matrix products the two are of one order: far from 2h + 1.",
        zh="只数矩阵乘法，两者量级相同，远不到 2h + 1 倍。")
def claim_it_is_the_memory_that_differs(lengths=(32, 64, 128, 256), d_head=16, hidden=16,
                                        counted="bytes written"):
    """For h hidden units additive scores write about 2h + 1 times the bytes of dot products; their
    matrix products take 2n²h + 4ndh FLOPs against 2n²d.

    有 h 个隐藏单元时，加性打分写出的字节约为点积的 2h + 1 倍；而矩阵乘法是 2n²h + 4ndh FLOPs，点积是 2n²d。"""
    ratio = {"bytes written": [], "matmul FLOPs": []}
    work = {"dot": [], "additive": []}
    for n in lengths:
        q, k, *weights = tensors(n, d_head, hidden)
        work["dot"].append(flops(dot, q, k))
        work["additive"].append(flops(additive, q, k, *weights))
        written = [sum(row.written for row in s.rows if row.name != "_unsafe_view")  # it copies nothing
                   for s in (ran(dot, q, k), ran(additive, q, k, *weights))]
        ratio["bytes written"].append(written[1] / written[0])
        ratio["matmul FLOPs"].append(work["additive"][-1] / work["dot"][-1])
    show(lines("n", lengths, ratio, log="x", y_label="additive over dot"))
    # Beside the pairs there are the projections, 2nh numbers of n²: 2h/n.
    expect(f"{counted}, additive over dot", ratio[counted], equals=2 * hidden + 1,
           within=[2 * hidden / n + 1e-9 for n in lengths], at=("n", lengths))
    expect("matmul FLOPs, dot", work["dot"], equals=[2 * n * n * d_head for n in lengths],
           at=("n", lengths))
    expect("matmul FLOPs, additive", work["additive"], at=("n", lengths),
           equals=[2 * n * n * hidden + 4 * n * d_head * hidden for n in lengths])


def drill_pairs(rng) -> Drill:
    """Memory of the additive score's largest tensor."""
    n, h, heads = rng.choice([(1024, 64, 16), (2048, 128, 8), (4096, 64, 32), (2048, 64, 16)])
    q = torch.empty(n, h, device="meta")
    seen = ran(additive, q, q, q.new_empty(h, h), q.new_empty(h, h), q.new_empty(h))
    gib = heads * max(row.written for row in seen.rows) / 2 / 2**30      # float32 to 16 bit
    return Drill(
        en=f"Additive scores, {n} tokens, {heads} heads, {h} hidden units per head, 16 bit, batch 1, "
           "one layer. How large is the tensor that tanh is taken of, in GiB?",
        zh=f"加性打分，{n} 个 token，{heads} 个头，每头 {h} 个隐藏单元，16 位，batch 为 1，一层。要取 tanh 的张量有多少 GiB？",
        answer=gib, unit="GiB", within=gib / 50,
        steps=[(f"heads · n² · hidden = {heads} · {n}² · {h} numbers", f"头数 · n² · hidden = {heads} · {n}² · {h} 个数"),
               (f"· 2 bytes = {gib:g} GiB; the dot product's scores take {gib / h:g} GiB",
                f"· 2 字节 = {gib:g} GiB；点积的分数只占 {gib / h:g} GiB")],
        proved_by="additive_needs_an_n_n_d_tensor",
    )


ZH = {
    "n": "n", "dot": "点积", "additive": "加性",
    "numbers in the largest tensor": "最大张量的元素数",
    "numbers in the largest tensor, dot": "最大张量的元素数，点积", "tanh evaluations": "tanh 的次数",
    "bytes written": "写出的字节", "matmul FLOPs": "矩阵乘法 FLOPs", "additive over dot": "加性与点积之比",
    "bytes written, additive over dot": "写出的字节，加性与点积之比",
    "matmul FLOPs, additive over dot": "矩阵乘法 FLOPs，加性与点积之比",
    "matmul FLOPs, dot": "矩阵乘法 FLOPs，点积", "matmul FLOPs, additive": "矩阵乘法 FLOPs，加性",
}  # fmt: skip

if __name__ == "__main__":
    main()
