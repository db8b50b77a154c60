r"""With keys of one length, attention is kernel regression with a Gaussian; longer keys get more
than their distance earns.

key 模长相等时，注意力就是高斯核回归；模长大的 key 得到的权重超过其距离应得的。

Nadaraya 1964 and Watson 1964. Turn `lengths` to "uneven": the weights are no Gaussian's any more.
把 `lengths` 改为 "uneven"：权重就不再是高斯核的。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, expect, lines, main, one_of, show

F64 = torch.float64


def kernel_weights(query: Tensor, keys: Tensor, beta: float) -> Tensor:
    """Weights of Nadaraya–Watson regression, exp(−β|q − k|²/2) over their sum, from distances
    alone: query (queries, d), keys (pairs, d) to (queries, pairs)."""
    kernel = (-beta / 2 * torch.cdist(query, keys) ** 2).exp()
    return kernel / kernel.sum(1, keepdim=True)


def drawn(pairs: int, d: int, queries: int, longest: float) -> tuple[Tensor, Tensor]:
    """Queries, and keys of lengths from 1 to `longest`."""
    keys = F.normalize(torch.randn(pairs, d, dtype=F64), dim=1)
    return (torch.randn(queries, d, dtype=F64),
            keys * torch.linspace(1, longest, pairs, dtype=F64)[:, None])


RANGES = {
    "pairs": between(3, 32), "d_head": between(2, 16), "queries": between(100, 1000),
    "beta": between(0.5, 8.0),
    "lengths": one_of("one", "uneven"),
    "bias": one_of("−β|k|²/2", "none"),
}  # fmt: skip


@breaks(lengths="uneven", en="Among keys of lengths 1 to 3 the long ones are favoured.",
        zh="key 的模长从 1 到 3 时，长者占优。")
def claim_unit_keys_give_gaussian_kernel_weights(
    pairs=6, d_head=8, queries=500, beta=4.0, lengths="one"
):
    """With keys of one length softmax(β q·k) is the Gaussian kernel of variance 1/β: the nearest
    key always wins.

    key 模长相等时，softmax(β q·k) 就是方差为 1/β 的高斯核：最近的 key 总能胜出。"""
    q, keys = drawn(pairs, d_head, queries, 1.0 if lengths == "one" else 3.0)
    weights, kernel = (beta * q @ keys.T).softmax(1), kernel_weights(q, keys, beta)
    show(bars(range(pairs), {"attention": weights[0], "Gaussian kernel": kernel[0]},
              title="one query", y_label="weight"))
    nearest = torch.cdist(q, keys).argmin(1)
    expect("attention's weights less the kernel's", weights - kernel, equals=0, within=1e-9)
    expect("queries whose nearest key wins", int((weights.argmax(1) == nearest).sum()),
           equals=queries)


@breaks(bias="none", en="Without it long keys win queries that lie nearer to others.",
        zh="没有它，有些 query 明明离别的 key 更近，却被长 key 赢走。")
def claim_a_bias_for_the_length_makes_up_for_it(
    pairs=6, d_head=8, queries=500, beta=4.0, bias="−β|k|²/2"
):
    """With keys of unequal lengths a bias of −β|k|²/2 on each key's scores makes attention the
    Gaussian kernel again; without it the nearest key need not win.

    key 模长不等时，给每个 key 的分数加偏置 −β|k|²/2，注意力又成为高斯核；不加时，最近的 key 未必胜出。"""
    q, keys = drawn(pairs, d_head, queries, 3.0)
    plain = beta * q @ keys.T
    scores = {"none": plain, "−β|k|²/2": plain - beta / 2 * keys.square().sum(1)}
    nearest = torch.cdist(q, keys).argmin(1)
    won = {name: [int((nearest[s.argmax(1) == i] == i).sum()) for i in range(pairs)]
           for name, s in scores.items()}
    length = keys.norm(dim=1)
    show(
        lines(
            "length of the key",
            length,
            {
                f"won, bias {n}": [int((s.argmax(1) == i).sum()) for i in range(pairs)]
                for n, s in scores.items()
            },
            y_label="queries",
        )
    )
    expect("weights less the kernel's", scores[bias].softmax(1) - kernel_weights(q, keys, beta),
           equals=0, within=1e-9)
    expect("queries whose nearest key wins", sum(won[bias]), equals=queries)
    expect("queries that a longer key takes from the nearest, without the bias",
           queries - sum(won["none"]), at_least=1)


ZH = {
    "attention": "注意力", "Gaussian kernel": "高斯核", "one query": "一个 query", "weight": "权重",
    "attention's weights less the kernel's": "注意力权重与核权重之差",
    "queries whose nearest key wins": "最近的 key 胜出的 query 数",
    "length of the key": "key 的模长", "won, bias {}": "胜出次数，偏置 {}", "none": "无",
    "queries": "query 数", "weights less the kernel's": "权重与核权重之差",
    "queries that a longer key takes from the nearest, without the bias":
        "不加偏置时，被更长的 key 从最近者手中赢走的 query 数",
}  # fmt: skip

if __name__ == "__main__":
    main()
