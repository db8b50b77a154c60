r"""From Llama 2 7B to Llama 3 8B three changes explain every parameter: vocabulary, FFN width, GQA.

从 Llama 2 7B 到 Llama 3 8B，三处改动解释了每一个参数：词表、FFN 宽度、GQA。

Rows of questions/models.yaml; 1 B = 10^9, 1 KiB = 2^10 bytes. Turn `left_out` to any of the three: the
published totals no longer fit. 把 `left_out` 改为三者之一：就与公布的总数对不上了。
"""

from studyapp.evidence import Drill, bars, breaks, expect, main, one_of, show
from studyapp.evidence.tools import named_model

PUBLISHED = {"llama-2-7b": 6_738_415_616, "llama-3-8b": 8_030_261_248}  # bytes of the 16-bit weights, halved


def changes(old: dict, new: dict) -> dict[str, int]:
    """Parameters that each change adds, between decoders of one depth, width and head width: input and
    output embeddings, three FFN matrices, and W_K and W_V."""
    kv = 2 * old["width"] * old["d_head"] * (new["kv_heads"] - old["kv_heads"])
    return {
        "vocabulary": 2 * old["width"] * (new["vocabulary"] - old["vocabulary"]),
        "FFN width": 3 * old["layers"] * old["width"] * (new["ffn"]["d_ff"] - old["ffn"]["d_ff"]),
        "GQA": old["layers"] * kv,
    }


RANGES = {
    "left_out": one_of("nothing", "vocabulary", "FFN width", "GQA"),
    "kv_heads": one_of("configured", "as many as heads"),
}


@breaks(left_out="vocabulary", en="128,256 tokens instead of 32,000 are 0.79 B more.",
        zh="词表由 32,000 增至 128,256，多 7.9 亿。")
@breaks(left_out="FFN width", en="14,336 instead of 11,008 is 1.31 B more.", zh="FFN 由 11,008 加宽到 14,336，多 13.1 亿。")
@breaks(left_out="GQA", en="8 KV heads instead of 32 are 0.81 B less.", zh="KV 头由 32 减到 8，少 8.1 亿。")
def claim_three_changes_make_7b_an_8b(left_out="nothing"):
    """Llama 3 8B has 1.29 B more than Llama 2 7B: 0.79 for the vocabulary, 1.31 for a wider FFN, less
    0.81 by GQA.

    Llama 3 8B 比 Llama 2 7B 多 12.9 亿：词表 7.9 亿，加宽的 FFN 13.1 亿，GQA 减去 8.1 亿。"""
    old, new = (named_model(name) for name in PUBLISHED)
    parts = changes(old, new)
    show(bars(list(parts), {"billion": [n / 1e9 for n in parts.values()]}))
    parts.pop(left_out, None)
    expect("sum of the changes", sum(parts.values()),
           equals=PUBLISHED["llama-3-8b"] - PUBLISHED["llama-2-7b"])


@breaks(kv_heads="as many as heads", en="Without GQA the cache per token would not have fallen.",
        zh="没有 GQA，每 token 的 cache 就不会下降。")
def claim_gqa_pays_for_the_longer_context(kv_heads="configured"):
    """Llama 2 7B keeps 512 KiB per token in 16 bit, Llama 3 8B 128: twice the context takes half the
    cache.

    16 bit 下 Llama 2 7B 每 token 512 KiB，Llama 3 8B 128 KiB：上下文翻倍，cache 反而减半。"""
    kib, whole = [], []
    for name in PUBLISHED:
        row = named_model(name)
        heads = row["kv_heads"] if kv_heads == "configured" else row["heads"]
        kib.append(2 * row["layers"] * heads * row["d_head"] * 2 / 2**10)
        whole.append(kib[-1] * row["context"] / 2**20)
    show(bars(["Llama 2 7B", "Llama 3 8B"], {"KiB per token": kib}),
         bars(["Llama 2 7B", "Llama 3 8B"], {"GiB at the full context": whole}))
    expect("KiB per token", kib, equals=[512, 128])
    expect("GiB at the full context", whole, equals=[2, 1])


def drill_vocabulary(rng) -> Drill:
    """What a larger vocabulary adds."""
    width, old, new = rng.choice((2000, 4000, 5000)), rng.choice((30_000, 50_000)), rng.choice((100_000, 150_000, 250_000))
    tied = rng.random() < 0.5
    more = (2 - tied) * width * (new - old) / 1e9
    return Drill(
        en=f"A model of width {width} with {'a tied' if tied else 'an untied'} head grows its vocabulary from {old:,} to "
           f"{new:,}. How many billion parameters does that add?",
        zh=f"某模型宽 {width}，输出头{'与嵌入绑定' if tied else '不绑定'}，词表由 {old:,} 增至 {new:,}。增加多少十亿（B）参数？",
        answer=more, unit="B",
        steps=[(f"{'one matrix' if tied else 'two matrices'} of {new - old:,} more rows",
                f"{'一个' if tied else '两个'}矩阵，各多 {new - old:,} 行"),
               (f"{2 - tied} · {width} · {new - old:,} = {more:g} B",) * 2],
        proved_by="three_changes_make_7b_an_8b",
    )


ZH = {
    "vocabulary": "词表", "FFN width": "FFN 宽度", "GQA": "GQA", "billion": "十亿",
    "sum of the changes": "各项改动之和", "KiB per token": "每 token KiB", "GiB at the full context": "满上下文时的 GiB",
    "Llama 2 7B": "Llama 2 7B", "Llama 3 8B": "Llama 3 8B",
}  # fmt: skip

if __name__ == "__main__":
    main()
