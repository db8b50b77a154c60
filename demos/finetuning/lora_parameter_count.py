r"""A LoRA trains r·(d_in + d_out) values per matrix: which matrices, and how wide K and V are, decides.

LoRA 在每个矩阵上训练 r·(d_in + d_out) 个数：适配哪些矩阵、K 与 V 多宽，决定了总数。

Hu et al. 2021, §5.1; published counts from PEFT's own runs. Turn `kv` to "as many as query heads":
counted as a multi-head model, q and v come out too large.
把 `kv` 改为 "as many as query heads"：当作多头模型来数，q 与 v 就数多了。
"""

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, guess, lines, main, one_of, show
from studyapp.evidence.tools import named_model


@exercise(claims=("the_counts_are_the_published_ones",), wrong=("as_if_multi_head", "multiplies_the_sides"))
def adapter_values(width: int, heads: int, kv_heads: int, d_head: int, d_ff: int, r: int, where: str) -> int:
    """Values that LoRA of rank r trains in one layer with grouped KV heads and a gated FFN (three
    matrices). `where`: "q,v" adapts these two projections, "mlp" the FFN, "all" all seven.

    在一层里秩 r 的 LoRA 训练多少个数；KV 头分组，FFN 带门（三个矩阵）。`where`："q,v" 只适配这两个投影，
    "mlp" 适配 FFN，"all" 适配全部七个。"""
    q, kv = heads * d_head, kv_heads * d_head
    shapes = {"q": (width, q), "k": (width, kv), "v": (width, kv), "o": (q, width),
              "gate": (width, d_ff), "up": (width, d_ff), "down": (d_ff, width)}
    adapted = {"q,v": ("q", "v"), "mlp": ("gate", "up", "down"), "all": tuple(shapes)}[where]
    return sum(r * sum(shapes[name]) for name in adapted)


RANGES = {
    "kv": one_of("grouped", "as many as query heads"),
    "where": one_of("all", "q,v"),
    "ranks": each(between(1, 512), at_least=2, at_most=8, rising=True),
}
MULTI_HEAD = breaks(kv="as many as query heads", en="With K and V as wide as Q the count is that of a multi-head model.",
                    zh="把 K、V 算得和 Q 一样宽，就是多头模型的数了。")
# layers, width, heads, kv_heads, d_head, d_ff: Llama-3.2-3B, and LLaMA-7B with multi-head attention
LLAMA_3B, LLAMA_7B = (28, 3072, 24, 8, 128, 8192), (32, 4096, 32, 32, 128, 11008)


def in_model(shape: tuple[int, ...], r: int, where: str, kv: str = "grouped") -> int:
    """Values trained in all layers of a model."""
    layers, width, heads, kv_heads, d_head, d_ff = shape
    return layers * adapter_values(width, heads, kv_heads if kv == "grouped" else heads, d_head, d_ff, r, where)


@MULTI_HEAD
def claim_the_counts_are_the_published_ones(kv="grouped"):
    """Llama-3.2-3B: rank 32 on q and v trains 9,175,040 values and rank 10 on the FFN 9,461,760, as PEFT's runs report; LLaMA-7B,
    multi-head, 4,194,304 at rank 8 on q and v.

    Llama-3.2-3B：秩 32、q 与 v 训练 9,175,040 个数，秩 10、FFN 训练 9,461,760 个，与 PEFT 的运行记录一致；多头的 LLaMA-7B，秩 8、q 与 v
    为 4,194,304。"""
    found = [in_model(LLAMA_3B, 32, "q,v", kv), in_model(LLAMA_3B, 10, "mlp", kv), in_model(LLAMA_7B, 8, "q,v", kv)]
    names = ["3B: q, v; r = 32", "3B: FFN; r = 10", "7B: q, v; r = 8"]
    show(bars(names, {"values trained": found}))
    expect("values trained", found, equals=[9_175_040, 9_461_760, 4_194_304], at=("run", names))


@MULTI_HEAD
@guess("values trained",
       en="LoRA of rank 8 on q and v of Llama-3.1-8B: how many values are trained?",
       zh="Llama-3.1-8B，秩 8、适配 q 与 v 的 LoRA：训练多少个数？")
def claim_grouped_heads_make_v_narrow(kv="grouped"):
    """On Llama-3.1-8B, LoRA of rank 8 on q and v trains 3,407,872 values, not 4,194,304: V is only 1,024 wide.

    在 Llama-3.1-8B 上，秩 8、适配 q 与 v 的 LoRA 训练 3,407,872 个数而不是 4,194,304 个：V 只有 1024 宽。"""
    m = named_model("llama-3.1-8b")
    shape = (m["layers"], m["width"], m["heads"], m["kv_heads"], m["d_head"], m["ffn"]["d_ff"])
    found, multi = in_model(shape, 8, "q,v", kv), in_model(shape, 8, "q,v", "as many")
    show(bars(["32 KV heads", "8 KV heads"], {"values trained": [multi, found]}))
    expect("values trained", found, equals=3_407_872)
    expect("values trained if K and V were as wide as Q", multi, equals=4_194_304)


@breaks(where="q,v", en="On q and v alone even a high rank trains few values.", zh="只适配 q 与 v，秩再高也不过这些。")
def claim_all_linear_layers_train_five_times_as_many(ranks=(8, 16, 64, 256), where="all"):
    """Llama-3.2-3B at one rank: all seven linear layers train 5.3 times as many values as q and v; rank 16 trains 24.3 million,
    0.76 % of the model.

    Llama-3.2-3B、同一个秩：全部七个线性层训练的数是 q 与 v 的 5.3 倍；秩 16 为 2430 万，占模型的 0.76%。"""
    counts = {name: [in_model(LLAMA_3B, r, name) for r in ranks] for name in ("all", "mlp", "q,v")}
    show(lines("rank", ranks, {"all": counts["all"], "FFN": counts["mlp"], "q, v": counts["q,v"]}, log="xy", y_label="values trained"))
    expect("values over those on q and v", [a / b for a, b in zip(counts[where], counts["q,v"], strict=True)], equals=5.3, within=0.05,
           at=("rank", ranks))
    expect("share of the model at rank 16, %", 100 * in_model(LLAMA_3B, 16, where) / 3_212_749_824, equals=0.76, within=0.005)


def drill_values(rng) -> Drill:
    """Values trained by LoRA in a model with grouped KV heads."""
    layers, heads, kv_heads, d_head, r = rng.choice(
        [(32, 32, 8, 128, 8), (16, 32, 8, 64, 8), (24, 16, 4, 64, 16), (40, 40, 8, 128, 4), (48, 16, 2, 128, 8)])
    width, kv = heads * d_head, kv_heads * d_head
    value = layers * adapter_values(width, heads, kv_heads, d_head, 4 * width, r, "q,v") / 1e6
    return Drill(
        en=f"{layers} layers, width {width}, {heads} query heads and {kv_heads} KV heads of {d_head}. How many million values (1e6) does "
           f"LoRA of rank {r} on W_Q and W_V train?",
        zh=f"{layers} 层，宽 {width}，{heads} 个 query 头、{kv_heads} 个宽 {d_head} 的 KV 头。"
           f"秩 {r}、适配 W_Q 与 W_V 的 LoRA 训练多少百万（1e6）个数？",
        answer=value,
        steps=[(f"W_Q: {r}·({width} + {width}) = {r * 2 * width}", f"W_Q：{r}·({width} + {width}) = {r * 2 * width}"),
               (f"W_V is {kv_heads}·{d_head} = {kv} wide: {r}·({width} + {kv}) = {r * (width + kv)}",
                f"W_V 宽 {kv_heads}·{d_head} = {kv}：{r}·({width} + {kv}) = {r * (width + kv)}"),
               (f"{layers} layers: {value:.3f} million", f"{layers} 层：{value:.3f} 百万")],
        proved_by="grouped_heads_make_v_narrow",
    )


def drill_share(rng) -> Drill:
    """The share of one matrix that LoRA trains."""
    d_in, d_out, r = rng.choice([(4096, 4096, 8), (4096, 4096, 16), (2048, 2048, 32), (4096, 1024, 8), (1024, 1024, 4), (8192, 8192, 64)])
    value = 100 * r * (d_in + d_out) / (d_in * d_out)
    return Drill(
        en=f"LoRA of rank {r} on a {d_out} × {d_in} matrix: how many per cent of the values of the matrix does it train?",
        zh=f"在 {d_out} × {d_in} 的矩阵上用秩 {r} 的 LoRA：训练的数是矩阵的百分之几？",
        answer=value,
        steps=[(f"{r}·({d_in} + {d_out}) = {r * (d_in + d_out)}",) * 2,
               (f"over {d_in} · {d_out}: {value:.3g} %", f"除以 {d_in} · {d_out}：{value:.3g}%")],
        proved_by="the_counts_are_the_published_ones",
    )


ZH = {
    "values trained": "被训练的数",
    "run": "运行",
    "3B: q, v; r = 32": "3B：q、v；r = 32",
    "3B: FFN; r = 10": "3B：FFN；r = 10",
    "7B: q, v; r = 8": "7B：q、v；r = 8",
    "32 KV heads": "32 个 KV 头",
    "8 KV heads": "8 个 KV 头",
    "values trained if K and V were as wide as Q": "若 K、V 与 Q 一样宽，被训练的数",
    "rank": "秩",
    "all": "全部",
    "q, v": "q、v",
    "values over those on q and v": "与只适配 q、v 之比",
    "share of the model at rank 16, %": "秩 16 时占模型的比例，%",
}

if __name__ == "__main__":
    main()
