r"""A view exists where the new shape can walk the storage with fixed strides; reshape copies only where none does.

只要新形状能用固定的步长走遍原存储，视图就存在；reshape 只在视图不存在时才拷贝。

torch.Tensor.view, «the new view size must be compatible». Turn `rule` to "contiguous": many tensors that are not contiguous
have a view. 把 `rule` 改为 "contiguous"：许多不连续的张量同样有视图。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, main, one_of, show, table
from studyapp.evidence.tools import tensor_bytes


@exercise(claims=("the_rule_is_torchs",), wrong=("asks_for_contiguity", "minds_dimensions_of_size_one", "compares_sizes_alone"))
def can_view(shape: tuple[int, ...], strides: tuple[int, ...], new: tuple[int, ...]) -> bool:
    """Whether a tensor of this shape and these strides has a view of shape `new` (as many elements, none of them empty).

    形状为 shape、步长为 strides 的张量，是否有形状为 new 的视图（元素数相同，且没有长度为 0 的维）。"""
    runs, last = [], 0                                # lengths of runs of elements at one constant distance, outermost first
    for size, stride in zip(shape, strides, strict=True):
        if size == 1:
            continue                                  # nothing steps along it: its stride says nothing
        if runs and last == size * stride:
            runs[-1] *= size                          # the outer dimension goes on where the inner one ends: one run
        else:
            runs.append(size)
        last = stride
    room = 1
    for size in new:
        if size == 1:
            continue
        if room == 1:
            room = runs.pop(0)                        # this run is cut up before the next one begins
        if room % size:
            return False                              # a new dimension would straddle two runs
        room //= size
    return True


def row_major(shape: tuple[int, ...], strides: tuple[int, ...]) -> bool:
    """Whether strides are the products of the later sizes; dimensions of size 1 are left out, as torch does."""
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


RULES = {"strides": can_view, "contiguous": lambda shape, strides, new: row_major(shape, strides)}

RANGES = {
    "draws": between(100, 400), "rule": one_of("strides", "contiguous"), "batch": between(1, 4), "tokens": between(2, 32),
    "heads": between(2, 8), "d_head": between(2, 16), "output": one_of("heads first", "tokens first"),
    "base": one_of("row major", "transposed"),
}  # fmt: skip
SHAPES = [(24,), (4, 6), (6, 4), (2, 12), (2, 3, 4), (4, 3, 2), (3, 2, 4), (1, 24), (24, 1), (2, 1, 12), (2, 2, 2, 3)]


def drawn() -> tuple[Tensor, tuple[int, ...]]:
    """A tensor of 24 elements with strides from permuting, slicing or expanding, and another shape of 24 elements."""
    shape = SHAPES[int(torch.randint(len(SHAPES), ()))]
    kind = int(torch.randint(3, ()))
    order = torch.randperm(len(shape)).tolist()
    stored = [shape[order.index(axis)] for axis in range(len(shape))]
    if kind == 1:
        stored[-1] *= 2                                                              # every second element of the last axis
    x = torch.arange(float(torch.tensor(stored).prod())).view(stored)
    x = x[..., ::2] if kind == 1 else x
    x = x[..., :1].expand(stored) if kind == 2 else x                                # stride 0
    return x.permute(order), SHAPES[int(torch.randint(len(SHAPES), ()))]


@breaks(rule="contiguous", en="Splitting a dimension, or merging two that follow each other in storage, needs no contiguity.",
        zh="拆分一维、合并存储中相接的两维，都不要求连续。")
def claim_the_rule_is_torchs(draws=300, rule="strides"):
    """A view exists exactly where merged dimensions satisfy stride[i] = size[i+1] · stride[i+1], sizes of 1 left out: as in
    torch on random strides.

    当且仅当被合并的维满足 stride[i] = size[i+1] · stride[i+1]（长度为 1 的维不计）时，视图存在：随机步长上与 torch 一致。"""
    counts = {"view, contiguous": [0, 0], "view, not contiguous": [0, 0], "no view": [0, 0]}
    for _ in range(draws):
        x, new = drawn()
        shared = x.reshape(new).untyped_storage().data_ptr() == x.untyped_storage().data_ptr()
        kind = "no view" if not shared else "view, contiguous" if x.is_contiguous() else "view, not contiguous"
        counts[kind][RULES[rule](tuple(x.shape), x.stride(), new) != shared] += 1
    show(table(["torch", "rule agrees", "rule differs"], [[kind, *both] for kind, both in counts.items()]))
    expect("tensors on which the rule and torch differ", [both[1] for both in counts.values()], equals=0, at=("torch", list(counts)))
    expect("tensors that are not contiguous and have a view", sum(counts["view, not contiguous"]), at_least=1)


@breaks(output="tokens first", en="Stored tokens first, the heads of a token lie side by side: merging them is a view.",
        zh="若按 token 在前存放，同一 token 的各个头相邻，合并就只是视图。")
def claim_merging_heads_copies_what_splitting_does_not(batch=2, tokens=16, heads=4, d_head=8, output="heads first"):
    """Splitting a projection into heads copies nothing; merging an output stored heads first copies all of it, batch · tokens ·
    heads · d_head numbers.

    把投影拆成多头不拷贝；合并按头在前存放的输出则要整个拷贝：batch · tokens · heads · d_head 个数。"""
    x = torch.randn(batch, tokens, heads * d_head)
    split = x.view(batch, tokens, heads, d_head).transpose(1, 2)                     # (batch, heads, tokens, d_head)
    if output == "heads first":
        out = torch.randn(batch, heads, tokens, d_head)
    else:
        out = torch.randn(batch, tokens, heads, d_head).transpose(1, 2)
    merged = out.transpose(1, 2).reshape(batch, tokens, heads * d_head)
    copied = [tensor_bytes(x, split) - x.nbytes, tensor_bytes(out, merged) - out.nbytes]
    show(bars(["split", "merge"], {"bytes copied": copied}))
    expect("bytes copied by splitting", copied[0], equals=0)
    expect("bytes copied by merging", copied[1], equals=batch * tokens * heads * d_head * 4)


@breaks(base="transposed", en="Flattening a transposed matrix is a copy: what is written there never reaches the base.",
        zh="展平转置后的矩阵是拷贝：写进去的数到不了原张量。")
def claim_writing_through_reshape_reaches_the_base_where_it_is_a_view(tokens=4, heads=3, base="row major"):
    """Writing into x.reshape(-1) changes x where x is contiguous, and not where it is a transposed matrix; nothing in the call
    says so.

    x 连续时，写 x.reshape(-1) 会改动 x；x 是转置得来的矩阵时不会。从调用本身看不出来。"""
    changed = {}
    for way, x in {"row major": torch.zeros(tokens, heads), "transposed": torch.zeros(tokens, heads).T}.items():
        x.reshape(-1).fill_(1)
        changed[way] = int(x.sum())
    show(table(["base", "sum of x after writing ones"], [[way, n] for way, n in changed.items()]))
    expect("elements of x that changed", changed[base], equals=tokens * heads)
    expect("elements of a transposed x that changed", changed["transposed"], equals=0)


def drill_merge_bytes(rng) -> Drill:
    """Bytes of the copy when heads are merged."""
    batch, tokens, width = rng.choice([(1, 4096, 4096), (8, 2048, 4096), (2, 8192, 5120), (4, 1024, 8192), (1, 8192, 8192)])
    return Drill(
        en=f"An attention output of batch {batch}, {tokens} tokens and width {width} in bf16 lies heads first in memory. How many MiB "
           "does .transpose(1, 2).reshape(batch, tokens, width) copy (written once)?",
        zh=f"bf16 的注意力输出，batch {batch}、{tokens} 个 token、宽 {width}，在内存中按头在前存放。"
           ".transpose(1, 2).reshape(batch, tokens, width) 拷贝多少 MiB（只计写一次）？",
        answer=batch * tokens * width * 2 / 2**20,
        steps=[("tokens and heads do not follow each other in storage: all of it is copied", "token 与头在存储中不相接：整个拷贝"),
               (f"{batch} · {tokens} · {width} · 2 bytes / 2^20 = {batch * tokens * width * 2 / 2**20:g} MiB",
                f"{batch} · {tokens} · {width} · 2 字节 / 2^20 = {batch * tokens * width * 2 / 2**20:g} MiB")],
        proved_by="merging_heads_copies_what_splitting_does_not",
    )


ZH = {
    "view, contiguous": "有视图，连续", "view, not contiguous": "有视图，不连续", "no view": "没有视图",
    "torch": "torch", "rule agrees": "规则一致", "rule differs": "规则不同",
    "tensors on which the rule and torch differ": "规则与 torch 不一致的张量数",
    "tensors that are not contiguous and have a view": "不连续却有视图的张量数", "split": "拆分", "merge": "合并",
    "bytes copied": "拷贝的字节数", "bytes copied by splitting": "拆分拷贝的字节数",
    "bytes copied by merging": "合并拷贝的字节数", "base": "原张量",
    "sum of x after writing ones": "写入 1 之后 x 的和", "elements of x that changed": "x 中改变的元素数",
    "elements of a transposed x that changed": "转置的 x 中改变的元素数",
    "row major": "按行存放", "transposed": "转置",
}  # fmt: skip

if __name__ == "__main__":
    main()
