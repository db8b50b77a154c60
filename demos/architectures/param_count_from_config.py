r"""A configuration fixes the number of parameters to the last one: add up five parts.

配置决定参数量，一个不差：把五个部分相加即可。

Dense decoders, rows of questions/models.yaml; 1 B = 10^9. The published totals are the bytes of the
16-bit checkpoints, halved. Turn `heads_of_kv` to "all": without GQA's saving the totals are missed.
把 `heads_of_kv` 改为 "all"：不计 GQA 的节省，总数就对不上。
"""

from torch import nn

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    exercise,
    expect,
    main,
    one_of,
    show,
    table,
)
from studyapp.evidence.tools import named_model

PUBLISHED = {  # GPT-2's is that of the released weights, its tied head counted once
    "gpt-2": 124_439_808, "llama-7b": 6_738_415_616, "mistral-7b": 7_241_732_096,
    "gemma-7b": 8_537_680_896, "llama-2-70b": 68_976_648_192, "llama-3-8b": 8_030_261_248,
    "qwen2.5-7b": 7_615_616_512, "qwen3-8b": 8_190_735_360,
}


@exercise(
    claims=("published_totals_are_exact", "count_equals_real_modules"),
    wrong=("gives_every_head_its_kv", "splits_the_width_among_heads", "counts_two_matrices",
           "counts_a_tied_head", "forgets_the_last_norm"),
)
def parameters(c: dict) -> dict[str, int]:
    """Parameters of a pre-norm decoder by part: "embeddings", "attention", "FFN", "norms", "head".
    c has layers, width, heads, kv_heads, d_head, d_ff, vocabulary, positions (learned ones, or 0),
    matrices (3 in a gated FFN, else 2), tied, biases ("none", "qkv" or "all": those of norms, too)
    and, where queries and keys have a norm of d_head gains each, qk_norm.

    按部分给出 pre-norm decoder 的参数量："embeddings"、"attention"、"FFN"、"norms"、"head"。c 含上列各项：
    positions 为可学习的位置数（没有则为 0），matrices 在门控 FFN 中为 3、否则为 2；biases 为 "none"、"qkv" 或
    "all"（"all" 包括各 norm 的偏置）；qk_norm 表示 query、key 各有一个含 d_head 个增益的 norm。"""
    width, q, kv = c["width"], c["heads"] * c["d_head"], c["kv_heads"] * c["d_head"]
    biased, layers = c["biases"] == "all", c["layers"]
    inputs = q + 2 * kv                                              # rows of W_Q, W_K, W_V
    attention = width * (inputs + q) + inputs * (c["biases"] != "none") + width * biased
    ffn = c["matrices"] * width * c["d_ff"] + ((c["matrices"] - 1) * c["d_ff"] + width) * biased
    return {
        "embeddings": (c["vocabulary"] + c["positions"]) * width,
        "attention": layers * attention,
        "FFN": layers * ffn,
        "norms": (2 * layers + 1) * width * (1 + biased)
        + 2 * layers * c["d_head"] * c.get("qk_norm", False),
        "head": 0 if c["tied"] else c["vocabulary"] * width,
    }


def config(name: str) -> dict:
    """What `parameters` needs of a row of models.yaml."""
    row = named_model(name)
    c = {key: row[key] for key in ("layers", "width", "heads", "kv_heads", "d_head", "tied")}
    norm, ffn, place = row["norm"], row["ffn"], row["position"]["kind"]
    qkv = "qkv" if row["attention"].get("bias") else "none"
    return c | {
        "d_ff": ffn["d_ff"], "matrices": 3 if ffn["kind"] in ("swiglu", "geglu") else 2,
        "vocabulary": row["vocabulary"], "positions": row["context"] if place == "learned" else 0,
        "biases": "all" if norm["kind"] == "layernorm" else qkv, "qk_norm": norm.get("qk", False),
    }


def modules(c: dict) -> nn.ModuleDict:
    """The same decoder out of torch's own modules; a tied head is the embedding's own tensor."""
    all_biased, width, d_head = c["biases"] == "all", c["width"], c["d_head"]
    norm = nn.LayerNorm if all_biased else nn.RMSNorm
    qkv, q, kv = c["biases"] != "none", c["heads"] * d_head, c["kv_heads"] * d_head

    def layer() -> nn.ModuleList:
        ffn = [nn.Linear(width, c["d_ff"], all_biased) for _ in range(c["matrices"] - 1)]
        return nn.ModuleList([
            norm(width), nn.Linear(width, q, qkv), nn.Linear(width, kv, qkv), nn.Linear(width, kv, qkv),
            *[norm(d_head) for _ in range(2 * c["qk_norm"])], nn.Linear(q, width, all_biased),
            norm(width), *ffn, nn.Linear(c["d_ff"], width, all_biased),
        ])

    tokens, head = nn.Embedding(c["vocabulary"], width), nn.Linear(width, c["vocabulary"], False)
    if c["tied"]:
        head.weight = tokens.weight
    layers = nn.ModuleList(layer() for _ in range(c["layers"]))
    return nn.ModuleDict({"tokens": tokens, "positions": nn.Embedding(c["positions"], width),
                          "layers": layers, "last norm": norm(width), "head": head})


RANGES = {
    "heads_of_kv": one_of("grouped", "all"),
    "head_width": one_of("configured", "width / heads"),
    "matrices": one_of("by activation", "two"),
    "norm": one_of("RMSNorm", "LayerNorm"),
    "d_ff": between(1, 65_536),
    "kv_heads": between(1, 8, divides=8),
    "biases": one_of("none", "qkv", "all"),
    "head": one_of("as configured", "always its own"),
    "layers": between(1, 6),
}


@breaks(heads_of_kv="all",
        en="With a key and value for every query head, all GQA models come out too large.",
        zh="若每个 query 头都配一份 key 和 value，凡用 GQA 的模型都会算多。")
@breaks(head_width="width / heads",
        en="Gemma-7B has 16 heads of 256 in a width of 3072: 192 is not its head.",
        zh="Gemma-7B 宽 3072，却有 16 个宽 256 的头：头宽不是 3072/16 = 192。")
@breaks(matrices="two", en="A gated FFN has three matrices; with two, 1.4 B are missing in LLaMA-7B.",
        zh="门控 FFN 有三个矩阵；按两个算，LLaMA-7B 就少了 14 亿。")
def claim_published_totals_are_exact(
    heads_of_kv="grouped", head_width="configured", matrices="by activation"
):
    """Counted from their configurations, eight open models have exactly their published totals,
    from GPT-2's 124,439,808 to Llama-2-70B's 68,976,648,192.

    八个开放模型由配置算出的参数量与公布的总数一个不差，从 GPT-2 的 124,439,808 到 Llama-2-70B 的
    68,976,648,192。"""
    parts = {}
    for name in PUBLISHED:
        c = config(name)
        c["kv_heads"] = c["heads"] if heads_of_kv == "all" else c["kv_heads"]
        c["d_head"] = c["d_head"] if head_width == "configured" else c["width"] // c["heads"]
        c["matrices"] = c["matrices"] if matrices == "by activation" else 2
        parts[named_model(name)["name"]] = parameters(c)
    totals = [sum(p.values()) for p in parts.values()]
    shares = {part: [100 * p[part] / sum(p.values()) for p in parts.values()]
              for part in ("embeddings", "attention", "FFN", "head")}
    show(bars(list(parts), shares, y_label="percent"))
    show(table({"model": list(parts), "parameters": totals}))
    missed = [n - p for n, p in zip(totals, PUBLISHED.values(), strict=True)]
    expect("parameters less the published total", missed, equals=0, at=("model", list(parts)))


@breaks(head="always its own", en="A tied head is the embedding's own tensor; counted again, it is too much.",
        zh="绑定的输出头就是嵌入矩阵本身；再算一次就多了。")
def claim_count_equals_real_modules(kv_heads=2, layers=3, biases="all", head="as configured"):
    """The count equals that of torch's own modules, gated or not, tied or not, with or without
    biases and QK-norm.

    无论是否门控、是否绑定输出头、有无偏置与 QK-norm，算出的数都等于 torch 模块实际的参数量。"""
    counted, real, labels = [], [], []
    for matrices in (2, 3):
        for tied in (True, False):
            c = {"layers": layers, "width": 48, "heads": 8, "kv_heads": kv_heads, "d_head": 16,
                 "d_ff": 100, "matrices": matrices, "vocabulary": 500, "positions": 32,
                 "tied": tied, "biases": biases, "qk_norm": tied and biases != "all"}
            own = c if head == "as configured" else c | {"tied": False}
            counted.append(sum(parameters(own).values()))
            real.append(sum(p.numel() for p in modules(c).parameters()))
            labels.append(f"{matrices} matrices, {'tied' if tied else 'untied'}")
    show(bars(labels, {"counted": counted, "torch's modules": real}))
    expect("parameters counted", counted, equals=real, at=("model", labels))


@breaks(norm="LayerNorm", en="LayerNorm's biases are 266,240 parameters that the checkpoint does not hold.",
        zh="LayerNorm 的偏置共 266,240 个参数，而 checkpoint 里没有。")
def claim_norm_bias_would_miss_llama_by_266240(norm="RMSNorm"):
    """LLaMA-7B's published total has no room for biases in its 65 norms: they would add
    65 · 4096 = 266,240.

    LLaMA-7B 公布的总数容不下 65 个 norm 的偏置：那会多出 65 · 4096 = 266,240 个参数。"""
    parts = parameters(config("llama-7b"))
    bias = parts["norms"] if norm == "LayerNorm" else 0     # as many as there are gains
    show(
        bars(
            ["weights only", "with biases"],
            {"parameters of the norms": [parts["norms"], 2 * parts["norms"]]},
        )
    )
    expect("gains in the norms", parts["norms"], equals=266_240)
    expect("parameters less the published total", sum(parts.values()) + bias - PUBLISHED["llama-7b"],
           equals=0)


@breaks(d_ff=11_008, en="Two matrices of 11,008 are 1.4 B short; only the product of number and width is fixed.",
        zh="两个宽 11,008 的矩阵少 14 亿；总数只能确定个数与宽度之积。")
def claim_a_count_fixes_matrices_times_width(d_ff=16_512):
    """Two FFN matrices of 16,512 give LLaMA-7B's total as exactly as three of 11,008: a count
    tells their product, not the gate.

    两个宽 16,512 的 FFN 矩阵与三个宽 11,008 的给出同一个总数：参数量只能说明两者之积，说明不了是否有门控。"""
    gated, plain = config("llama-7b"), config("llama-7b") | {"matrices": 2, "d_ff": d_ff}
    both = {f"3 · {gated['d_ff']}": gated, f"2 · {d_ff}": plain}
    totals = [sum(parameters(c).values()) for c in both.values()]
    show(bars(list(both), {"parameters": totals}))
    expect("parameters", totals, equals=PUBLISHED["llama-7b"], at=("FFN", list(both)))


def drill_dense_gqa(rng) -> Drill:
    """A gated GQA decoder: all its matrices, in round numbers."""
    layers, heads, n = rng.choice((20, 40, 50)), rng.choice((16, 32)), rng.choice((4, 8))
    width, ratio, vocabulary = heads * 125, rng.choice((3, 4)), rng.choice((50_000, 100_000))
    tied = rng.random() < 0.5
    c = {"layers": layers, "width": width, "heads": heads, "kv_heads": n, "d_head": 125,
         "d_ff": ratio * width, "matrices": 3, "vocabulary": vocabulary, "positions": 0,
         "tied": tied, "biases": "none"}
    parts = parameters(c)
    units = 2 + 2 * n / heads + 3 * ratio
    return Drill(
        en=f"A decoder without biases has {layers} layers, width {width}, {heads} query heads and {n} KV heads of 125, "
           f"a SwiGLU of {ratio * width}, a vocabulary of {vocabulary:,} and {'a tied' if tied else 'an untied'} head. "
           f"How many billion parameters does it have, norms left out?",
        zh=f"某 decoder 无偏置：{layers} 层，宽 {width}，{heads} 个 query 头、{n} 个 KV 头，头宽 125，SwiGLU 宽 {ratio * width}，"
           f"词表 {vocabulary:,}，输出头{'与嵌入绑定' if tied else '不绑定'}。不计 norm，共有多少十亿（B）参数？",
        answer=(sum(parts.values()) - parts["norms"]) / 1e9, unit="B",
        steps=[
            (f"attention 2d² + 2d²·{n}/{heads}, FFN 3 · {ratio}d²: {units:g}d² per layer",
             f"注意力 2d² + 2d²·{n}/{heads}，FFN 3 · {ratio}d²：每层 {units:g}d²"),
            (f"{layers} · {units:g} · {width}² = {layers * units * width**2 / 1e9:.3f} B",) * 2,
            (f"embeddings {'once' if tied else 'twice'}: {(2 - tied) * vocabulary * width / 1e9:.3f} B",
             f"嵌入算{'一' if tied else '两'}次：{(2 - tied) * vocabulary * width / 1e9:.3f} B"),
        ],
        proved_by="published_totals_are_exact",
    )


ZH = {
    "GPT-2 small": "GPT-2 small",
    "parameters less the published total": "参数量与公布总数之差",
    "parameters": "参数量",
    "parameters counted": "算出的参数量",
    "counted": "算出",
    "torch's modules": "torch 模块",
    "{} matrices, tied": "{} 个矩阵，绑定",
    "{} matrices, untied": "{} 个矩阵，不绑定",
    "model": "模型",
    "embeddings": "嵌入",
    "attention": "注意力",
    "head": "输出头",
    "percent": "百分比",
    "weights only": "只有增益",
    "with biases": "另加偏置",
    "parameters of the norms": "norm 的参数量",
    "gains in the norms": "norm 的增益个数",
}

if __name__ == "__main__":
    main()
