r"""Written-out attention carries its N × N matrices through slow memory at every operation.

写成三步的注意力，每一步都要让 N × N 矩阵在慢速内存里走一遭。

Dao et al. 2022, Algorithm 0. Every operator is taken as a kernel that reads its tensors and writes
its result once; caches are left out. Turn `way` to "fused": S and P are gone, and every byte
carries N/2 FLOPs in 16 bits. 把 `way` 改为 "fused"：S 与 P 不再进出，16 位下每字节对应 N/2 次浮点运算。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, one_of, show, table
from studyapp.evidence.tools import Operations, flops, operations


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Three operations for one head, q, k, v (tokens, d_head); the factor 1/√d is left out."""
    s = q @ k.T                                                          # (tokens, tokens)
    p = s.softmax(-1)                                                    # (tokens, tokens)
    return p @ v                                                         # (tokens, d_head)


def fused(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """One kernel, PyTorch's for a CPU."""
    args = (x[None, None] for x in (q, k, v))
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(*args, scale=1.0)[0][0, 0]


WAYS = {"written out": attention, "fused": fused}


def watch(work, tokens: int, d_head: int, grad: bool = False) -> Operations:
    """What `work(q, k, v)` moves, in 16 bits, on tensors that have shapes and no data."""
    qkv = [torch.empty(tokens, d_head, dtype=torch.bfloat16, device="meta",
                       requires_grad=grad) for _ in range(3)]
    with operations() as seen:
        work(*qkv)
    return seen


RANGES = {
    "tokens": between(16, 65_536),
    "d_head": between(1, 256),
    "lengths": each(between(16, 65_536), at_least=2, rising=True),
    "way": one_of("written out", "fused"),
    "scaled": one_of("scores", "queries"),
    "keeps": one_of("P", "inputs"),
}
FUSED = breaks(way="fused", en="One kernel keeps S and P on chip.", zh="融合成一个 kernel，S 与 P 都留在片上。")


@FUSED
def claim_three_kernels_move_4nd_plus_4n2(tokens=1024, d_head=64, way="written out"):
    """softmax(QKᵀ)V as three operations moves 4Nd + 4N² elements: S and P are each written once and
    read back once.

    把 softmax(QKᵀ)V 写成三步，共搬运 4Nd + 4N² 个元素：S 与 P 各写出一次、读回一次。"""
    rows = watch(WAYS[way], tokens, d_head).rows
    names = ["QKᵀ", "softmax", "PV"] if len(rows) == 3 else [row.name for row in rows]
    show(bars(names, {"read": [r.read // 2 for r in rows],
                      "written": [r.written // 2 for r in rows]}, y_label="elements"))
    nd, nn = tokens * d_head, tokens**2
    expect("elements moved", sum(r.read + r.written for r in rows) // 2, equals=4 * nd + 4 * nn)
    expect("elements read", sum(r.read for r in rows) // 2, equals=3 * nd + 2 * nn)
    expect("elements written", sum(r.written for r in rows) // 2, equals=nd + 2 * nn)


@FUSED
def claim_s_and_p_are_nearly_all_of_it(lengths=(256, 512, 1024, 2048, 4096, 8192), d_head=64,
                                       way="written out"):
    """S and P are N/(N + d) of the traffic: 94% at N = 1024 and d = 64.

    S 与 P 占访存量的 N/(N + d)：N = 1024、d = 64 时为 94%。"""
    moved = [watch(WAYS[way], n, d_head).moved / 2 for n in lengths]
    once = [4 * n * d_head for n in lengths]                             # Q, K, V, O
    square = [m - q for m, q in zip(moved, once, strict=True)]
    show(lines("N", lengths, {"S and P": square, "Q, K, V, O": once}, log="xy",
               y_label="elements moved"))
    expect("share of S and P", [s / m for s, m in zip(square, moved, strict=True)],
           equals=[n / (n + d_head) for n in lengths],
           within=1e-12, at=("N", lengths))


@FUSED
def claim_matmuls_stay_under_d_flops_per_byte(lengths=(256, 512, 1024, 2048, 4096, 8192),
                                              d_head=64, way="written out"):
    """In 16 bits each product of written-out attention does d/(1 + 2d/N) FLOPs per byte: fewer than
    d, however long the sequence.

    以 16 位存储，未融合注意力的每个矩阵乘每字节做 d/(1 + 2d/N) 次浮点运算：序列再长也不到 d 次。"""
    per_byte = []
    for n in lengths:
        seen = [r for r in watch(WAYS[way], n, d_head).rows if r.name != "_softmax"]
        qkv = [torch.empty(n, d_head, device="meta") for _ in range(3)]
        per_byte.append(flops(attention, *qkv) / sum(r.read + r.written for r in seen))
    show(lines("N", lengths, {way: per_byte, "d": [float(d_head)] * len(lengths),
                              "S and P not moved": [n / 2 for n in lengths]},
               log="xy", y_label="FLOPs per byte"))
    expect("FLOPs per byte of the two products", per_byte,
           equals=[d_head / (1 + 2 * d_head / n) for n in lengths], within=1e-9 * d_head,
           at=("N", lengths))


@breaks(scaled="queries", en="Scaling Q instead of S adds only 2Nd.", zh="缩放 Q 而不是 S，只多 2Nd。")
def claim_every_further_pass_adds_2n2(tokens=1024, d_head=64, scaled="scores"):
    """A pass of its own over S or P, for scaling, masking or dropout, adds at least 2N² elements
    each.

    对 S 或 P 单独做一遍缩放、掩码或 dropout，每次至少多搬 2N² 个元素。"""
    mask = torch.empty(tokens, tokens, dtype=torch.bool, device="meta")
    scale = {"scores": lambda q, k, v: (q @ k.T * 0.1).softmax(-1) @ v, "queries": lambda q, k,
             v: (q * 0.1 @ k.T).softmax(-1) @ v}
    ways = {
        "scale": scale[scaled],
        "mask": lambda q, k, v: (q @ k.T).masked_fill(mask, -torch.inf).softmax(-1) @ v,
        "dropout": lambda q, k, v: torch.native_dropout((q @ k.T).softmax(-1), 0.1, True)[0] @ v,
    }
    plain = watch(attention, tokens, d_head).moved
    extra = {name: (watch(work, tokens, d_head).moved - plain) / 2 / tokens**2 for name,
             work in ways.items()}
    show(bars(list(extra), {"added, in N²": list(extra.values())}))
    expect("elements added, in N²", list(extra.values()), at_least=2, at=("pass", list(extra)))


@breaks(keeps="inputs",
        en="Rebuilding S and P from Q and K moves them once more, and needs them in no store.",
        zh="由 Q、K 重算 S 与 P，要再搬运一遍，但不必保存。")
def claim_training_moves_11n2_plus_12nd(tokens=1024, d_head=64, keeps="P"):
    """Forward and backward together move 11N² + 12Nd elements: P is read again, and dP and dS are
    made.

    前向加反向共搬运 11N² + 12Nd 个元素：P 要再读，还要产生 dP 与 dS。"""
    from torch.utils.checkpoint import checkpoint

    def train(q, k, v):
        out = (
            attention(q, k, v)
            if keeps == "P"
            else checkpoint(attention, q, k, v, use_reentrant=False)
        )
        torch.autograd.grad(out, (q, k, v), torch.empty_like(out))

    rows = [r for r in watch(train, tokens, d_head,
                             grad=True).rows if not r.name.startswith("empty")]
    show(
        table(
            ("operation", "read", "written"),
            [(r.name, r.read // 2, r.written // 2) for r in rows],
            title="elements",
        )
    )
    expect("elements moved", sum(r.read + r.written for r in rows) // 2,
           equals=11 * tokens**2 + 12 * tokens * d_head)


def drill_bytes(rng) -> Drill:
    """MiB that one head's written-out attention moves in 16 bits."""
    tokens, d = rng.choice([(1024, 64), (2048, 64), (2048, 128), (4096, 128), (8192, 128)])
    moved = watch(attention, tokens, d).moved
    return Drill(
        en=f"One head, N = {tokens} tokens, d = {d}, 16 bits. Scores, softmax and the product with V are "
           "three kernels; each touches each of its tensors once. How many MiB pass through HBM?",
        zh=f"一个头，N = {tokens}，d = {d}，16 位。分数、softmax、与 V 相乘各是一个 kernel，"
           "每个 kernel 对它的每个张量只访问一次。HBM 共进出多少 MiB？",
        answer=moved / 2**20, unit="MiB",
        steps=[
            (f"S and P are each written and read: 4N² = {4 * tokens**2 / 2**20:g} · 2²⁰",
             f"S、P 各写一次、读一次：4N² = {4 * tokens**2 / 2**20:g} · 2²⁰"),
            (f"Q, K, V are read, O is written: 4Nd = {4 * tokens * d / 2**20:g} · 2²⁰",
             f"读 Q、K、V，写 O：4Nd = {4 * tokens * d / 2**20:g} · 2²⁰"),
            (f"times 2 bytes: {moved / 2**20:g} MiB", f"乘 2 字节：{moved / 2**20:g} MiB"),
        ],
        proved_by="three_kernels_move_4nd_plus_4n2",
    )


ZH = {
    "mm": "mm（矩阵乘）",
    "read": "读",
    "written": "写",
    "elements": "元素数",
    "elements read": "读的元素数",
    "elements written": "写的元素数",
    "elements moved": "搬运的元素数",
    "S and P": "S 与 P",
    "Q, K, V, O": "Q、K、V、O",
    "share of S and P": "S 与 P 的占比",
    "written out": "三个 kernel",
    "fused": "融合",
    "S and P not moved": "不搬运 S 与 P",
    "FLOPs per byte": "每字节的 FLOPs",
    "FLOPs per byte of the two products": "两个矩阵乘每字节的 FLOPs",
    "scale": "缩放",
    "mask": "掩码",
    "added, in N²": "多搬的量（N²）",
    "elements added, in N²": "多搬的元素数（N²）",
    "pass": "步骤",
    "operation": "运算",
}

if __name__ == "__main__":
    main()
