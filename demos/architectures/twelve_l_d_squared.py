r"""12Ld² is MHA and an FFN of two 4d matrices; models that changed either are missed by it.

12Ld² 数的是 MHA 加两个 4d 宽的 FFN 矩阵；改了其中任何一项的模型，它都算不准。

Per layer 4d² + 8d²; embeddings, biases and norms are not in it. GPT-3: Brown et al. 2020, Table
2.1; PaLM: Chowdhery et al. 2022. Turn `kv_heads` to "one": MQA keeps only 2d² + 2d²/h of the 4d².
把 `kv_heads` 改为 "one"：MQA 的 4d² 只剩 2d² + 2d²/h。
"""

from torch import nn

from studyapp.evidence import Drill, bars, between, breaks, expect, main, one_of, show
from studyapp.evidence.tools import named_model


def blocks(
    layers: int, width: int, heads: int, kv_heads: int, d_head: int, d_ff: int, matrices: int
) -> int:
    """Weights of the matrices in all layers: W_Q, W_O, W_K, W_V and the FFN's."""
    attention = 2 * width * heads * d_head + 2 * width * kv_heads * d_head
    return layers * (attention + matrices * width * d_ff)


MODELS = {  # layers, width, heads, kv_heads, d_head, d_ff, matrices; numbers of the embeddings
    "GPT-3": ((96, 12288, 96, 96, 128, 4 * 12288, 2), (50257 + 2048) * 12288),
    "PaLM": ((118, 18432, 48, 1, 256, 4 * 18432, 3), 256_000 * 18432),
}


def llama_3_8b() -> tuple[int, ...]:
    """The arguments of `blocks` from models.yaml."""
    row = named_model("llama-3-8b")
    sizes = (row[key] for key in ("layers", "width", "heads", "kv_heads", "d_head"))
    return (*sizes, row["ffn"]["d_ff"], 3)


RANGES = {
    "width": between(8, 128, multiple_of="heads"),
    "heads": between(2, 8),
    "kv_heads": one_of("all", "one"),
    "ratio": between(1, 8),
    "layers": between(1, 4),
    "embeddings": one_of("counted", "left out"),
    "counted": one_of("configuration", "rule"),
}


@breaks(kv_heads="one", en="With one KV head for eight query heads attention is 2.25d², not 4d².",
        zh="8 个 query 头共用一个 KV 头时，注意力是 2.25d²，不是 4d²。")
@breaks(ratio=2, en="An FFN of 2d has 4d², not 8d².", zh="2d 宽的 FFN 是 4d²，不是 8d²。")
def claim_mha_and_4d_make_twelve(width=64, heads=8, kv_heads="all", ratio=4, layers=2):
    """The matrices of torch's Transformer layer, MHA and an FFN of 4d, hold 12d² weights: 4d² for
    attention, 8d² for the FFN.

    torch 的 Transformer 层（MHA，FFN 宽 4d），矩阵共 12d² 个权重：注意力 4d²，FFN 8d²。"""
    layer = nn.TransformerEncoderLayer(width, heads, 4 * width)
    real = layers * sum(p.numel() for p in layer.parameters() if p.dim() == 2)
    kv = heads if kv_heads == "all" else 1
    counted = blocks(layers, width, heads, kv, width // heads, ratio * width, 2)
    show(bars(["counted", "torch's layers", "12Ld²"],
              {"weights": [counted, real, 12 * layers * width**2]}))
    expect("weights of torch's layers over Ld²", real / (layers * width**2), equals=12)
    expect("weights counted over torch's", counted / real, equals=1)


@breaks(embeddings="left out", en="Without its embeddings GPT-3 would have 173.9 B.",
        zh="不计嵌入，GPT-3 只有 1739 亿。")
def claim_gpt3_is_12ld2_plus_embeddings(embeddings="counted"):
    """GPT-3: 12 · 96 · 12288² is 173.9 billion, the embeddings add 0.6: 174.6, called 175 B.

    GPT-3：12 · 96 · 12288² = 1739 亿，嵌入再加 6 亿，共 1746 亿，称 175B。"""
    config, tables = MODELS["GPT-3"]
    matrices, extra = blocks(*config) / 1e9, tables / 1e9 if embeddings == "counted" else 0
    show(bars(["matrices", "embeddings"], {"billion": [matrices, extra]}))
    expect("matrices over 12Ld²", matrices / (12 * 96 * 12288**2 / 1e9), equals=1, within=1e-12)
    # 174.6 to the last digit said; biases and norms, left out here, are 0.02 more
    expect("billions with the embeddings", matrices + extra, equals=174.6, within=0.05)


@breaks(counted="rule", en="By the rule PaLM has 486 B with its embeddings, 54 B too few.",
        zh="按 12Ld² 加上嵌入，PaLM 只有 4860 亿，少了 540 亿。")
def claim_palm_and_llama3_miss_the_rule(counted="configuration"):
    """By 12Ld² and its embeddings PaLM has 486 B; one KV head and three 4d matrices make 540 B.
    Llama-3-8B's blocks are 8 % above the rule.

    按 12Ld² 加嵌入，PaLM 有 4860 亿；实际是一个 KV 头加三个 4d 宽的矩阵，共 5400 亿。Llama-3-8B 的各层比此式多 8%。"""
    config, tables = MODELS["PaLM"]
    llama = llama_3_8b()
    rule = [12 * c[0] * c[1] ** 2 / 1e9 for c in (config, llama)]
    real = [blocks(*c) / 1e9 for c in (config, llama)]
    show(bars(["PaLM 540B", "Llama-3-8B"], {"12Ld²": rule, "matrices of the blocks": real},
              y_label="billion"))
    total = (real[0] if counted == "configuration" else rule[0]) + tables / 1e9
    expect("PaLM by the rule, in billions", rule[0] + tables / 1e9, equals=486, within=0.5)
    expect("PaLM with its embeddings, in billions", total, equals=540, within=0.5)  # as announced
    expect("Llama-3-8B's blocks over the rule", real[1] / rule[1], equals=1.08, within=0.005)


def drill_classic_decoder(rng) -> Drill:
    """The classic decoder: 12Ld² and its embeddings."""
    layers, width = rng.choice((12, 24, 32, 48)), rng.choice((1000, 2000, 4000, 5000))
    matrices = blocks(layers, width, 10, 10, width // 10, 4 * width, 2)
    return Drill(
        en=f"A GPT-2-like decoder (MHA, two FFN matrices of 4d, tied head) has {layers} layers, width {width} and a "
           f"vocabulary of 50,000. How many million parameters, without biases, norms and positions?",
        zh=f"类似 GPT-2 的 decoder（MHA、两个 4d 宽的 FFN 矩阵、输出头与嵌入绑定）有 {layers} 层，宽 {width}，词表 50,000。"
           f"不计偏置、norm 与位置，共有多少百万（M）参数？",
        answer=(matrices + 50_000 * width) / 1e6,
        unit="M",
        steps=[(f"12 · {layers} · {width}² = {matrices / 1e6:g} M",) * 2,
               (f"50,000 · {width} = {50_000 * width / 1e6:g} M",) * 2],
        proved_by="mha_and_4d_make_twelve",
    )


ZH = {
    "counted": "算出",
    "torch's layers": "torch 的层",
    "weights": "权重数",
    "weights of torch's layers over Ld²": "torch 各层的权重数与 Ld² 之比",
    "weights counted over torch's": "算出的权重数与 torch 之比",
    "matrices": "各层矩阵",
    "embeddings": "嵌入",
    "billion": "十亿",
    "matrices over 12Ld²": "各层矩阵与 12Ld² 之比",
    "billions with the embeddings": "连嵌入（十亿）",
    "matrices of the blocks": "各层矩阵",
    "PaLM by the rule, in billions": "按 12Ld² 算的 PaLM（十亿）",
    "PaLM with its embeddings, in billions": "PaLM 连嵌入（十亿）",
    "Llama-3-8B's blocks over the rule": "Llama-3-8B 各层与 12Ld² 之比",
}

if __name__ == "__main__":
    main()
