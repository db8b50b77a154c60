r"""Attention's backward runs a block of keys at a time: what a row needs of the others is two
numbers.

注意力的反向可以逐块 key 计算：一行从其他块需要的只有两个数。

Dao et al. 2022, appendix B.2 and algorithm 4: the log-sum-exp and rowsum(dO ∘ O). Turn `row` to
"of the block": a row's own block is no softmax, and every gradient is wrong.
把 `row` 改为 "of the block"：单独一块并不构成 softmax，梯度全错。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import between, breaks, each, expect, lines, main, one_of, show
from studyapp.evidence.tools import peak_bytes

F64 = torch.float64


def backward(q: Tensor, k: Tensor, v: Tensor, o: Tensor, lse: Tensor, do: Tensor, block: int,
             row: str = "of all") -> tuple[Tensor, Tensor, Tensor]:
    """dQ, dK, dV of causal attention from its inputs, output and the log-sum-exp of each row
    (tokens, 1), `block` keys at a time; all others are (tokens, d)."""
    scale, tokens = q.shape[1] ** -0.5, torch.arange(len(q))
    whole = (do * o).sum(1, keepdim=True)                                # (tokens, 1), once
    dq, dk, dv = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
    for part in tokens.split(block):
        s = (q @ k[part].T * scale).masked_fill(part > tokens[:, None], -torch.inf)
        p, dp = torch.exp(s - lse), do @ v[part].T                       # (tokens, block)
        term = whole if row == "of all" else (dp * p).sum(1, keepdim=True)
        ds = p * (dp - term) * scale
        dq += ds @ k[part]
        dk[part], dv[part] = ds.T @ q, p.T @ do
    return dq, dk, dv


def drawn(tokens: int, d: int) -> tuple[Tensor, ...]:
    """q, k, v, o, the log-sum-exp of each row, and a gradient of the output."""
    q, k, v, do = torch.randn(4, tokens, d, dtype=F64)
    hidden = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
    s = (q @ k.T / d**0.5).masked_fill(hidden, -torch.inf)
    return q, k, v, s.softmax(1) @ v, s.logsumexp(1, keepdim=True), do


RANGES = {
    "tokens": between(32, 256), "d_head": between(4, 32),
    "blocks": each(between(4, 256), at_least=2, rising=True),
    "row": one_of("of all", "of the block"),
    "lengths": each(between(128, 512), at_least=2, at_most=4, rising=True),
    "held": one_of("a block", "all keys"),
}  # fmt: skip


@breaks(row="of the block", en="rowsum(dP ∘ P) over a block alone is not the row's: O holds all keys.",
        zh="只在一块内求 rowsum(dP ∘ P) 并不是整行的：O 里含有全部 key。")
def claim_the_block_does_not_matter(tokens=128, d_head=32, blocks=(16, 48, 128), row="of all"):
    """With the log-sum-exp and rowsum(dO ∘ O) of each row known, blocks of any size give the
    gradients of the whole.

    只要知道每行的 log-sum-exp 与 rowsum(dO ∘ O)，块取多大都得到整体的梯度。"""
    q, k, v, o, lse, do = drawn(tokens, d_head)
    qkv = [x.clone().requires_grad_() for x in (q, k, v)]
    out = F.scaled_dot_product_attention(*(x[None] for x in qkv), is_causal=True)[0]
    wanted = torch.autograd.grad(out, qkv, do)
    found = [backward(q, k, v, o, lse, do, b, row) for b in blocks]
    curves = {"dK by autograd": wanted[1][:, 0], f"blocks of {blocks[0]}": found[0][1][:, 0]}
    show(lines("key", range(tokens), curves, y_label="gradient"))
    gaps = [max((a - b).abs().max() for a, b in zip(f, wanted, strict=True)) for f in found]
    # float64: sums of up to 256 terms of size up to about 5·d
    expect("difference from autograd", gaps, equals=0, within=1e-12 * d_head, at=("block", blocks))


@breaks(held="all keys", en="With one block of all keys the scores are n × n.",
        zh="一块就含全部 key，分数便是 n × n。")
def claim_memory_grows_with_the_length_alone(lengths=(128, 256, 512), d_head=16, held="a block"):
    """In blocks of 32 keys backward holds memory that grows like the length n, not like n²: per
    token it stays the same.

    每块 32 个 key 时，反向占用的内存随长度 n 增长，而不是 n²：平均到每个 token 不变。"""
    peaks = {"a block": [], "all keys": []}
    for n in lengths:
        given = drawn(n, d_head)
        for way, block in (("a block", 32), ("all keys", n)):
            peaks[way].append(peak_bytes(backward, *given, block) / 8 / n)
    show(lines("n", lengths, peaks, log="xy", y_label="numbers held per token"))
    # The mask of 1 byte a score and what does not grow with n blur it by a few per cent.
    expect("numbers held per token, over those at the shortest",
           [p / peaks[held][0] for p in peaks[held]], equals=1, within=0.05, at=("n", lengths))


ZH = {
    "key": "key", "dK by autograd": "autograd 的 dK", "blocks of {}": "每块 {} 个", "gradient": "梯度",
    "difference from autograd": "与 autograd 之差", "block": "块", "n": "n", "a block": "一块",
    "all keys": "全部 key", "numbers held per token": "每个 token 占用的数",
    "numbers held per token, over those at the shortest": "每个 token 占用的数，与最短时之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
