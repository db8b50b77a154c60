r"""Masks drawn once and copied ten times, or anew in every epoch: which tokens are ever asked.

掩码预先生成十种，还是每个 epoch 重新生成：哪些 token 会被问到。

BERT's data were written with ten masks for each text; RoBERTa (§4.1) draws as it reads. Turn `epochs` to 10: up to the
tenth pass both are the same.
BERT 的数据为每条文本预先写好十种掩码；RoBERTa（§4.1）在读取时生成。把 `epochs` 改为 10：前十遍两者没有区别。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, between, breaks, exercise, expect, lines, main, one_of, show, table


@exercise(claims=("each_static_mask_is_seen_again", "ten_masks_leave_a_fifth_never_asked"),
          wrong=("draws_every_time", "one_mask_for_all", "moves_on_too_late"))
def static_masks(tokens: int, epochs: int, copies: int, share: float) -> Tensor:
    """Which tokens are asked in each epoch, (epochs, tokens) of bool: `copies` masks are drawn beforehand, each token with
    probability `share`, and used in turn.

    每个 epoch 问哪些 token，(epochs, tokens) 的布尔值：预先生成 `copies` 种掩码，每个 token 以概率 `share` 选中，轮流使用。"""
    drawn = torch.rand(copies, tokens) < share
    return torch.stack([drawn[epoch % copies] for epoch in range(epochs)])


def dynamic_masks(tokens: int, epochs: int, copies: int, share: float) -> Tensor:
    """The same, drawn anew in every epoch; `copies` plays no part."""
    return torch.rand(epochs, tokens) < share                            # (epochs, tokens)


SCHEMES = {"static": static_masks, "dynamic": dynamic_masks}

RANGES = {
    "tokens": between(512, 8192),
    "epochs": between(1, 60),
    "copies": between(1, 20),
    "share": between(0.1, 0.5),
    "scheme": one_of("static", "dynamic"),
}


def patterns(masks: Tensor) -> Tensor:
    """How often each distinct row occurs, ascending."""
    return torch.unique(masks, dim=0, return_counts=True)[1].sort().values


@breaks(scheme="dynamic", en="Drawn anew, no mask of 512 tokens comes twice.",
        zh="每次重新生成，512 个 token 的掩码不会出现第二次。")
def claim_each_static_mask_is_seen_again(tokens=512, copies=10, scheme="static"):
    """With ten copies and forty epochs every static mask is seen four times; a mask drawn anew never comes
    again.

    复制十份、训练四十个 epoch，每种静态掩码都见四次；重新生成的掩码不会重复。"""
    seen = patterns(SCHEMES[scheme](tokens, 4 * copies, copies, 0.15))
    fresh = patterns(dynamic_masks(tokens, 4 * copies, copies, 0.15))
    show(table({"masks": ["as set", "dynamic"], "distinct": [len(seen), len(fresh)], "seen at most": [seen[-1], fresh[-1]]}))
    expect("distinct masks", len(seen), equals=copies)
    expect("times each is seen", seen, equals=4)
    expect("times a fresh mask is seen", fresh, equals=1)


@breaks(scheme="dynamic", en="Drawn anew, forty masks leave 0.15 % unasked.",
        zh="每次重新生成，四十种掩码只漏掉 0.15%。")
def claim_ten_masks_leave_a_fifth_never_asked(tokens=4096, copies=10, scheme="static"):
    """Ten masks of 15 % ask 80 % of the tokens however many epochs follow: 1 − 0.85¹⁰; forty ask 99.85 %.

    十种 15% 的掩码只问到 80% 的 token，再训练多少个 epoch 也不变：1 − 0.85¹⁰；四十种则问到 99.85%。"""
    epochs = 4 * copies
    asked = {name: SCHEMES[s](tokens, epochs, copies, 0.15).cumsum(0) > 0 for name, s in
             (("as set", scheme), ("drawn anew", "dynamic"))}
    curves = {name: ever.double().mean(1) for name, ever in asked.items()}
    show(lines("epochs", range(1, epochs + 1), curves, y_label="share of tokens ever asked"))
    for name, masks in (("as set", copies), ("drawn anew", epochs)):
        law = 1 - 0.85**masks
        # five standard deviations of a share of `tokens`, and one token
        expect(f"asked in the end, {name}", curves[name][-1], equals=law,
               within=5 * (law * (1 - law) / tokens) ** 0.5 + 1 / tokens)
    expect("asked after the first round less asked in the end", curves["as set"][copies - 1] - curves["as set"][-1], equals=0)


@breaks(epochs=40, en="From the eleventh epoch on static masks repeat, and nothing new is asked.",
        zh="从第十一个 epoch 起静态掩码开始重复，不再问到新的 token。")
def claim_up_to_the_copies_there_is_no_difference(tokens=4096, epochs=10, share=0.15):
    """As long as there are no more epochs than copies, static masks ask as many tokens as masks drawn anew.

    只要 epoch 数不超过复制份数，静态掩码问到的 token 与重新生成的一样多。"""
    ever = [m(tokens, epochs, 10, share).any(0).double().mean() for m in (static_masks, dynamic_masks)]
    show(table({"masks": ["static", "dynamic"], "ever asked": ever}))
    law = 1 - (1 - share) ** epochs
    # two independent shares: their difference has √2 the spread of each
    expect("static less dynamic", ever[0] - ever[1], equals=0,
           within=5 * 1.5 * (law * (1 - law) / tokens) ** 0.5 + 1 / tokens)


def drill_coverage(rng) -> Drill:
    """The share of tokens ever asked."""
    share, copies, epochs = rng.choice((0.15, 0.2, 0.3)), rng.choice((2, 4, 5, 10)), rng.choice((20, 40))
    static = rng.random() < 0.7
    masks = copies if static else epochs
    how, how_zh = ((f"written once, {copies} for each text", f"预先生成 {copies} 种掩码") if static
                   else ("drawn anew in every epoch", "每个 epoch 重新生成"))
    answer = 1 - (1 - share) ** masks
    return Drill(
        en=f"Masks of {share:.0%} are {how}; training takes {epochs} epochs. What share of a text's tokens is ever asked?",
        zh=f"掩码率 {share:.0%}，{how_zh}，共训练 {epochs} 个 epoch。一段文本有多大比例的 token 曾被问到？",
        answer=answer, within=0.005,
        steps=[(f"distinct masks: {masks}", f"不同的掩码：{masks} 种"),
               (f"1 − {1 - share:g}^{masks} = {answer:.4f}", f"1 − {1 - share:g}^{masks} = {answer:.4f}")],
        proved_by="ten_masks_leave_a_fifth_never_asked")


ZH = {
    "masks": "掩码", "as set": "按设定", "dynamic": "动态", "static": "静态", "distinct": "种数", "seen at most": "最多见几次",
    "distinct masks": "不同的掩码数", "times each is seen": "每种见几次", "times a fresh mask is seen": "重新生成的掩码见几次",
    "drawn anew": "重新生成", "epochs": "epoch 数", "share of tokens ever asked": "曾被问到的 token 比例",
    "asked in the end, {}": "最终问到的比例，{}",
    "asked after the first round less asked in the end": "第一轮后与最终问到的比例之差", "ever asked": "曾被问到",
    "static less dynamic": "静态与动态之差",
}

if __name__ == "__main__":
    main()
