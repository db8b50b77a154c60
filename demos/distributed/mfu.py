r"""MFU is the model's own FLOPs over the peak; what is recomputed, padded or not routed to does not count.

MFU 是模型自身所需的 FLOPs 与峰值之比；重计算、padding、没路由到的专家都不算。

Chowdhery et al. 2022 (definition); Jiang et al. 2024 (MegaScale), Table 2 (numbers). Turn `attention` to
"left out": the published MFU is missed. 把 `attention` 改为 "left out"：就对不上已发表的 MFU。
"""

import torch
from torch import Tensor, nn

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, main, one_of, show, table
from studyapp.evidence.tools import flops, named_model


@exercise(claims=("published_throughput_gives_the_published_mfu",),
          wrong=("leaves_attention_out", "counts_forward_only", "forgets_the_gpus"))
def mfu(tokens_per_second: float, weights: float, attention: float, gpus: int, peak: float) -> float:
    """The share of all GPUs' dense peak (FLOP/s each) that goes into the model: training takes 6 FLOPs per weight and
    token (active weights of an MoE), and `attention` FLOPs per token for scores, forward and backward.

    所有 GPU 的稠密峰值（每张 FLOP/s）中用于模型本身的比例：训练时每个权重、每个 token 6 FLOPs（MoE 只计激活的权重），
    另加注意力分数每 token 的 `attention` FLOPs（含前向与反向）。"""
    per_token = 6 * weights + attention                 # 2 forward and 4 backward; a recomputation adds nothing
    return tokens_per_second * per_token / (gpus * peak)


# Jiang et al. 2024, Table 2: a 175B GPT (96 layers, width 12,288, 2,048 tokens) on A100s with 312 TFLOP/s in bf16.
MEGASCALE = {                                           # system: {GPUs: (tokens per second, MFU printed)}
    "Megatron-LM": {256: (39.3e3, 0.530), 512: (74.1e3, 0.499), 768: (103.8e3, 0.467), 1024: (132.7e3, 0.447),
                    3072: (433.6e3, 0.487), 6144: (851.6e3, 0.478), 8192: (1027.9e3, 0.433), 12288: (1466.8e3, 0.412)},
    "MegaScale": {256: (49.0e3, 0.653), 512: (95.1e3, 0.635), 768: (136.7e3, 0.613), 1024: (176.9e3, 0.590),
                  3072: (531.9e3, 0.591), 6144: (1030.9e3, 0.573), 8192: (1315.6e3, 0.549), 12288: (1984.0e3, 0.552)},
}
CAUSAL = 6 * 96 * 2048 * 12_288                         # layers · tokens · width: half of the full 12


class Experts(nn.Module):
    """A layer of FFN experts of which each token takes the first `top` (routing left out), or a dense one."""

    def __init__(self, experts: int, top: int, width: int) -> None:
        super().__init__()
        self.up = nn.Parameter(torch.randn(experts, width, 4 * width))
        self.down = nn.Parameter(torch.randn(experts, 4 * width, width))
        self.top = top

    def forward(self, x: Tensor) -> Tensor:
        """x (tokens, width) → the sum of its experts' outputs."""
        return sum((x @ self.up[e]).relu() @ self.down[e] for e in range(self.top))


def recomputed(block: nn.Module, x: Tensor) -> Tensor:
    """The block, its inner tensors made again in backward."""
    from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

    with set_checkpoint_early_stop(False):              # the whole block, its last product too
        return checkpoint(block, x, use_reentrant=False)


def training_flops(block: nn.Module, tokens: int, width: int, recompute: str) -> int:
    """Counted FLOPs of forward and backward, the gradient of the input included."""
    x = torch.randn(tokens, width, requires_grad=True)
    return flops(lambda: (recomputed(block, x) if recompute == "all" else block(x)).sum().backward())


RANGES = {
    "tokens": between(1, 64),
    "width": between(1, 32),
    "experts": between(2, 8),
    "top": between(1, "experts"),
    "attention": one_of("causal", "left out"),
    "counted": one_of("model", "executed"),
    "weights": one_of("active", "all"),
}


@breaks(attention="left out", en="6 FLOPs per weight leave out the scores: 1.4 % here, more at longer contexts.",
        zh="每权重 6 FLOPs 没算注意力分数：这里是 1.4%，上下文更长时更多。")
def claim_published_throughput_gives_the_published_mfu(attention="causal"):
    """Tokens per second, 6 FLOPs per weight, causal attention and 312 TFLOP/s give MegaScale's sixteen printed MFUs within
    0.7 points: 55 % on 12,288 A100s.

    由每秒 token 数、每权重 6 FLOPs、因果注意力和 312 TFLOP/s，能算出 MegaScale 表中 16 个 MFU，误差不到 0.7 个百分点：12,288 张 A100
    上为 55%。"""
    extra = CAUSAL if attention == "causal" else 0
    rows = [(system, gpus, printed, mfu(rate, 175e9, extra, gpus, 312e12))
            for system, runs in MEGASCALE.items() for gpus, (rate, printed) in runs.items()]
    show(bars([f"{gpus:,}" for system, gpus, *_ in rows if system == "MegaScale"],
              {"printed": [r[2] for r in rows if r[0] == "MegaScale"],
               "from tokens per second": [r[3] for r in rows if r[0] == "MegaScale"]}, y_label="MFU"))
    expect("MFU less the printed one", [r[3] - r[2] for r in rows], equals=0, within=0.007)


@breaks(counted="model", en="The model's FLOPs are the same with and without recomputation.",
        zh="有没有重计算，模型自身的 FLOPs 都一样。")
def claim_recomputation_raises_hfu_and_not_mfu(tokens=8, width=4, counted="executed"):
    """With every block recomputed in full, the GPU executes 8 FLOPs per weight and token where the model needs 6: HFU is 4/3
    of MFU.

    若每个 block 都完整重计算，GPU 对每个权重、每个 token 实际执行 8 FLOPs，而模型只需 6：HFU 是 MFU 的 4/3。"""
    block = Experts(1, 1, width)
    needed, executed = (training_flops(block, tokens, width, how) for how in ("none", "all"))
    weights = sum(p.numel() for p in block.parameters())
    show(bars(["model", "executed"], {"FLOPs per weight and token": [n / weights / tokens for n in (needed, executed)]}))
    expect("model FLOPs per weight and token", needed / weights / tokens, equals=6)
    used = executed if counted == "executed" else needed
    expect("HFU over MFU", used / needed, equals=4 / 3, within=1e-12)


@breaks(weights="all", en="Experts that no token visits do no work.", zh="没有 token 经过的专家不做任何计算。")
def claim_an_moe_counts_its_active_weights(tokens=8, width=4, experts=8, top=2, weights="active"):
    """In an MoE a token costs 6 FLOPs per weight of the experts that it visits; with all weights in the numerator its MFU
    would be total over active times too large.

    MoE 里每个 token 的开销是所经过专家的每个权重 6 FLOPs；若分子用全部权重，MFU 会虚高到「总量 ÷ 激活量」倍。"""
    layer = Experts(experts, top, width)
    per_expert = 2 * 4 * width * width
    counted = top * per_expert if weights == "active" else experts * per_expert
    done = training_flops(layer, tokens, width, "none")
    row = named_model("deepseek-v3")
    show(table({"weights counted": ["active", "all"], "FLOPs by 6 per weight": [6 * n * per_expert * tokens for n in (top, experts)],
                "FLOPs executed": [done, done]}),
         table({"DeepSeek-V3": ["total", "active", "total over active"],
                "parameters (B)": [row["total"] / 1e9, row["active"] / 1e9, round(row["total"] / row["active"], 1)]}))
    expect("executed FLOPs over 6 per weight and token", done / (6 * counted * tokens), equals=1, within=1e-12)


def drill_mfu(rng) -> Drill:
    """MFU from tokens per second."""
    billions, gpus, per_gpu = rng.choice([(70, 512, 900), (32, 256, 2000), (8, 64, 8000), (13, 128, 5000), (37, 2048, 1500)])
    share = mfu(per_gpu * gpus, billions * 1e9, 0, gpus, 989e12)
    return Drill(
        en=f"{gpus:,} H100s (989 TFLOP/s dense in bf16) train a model with {billions}B active parameters at "
           f"{per_gpu * gpus / 1e6:.3g} million tokens per second. MFU by 6P, attention left out?",
        zh=f"{gpus:,} 张 H100（bf16 稠密 989 TFLOP/s）训练激活参数 {billions}B 的模型，每秒 {per_gpu * gpus / 1e6:.3g} 百万 token。"
           f"按 6P、不计注意力，MFU 是多少？",
        answer=100 * share, unit="%", within=0.6,
        steps=[(f"per GPU: {per_gpu:,} tokens/s · 6 · {billions}e9 = {per_gpu * 6 * billions / 1000:.0f} TFLOP/s",
                f"每张 GPU：{per_gpu:,} token/s · 6 · {billions}e9 = {per_gpu * 6 * billions / 1000:.0f} TFLOP/s"),
               (f"{per_gpu * 6 * billions / 1000:.0f} / 989 = {share:.0%}", f"{per_gpu * 6 * billions / 1000:.0f} / 989 = {share:.0%}")],
        proved_by="published_throughput_gives_the_published_mfu",
    )


def drill_training_days(rng) -> Drill:
    """Days of a run from MFU."""
    billions, trillions, gpus = rng.choice([(8, 15, 1024), (70, 15, 8192), (32, 6, 1024), (37, 15, 2048)])
    rate = rng.choice([40, 45, 50])
    days = 6 * billions * 1e9 * trillions * 1e12 / (gpus * 989e12 * rate / 100) / 86_400
    return Drill(
        en=f"A model with {billions}B active parameters, {trillions} trillion tokens, {gpus:,} H100s at 989 TFLOP/s, MFU {rate} %: "
           f"how many days (6P per token, no interruptions)?",
        zh=f"激活参数 {billions}B 的模型，{trillions} 万亿 token，{gpus:,} 张 H100（989 TFLOP/s），MFU {rate}%："
           f"要多少天（每 token 6P，不计中断）？",
        answer=days, unit="d", within=0.03 * days,
        steps=[(f"6 · {billions}e9 · {trillions}e12 = {6 * billions * trillions * 1e21:.3g} FLOPs",
                f"6 · {billions}e9 · {trillions}e12 = {6 * billions * trillions * 1e21:.3g} FLOPs"),
               (f"{gpus:,} · 989e12 · {rate / 100:g} · 86,400 s = {gpus * 989e12 * rate / 100 * 86_400:.3g} FLOPs a day: {days:.3g} days",
                f"{gpus:,} · 989e12 · {rate / 100:g} · 86,400 秒 = 每天 {gpus * 989e12 * rate / 100 * 86_400:.3g} FLOPs：{days:.3g} 天")],
        proved_by="published_throughput_gives_the_published_mfu",
    )


ZH = {
    "printed": "论文值",
    "from tokens per second": "由每秒 token 数算出",
    "MFU less the printed one": "MFU 与论文值之差",
    "model": "模型",
    "executed": "实际执行",
    "FLOPs per weight and token": "每权重、每 token 的 FLOPs",
    "model FLOPs per weight and token": "模型自身每权重、每 token 的 FLOPs",
    "HFU over MFU": "HFU 与 MFU 之比",
    "weights counted": "计入的权重",
    "active": "激活的",
    "all": "全部",
    "FLOPs by 6 per weight": "按每权重 6 计算的 FLOPs",
    "FLOPs executed": "实际执行的 FLOPs",
    "total": "总量",
    "total over active": "总量 / 激活",
    "parameters (B)": "参数量（B）",
    "executed FLOPs over 6 per weight and token": "实际 FLOPs 与每权重、每 token 6 之比",
}

if __name__ == "__main__":
    main()
