r"""A gate is a third matrix: at 2/3 of the inner width, so 8/3 instead of 4, the cost is the same.

门是第三个矩阵：内层宽度取 2/3，即 8/3 而不是 4，成本就不变。

Shazeer 2020, §2; the rule is that of Meta's model.py. Turn `ratio` to 4: the gated block is half as
large again. Published widths stand in questions/models.yaml.
把 `ratio` 改为 4：门控块就大了一半。
"""

from fractions import Fraction

import torch
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
from studyapp.evidence.tools import flops, named_model

RULES = {  # multiple_of and ffn_dim_multiplier in the checkpoints' params.json
    "llama-7b": (256, None), "llama-2-13b": (256, None), "llama-2-70b": (4096, 1.3),
    "llama-3-8b": (1024, 1.3), "llama-3.1-70b": (4096, 1.3), "llama-3.1-405b": (4096, 1.2),
}


@exercise(
    claims=("rule_gives_the_published_widths",),
    wrong=("rounds_down", "rounds_to_the_nearest", "forgets_the_multiplier", "starts_from_four"),
)
def inner_width(width: int, multiple_of: int, multiplier: float | None) -> int:
    """The inner width of a LLaMA FFN: two thirds of 4 · width, cut to a whole number; times the
    multiplier where there is one, cut again; up to the next multiple of multiple_of.

    LLaMA 的 FFN 内层宽度：4 · width 的三分之二，截成整数；有乘数时再乘，再截；最后向上取整到 multiple_of 的倍数。"""
    hidden = int(2 * (4 * width) / 3)
    if multiplier is not None:
        hidden = int(multiplier * hidden)
    return -(-hidden // multiple_of) * multiple_of


def nearest(width: int, multiple_of: int, multiplier: float | None) -> int:
    """The wrong way: to the nearest multiple."""
    return round(int((multiplier or 1) * int(8 * width / 3)) / multiple_of) * multiple_of


RANGES = {
    "thirds": between(1, 32),
    "ratio": one_of("8/3", "4"),
    "rounding": one_of("up", "nearest"),
    "attention": one_of("GQA", "MHA"),
    "models": one_of("all", "LLaMA only"),
}


@breaks(ratio="4", en="Three matrices at the old 4d cost half as much again: 12d².",
        zh="三个矩阵若仍取 4d，成本多出一半：12d²。")
def claim_three_at_8_3_cost_what_two_at_4_do(thirds=16, ratio="8/3"):
    """Three matrices at 8/3 of the width have the weights and FLOPs of two at 4: 8d² and 16d² per token.

    三个 8/3 宽的矩阵，权重数与计算量都和两个 4 倍宽的一样：8d²，每 token 16d²。"""
    width, tokens = 3 * thirds, 4
    hidden = int(Fraction(ratio) * width)
    up, gate, first = (nn.Linear(width, h, False) for h in (hidden, hidden, 4 * width))
    down, second = nn.Linear(hidden, width, False), nn.Linear(4 * width, width, False)
    x = torch.randn(tokens, width)
    spent = [flops(lambda: second(first(x).relu())), flops(lambda: down(gate(x).sigmoid() * up(x)))]
    held = [first.weight.numel() + second.weight.numel(), 3 * up.weight.numel()]
    labels = ["two matrices, 4d", f"three, {ratio} d"]
    show(bars(labels, {"weights over d²": [n / width**2 for n in held],
                       "FLOPs per token over d²": [n / tokens / width**2 for n in spent]}))
    expect("weights over d²", [n / width**2 for n in held], equals=8, at=("FFN", labels))
    expect("FLOPs per token over d²", [n / tokens / width**2 for n in spent], equals=16, at=("FFN", labels))


@breaks(rounding="nearest", en="To the nearest multiple of 256, LLaMA 13B would have 13,568.",
        zh="若取最近的 256 的倍数，LLaMA 13B 就是 13,568。")
def claim_rule_gives_the_published_widths(rounding="up"):
    """8/3 of the width, rounded up to a multiple of 256, gives LLaMA's 11,008 and 13,824; multipliers of
    1.3 and 1.2 give the wider ones of later Llamas.

    宽度的 8/3 向上取整到 256 的倍数，就是 LLaMA 的 11,008 与 13,824；乘数 1.3、1.2 给出后来更宽的 Llama。"""
    way = inner_width if rounding == "up" else nearest
    rows = {name: named_model(name) for name in RULES}
    found = [way(rows[name]["width"], *rule) for name, rule in RULES.items()]
    published = [row["ffn"]["d_ff"] for row in rows.values()]
    names = [row["name"] for row in rows.values()]
    ratios = [row["ffn"]["d_ff"] / row["width"] for row in rows.values()]
    show(table({"model": names, "by the rule": found, "over the width": ratios}))
    expect("inner width by the rule", found, equals=published, at=("model", names))


@breaks(attention="MHA", en="With MHA the layer would be 14.5d²: GQA pays for most of the wider FFN.",
        zh="若用 MHA，一层就是 14.5d²：加宽 FFN 的花费大半由 GQA 省出。")
def claim_llama2_70b_uses_three_and_a_half(attention="GQA"):
    """Llama-2-70B takes 3.5 times the width: 10.5d² instead of 8d², of which GQA's smaller attention,
    2.25d² instead of 4d², gives back 1.75d².

    Llama-2-70B 取宽度的 3.5 倍：FFN 由 8d² 增至 10.5d²，其中 1.75d² 由 GQA 省出：注意力由 4d² 降为 2.25d²。"""
    row = named_model("llama-2-70b")
    kv = row["kv_heads"] if attention == "GQA" else row["heads"]
    mixing = 2 * row["width"] * row["d_head"] * (row["heads"] + kv) / row["width"] ** 2
    feeding = 3 * row["ffn"]["d_ff"] / row["width"]
    show(bars(["MHA and 8/3", "Llama-2-70B"], {"attention": [4, mixing], "FFN": [8, feeding]},
              y_label="weights over d²"))
    expect("inner width over the width", row["ffn"]["d_ff"] / row["width"], equals=3.5)
    expect("weights of a layer over d²", mixing + feeding, equals=12.75)


@breaks(models="LLaMA only", en="Only the first two LLaMAs stay near 8/3.", zh="只有最早的 LLaMA 在 8/3 附近。")
def claim_no_one_ratio_holds(models="all"):
    """Dense gated models of 2023 to 2026 have inner widths from 2.7 to 8 times the width.

    2023 至 2026 年的门控稠密模型，内层宽度从宽度的 2.7 倍到 8 倍都有。"""
    names = ["llama-7b", "llama-2-13b", "qwen3-8b", "muse-glimmer-30b", "phi-4", "llama-3-8b",
             "gemma-3-27b", "qwen3-32b", "qwen2.5-7b", "smollm3-3b", "gemma-7b"]
    rows = [named_model(name) for name in (names if models == "all" else names[:2])]
    ratios = [row["ffn"]["d_ff"] / row["width"] for row in rows]
    show(bars([row["name"] for row in rows], {"inner width over the width": ratios}))
    expect("smallest ratio", min(ratios), equals=2.7, within=0.05)
    expect("largest ratio", max(ratios), equals=8)


def drill_llama_width(rng) -> Drill:
    """The rule with round numbers."""
    width, multiple, multiplier = rng.choice((
        (4096, 256, None), (5120, 256, None), (6656, 256, None), (8192, 256, None), (3072, 1024, None),
        (8192, 4096, 1.3), (4096, 1024, 1.3), (6144, 2048, 1.3)))
    start = int(8 * width / 3)
    times = int(start * (multiplier or 1))
    also = f", then multiplies by {multiplier} and cuts again," if multiplier else ""
    auch = f"再乘 {multiplier} 并截断，" if multiplier else ""
    return Drill(
        en=f"LLaMA's rule cuts 8/3 of the width {width} to a whole number{also} and rounds up to a multiple of {multiple}. "
           f"What is the inner width?",
        zh=f"LLaMA 的规则：宽度 {width} 的 8/3 截成整数，{auch}再向上取整到 {multiple} 的倍数。内层宽度是多少？",
        answer=inner_width(width, multiple, multiplier), within=0.5,
        steps=[(f"8/3 · {width} → {start}",) * 2, *([(f"· {multiplier} → {times}",) * 2] if multiplier else []),
               (f"{-(-times // multiple)} · {multiple} = {inner_width(width, multiple, multiplier)}",) * 2],
        proved_by="rule_gives_the_published_widths",
    )


def drill_equal_budget(rng) -> Drill:
    """A gated block with the weights of a plain one."""
    width, k = rng.choice((768, 1536, 3072, 6144, 12288)), rng.choice((2, 4, 8))
    return Drill(
        en=f"A two-matrix FFN has width {width} and expansion {k}. Which inner width gives a gated FFN the same weights?",
        zh=f"两个矩阵的 FFN 宽 {width}，升维 {k} 倍。门控 FFN 内层取多宽，权重数相同？",
        answer=2 * k * width // 3, within=0.5,
        steps=[(f"3 · h = 2 · {k} · {width}",) * 2, (f"h = {2 * k * width // 3}",) * 2],
        proved_by="three_at_8_3_cost_what_two_at_4_do",
    )


ZH = {
    "two matrices, 4d": "两个矩阵，4d",
    "three, {} d": "三个，{} d",
    "weights over d²": "权重数与 d² 之比",
    "FLOPs per token over d²": "每 token FLOPs 与 d² 之比",
    "model": "模型",
    "by the rule": "按规则",
    "over the width": "与宽度之比",
    "inner width by the rule": "按规则的内层宽度",
    "MHA and 8/3": "MHA 加 8/3",
    "attention": "注意力",
    "inner width over the width": "内层宽度与宽度之比",
    "weights of a layer over d²": "一层的权重数与 d² 之比",
    "smallest ratio": "最小的比例",
    "largest ratio": "最大的比例",
}

if __name__ == "__main__":
    main()
