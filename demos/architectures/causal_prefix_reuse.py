r"""Under a causal mask old states survive whatever is appended; a bidirectional prefix does not.

因果掩码下，后面追加什么，旧状态都不变；双向的前缀则会改变。

Turn `mask` to "prefix": each turn of a chat joins the prefix, and every state of the conversation
must be computed again. Reuse within the causal mask ends at the first token that was edited.
把 `mask` 改为 "prefix"：每轮对话都并入前缀，整段对话的状态都要重算。因果掩码下，复用也只到第一个被改动的 token 为止。
"""

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    each,
    expect,
    heatmap,
    lines,
    main,
    one_of,
    show,
)

F64 = torch.float64


def states(x: Tensor, layers: nn.ModuleList, mask: str, prefix: int = 0) -> Tensor:
    """What every layer hands on, (layers, tokens, width): keys and values are made from these.
    Under "prefix" the first `prefix` tokens see each other, the others what stands before them."""
    i = torch.arange(len(x))
    seen = {"causal": i[:, None] >= i,
            "prefix": (i[:, None] >= i) | (i < prefix),
            "none": torch.ones(len(x), len(x), dtype=torch.bool)}[mask]  # (query, key)
    kept = []
    for layer in layers:
        x = layer(x, src_mask=~seen)
        kept.append(x)
    return torch.stack(kept)


def model(width: int, layers: int) -> nn.ModuleList:
    """PyTorch's layers without dropout, in float64."""
    return nn.ModuleList(nn.TransformerEncoderLayer(width, 2, 2 * width, 0.0, F.gelu, dtype=F64)
                         for _ in range(layers))


RANGES = {
    "turns": each(between(2, 12), at_least=2, at_most=5),
    "question": between(1, 8),
    "reasoning": between(1, 8),
    "reply": between(1, 8),
    "width": between(8, 32, multiple_of=2),
    "layers": between(1, 3),
    "mask": one_of("causal", "prefix", "none"),
}
PREFIX = breaks(mask="prefix", en="The new turn is visible to the old ones, so their states change.",
                zh="旧的各轮看得到新的一轮，状态随之改变。")
NONE = breaks(mask="none", en="Every state depends on every token.", zh="每个状态都依赖每个 token。")


@PREFIX
@NONE
@torch.no_grad()
def claim_the_next_turn_keeps_causal_states(turns=(6, 4, 5, 4), width=16, layers=2, mask="causal"):
    """When the next turn of a chat is appended, a causal model's states so far all stand; in a
    prefix decoder whose prefix is the conversation, all change.

    对话追加一轮时，因果模型已有的状态全部不变；若前缀就是整段对话，前缀 decoder 的状态全部改变。"""
    blocks, x = model(width, layers), torch.randn(sum(turns), width, dtype=F64)
    ends = [sum(turns[: k + 1]) for k in range(len(turns))]
    moved = {name: torch.zeros(len(turns) - 1, sum(turns), dtype=F64) for name in ("none", mask)}
    for name, grid in moved.items():
        for row, (old, new) in enumerate(itertools.pairwise(ends)):
            gap = states(x[:new], blocks, name, new)[:, :old] - states(x[:old], blocks, name, old)
            grid[row, :old] = gap.abs().amax((0, 2))
    show(heatmap(moved[mask], x_label="position", y_label="turn appended",
                 title="change of the old states"))
    kept = torch.cat([moved[mask][row, :old] for row, old in enumerate(ends[:-1])])
    expect("change of the old states", kept, equals=0, within=1e-12)
    lost = torch.cat([moved["none"][row, :old] for row, old in enumerate(ends[:-1])])
    expect("old states that change without a mask", (lost > 1e-9).sum(), equals=len(lost))


@NONE
@PREFIX
@torch.no_grad()
def claim_reuse_ends_at_the_first_edit(question=6, reasoning=5, reply=4, width=16, layers=2,
                                       mask="causal"):
    """A chat template that drops old reasoning keeps the states before it and changes every one
    after it, though the tokens there are the same.

    对话模板若丢弃旧的推理内容，之前的状态保留，之后的状态全部改变，尽管那里的 token 没有变。"""
    blocks, cut = model(width, layers), question + reasoning
    x = torch.randn(cut + reply, width, dtype=F64)
    shorter = torch.cat((x[:question], x[cut:]))
    before = states(x, blocks, mask, len(x))
    after = states(shorter, blocks, mask, len(shorter))
    same = torch.cat((before[:, :question], before[:, cut:]), 1)         # of the same tokens
    gap = (after - same).abs().amax((0, 2))
    show(lines("position after the cut", range(question + reply), {"change of the state": gap}))
    expect("change before the cut", gap[:question], equals=0, within=1e-12)
    expect("states after the cut that change", (gap[question:] > 1e-9).sum(), equals=reply)


def drill_positions(rng) -> Drill:
    """Positions processed for a reply, with a KV cache and without."""
    prompt, reply = rng.choice([10, 100, 1000]), rng.choice([5, 10, 50, 100, 500])
    cached = rng.random() < 0.5
    total = prompt + reply - 1 if cached else sum(prompt + t for t in range(reply))
    way = ("with a KV cache", "有 KV cache") if cached else ("recomputing all of it for every token", "每个 token 都全部重算")
    steps = ([(f"the prompt once: {prompt}; each token but the last is fed once: {reply - 1}",
               f"提示一次：{prompt}；除最后一个外，每个 token 喂入一次：{reply - 1}")] if cached else
             [(f"{reply} passes of {prompt} to {prompt + reply - 1} positions",
               f"{reply} 次前向，长度从 {prompt} 到 {prompt + reply - 1}"),
              (f"{reply} · {prompt} + {reply} · {reply - 1} / 2 = {total}",
               f"{reply} · {prompt} + {reply} · {reply - 1} / 2 = {total}")])
    return Drill(
        en=f"A prompt of {prompt} tokens, a reply of {reply}. How many token positions does the "
           f"model process, {way[0]}?",
        zh=f"提示 {prompt} 个 token，回复 {reply} 个。{way[1]}时，模型共处理多少个 token 位置？",
        answer=total, within=0, steps=steps, proved_by="the_next_turn_keeps_causal_states")


ZH = {
    "position": "位置", "turn appended": "追加的轮次", "change of the old states": "旧状态的变化",
    "old states that change without a mask": "不加掩码时改变的旧状态数",
    "position after the cut": "删去之后的位置", "change of the state": "状态的变化",
    "change before the cut": "删去处之前的变化",
    "states after the cut that change": "删去处之后改变的状态数",
}

if __name__ == "__main__":
    main()
