r"""Self-attention is linear in the length up to about two widths, and quadratic beyond: where the FLOPs of a layer go.

自注意力的计算量在长度约两倍宽度以内以线性项为主，超过之后才以平方项为主：一层的 FLOPs 花在哪里。

A FLOP is one multiplication or one addition: a multiply-add counts 2, as in torch.utils.flop_counter, which counts
matrix products only. Tensors live on the "meta" device: shapes without data, so a length of 100 000 costs nothing.
Vaswani et al. 2017, Table 1, gives n²·d for a self-attention layer and leaves the projections out. Turn `width` and
`lengths`; every entry of `block_counts` must divide `n`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from studyapp.evidence import bars, expect, lines, main, show, table

# width, heads, key/value heads, FFN width, matrices in the FFN (3 = gated), context: from the published configurations
MODELS = {"BERT-base": (768, 12, 12, 3072, 2, 512), "Llama 2 7B": (4096, 32, 32, 11008, 3, 4096),
          "Llama 3 8B": (4096, 32, 8, 14336, 3, 8192), "Llama 3.1 405B": (16384, 128, 8, 53248, 3, 131072)}


class Layer(nn.Module):
    """The matrices of one Transformer layer on the meta device, each step apart; batch 1, no biases."""

    def __init__(self, width: int, heads: int, kv_heads: int = 0, ffn: int = 0, ffn_matrices: int = 2) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.d = heads, kv_heads or heads, width // heads
        ffn, made = ffn or 4 * width, {"bias": False, "device": "meta"}
        self.q, self.o = nn.Linear(width, width, **made), nn.Linear(width, width, **made)
        self.k, self.v = (nn.Linear(width, self.kv_heads * self.d, **made) for _ in "kv")
        self.up = nn.ModuleList(nn.Linear(width, ffn, **made) for _ in range(ffn_matrices - 1))
        self.down = nn.Linear(ffn, width, **made)

    def split(self, x: Tensor, heads: int) -> Tensor:
        return x.unflatten(-1, (heads, self.d)).transpose(0, 1)  # (n, h·d) to (h, n, d)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = self.split(self.q(x), self.heads), self.split(self.k(x), self.kv_heads), self.split(self.v(x), self.kv_heads)
        return q, *(t.repeat_interleave(self.heads // self.kv_heads, 0) for t in (k, v))

    def scores(self, q: Tensor, k: Tensor) -> Tensor:
        return q @ k.transpose(1, 2)  # (h, n, n)

    def mix(self, p: Tensor, v: Tensor) -> Tensor:
        return (p @ v).transpose(0, 1).flatten(1)  # (n, width)

    def feed_forward(self, x: Tensor) -> Tensor:
        hidden = [up(x) for up in self.up]
        return self.down(F.silu(hidden[0]) * hidden[1] if len(hidden) == 2 else F.gelu(hidden[0]))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.project(x)
        x = x + self.o(self.mix((self.scores(q, k) * self.d**-0.5).softmax(-1), v))
        return x + self.feed_forward(x)


def flops(work) -> int:
    """What torch's own counter finds."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def parts(layer: Layer, tokens: int) -> dict[str, int]:
    """The FLOPs of each step of a layer over `tokens` tokens."""
    x = torch.empty(tokens, layer.q.in_features, device="meta")
    q, k, v = layer.project(x)
    p = layer.scores(q, k)
    return {"Q, K, V": flops(lambda: layer.project(x)), "QKᵀ": flops(lambda: layer.scores(q, k)),
            "P·V": flops(lambda: layer.mix(p, v)), "W_O": flops(lambda: layer.o(x)),
            "FFN": flops(lambda: layer.feed_forward(x))}


def crossover(layer: Layer, ffn: bool) -> int:
    """The least length at which QKᵀ and P·V cost as much as the projections (and the FFN), by bisection on counts."""
    low, high = 1, 16 * layer.q.in_features
    while low < high:
        n = (low + high) // 2
        x = torch.empty(n, layer.q.in_features, device="meta")
        q, k, v = layer.project(x)
        pairs = flops(lambda: layer.mix(layer.scores(q, k), v))  # noqa: B023
        rest = flops(lambda: (layer.project(x), layer.o(x), layer.feed_forward(x) if ffn else None))  # noqa: B023
        low, high = (low, n) if pairs >= rest else (n + 1, high)
    return low


class Elementwise(TorchDispatchMode):
    """Counts one operation for each element that arithmetic returns, or that a reduction takes in."""

    arithmetic = ("mul", "sub", "exp", "div", "amax", "sum")

    def __init__(self) -> None:
        super().__init__()
        self.count: dict[str, int] = {}

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        out = op(*args, **(kwargs or {}))
        name = op.overloadpacket.__name__
        if name in self.arithmetic:
            self.count[name] = self.count.get(name, 0) + max(args[0].numel(), out.numel())
        return out


def claim_counted_flops_equal_the_formula(width=768, heads=12, lengths=(128, 512, 2048, 8192)):
    """A layer costs 6nd² for Q, K, V, 2n²d each for QKᵀ and P·V, 2nd² for W_O and 16nd² for a 4d-wide FFN: 24nd² + 4n²d
    in all, of which 24nd² is 2 FLOPs a weight a token.

    一层的开销：Q、K、V 为 6nd²，QKᵀ 与 P·V 各 2n²d，W_O 为 2nd²，4d 宽的 FFN 为 16nd²，合计 24nd² + 4n²d；其中 24nd² 就是
    每个 token 每个权重 2 FLOPs。"""
    layer = Layer(width, heads)
    counted = [parts(layer, n) for n in lengths]
    formula = {"Q, K, V": lambda n: 6 * n * width**2, "QKᵀ": lambda n: 2 * n**2 * width, "P·V": lambda n: 2 * n**2 * width,
               "W_O": lambda n: 2 * n * width**2, "FFN": lambda n: 16 * n * width**2}
    rows = [(name, text, *(c[name] for c in counted)) for (name, _), text in zip(
        formula.items(), ("6nd²", "2n²d", "2n²d", "2nd²", "16nd²"), strict=True)]
    show(table(("step", "formula", *(f"counted, n = {n}" for n in lengths)), rows, title=f"d = {width}"))
    for name, f in formula.items():
        expect(name, [c[name] for c in counted], equals=[f(n) for n in lengths], at=("n", lengths))
    whole = nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, batch_first=True, bias=False, device="meta").train()
    theirs = [flops(lambda n=n: whole(torch.empty(1, n, width, device="meta"))) for n in lengths]
    expect("nn.TransformerEncoderLayer", theirs, equals=[sum(c.values()) for c in counted], at=("n", lengths))
    weights = sum(p.numel() for p in layer.parameters())
    linear = [sum(c[name] for name in ("Q, K, V", "W_O", "FFN")) for c in counted]
    expect("FLOPs of the linear maps a token a weight", [f / n / weights for f, n in zip(linear, lengths, strict=True)],
           equals=2, at=("n", lengths))


def claim_quadratic_part_has_slope_two(width=768, heads=12, lengths=(128, 512, 2048, 8192)):
    """Four times the length: sixteen times the FLOPs of QKᵀ and P·V, but only four times those of projections and FFN.

    长度变为 4 倍：QKᵀ 与 P·V 的 FLOPs 变为 16 倍，投影与 FFN 只变为 4 倍。"""
    counted = [parts(Layer(width, heads), n) for n in lengths]
    curves = {"QKᵀ and P·V": torch.tensor([c["QKᵀ"] + c["P·V"] for c in counted]).double(),
              "projections": torch.tensor([c["Q, K, V"] + c["W_O"] for c in counted]).double(),
              "FFN": torch.tensor([c["FFN"] for c in counted]).double()}
    show(lines("n", lengths, curves, log="xy", y_label="FLOPs", title=f"d = {width}"))
    steps = torch.tensor(lengths).double().log().diff()
    for name, want in (("QKᵀ and P·V", 2), ("projections", 1), ("FFN", 1)):
        expect(f"slope of {name}", curves[name].log().diff() / steps, equals=want, within=1e-9, at=("n", lengths[1:]))


def claim_quadratic_exceeds_projections_beyond_2d(widths=(64, 768)):
    """QKᵀ and P·V overtake the four projections at n = 2d and the whole rest of the layer at n = 6d: at 1536 and 4608
    tokens for BERT-base. GQA and a gated FFN move the second to 6.5d = 26 624 in Llama 3 8B.

    QKᵀ 与 P·V 在 n = 2d 处追平四个投影，在 n = 6d 处追平该层其余全部：对 BERT-base 是 1536 与 4608 个 token。GQA 和门控 FFN
    使 Llama 3 8B 的第二个点移到 6.5d = 26 624。"""
    first, second = ([crossover(Layer(d, 4), ffn) for d in widths] for ffn in (False, True))
    show(table({"d": widths, "overtakes projections at n": first, "overtakes all the rest at n": second}))
    named = {name: Layer(*shape[:5]) for name, shape in MODELS.items()}
    share = {}
    for name, layer in named.items():
        found = parts(layer, MODELS[name][5])
        share[name] = (found["QKᵀ"] + found["P·V"]) / sum(found.values())
    crossings = {name: crossover(layer, True) for name, layer in named.items()}
    show(table(("model", "d", "overtakes the rest at n", "over d", "context", "quadratic share there"),
               [(name, m[0], crossings[name], crossings[name] / m[0], m[5], share[name]) for name, m in MODELS.items()],
               title="counted from configurations, every pair computed"))
    expect("overtakes the projections", first, equals=[2 * d for d in widths], at=("d", widths))
    expect("overtakes all the rest", second, equals=[6 * d for d in widths], at=("d", widths))
    linear = [4 * d**2 * (1 + kv / h) + 2 * m * d * f for d, h, kv, f, m, _ in MODELS.values()]  # FLOPs a token
    expect("overtakes all the rest", list(crossings.values()), at=("model", list(MODELS)),
           equals=[f / (4 * m[0]) for f, m in zip(linear, MODELS.values(), strict=True)])


def claim_quadratic_share_is_n_over_n_plus_6d(width=768, heads=12, lengths=(128, 512, 2048, 8192)):
    """The quadratic share of a layer's FLOPs is n/(n + 6d): a tenth in BERT-base at its full 512 tokens.

    一层 FLOPs 中平方项占 n/(n + 6d)：BERT-base 用满 512 个 token 时也只占十分之一。"""
    shares = []
    for n in lengths:
        found = parts(Layer(width, heads), n)
        shares.append((found["QKᵀ"] + found["P·V"]) / sum(found.values()))
    show(lines("n", lengths, {"share of QKᵀ and P·V": shares, "projections and FFN": [1 - s for s in shares]}, log="x"))
    show(table({"n": lengths, "share of QKᵀ and P·V": shares}, title=f"d = {width}"))
    expect("quadratic share", shares, equals=[n / (n + 6 * width) for n in lengths], within=1e-12, at=("n", lengths))


def claim_heads_do_not_change_matmul_flops(width=768, head_counts=(1, 4, 12, 48), tokens=512):
    """The number of heads changes no matmul FLOPs; it multiplies the scores, of which there are h·n².

    头数不改变任何矩阵乘的 FLOPs，却成倍增加分数的个数：共 h·n² 个。"""
    totals, scores = [], []
    for h in head_counts:
        layer = Layer(width, h)
        totals.append(sum(parts(layer, tokens).values()))
        q, k, _ = layer.project(torch.empty(tokens, width, device="meta"))
        scores.append(layer.scores(q, k).numel())
    show(table({"heads": head_counts, "matmul FLOPs": totals, "scores": scores,
                "scores in bf16, MiB": [2 * s / 2**20 for s in scores]}, title=f"d = {width}, n = {tokens}"))
    expect("matmul FLOPs", totals, equals=totals[0], at=("heads", head_counts))
    expect("scores", scores, equals=[h * tokens**2 for h in head_counts], at=("heads", head_counts))


def claim_softmax_flops_are_small(model_width=4096, model_heads=32, tokens=512):
    """Scaling takes h·n² operations and a safe softmax 5h·n²: maximum, subtraction, exp, sum, division. Beside the 4n²d of
    the two products that is 5/(4·d_head), 1% at d_head = 128; torch's counter leaves it out.

    缩放需 h·n² 次运算，安全的 softmax 需 5h·n² 次：取最大值、减、exp、求和、除。与两个矩阵乘的 4n²d 相比是 5/(4·d_head)，
    d_head = 128 时为 1%；torch 的计数器不计这一部分。"""
    layer = Layer(model_width, model_heads)
    q, k, v = layer.project(torch.empty(tokens, model_width, device="meta"))
    s = layer.scores(q, k)
    products = flops(lambda: layer.mix(layer.scores(q, k), v))
    with Elementwise() as work:
        scaled = s * layer.d**-0.5
        e = torch.exp(scaled - scaled.amax(-1, keepdim=True))
        e / e.sum(-1, keepdim=True)
    show(bars([*work.count, "QKᵀ and P·V"], [*work.count.values(), products], log="y", y_label="operations"))
    softmax = sum(work.count.values()) - work.count["mul"]
    show(table(("quantity", "value"), [("scaling", work.count["mul"]), ("softmax", softmax), ("QKᵀ and P·V", products),
                                       ("softmax over both products", softmax / products)]))
    expect("scaling", work.count["mul"], equals=model_heads * tokens**2)
    expect("softmax", softmax, equals=5 * model_heads * tokens**2)
    expect("softmax over both products", softmax / products, equals=5 / (4 * model_width / model_heads), within=1e-12)
    expect("what torch's counter finds in softmax", flops(lambda: s.softmax(-1)), equals=0)


def claim_causal_mask_saves_only_what_is_skipped(n=256, d=32, block_counts=(1, 2, 4, 8, 16)):
    """A causal mask on the full product saves nothing; b blocks of rows that skip the keys after them need (b + 1)/2b of
    the FLOPs, towards a half, for the same output.

    在完整乘积上加因果掩码不省任何计算；把行分成 b 块、每块跳过其后的 key，所需 FLOPs 为 (b + 1)/2b，趋于一半，输出不变。"""
    q, k, v = torch.randn(3, n, d, dtype=torch.float64)
    allowed = torch.ones(n, n, dtype=torch.bool).tril()

    def masked(rows: range) -> Tensor:
        s = q[rows] @ k[: rows.stop].T / d**0.5
        return s.masked_fill(~allowed[rows, : rows.stop], -torch.inf).softmax(-1) @ v[: rows.stop]

    def in_blocks(count: int) -> Tensor:
        size = n // count
        return torch.cat([masked(range(i * size, (i + 1) * size)) for i in range(count)])

    plain = flops(lambda: (q @ k.T).softmax(-1) @ v)
    used = [flops(lambda b=b: in_blocks(b)) / plain for b in block_counts]
    gaps = [(in_blocks(b) - F.scaled_dot_product_attention(q, k, v, is_causal=True)).abs().max() for b in block_counts]
    show(table({"blocks of rows": block_counts, "FLOPs over no mask": used, "error": gaps}))
    expect("FLOPs over no mask", used, equals=[(b + 1) / (2 * b) for b in block_counts], within=1e-12,
           at=("blocks", block_counts))
    expect("difference from PyTorch's causal attention", gaps, at_most=1e-12, at=("blocks", block_counts))


def claim_backward_costs_twice_the_forward(width=768, heads=12, lengths=(128, 512, 2048, 8192)):
    """Backward takes two products for each one of forward, so a training step costs 3 times the forward: 72nd² + 12n²d.

    反向时每个矩阵乘对应两个，所以一步训练的开销是前向的 3 倍：72nd² + 12n²d。"""
    layer = Layer(width, heads)
    forward, training = [], []
    for n in lengths:
        x = torch.empty(n, width, device="meta", requires_grad=True)
        forward.append(flops(lambda x=x: layer(x)))
        training.append(flops(lambda x=x: layer(x).sum().backward()))
    show(table({"n": lengths, "forward": forward, "forward and backward": training,
                "ratio": [t / f for t, f in zip(training, forward, strict=True)]}, title=f"d = {width}"))
    expect("training step", training, equals=[72 * n * width**2 + 12 * n**2 * width for n in lengths], at=("n", lengths))
    expect("training step over forward", [t / f for t, f in zip(training, forward, strict=True)], equals=3,
           at=("n", lengths))


def claim_decode_step_is_linear_in_the_context(width=768, heads=12, lengths=(128, 512, 2048, 8192)):
    """One new token over n cached ones costs 24d² + 4nd: linear in n, where the whole sequence at once costs 24nd² + 4n²d.

    在 n 个已缓存 token 上解码一个新 token 需 24d² + 4nd，对 n 是线性的；一次处理整个序列则是 24nd² + 4n²d。"""
    layer = Layer(width, heads)

    def step(n: int) -> Tensor:
        x = torch.empty(1, width, device="meta")
        q, _, _ = layer.project(x)
        k = v = torch.empty(heads, n, layer.d, device="meta")  # the cache, the new token's own entry included
        return layer.feed_forward(layer.o(layer.mix(layer.scores(q, k).softmax(-1), v)))

    steps = [flops(lambda n=n: step(n)) for n in lengths]
    attention = [s - 24 * width**2 for s in steps]
    show(table({"n cached": lengths, "FLOPs of a step": steps, "of which QKᵀ and P·V": attention}, title=f"d = {width}"))
    expect("FLOPs of a step", steps, equals=[24 * width**2 + 4 * n * width for n in lengths], at=("n", lengths))


if __name__ == "__main__":
    main()
