r"""BERT is the encoder of 2017 with tables for position and segment, a norm, a pooler and a head.

BERT 就是 2017 年的 encoder，加上位置表、segment 表、一个归一化、一个 pooler 和一个输出头。

Devlin et al. 2018, §3. Turn `positions` to "sinusoidal": the computed codes of 2017 cost nothing,
and the count of the released checkpoint is missed by 393,216.
把 `positions` 改为 "sinusoidal"：2017 年的编码是算出来的，不占参数，总数就比发布的检查点少 393,216。
"""

import torch
from torch import nn

from studyapp.evidence import Drill, bars, breaks, expect, main, one_of, show, table

SIZES = {"base": (12, 768), "large": (24, 1024)}                         # layers, width
VOCABULARY, LONGEST, SEGMENTS = 30522, 512, 2


def bert(layers: int, width: int, positions: str = "learned") -> dict[str, int]:
    """Parameters of BERT by part, without the masked-LM head; FFN of four widths, biases
    everywhere."""
    return {
        "token table": VOCABULARY * width,
        "position table": LONGEST * width if positions == "learned" else 0,
        "segment table": SEGMENTS * width,
        "embedding norm": 2 * width,
        "layers": layers * (12 * width**2 + 13 * width),
        "pooler": width**2 + width,
    }


def modules(layers: int, width: int) -> nn.ModuleList:
    """The same model of PyTorch's modules, on the meta device: shapes without memory."""
    with torch.device("meta"):
        return nn.ModuleList([
            *(nn.Embedding(rows, width) for rows in (VOCABULARY, LONGEST, SEGMENTS)),
            nn.LayerNorm(width), nn.Linear(width, width),
            *(nn.TransformerEncoderLayer(width, width // 64, 4 * width) for _ in range(layers)),
        ])


def head(width: int, tied: bool) -> int:
    """The masked-LM head: a dense layer, a norm, and logits by the token table with a bias."""
    return width**2 + width + 2 * width + VOCABULARY + (0 if tied else VOCABULARY * width)


RANGES = {"positions": one_of("learned", "sinusoidal")}
SINUSOIDAL = breaks(positions="sinusoidal", en="Computed positions have no parameters.",
                    zh="算出来的位置没有参数。")


@SINUSOIDAL
def claim_bert_base_is_109482240(positions="learned"):
    """BERT-base has 109,482,240 parameters without the masked-LM head, BERT-large 335,141,888.

    不含 MLM 头，BERT-base 有 109,482,240 个参数，BERT-large 有 335,141,888 个。"""
    published = [109_482_240, 335_141_888]       # bert-base-uncased and bert-large-uncased
    built = [sum(p.numel() for p in modules(*size).parameters()) for size in SIZES.values()]
    parts = [bert(*size, positions) for size in SIZES.values()]
    show(bars(list(SIZES), {name: [p[name] for p in parts] for name in parts[0]},
              y_label="parameters"))
    expect("parameters of PyTorch's modules", built, equals=published, at=("model", list(SIZES)))
    expect("parameters by part, summed", [sum(p.values()) for p in parts], equals=published,
           at=("model", list(SIZES)))


@SINUSOIDAL
def claim_the_additions_are_under_one_percent(positions="learned"):
    """Learned positions, segments, embedding norm and pooler are 986,880 parameters in BERT-base:
    0.9 %; a position table is 393,216 of them.

    BERT-base 中，可学习的位置、segment、嵌入之后的归一化与 pooler 共 986,880 个参数，占 0.9%，其中位置表
    393,216 个。"""
    parts = bert(*SIZES["base"], positions)
    added = {n: c for n, c in parts.items() if n not in ("token table", "layers")}
    built = modules(*SIZES["base"])
    counted = sum(p.numel() for i in (1, 2, 3, 4) for p in built[i].parameters())
    show(table({"part": list(added), "parameters": list(added.values())}))
    expect("parameters that the encoder of 2017 does not have", sum(added.values()), equals=counted)
    expect("the same in BERT-base", counted, equals=986_880)
    # 986,880 / 109,482,240 = 0.00901
    expect("share of the model", sum(added.values()) / sum(parts.values()), equals=0.009,
           within=0.0001)


@breaks(tied=False, en="An output matrix of its own would add 23 million.",
        zh="若输出矩阵独立，就多出 2300 万。")
def claim_the_head_shares_the_token_table(tied=True):
    """With a tied head instead of the pooler BERT-base has 109,514,298 parameters, as the released
    masked-LM class counts; untied it would have 23 million more.

    以共享权重的输出头取代 pooler，BERT-base 有 109,514,298 个参数，与发布的 MLM 类一致；不共享则多 2300 万。"""
    layers, width = SIZES["base"]
    parts = bert(layers, width)
    total = sum(parts.values()) - parts["pooler"] + head(width, tied)
    with torch.device("meta"):
        dense, norm = nn.Linear(width, width), nn.LayerNorm(width)
    own = sum(p.numel() for m in (dense, norm) for p in m.parameters()) + VOCABULARY
    show(table({"head": ["tied", "untied"], "parameters": [head(width, True), head(width, False)]}))
    expect("parameters with the masked-LM head", total, equals=109_514_298)
    expect("parameters of the head", head(width, tied), equals=own)


def drill_part(rng) -> Drill:
    """One part of BERT-base or BERT-large."""
    name = rng.choice(list(SIZES))
    layers, width = SIZES[name]
    part, form, zh = rng.choice([("position table", f"512 · {width}", "位置表"),
                                 ("token table", f"30522 · {width}", "token 表"),
                                 ("pooler", f"{width}² + {width}", "pooler")])
    value = bert(layers, width)[part] / 1e6
    return Drill(
        en=f"BERT-{name} has width {width}, 512 positions and 30,522 word pieces. How many million "
           f"parameters has its {part}?",
        zh=f"BERT-{name} 宽 {width}，512 个位置，30,522 个词片。{zh}有多少百万参数？",
        answer=value, within=0.02 * value,
        steps=[(f"{form} = {value:.3f} million", f"{form} = {value:.3f} 百万")],
        proved_by="bert_base_is_109482240")


ZH = {
    "pooler": "pooler",
    "base": "base", "large": "large",
    "token table": "token 表", "position table": "位置表", "segment table": "segment 表",
    "embedding norm": "嵌入归一化", "layers": "各层", "parameters": "参数量", "model": "模型",
    "parameters of PyTorch's modules": "PyTorch 模块的参数量",
    "parameters by part, summed": "各部分参数量之和", "part": "部分",
    "parameters that the encoder of 2017 does not have": "2017 年的 encoder 没有的参数量",
    "the same in BERT-base": "BERT-base 中的同一数值", "share of the model": "在模型中所占份额",
    "tied": "共享", "untied": "不共享",
    "parameters with the masked-LM head": "含 MLM 头的参数量", "parameters of the head": "输出头的参数量",
}

if __name__ == "__main__":
    main()
