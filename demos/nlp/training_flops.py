r"""A training run takes 6 FLOPs per weight and token, and attention on top; divide by what a GPU sustains.

训练每个权重、每个 token 花 6 FLOPs，注意力另加；再除以 GPU 的持续速度就是时间。

Kaplan et al. 2020, §2.1, for the 6. Turn `count` to "no attention": at long sequences the counter disagrees.
把 `count` 改为 "no attention"：序列一长，与计数器就对不上。
"""

import torch
from torch import Tensor, nn

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show, table
from studyapp.evidence.tools import flops, named_model


@exercise(claims=("the_counter_agrees_with_the_formula", "published_budgets_are_6nd"),
          wrong=("forward_only", "forgets_the_layers", "attention_once_per_sequence"))
def training_flops(weights: float, layers: int, width: int, length: int, tokens: float, pairs: float = 1.0) -> float:
    """FLOPs of training on `tokens` tokens in sequences of `length`: `weights` are those of all matrices (the head, not the
    embedding table; active experts only), `width` is that of all query heads, and `pairs` the share of the
    length² query-key pairs that is computed (1, or ½ under a causal mask).

    在长为 `length` 的序列上训练 `tokens` 个 token 的 FLOPs：`weights` 是所有矩阵的权重（含输出头，不含嵌入表；MoE 只计激活的专家），
    `width` 是所有 query 头的总宽，`pairs` 是 length² 个 query-key 对中实际计算的比例（全部为 1，因果掩码为 ½）。"""
    attention = 12 * layers * length * width * pairs    # QKᵀ and PV: 2 · 2 forward, twice that backward
    return tokens * (6 * weights + attention)           # 2 forward, 4 backward: gradients of input and weight


class Decoder(nn.Module):
    """Attention in one head and an FFN of 4 widths per layer, between a table and a head; nothing is skipped under the mask."""

    def __init__(self, width: int, layers: int, vocabulary: int) -> None:
        super().__init__()
        self.table = nn.Embedding(vocabulary, width)
        self.qkvo = nn.ModuleList(nn.Linear(width, width, False) for _ in range(4 * layers))
        self.ffn = nn.ModuleList(nn.Sequential(nn.Linear(width, 4 * width, False), nn.ReLU(), nn.Linear(4 * width, width, False))
                                 for _ in range(layers))
        self.head = nn.Linear(width, vocabulary, False)

    def forward(self, ids: Tensor) -> Tensor:
        """ids (batch, length) → logits (batch, length, vocabulary)."""
        x = self.table(ids)
        for i, ffn in enumerate(self.ffn):
            q, k, v = (w(x) for w in self.qkvo[4 * i : 4 * i + 3])
            x = x + self.qkvo[4 * i + 3]((q @ k.mT).softmax(-1) @ v)
            x = x + ffn(x)
        return self.head(x)


RANGES = {
    "length": between(2, 128), "width": between(4, 32), "layers": between(1, 3),
    "count": one_of("all", "no attention", "with the table"), "rule": one_of(6, 2), "weights": one_of("active", "all"),
}  # fmt: skip


@breaks(count="no attention", en="6N knows no pairs of tokens.", zh="6N 不含 token 两两之间的计算。")
@breaks(count="with the table", en="The embedding table is looked up, not multiplied.", zh="嵌入表只查不乘。")
def claim_the_counter_agrees_with_the_formula(length=64, width=16, layers=2, count="all"):
    """Counted in forward and backward of a small decoder, FLOPs per token are exactly 6 per matrix weight and 12 per layer,
    position and width for attention.

    对一个小 decoder 的前向与反向计数：每 token 的 FLOPs 恰好是每个矩阵权重 6，加上每层、每个位置、每个宽度 12 的注意力。"""
    batch, vocabulary = 2, 50
    model = Decoder(width, layers, vocabulary)
    ids = torch.randint(vocabulary, (batch, length))
    spent = flops(lambda: model(ids).sum().backward())
    held = sum(p.numel() for p in model.parameters())
    n = held if count == "with the table" else held - model.table.weight.numel()
    ours = training_flops(n, layers, width, length, batch * length, 0.0 if count == "no attention" else 1.0)
    show(bars(["counted", "formula"], {"FLOPs per token": [spent / batch / length, ours / batch / length]}))
    expect("counted FLOPs over the formula's", spent / ours, equals=1, within=1e-12)


# (active parameters, tokens, FLOPs printed): Brown et al. 2020, Table D.1; Hoffmann et al. 2022, §3; Grattafiori et al. 2024, §1
BUDGETS = {"GPT-3": (174.6e9, 300e9, 3.14e23), "Chinchilla": (70e9, 1.4e12, 5.76e23), "Llama 3.1 405B": (405e9, 15.6e12, 3.8e25)}


@breaks(rule=2, en="2 FLOPs per weight and token are the forward pass alone.", zh="每个权重每 token 2 FLOPs 只是前向。")
def claim_published_budgets_are_6nd(rule=6):
    """6 · parameters · tokens gives the training FLOPs that GPT-3, Chinchilla and Llama 3.1 405B print, within 3 %.

    6 · 参数量 · token 数，与 GPT-3、Chinchilla、Llama 3.1 405B 论文所给的训练 FLOPs 相差不到 3%。"""
    ours = {name: training_flops(n, 0, 0, 0, d) * rule / 6 for name, (n, d, _) in BUDGETS.items()}
    show(table({"run": list(BUDGETS), "6ND": [f"{x:.3g}" for x in ours.values()],
                "printed": [f"{row[2]:.3g}" for row in BUDGETS.values()]}))
    expect("6ND over the printed FLOPs", [ours[name] / row[2] for name, row in BUDGETS.items()], equals=1, within=0.03)


# (active, tokens, GPU hours printed): DeepSeek-AI 2024, §1 (H800, pre-training); Llama 3.1 model card (H100)
HOURS = {"DeepSeek-V3": (37e9, 14.8e12, 2.664e6), "Llama 3.1 405B": (405e9, 15.6e12, 30.84e6)}


@breaks(weights="all", en="With all 671B each H800 would have run at six times its peak.",
        zh="若按全部 671B 计，每张 H800 的速度就是峰值的六倍。")
def claim_gpu_hours_give_the_speed_of_a_gpu(weights="active"):
    """DeepSeek-V3 and Llama 3.1 405B ran at 343 and 341 TFLOP/s per GPU by printed hours, a third of the bf16 peak of 989; by
    all 671B V3 would exceed it sixfold.

    按公布的 GPU 小时，DeepSeek-V3 与 Llama 3.1 405B 每卡为 343 与 341 TFLOP/s，是 bf16 峰值 989 的三分之一；
    若按全部 671B 计，V3 会是峰值的六倍。"""
    total = named_model("deepseek-v3")["total"]
    speed = {name: training_flops(total if weights == "all" and name == "DeepSeek-V3" else n, 0, 0, 0, d) / hours / 3600 / 1e12
             for name, (n, d, hours) in HOURS.items()}
    show(bars(list(speed), {"TFLOP/s per GPU": list(speed.values()), "dense peak": [989] * 2}))
    expect("TFLOP/s per GPU", list(speed.values()), equals=[343, 341], within=0.5)
    by_all = training_flops(total, 0, 0, 0, HOURS["DeepSeek-V3"][1]) / HOURS["DeepSeek-V3"][2] / 3600 / 1e12
    expect("DeepSeek-V3's speed by all weights over the peak", by_all / 989, equals=6.3, within=0.05)


@breaks(count="no attention", en="Without the pairs the length plays no part.", zh="不计两两之间的计算，长度就没有影响。")
def claim_attention_outgrows_6n_at_long_sequences(count="all"):
    """For Llama-3-8B with a causal mask, attention adds 14 % to 6N at 8,192 tokens and 2.3 times 6N at 131,072 (computed).

    Llama-3-8B 在因果掩码下，注意力在长 8,192 时为 6N 加 14%，在 131,072 时加到 6N 的 2.3 倍（计算值）。"""
    row = named_model("llama-3-8b")
    q, kv, width = row["heads"] * row["d_head"], row["kv_heads"] * row["d_head"], row["width"]
    layer = width * (2 * q + 2 * kv) + 3 * width * row["ffn"]["d_ff"]
    n = row["layers"] * layer + row["vocabulary"] * width
    half, lengths = 0.0 if count == "no attention" else 0.5, [2048, 8192, 32_768, 131_072]
    added = [training_flops(n, row["layers"], q, s, 1, half) / (6 * n) - 1 for s in lengths]
    show(lines("sequence length", lengths, {"attention over 6N": added, "6N": [1] * 4}, log="xy"))
    expect("attention over 6N at 8,192", added[1], equals=0.143, within=0.003)
    expect("attention over 6N at 131,072", added[3], equals=2.29, within=0.03)


def drill_gpu_hours(rng) -> Drill:
    """GPU hours from 6ND."""
    billions, trillions, sustained = rng.choice([(7, 2, 400), (8, 15, 400), (70, 2, 400), (32, 6, 450), (3, 8, 400)])
    hours = training_flops(billions * 1e9, 0, 0, 0, trillions * 1e12) / (sustained * 1e12) / 3600 / 1e3
    return Drill(
        en=f"{billions}B active parameters, {trillions}T tokens, {sustained} TFLOP/s sustained per GPU: how many thousand GPU hours "
           f"(6 per weight and token, attention left out)?",
        zh=f"激活参数 {billions}B，{trillions} 万亿 token，每张 GPU 持续 {sustained} TFLOP/s："
           f"要多少千 GPU 小时（每权重每 token 6 FLOPs，不计注意力）？",
        answer=hours, within=0.03 * hours,
        steps=[(f"6 · {billions}e9 · {trillions}e12 = {6 * billions * trillions * 1e21:.3g} FLOPs",
                f"6 · {billions}e9 · {trillions}e12 = {6 * billions * trillions * 1e21:.3g} FLOPs"),
               (f"over {sustained}e12 · 3,600 = {sustained * 3.6e15:.3g} per hour: {hours:.3g} thousand hours",
                f"除以每小时 {sustained}e12 · 3,600 = {sustained * 3.6e15:.3g}：{hours:.3g} 千小时")],
        proved_by="gpu_hours_give_the_speed_of_a_gpu",
    )


ZH = {
    "counted": "计数", "formula": "公式", "FLOPs per token": "每 token 的 FLOPs", "counted FLOPs over the formula's": "计数与公式之比",
    "run": "训练", "6ND": "6ND", "printed": "论文值", "6ND over the printed FLOPs": "6ND 与论文值之比",
    "TFLOP/s per GPU": "每张 GPU 的 TFLOP/s",
    "DeepSeek-V3's speed by all weights over the peak": "DeepSeek-V3 按全部参数的速度与峰值之比",
    "dense peak": "稠密峰值", "sequence length": "序列长度",
    "attention over 6N": "注意力与 6N 之比",
    "6N": "6N", "attention over 6N at 8,192": "8,192 时注意力与 6N 之比", "attention over 6N at 131,072": "131,072 时注意力与 6N 之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
