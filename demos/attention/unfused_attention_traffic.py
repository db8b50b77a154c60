r"""Unfused attention carries its N × N matrices through slow memory at every operation.

未融合的注意力每做一步运算，都要让 N × N 矩阵在慢速内存里走一遭。

Dao et al. 2022, Algorithm 0. PyTorch's own operations are watched: each is taken to be one kernel that reads its tensor
arguments and writes its results once (views move nothing, caches are left out). Meta tensors have shapes and no data,
so long sequences cost nothing. Turn `n`, `d`, `lengths`.
"""

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from studyapp.evidence import bars, expect, lines, main, show, table


class Traffic(TorchDispatchMode):
    """One row for each operation that is not a view: name, elements read, elements written, matmul FLOPs."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[str, int, int, int]] = []
        self.square = 0                                          # elements of n × n tensors, read or written

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        out = op(*args, **(kwargs or {}))
        if not op.is_view:
            moved = [[t for t in tree_leaves(x) if isinstance(t, Tensor)] for x in ((args, kwargs), out)]
            flops = flop_registry.get(op.overloadpacket, lambda *_, **__: 0)(*args, out_val=out)
            self.rows.append((op.overloadpacket.__name__, *(sum(t.numel() for t in side) for side in moved), flops))
            self.square += sum(t.numel() for t in moved[0] + moved[1] if t.dim() == 2 and t.shape[0] == t.shape[1])
        return out

    @property
    def moved(self) -> int:
        """Elements read and written by all operations."""
        return sum(read + written for _, read, written, _ in self.rows)


def watch(n: int, d: int, work) -> Traffic:
    """What `work(q, k, v)` moves for one head of n tokens and width d."""
    q, k, v = (torch.empty(n, d, device="meta", requires_grad=True) for _ in range(3))
    with Traffic() as traffic:
        work(q, k, v)
    return traffic


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The three operations of the textbook, the factor 1/√d left out."""
    return (q @ k.T).softmax(-1) @ v                             # S (n, n), P (n, n), O (n, d)


def claim_three_kernels_move_4nd_plus_4n2(n=1024, d=64):
    """softmax(QKᵀ)V as three operations moves 4Nd + 4N² elements: S and P are each written once and read back once.

    把 softmax(QKᵀ)V 写成三步运算，共搬运 4Nd + 4N² 个元素：S 与 P 各写出一次、读回一次。"""
    seen = watch(n, d, attention)
    names = ("QKᵀ", "softmax", "PV")
    show(table(("operation", "read", "written"), [(x, r, w) for x, (_, r, w, _) in zip(names, seen.rows, strict=True)]),
         bars(names, {"read": [r for _, r, _, _ in seen.rows], "written": [w for _, _, w, _ in seen.rows]}))
    expect("elements read", [r for _, r, _, _ in seen.rows], equals=[2 * n * d, n * n, n * n + n * d], at=("step", names))
    expect("elements written", [w for _, _, w, _ in seen.rows], equals=[n * n, n * n, n * d], at=("step", names))
    expect("elements moved", seen.moved, equals=4 * n * d + 4 * n * n)


def claim_s_and_p_are_nearly_all_of_it(lengths=(256, 512, 1024, 2048, 4096, 8192), d=64):
    """S and P are N/(N + d) of the traffic, 94% at N = 1024 and d = 64, so doubling a long N costs nearly four times.

    S 与 P 占访存量的 N/(N + d)，N = 1024、d = 64 时为 94%；因此较长的 N 再翻倍，访存量接近四倍。"""
    seen = [watch(n, d, attention) for n in lengths]
    total, square = [s.moved for s in seen], [s.square for s in seen]
    show(lines("N", lengths, {"S and P": square, "Q, K, V, O": [t - s for t, s in zip(total, square, strict=True)]},
               log="xy", y_label="elements moved"),
         table({"N": lengths, "elements moved": total, "share of S and P": [s / t for s, t in zip(square, total, strict=True)]}))
    expect("share of S and P", [s / t for s, t in zip(square, total, strict=True)], equals=[n / (n + d) for n in lengths],
           within=1e-9, at=("N", lengths))
    expect("growth over the last step", total[-1] / total[-2], equals=(lengths[-1] / lengths[-2]) ** 2, within=8 * d / lengths[-1])


def claim_every_further_pass_adds_2n2(n=1024, d=64):
    """Scaling, masking or dropping S or P in an operation of its own adds at least 2N²; scaling Q instead adds 2Nd.

    对 S 或 P 单独做缩放、掩码或 dropout，每一步至少多搬 2N² 个元素；改为缩放 Q，只多搬 2Nd。"""
    mask = torch.empty(n, n, dtype=torch.bool, device="meta")
    ways = {
        "softmax(QKᵀ)V": attention,
        "scale S": lambda q, k, v: (q @ k.T * d**-0.5).softmax(-1) @ v,
        "scale Q": lambda q, k, v: (q * d**-0.5 @ k.T).softmax(-1) @ v,
        "mask S": lambda q, k, v: (q @ k.T).masked_fill(mask, -torch.inf).softmax(-1) @ v,
        "drop P": lambda q, k, v: torch.native_dropout((q @ k.T).softmax(-1), 0.1, True)[0] @ v,
        "scale S, mask, drop": lambda q, k, v: torch.native_dropout(
            (q @ k.T * d**-0.5).masked_fill(mask, -torch.inf).softmax(-1), 0.1, True)[0] @ v,
    }
    moved = {name: watch(n, d, work).moved for name, work in ways.items()}
    extra = {name: m - moved["softmax(QKᵀ)V"] for name, m in moved.items()}
    show(table({"way": list(moved), "elements moved": list(moved.values()), "beyond the plain form, in N²":
                [e / n**2 for e in extra.values()]}))
    passes = ("scale S", "mask S", "drop P")
    expect("added by a pass over S or P, in N²", [extra[p] / n**2 for p in passes], at_least=2, at=("pass", passes))
    expect("added by all three, in N²", extra["scale S, mask, drop"] / n**2, at_least=6)
    expect("added by scaling Q", extra["scale Q"], equals=2 * n * d)


def claim_backward_moves_more_than_forward(n=1024, d=64):
    """Backward needs P again and makes dP and dS: 7N² elements more, so training moves 11N² against 4N² forward.

    反向要再读 P，并产生 dP 与 dS：再搬 7N² 个元素；训练合计 11N²，而前向只有 4N²。"""
    forward = watch(n, d, attention)
    both = watch(n, d, lambda q, k, v: torch.autograd.grad(o := attention(q, k, v), (q, k, v), torch.empty_like(o)))
    rows = [row for row in both.rows if not row[0].startswith("empty")]
    show(table(("operation", "read", "written", "FLOPs"), rows, title="forward and backward"))
    expect("n × n elements moved forward, in N²", forward.square / n**2, equals=4)
    expect("n × n elements moved by both passes, in N²", both.square / n**2, equals=11)


def claim_matmuls_stay_under_d_flops_per_byte(lengths=(256, 512, 1024, 2048, 4096, 8192), d=64):
    """In 16 bits each matmul of unfused attention does fewer than d FLOPs per byte, however long the sequence;
    were S and P never moved, the two would do N/2.

    以 16 位存储，未融合注意力的每个矩阵乘每字节不到 d 次浮点运算，序列再长也一样；若 S、P 从不搬运，则为 N/2。"""
    seen = [watch(n, d, attention) for n in lengths]
    per_byte = {name: [s.rows[i][3] / (2 * (s.rows[i][1] + s.rows[i][2])) for s in seen] for i, name in ((0, "QKᵀ"), (2, "PV"))}
    fused = [sum(f for *_, f in s.rows) / (2 * (s.moved - s.square)) for s in seen]
    show(lines("N", lengths, {**per_byte, "S and P not moved": fused}, log="xy", y_label="FLOPs per byte"),
         table({"N": lengths, **per_byte, "S and P not moved": fused}))
    for name, values in per_byte.items():
        expect(f"FLOPs per byte, {name}", values, at_most=d, at=("N", lengths))
    expect("FLOPs per byte, S and P not moved", fused, equals=[n / 2 for n in lengths], within=1e-9, at=("N", lengths))


if __name__ == "__main__":
    main()
