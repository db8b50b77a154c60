r"""Ring attention: K and V blocks travel round the ranks, and each joins what the queries have so far.

ring attention：K、V 块沿环传递，每到一块就并入 query 已有的结果。

Liu et al. 2023, §3. Turn `merge` to "average": a block with small scores counts as much as any. `layout`
to "contiguous": of 4 ranks the last computes 5/3 of the average. `sends` to "query heads": K and V
are repeated before they travel. 把 `merge` 改为 "average"：分数小的块也占同样的权重；`layout` 改为
"contiguous"：4 个 rank 时最后一个要算平均值的 5/3；`sends` 改为 "query heads"：先复制 K、V 再传。
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, on_ranks, one_of, show


@exercise(claims=("zigzag_gives_every_rank_the_same_work", "the_ring_equals_full_attention"),
          wrong=("takes_neighbours", "takes_every_nth_token", "pairs_by_half_a_sequence"))
def zigzag(tokens: int, rank: int, ranks: int) -> Tensor:
    """Places (tokens / ranks) of this rank's tokens, in rising order, such that under a causal mask all
    ranks compute the same number of tiles. Cut the sequence into 2 · ranks chunks, two for each rank.

    本 rank 的 token 位置 (tokens / ranks)，递增；在因果掩码下，各 rank 计算的块数要相同。
    把序列切成 2 · ranks 段，每个 rank 两段。"""
    chunks = torch.arange(tokens).chunk(2 * ranks)
    return torch.cat((chunks[rank], chunks[2 * ranks - 1 - rank]))      # one early, one late


def contiguous(tokens: int, rank: int, ranks: int) -> Tensor:
    """One slice per rank: the last rank's queries see all keys, the first's only their own slice."""
    return torch.arange(tokens).chunk(ranks)[rank]


LAYOUTS = {"zigzag": zigzag, "contiguous": contiguous}


def join(o: Tensor, lse: Tensor, o_new: Tensor, lse_new: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs (heads, rows, d) and log-sum-exps (heads, rows, 1) over two disjoint sets of keys."""
    both = torch.logaddexp(lse, lse_new)
    return torch.exp(lse - both) * o + torch.exp(lse_new - both) * o_new, both


def average(o: Tensor, lse: Tensor, o_new: Tensor, lse_new: Tensor) -> tuple[Tensor, Tensor]:
    """The wrong way: both parts count the same."""
    return torch.where(lse == -torch.inf, o_new, (o + o_new) / 2), torch.logaddexp(lse, lse_new)


MERGES = {"log-sum-exp": join, "average": average}


def pass_on(block: Tensor, rank: int, ranks: int) -> Tensor:
    """Send a block to the next rank and receive the one of the rank before."""
    arriving = torch.empty_like(block)
    for request in dist.batch_isend_irecv([dist.P2POp(dist.isend, block, (rank + 1) % ranks),
                                           dist.P2POp(dist.irecv, arriving, (rank - 1) % ranks)]):
        request.wait()
    return arriving


def ring(rank: int, ranks: int, q: Tensor, k: Tensor, v: Tensor, layout: str, merge: str, sends: str) -> dict:
    """Causal attention of this rank's queries; q is (heads, tokens, d), k and v (kv_heads, tokens, d)."""
    place = [LAYOUTS[layout](q.shape[1], r, ranks) for r in range(ranks)]
    mine = place[rank]                                          # (t), t = tokens / ranks
    block = torch.stack((k, v))[:, :, mine].contiguous()        # (2, kv_heads, t, d)
    if sends == "query heads":
        block = block.repeat_interleave(len(q) // len(k), 1)
    halves = [slice(0, len(mine) // 2), slice(len(mine) // 2, None)]
    state = [(q.new_zeros(q[:, mine][:, h].shape), q.new_full((len(q), len(mine[h]), 1), -torch.inf)) for h in halves]
    tiles = sent = 0
    for hop in range(ranks):
        keys = place[(rank - hop) % ranks]                      # whose block is here
        k_here, v_here = block.repeat_interleave(len(q) // block.shape[1], 1)
        for i, rows in enumerate(halves):
            for columns in halves:
                if keys[columns][0] > mine[rows][-1]:           # all of it is masked
                    continue
                tiles += 1
                s = q[:, mine[rows]] @ k_here[:, columns].mT / q.shape[-1] ** 0.5
                s = s.masked_fill(mine[rows][:, None] < keys[columns], -torch.inf)
                part = s.softmax(-1) @ v_here[:, columns], s.logsumexp(-1, keepdim=True)
                state[i] = MERGES[merge](*state[i], *part)
        if hop < ranks - 1:
            sent += block.numel()
            block = pass_on(block, rank, ranks)
    return {"places": mine, "o": torch.cat([o for o, _ in state], 1), "tiles": tiles, "sent": sent}


def tiles_of(rank: int, ranks: int, q: Tensor, k: Tensor, v: Tensor, layouts: tuple[str, ...]) -> list[int]:
    """Tiles that this rank computes under each layout."""
    return [ring(rank, ranks, q, k, v, layout, "log-sum-exp", "kv heads")["tiles"] for layout in layouts]


def drawn(tokens: int, heads: int, kv_heads: int, d: int) -> list[Tensor]:
    """q, k and v in float64, (heads or kv_heads, tokens, d)."""
    return [torch.randn(n, tokens, d).double() for n in (heads, kv_heads, kv_heads)]


RANGES = {
    "ranks": one_of(2, 4),
    "tokens": between(16, 64, multiple_of=8),
    "heads": one_of(4, 8),
    "kv_heads": one_of(1, 2),
    "d_head": between(4, 16),
    "layout": one_of("zigzag", "contiguous"),
    "merge": one_of("log-sum-exp", "average"),
    "sends": one_of("kv heads", "query heads"),
}


@breaks(merge="average", en="A block weighs by its part of the softmax's sum, which its log-sum-exp tells.",
        zh="一块的权重是它在 softmax 总和中的份额，由 log-sum-exp 给出。")
def claim_the_ring_equals_full_attention(ranks=4, tokens=32, heads=4, kv_heads=2, layout="zigzag",
                                         merge="log-sum-exp"):
    """Blocks merged by their log-sum-exp as they arrive give exactly the causal attention over all tokens.

    各块按到达次序用 log-sum-exp 合并，结果就是对全部 token 的因果注意力，没有近似。"""
    q, k, v = drawn(tokens, heads, kv_heads, 8)
    results = on_ranks(ring, ranks, q, k, v, layout, merge, "kv heads")
    whole = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True, enable_gqa=True)[0]
    o = torch.zeros_like(whole)
    for r in results:
        o[:, r["places"]] = r["o"]
    show(lines("token", range(tokens), {"largest difference": (o - whole).abs().amax((0, 2))}))
    expect("output from the ring less torch's attention", (o - whole).abs().amax((0, 2)), equals=0, within=1e-12,
           at=("token", range(tokens)))


@breaks(sends="query heads", en="Repeated first, K and V travel once for every query head.", zh="先复制的话，K、V 要按 query 头数传。")
def claim_a_rank_sends_its_block_on_p_minus_1_times(ranks=4, tokens=32, heads=4, kv_heads=2, d_head=8,
                                                    sends="kv heads"):
    """Forward, each of P ranks sends (P − 1) · 2 · (T/P) · kv_heads · d_head numbers per layer, as an all-gather would.

    前向每层，P 个 rank 各发送 (P − 1) · 2 · (T/P) · kv_heads · d_head 个数，与 all-gather 相同。"""
    results = on_ranks(ring, ranks, *drawn(tokens, heads, kv_heads, d_head), "zigzag", "log-sum-exp", sends)
    formula = (ranks - 1) * 2 * (tokens // ranks) * kv_heads * d_head
    show(bars([f"rank {r}" for r in range(ranks)], {"numbers sent": [r["sent"] for r in results],
                                                    "formula": [formula] * ranks}))
    expect("numbers that each rank sends", [r["sent"] for r in results], equals=formula)


@breaks(layout="contiguous", en="Tiles above the diagonal are skipped, and rank 0 has nearly all of them.",
        zh="对角线以上的块被跳过，而它们几乎都属于 rank 0。")
def claim_zigzag_gives_every_rank_the_same_work(ranks=4, tokens=32, heads=4, kv_heads=2, d_head=8, layout="zigzag"):
    """With chunks r and 2P − 1 − r each of P ranks computes 2P + 1 half-block tiles under a causal mask; contiguous, 4r + 3.

    rank r 取第 r 段与第 2P − 1 − r 段时，因果掩码下 P 个 rank 各算 2P + 1 个半块；连续切分则为 4r + 3 个。"""
    counted = on_ranks(tiles_of, ranks, *drawn(tokens, heads, kv_heads, d_head), (layout, "contiguous"))
    tiles, uneven = (list(counts) for counts in zip(*counted, strict=True))
    show(bars([f"rank {r}" for r in range(ranks)], {"tiles": tiles, "contiguous": uneven}))
    expect("tiles that each rank computes", tiles, equals=2 * ranks + 1)
    expect("tiles of contiguous slices", uneven, equals=[4 * r + 3 for r in range(ranks)])


def drill_block_that_hides_the_ring(rng) -> Drill:
    """Tokens per rank from which sending K and V takes no longer than the tile's FLOPs."""
    name, tflops, gbs = rng.choice([("A100", 312, 300), ("H100", 989, 450), ("H100", 989, 50), ("A100", 312, 25)])
    group, half = rng.choice([1, 4, 8]), rng.choice([1, 2])
    tokens = tflops * 1e12 * half / (gbs * 1e9 * group)
    heads = "1 query head" if group == 1 else f"{group} query heads"
    mask = ("a causal mask, zig-zag: half of the FLOPs", "因果掩码、zig-zag，FLOPs 减半") if half == 2 else (
        "no mask", "无掩码")
    return Drill(
        en=f"Ring attention in bf16 on {name}s: {tflops} TFLOP/s, {gbs} GB/s per direction to the next rank, {heads} "
           f"per KV head, {mask[0]}. From how many tokens per rank does computing a block take as long as "
           "sending it?",
        zh=f"bf16 的 ring attention，{name}：{tflops} TFLOP/s，到下一个 rank 单向 {gbs} GB/s，每个 KV 头 {group} 个 query 头，"
           f"{mask[1]}。每个 rank 至少多少 token 时，算一块的时间不短于传一块？",
        answer=tokens, within=0.03 * tokens,
        steps=[
            (f"FLOPs of c queries by c keys, width h: 4·c²·h{' / 2' if half == 2 else ''}",
             f"c 个 query 对 c 个 key、宽 h：4·c²·h{' / 2' if half == 2 else ''} FLOPs"),
            (f"bytes of K and V: 2 · c · h/{group} · 2 = 4·c·h/{group}", f"K、V 的字节数：2 · c · h/{group} · 2 = 4·c·h/{group}"),
            (f"equal at c = {half} · {tflops}e12 / ({group} · {gbs}e9) = {tokens:,.0f}",
             f"相等时 c = {half} · {tflops}e12 / ({group} · {gbs}e9) = {tokens:,.0f}"),
        ],
        proved_by="a_rank_sends_its_block_on_p_minus_1_times",
    )


ZH = {
    "token": "token",
    "largest difference": "最大差异",
    "output from the ring less torch's attention": "环的输出与 torch 注意力之差",
    "rank {}": "rank {}",
    "numbers sent": "发送的数",
    "formula": "公式",
    "numbers that each rank sends": "每个 rank 发送的数",
    "tiles": "计算的半块",
    "contiguous": "连续切分",
    "tiles that each rank computes": "每个 rank 计算的半块数",
    "tiles of contiguous slices": "连续切分时的半块数",
}

if __name__ == "__main__":
    main()
