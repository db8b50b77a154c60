r"""How many blocks to a checkpoint: the peak is least near k = √(L·i/a), which is √L only where a block keeps its input alone.

每个检查点包几个块：峰值在 k ≈ √(L·i/a) 处最小；只有块内除输入外什么也不保留时，才是 √L。

Chen et al. 2016. L blocks in segments of k; a block's input has i bytes, all that it keeps a. Turn `rule` to "√L": for
transformer blocks it is far off. L 个块，每段 k 个；块的输入为 i 字节，块一共保留 a 字节。
把 `rule` 改为 "√L"：对 transformer 块偏差很大。
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show, table
from studyapp.evidence.tools import saved_for_backward


@exercise(claims=("measured_peak_is_the_formula",), wrong=("forgets_the_segment", "counts_one_block"))
def peak(layers: int, k: int, i: float, a: float) -> float:
    """Most memory held for backward, in the unit of i and a, when segments of k blocks (k divides layers) are checkpointed:
    i is the size of a block's input, a that of all the block keeps for backward, its input among it.

    以 k 个块为一段做检查点（k 整除 layers）时，为反向保留的内存峰值，单位同 i、a：i 是块输入的大小，a 是块为反向保留的全部（含输入）。"""
    return (layers / k - 1) * i + k * a                      # the other segments' inputs, and one whole segment


def best_segment(layers: int, i: float, a: float) -> int:
    """The divisor k of layers nearest √(layers·i/a): L·i/k + k·a is symmetric in log k around it."""
    divisors = [k for k in range(1, layers + 1) if layers % k == 0]
    return min(divisors, key=lambda k: max(k * k * a / (layers * i), layers * i / (k * k * a)))


class Inner(nn.Module):
    """x + W2 tanh(W1 x) with W1 of expand · width rows: what it keeps grows with expand; 0 is x + sin x, its input alone."""

    def __init__(self, width: int, expand: int):
        super().__init__()
        self.weights = [torch.randn(a, b).div_(b**0.5).requires_grad_() for a, b in
                        ((expand * width, width), (width, expand * width))] if expand else []

    def forward(self, x: Tensor) -> Tensor:
        if not self.weights:
            return x + x.sin()
        up, down = self.weights
        return x + F.linear(F.linear(x, up).tanh(), down)


def measured(layers: int, k: int, tokens: int, width: int, expand: int) -> int:
    """Peak bytes held for backward over one whole step, checkpointed in segments of k; 0: no checkpoint."""
    blocks = [Inner(width, expand) for _ in range(layers)]
    with saved_for_backward(*(w for block in blocks for w in block.weights)) as saved:
        x = torch.randn(tokens, width).requires_grad_()
        for start in range(0, layers, k or layers):
            segment = nn.Sequential(*blocks[start : start + (k or layers)])
            x = checkpoint(segment, x, use_reentrant=True) if k else segment(x)
        x.sum().backward()
    return saved.peak


RANGES = {
    "layers": one_of(4, 8, 12, 16, 24), "tokens": between(8, 512), "width": between(4, 32), "expand": between(0, 8),
    "expansions": each(one_of(0, 1, 2, 4, 8)), "rule": one_of("√(L·i/a)", "√L"), "counted": one_of("inputs and a segment", "inputs"),
    "heads": between(1, 8), "kv_heads": between(1, "heads", divides="heads"), "d_head": between(8, 16),
    "attention": one_of("fused", "written out"),
}  # fmt: skip


@breaks(counted="inputs", en="What is recomputed must be held as well, one whole segment at a time.",
        zh="重算出来的也要占内存：每次是完整的一段。")
def claim_measured_peak_is_the_formula(layers=16, expand=4, tokens=32, width=16, counted="inputs and a segment"):
    """Checkpointing segments of k of L blocks, a step's peak is (L/k − 1) inputs and one segment's whole activations.

    L 个块、每段 k 个做检查点，一步的峰值是另外 L/k − 1 段的输入，加上一整段的全部激活值。"""
    sizes = [k for k in range(1, layers + 1) if layers % k == 0]
    i, a = tokens * width * 4, measured(1, 0, tokens, width, expand)
    found = [measured(layers, k, tokens, width, expand) for k in sizes]
    formula = [peak(layers, k, i, a) if counted != "inputs" else layers / k * i for k in sizes]
    show(lines("blocks in a segment", sizes, {"measured": found, "formula": formula}, log="x", y_label="bytes"))
    expect("peak bytes", found, equals=formula, at=("k", sizes))


@breaks(rule="√L", en="√L takes a block to keep no more than its input; a transformer block keeps about twenty times as much.",
        zh="√L 假定块只保留自己的输入；transformer 块保留的约是输入的二十倍。")
def claim_the_best_segment_is_not_the_square_root_of_layers(layers=16, expansions=(0, 2, 8), tokens=16, width=8,
                                                            rule="√(L·i/a)"):
    """The measured best k is the divisor of L nearest √(L·i/a): the fatter the block, the shorter the segment, down to one.

    实测最好的 k 是 L 的约数中离 √(L·i/a) 最近的：块越“胖”，段越短，直到一段一块。"""
    sizes = [k for k in range(1, layers + 1) if layers % k == 0]
    i, rows, excess = tokens * width * 4, [], []
    for expand in expansions:
        a = measured(1, 0, tokens, width, expand)
        found = {k: measured(layers, k, tokens, width, expand) for k in sizes}
        k = best_segment(layers, i, a if rule != "√L" else i)
        rows.append([a / i, min(found, key=found.get), k, found[k] / min(found.values())])
        excess.append(rows[-1][-1])
    show(table(["a/i", "measured best k", "k of the rule", "its peak over the least"], rows))
    expect("peak at the rule's k over the least peak", excess, equals=1, at=("expansion", expansions))


@breaks(attention="written out", en="Scores and probabilities of all pairs of tokens are kept as well, and grow with the length.",
        zh="所有 token 对的分数与概率也要保留，并随长度增长。")
def claim_a_llama_block_keeps_twenty_times_its_input(tokens=256, heads=4, kv_heads=1, d_head=16, attention="fused"):
    """With fused attention a Llama block (RoPE left out) keeps 20 to 25 times its input, at any length: √(L·i/a) is 1 to 2
    for 32 to 80 layers.

    用融合注意力时，Llama 块（未计 RoPE）保留的是输入的 20 到 25 倍，与长度无关：32 到 80 层的 √(L·i/a) 在 1 与 2 之间。"""
    width, inner = heads * d_head, 7 * heads * d_head // 2
    w = {name: torch.randn(shape).requires_grad_() for name, shape in {
        "norm1": (width,), "q": (width, width), "k": (kv_heads * d_head, width), "v": (kv_heads * d_head, width),
        "o": (width, width), "norm2": (width,), "gate": (inner, width), "up": (inner, width), "down": (width, inner)}.items()}
    with saved_for_backward(*w.values()) as saved:
        x = torch.randn(1, tokens, width).requires_grad_()
        h = F.rms_norm(x, (width,), w["norm1"])
        q, k, v = (F.linear(h, w[n]).unflatten(-1, (-1, d_head)).transpose(1, 2) for n in "qkv")   # (1, heads, tokens, d_head)
        if attention == "fused":
            o = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        else:
            k, v = (t.repeat_interleave(heads // kv_heads, 1) for t in (k, v))
            later = torch.ones(tokens, tokens, dtype=torch.bool).triu(1)
            o = (q @ k.mT / d_head**0.5).masked_fill(later, -torch.inf).softmax(-1) @ v
        x = x + F.linear(o.transpose(1, 2).flatten(2), w["o"])
        h = F.rms_norm(x, (width,), w["norm2"])
        x = x + F.linear(F.silu(F.linear(h, w["gate"])) * F.linear(h, w["up"]), w["down"])
        ratio = saved.now / (tokens * width * 4)
    expect("bytes kept over the input's", ratio, at_least=20)
    expect("bytes kept over the input's", ratio, at_most=25)
    best = [best_segment(layers, 1, ratio) for layers in (32, 48, 64, 80)]
    expect("blocks in the best segment", best, at_most=2, at=("layers", (32, 48, 64, 80)))
    expect("peak at 64 blocks, segments of 8 over segments of 2", peak(64, 8, 1, ratio) / peak(64, 2, 1, ratio), at_least=2)


def drill_peak(rng) -> Drill:
    """The peak with segments of k blocks."""
    layers, k = rng.choice([(32, 1), (32, 2), (32, 4), (32, 8), (48, 4), (64, 2), (64, 8)])
    i, a = rng.choice([(0.1, 1.7), (0.1, 2.0), (0.2, 3.0)])
    return Drill(
        en=f"{layers} blocks; a block's input takes {i} GB, all that a block keeps for backward {a} GB (its input included). "
           f"Segments of {k} are checkpointed. How many GB are held for backward at the peak?",
        zh=f"{layers} 个块；块的输入占 {i} GB，块为反向保留的全部（含输入）占 {a} GB。每 {k} 个块一段做检查点。为反向保留的峰值是多少 GB？",
        answer=peak(layers, k, i, a), within=0.05,
        steps=[(f"the other {layers}/{k} − 1 = {layers // k - 1} segments hold their inputs: {(layers / k - 1) * i:g} GB",
                f"另外 {layers}/{k} − 1 = {layers // k - 1} 段只留输入：{(layers / k - 1) * i:g} GB"),
               (f"the segment in hand is whole: {k} · {a} = {k * a:g} GB", f"正在处理的一段是完整的：{k} · {a} = {k * a:g} GB"),
               (f"together {peak(layers, k, i, a):g} GB", f"合计 {peak(layers, k, i, a):g} GB")],
        proved_by="measured_peak_is_the_formula",
    )


def drill_best_k(rng) -> Drill:
    """The best number of blocks in a segment."""
    layers, ratio = rng.choice([(64, 16), (32, 32), (64, 1), (100, 25), (144, 16), (36, 9), (80, 20), (64, 4)])
    return Drill(
        en=f"{layers} equal blocks; each keeps {ratio} times its input for backward. How many blocks should one "
           "checkpointed segment hold, for the lowest peak?",
        zh=f"{layers} 个相同的块，每个为反向保留的是其输入的 {ratio} 倍。要使峰值最低，一段检查点应包含几个块？",
        answer=best_segment(layers, 1, ratio), within=0.01,
        steps=[("the peak, about L·i/k + k·a, is least at k = √(L·i/a)", "峰值约为 L·i/k + k·a，在 k = √(L·i/a) 处最小"),
               (f"√({layers} / {ratio}) = {(layers / ratio) ** 0.5:g}", f"√({layers} / {ratio}) = {(layers / ratio) ** 0.5:g}")],
        proved_by="the_best_segment_is_not_the_square_root_of_layers",
    )


ZH = {
    "layers": "层数", "blocks in a segment": "每段的块数", "measured": "实测", "formula": "公式", "bytes": "字节数",
    "peak bytes": "峰值字节数", "measured best k": "实测最好的 k", "k of the rule": "规则给出的 k",
    "its peak over the least": "其峰值与最小峰值之比",
    "peak at the rule's k over the least peak": "规则给出的 k 的峰值与最小峰值之比", "expansion": "扩张倍数",
    "blocks in the best segment": "最佳段的块数", "bytes kept over the input's": "保留的字节数与输入之比",
    "a/i": "a/i", "peak at 64 blocks, segments of 8 over segments of 2": "64 个块：8 块一段与 2 块一段的峰值之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
