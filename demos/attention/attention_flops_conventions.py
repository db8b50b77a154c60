r"""What an attention's FLOPs are depends on what is counted: masked pairs, the softmax, the cache,
backward.

注意力的 FLOPs 取决于数什么：被掩码的对、softmax、cache、反向。

torch.utils.flop_counter counts registered products, a multiply-add as 2. Turn `skip` to False: a
mask on the full product saves nothing. Turn `cache` to False: a decode step costs a whole prefill.
把 `skip` 改为 False：在完整乘积上加掩码不省任何计算；把 `cache` 改为 False：解码一步等于整段 prefill。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, show
from studyapp.evidence.tools import flops, operations


def causal_in_blocks(q: Tensor, k: Tensor, v: Tensor, rows: int, skip: bool) -> Tensor:
    """Causal attention, q, k, v (tokens, d); `rows` queries at a time, with or without the keys
    after them."""
    tokens, d = q.shape
    allowed = q.new_ones(tokens, tokens).tril().bool()                           # (tokens, tokens)
    outputs = []
    for i in range(0, tokens, rows):
        end = min(i + rows, tokens) if skip else tokens
        s = q[i : i + rows] @ k[:end].T / d**0.5                                 # (rows, end)
        outputs.append(s.masked_fill(~allowed[i : i + rows, :end],
                                     -torch.inf).softmax(-1) @ v[:end])
    return torch.cat(outputs)


def safe_softmax(s: Tensor, shift: bool) -> Tensor:
    """Softmax in elementary operations."""
    e = torch.exp(s - s.amax(-1, keepdim=True) if shift else s)
    return e / e.sum(-1, keepdim=True)


RANGES = {
    "tokens": between(16, 4096),
    "d_head": between(4, 256),
    "heads": between(1, 32),
    "counts": each(between(1, 16, divides="tokens")),
    "lengths": each(between(2, 16_384)),
    "width": between(8, 4096),
}


@breaks(skip=False, en="A mask laid over the full product leaves all of it to be computed.",
        zh="在完整乘积上加掩码，乘积仍要全部算出。")
def claim_causal_mask_saves_only_what_is_skipped(
    tokens=256, d_head=32, counts=(1, 2, 4, 8, 16), skip=True
):
    """With the keys after each of b blocks of queries skipped, causal attention takes (b + 1)/2b of
    the FLOPs, towards a half.

    把 query 分成 b 块、跳过每块之后的 key，因果注意力的 FLOPs 为 (b + 1)/2b，趋于一半。"""
    q, k, v = torch.randn(3, tokens, d_head, dtype=torch.float64)
    whole = flops(lambda: (q @ k.T).softmax(-1) @ v)
    used = [flops(causal_in_blocks, q, k, v, tokens // b, skip) / whole for b in counts]
    show(lines("blocks", counts, {"FLOPs over no mask": used, "half": [0.5] * len(counts)}))
    expect("FLOPs over no mask", used, equals=[(b + 1) / (2 * b) for b in counts], within=1e-12,
           at=("blocks", counts))
    exact = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]
    gaps = [(causal_in_blocks(q, k, v, tokens // b, skip) - exact).abs().max() for b in counts]
    expect("difference from SDPA", gaps, equals=0, within=1e-14 * (tokens + d_head),
           at=("blocks", counts))


@breaks(shift=False, en="Without the maximum and the subtraction it is 3hs².",
        zh="不求最大值、不相减，就是 3hs²。")
def claim_softmax_takes_five_operations_a_score(tokens=512, d_head=128, heads=4, shift=True):
    """A safe softmax takes 5 operations per score: maximum, subtraction, exp, sum, division; beside
    the two products that is 5/(4·d_head).

    安全的 softmax 每个分数 5 次运算：取最大值、减、exp、求和、除；与两个矩阵乘相比是 5/(4·d_head)。"""
    s = torch.empty(heads, tokens, tokens, device="meta")
    with operations() as seen:
        safe_softmax(s, shift)
    work = {row.name: max(row.read, row.written) // 4 // s.numel() for row in seen.rows}
    products = flops(lambda: (q := s.new_empty(heads, tokens, d_head)) @ q.mT @ q)
    show(bars(list(work), {"operations per score": list(work.values())}))
    expect("operations per score", sum(work.values()), equals=5)
    expect("softmax over both products", sum(work.values()) * s.numel() / products,
           equals=5 / (4 * d_head), within=1e-12)


@breaks(cache=False, en="Without a cache every step runs over the whole sequence again.",
        zh="没有 cache，每一步都要把整个序列重算一遍。")
def claim_decode_step_is_linear_in_the_context(width=768, heads=12, lengths=(128, 512, 2048, 8192),
                                               cache=True):
    """With n tokens cached, its own included, one decode step costs 24d² + 4nd FLOPs per layer:
    linear in n.

    cache 中有 n 个 token（含自己）时，解码一步每层需 24d² + 4nd FLOPs：对 n 是线性的。"""
    steps = []
    for n in lengths:
        rows = 1 if cache else n
        x, past = torch.empty(rows, width, device="meta"), torch.empty(n, width, device="meta")
        linear = flops(lambda x=x: [x @ x.new_empty(width, w) for w in (width,) * 4 + (4 * width,)])
        down = flops(lambda x=x: x.new_empty(len(x), 4 * width) @ x.new_empty(4 * width, width))
        pairs = flops(lambda x=x, past=past: (x @ past.T).softmax(-1) @ past)  # as h heads of d/h
        steps.append(linear + down + pairs)
    show(lines("tokens in the cache", lengths, {"a decode step": steps}, log="xy", y_label="FLOPs"))
    expect("FLOPs of a step", steps, equals=[24 * width**2 + 4 * n * width for n in lengths],
           at=("n", lengths))


@breaks(written_out=False,
        en="A fused kernel recomputes the scores: five products, 3.5 times in all.",
        zh="融合 kernel 要重算分数：五个矩阵乘，合计 3.5 倍。")
def claim_training_costs_three_forwards_where_p_is_kept(tokens=64, width=128, written_out=True):
    """Where every product's inputs are kept, backward takes two products for each one of forward:
    training is 3 times forward.

    若保存每个矩阵乘的输入，反向时每个矩阵乘对应两个：训练是前向的 3 倍。"""
    from torch.utils.checkpoint import checkpoint

    x = torch.empty(tokens, width, device="meta", requires_grad=True)
    w = [torch.empty(width, width, device="meta", requires_grad=True) for _ in range(4)]

    def attend() -> Tensor:
        q, k, v = (x @ one for one in w[:3])
        scores = (lambda q, k: (q @ k.T).softmax(-1)) if written_out else (
            lambda q, k: checkpoint(lambda a, b: (a @ b.T).softmax(-1), q, k, use_reentrant=False))
        return scores(q, k) @ v @ w[3]

    forward, both = flops(attend), flops(lambda: attend().sum().backward())
    show(bars(["forward", "forward and backward"], {"GFLOPs": [forward / 1e9, both / 1e9]}))
    expect("training over forward", both / forward, equals=3)


def drill_training(rng) -> Drill:
    """Training FLOPs per token and layer: 3 × forward."""
    d, n = rng.choice([(1024, 2048), (2048, 4096), (4096, 4096), (4096, 8192), (2048, 8192)])
    per_token = 3 * (24 * d * d + 4 * n * d)
    return Drill(
        en=f"A layer of width d = {d} (FFN 4d) trains on sequences of n = {n}. Model FLOPs per token and "
           "layer, every pair counted, nothing recomputed: how many MFLOPs?",
        zh=f"一层宽 d = {d}（FFN 为 4d），训练序列长 n = {n}。每 token 每层的模型 FLOPs"
           "（所有对都计，不计重算）是多少 MFLOPs？",
        answer=per_token / 1e6, unit="MFLOPs", within=0.02 * per_token / 1e6,
        steps=[(f"forward: 24d² + 4nd = {(24 * d * d + 4 * n * d) / 1e6:.4g}",
                f"前向：24d² + 4nd = {(24 * d * d + 4 * n * d) / 1e6:.4g}"),
               (f"backward twice that: times 3 = {per_token / 1e6:.4g}",
                f"反向是它的两倍：乘 3 = {per_token / 1e6:.4g}")],
        proved_by="training_costs_three_forwards_where_p_is_kept",
    )


ZH = {
    "amax": "amax（取最大）",
    "sub": "sub（减）",
    "sum": "sum（求和）",
    "div": "div（除）",
    "blocks": "块数",
    "half": "一半",
    "FLOPs over no mask": "与无掩码时 FLOPs 之比",
    "difference from SDPA": "与 SDPA 之差",
    "operations per score": "每个分数的运算数",
    "softmax over both products": "softmax 与两个矩阵乘之比",
    "tokens in the cache": "cache 中的 token 数",
    "a decode step": "解码一步",
    "FLOPs of a step": "一步的 FLOPs",
    "forward": "前向",
    "forward and backward": "前向加反向",
    "training over forward": "训练与前向之比",
}

if __name__ == "__main__":
    main()
