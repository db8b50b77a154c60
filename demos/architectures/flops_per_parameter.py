r"""Each weight of a matrix costs 2 FLOPs per token forward and 6 in training; attention comes on top.

矩阵的每个权重，前向每 token 花 2 FLOPs，训练花 6；注意力另算。

One multiplication and one addition; N is the weights of all matrices, the output head among them, the
embedding table not: it is looked up. Kaplan et al. 2020. Turn `tables` to "counted": 2N is too much.
把 `tables` 改为 "counted"：嵌入表只查不乘，2N 就多算了。
"""

import torch
from torch import Tensor, nn

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, one_of, show
from studyapp.evidence.tools import flops, named_model


class Decoder(nn.Module):
    """Gated FFN layers between an embedding and a head, the shapes of attention's projections with
    them; scores are left out: they hold no weights."""

    def __init__(self, width: int, layers: int, vocabulary: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)
        self.mixing = nn.ModuleList(nn.Linear(width, width, False) for _ in range(4 * layers))
        self.up = nn.ModuleList(nn.Linear(width, 3 * width, False) for _ in range(2 * layers))
        self.down = nn.ModuleList(nn.Linear(3 * width, width, False) for _ in range(layers))
        self.head = nn.Linear(width, vocabulary, False)

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens (n,) → logits (n, vocabulary)."""
        x = self.table(tokens)                                                      # (n, width)
        for i, down in enumerate(self.down):
            for w in self.mixing[4 * i : 4 * i + 4]:
                x = x + w(x)
            x = x + down(self.up[2 * i](x) * self.up[2 * i + 1](x))                  # (n, width)
        return self.head(x)


def matrices(model: Decoder, tables: str) -> int:
    """N: the weights that are multiplied; with `tables` "counted" those that are looked up, too."""
    held = sum(p.numel() for p in model.parameters())
    return held if tables == "counted" else held - model.table.weight.numel()


RANGES = {
    "tokens": between(1, 64),
    "width": between(8, 128),
    "layers": between(1, 4),
    "vocabulary": between(8, 2000),
    "tables": one_of("left out", "counted"),
    "lengths": each(between(1024, 1_000_000), at_least=2, rising=True),
    "scores": one_of("counted", "left out"),
}
COUNTED = breaks(tables="counted", en="The embedding table is looked up, not multiplied.",
                 zh="嵌入表只是查表，不参与乘法。")


@COUNTED
def claim_forward_flops_are_two_per_weight(
    tokens=16, width=64, layers=2, vocabulary=500, tables="left out"
):
    """Forward, each weight of a matrix costs 2 FLOPs per token: one multiplication, one addition.

    前向时，矩阵的每个权重每 token 花 2 FLOPs：一次乘、一次加。"""
    model = Decoder(width, layers, vocabulary)
    spent = flops(model, torch.randint(vocabulary, (tokens,))) / tokens
    n = matrices(model, tables)
    show(bars(["counted", "2N"], {"FLOPs per token": [spent, 2 * n]}))
    expect("FLOPs per token over N", spent / n, equals=2)


@COUNTED
@breaks(frozen=True, en="With frozen weights only the gradient of the input is left: 4 per weight.",
        zh="权重冻结时只需对输入求梯度：每个权重 4 FLOPs。")
def claim_training_costs_six_per_weight(
    tokens=16, width=64, layers=2, vocabulary=500, tables="left out", frozen=False
):
    """Backward takes two products for each one of forward, so training costs 6 FLOPs per weight and
    token.

    前向的每个矩阵乘，反向对应两个，所以训练时每个权重每 token 花 6 FLOPs。"""
    model, ids = Decoder(width, layers, vocabulary), torch.randint(vocabulary, (tokens,))
    if frozen:
        model.requires_grad_(False)
        model.table.weight.requires_grad_(True)
    both = flops(lambda: model(ids).sum().backward()) / tokens
    n, forward = matrices(model, tables), flops(model, ids) / tokens
    show(bars(["forward", "forward and backward"], {"FLOPs per token": [forward, both]}))
    expect("FLOPs per token over N", both / n, equals=6)


@breaks(scores="left out", en="2N does not know the length at all.", zh="2N 与长度毫无关系。")
def claim_long_contexts_outgrow_2n(lengths=(4096, 32_768, 131_072), scores="counted"):
    """One decoded token of Llama-3-8B costs 15 GFLOP for its weights; at 131,072 cached tokens
    attention adds 69 GFLOP (computed).

    Llama-3-8B 解码一个 token，权重部分 15 GFLOP；cache 有 131,072 个 token 时，注意力另加 69 GFLOP（计算值）。"""
    row = named_model("llama-3-8b")
    q, kv = row["heads"] * row["d_head"], row["kv_heads"] * row["d_head"]
    layer = 2 * row["width"] * (q + kv) + 3 * row["width"] * row["ffn"]["d_ff"]
    n = row["layers"] * layer + row["vocabulary"] * row["width"]
    known = [4 * row["layers"] * q * s * (scores == "counted") / 1e9 for s in (*lengths, 131_072)]
    show(lines("cached tokens", lengths, {"attention": known[:-1], "2N": [2 * n / 1e9] * len(lengths)},
               log="xy", y_label="GFLOP per token"))
    expect("2N in GFLOP", 2 * n / 1e9, equals=15.0, within=0.05)
    expect("attention at 131,072 tokens, in GFLOP", known[-1], equals=68.7, within=0.05)


def drill_weights_and_a_token(rng) -> Drill:
    """Bytes of the weights, or FLOPs of a token."""
    n, forward = rng.choice((7, 13, 70, 175, 540)), rng.random() < 0.5
    if forward:
        en = f"How many GFLOP does a dense {n}B model spend on one token forward, attention's scores left out?"
        zh = f"稠密的 {n}B 模型前向一个 token 需多少 GFLOP（不计注意力分数）？"
    else:
        en = f"How many GB (10^9 bytes) do the weights of a {n}B model take in bf16?"
        zh = f"{n}B 模型的权重在 bf16 下占多少 GB（10^9 字节）？"
    each_weight = ("2 FLOPs per weight and token", "每个权重每 token 2 FLOPs") if forward else (
        "2 bytes per weight", "每个权重 2 字节")
    return Drill(en=en, zh=zh, answer=2 * n, unit="GFLOP" if forward else "GB",
                 steps=[each_weight, (f"2 · {n} = {2 * n}",) * 2],
                 proved_by="forward_flops_are_two_per_weight")


def drill_training_run(rng) -> Drill:
    """6ND, in units that fit on paper."""
    n, tokens = rng.choice((7, 8, 13, 70)), rng.choice((1, 2, 10, 15))
    return Drill(
        en=f"A dense {n}B model is trained on {tokens} trillion tokens. By 6ND, how many 10^21 FLOPs is that?",
        zh=f"用 {tokens} 万亿 token 训练稠密的 {n}B 模型，按 6ND 是多少个 10^21 FLOPs？",
        answer=6 * n * tokens,
        steps=[("10^9 · 10^12 = 10^21",) * 2, (f"6 · {n} · {tokens} = {6 * n * tokens}",) * 2],
        proved_by="training_costs_six_per_weight",
    )


ZH = {
    "counted": "实测",
    "FLOPs per token": "每 token FLOPs",
    "FLOPs per token over N": "每 token FLOPs 与 N 之比",
    "forward": "前向",
    "forward and backward": "前向加反向",
    "cached tokens": "cache 中的 token 数",
    "attention": "注意力",
    "GFLOP per token": "每 token GFLOP",
    "2N in GFLOP": "2N（GFLOP）",
    "attention at 131,072 tokens, in GFLOP": "131,072 个 token 时的注意力（GFLOP）",
}

if __name__ == "__main__":
    main()
