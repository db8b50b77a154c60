r"""Backward of ring attention sends K and V round again, and their gradients travel with them, home.

ring attention 的反向要再传一遍 K、V，它们的梯度随块同行，最后回到原处。

Liu et al. 2023, §3 and code. Turn `gradients` to "stay": what a rank finds for a foreign block is
added to its own. Turn `home` to False: the last hop is left out, and each gradient ends one rank off.
把 `gradients` 改为 "stay"：为别人的块算出的梯度加到了自己的块上；把 `home` 改为 False：少了最后一跳，
每个梯度都停在邻居那里。
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, on_ranks, one_of, show

SENT = {"forward": 0, "backward": 0}


def pass_on(block: Tensor, way: str) -> Tensor:
    """Send a block to the next rank, receive the one of the rank before; count the numbers sent."""
    rank, ranks = dist.get_rank(), dist.get_world_size()
    arriving = torch.empty_like(block)
    for request in dist.batch_isend_irecv([dist.P2POp(dist.isend, block, (rank + 1) % ranks),
                                           dist.P2POp(dist.irecv, arriving, (rank - 1) % ranks)]):
        request.wait()
    SENT[way] += block.numel()
    return arriving


def forward(q: Tensor, kv: Tensor, ranks: int) -> tuple[Tensor, Tensor]:
    """Output (t, d) and log-sum-exp (t, 1) of this rank's queries over all blocks; kv is (2, t, d)."""
    o, lse = torch.zeros_like(q), q.new_full((len(q), 1), -torch.inf)
    for hop in range(ranks):
        s = q @ kv[0].T / q.shape[1] ** 0.5
        new = s.logsumexp(1, keepdim=True)
        both = torch.logaddexp(lse, new)
        o, lse = torch.exp(lse - both) * o + torch.exp(new - both) * (s.softmax(1) @ kv[1]), both
        if hop < ranks - 1:
            kv = pass_on(kv, "forward")
    return o, lse


def backward(q: Tensor, kv: Tensor, o: Tensor, lse: Tensor, do: Tensor, ranks: int, gradients: str,
             home: bool) -> tuple[Tensor, Tensor]:
    """dQ (t, d) and (dK, dV) (2, t, d) of this rank's own tokens."""
    delta, scale = (do * o).sum(1, keepdim=True), q.shape[1] ** 0.5
    dq, dkv = torch.zeros_like(q), torch.zeros_like(kv)
    for hop in range(ranks):
        p = torch.exp(q @ kv[0].T / scale - lse)                # (t, t): the whole row's softmax
        ds = p * (do @ kv[1].T - delta) / scale
        dq = dq + ds @ kv[0]
        dkv = dkv + torch.stack((ds.T @ q, p.T @ do))           # what these queries say about this block
        if hop < ranks - 1:
            kv = pass_on(kv, "backward")
        if gradients == "travel" and (hop < ranks - 1 or home):
            dkv = pass_on(dkv, "backward")                      # P hops bring them back
    return dq, dkv


def work(rank: int, ranks: int, q: Tensor, k: Tensor, v: Tensor, do: Tensor, gradients: str, home: bool) -> tuple:
    """One rank: gradients of its own tokens, and the numbers it sent each way."""
    SENT.update(forward=0, backward=0)
    mine = [t.chunk(ranks)[rank] for t in (q, k, v, do)]        # (t, d), t = tokens / ranks
    kv = torch.stack(mine[1:3])
    o, lse = forward(mine[0], kv, ranks)
    dq, dkv = backward(mine[0], kv, o, lse, mine[3], ranks, gradients, home)
    return dq, dkv, dict(SENT)


RANGES = {
    "ranks": one_of(2, 4),
    "counts": each(one_of(2, 3, 4), at_least=1, rising=True),
    "tokens": between(12, 48, multiple_of=12),
    "d_head": between(4, 16),
    "gradients": one_of("travel", "stay"),
}


@breaks(gradients="stay", en="A rank then adds the gradients of all blocks to its own keys.",
        zh="这样一个 rank 会把所有块的梯度都加到自己的 key 上。")
@breaks(home=False, en="After P − 1 hops a block’s gradient is one rank short of its owner.",
        zh="走了 P − 1 跳的梯度离主人还差一个 rank。")
def claim_gradients_come_home(ranks=4, tokens=24, d_head=8, gradients="travel", home=True):
    """With P hops the gradients of K and V return to their owner as complete sums, equal to autograd's.

    走满 P 跳，K、V 的梯度就累加完整并回到主人那里，与 autograd 的相同。"""
    q, k, v, do = torch.randn(4, tokens, d_head, dtype=torch.float64)
    results = on_ranks(work, ranks, q, k, v, do, gradients, home)
    leaves = [t.clone().requires_grad_() for t in (q, k, v)]
    (F.scaled_dot_product_attention(*(t[None] for t in leaves))[0] * do).sum().backward()
    got = [torch.cat([r[0] for r in results]), *torch.cat([r[1] for r in results], 1)]
    gaps = [(g - leaf.grad).abs().max() for g, leaf in zip(got, leaves, strict=True)]
    show(bars(["dQ", "dK", "dV"], {"largest difference": gaps}))
    expect("dQ, dK, dV from the ring less autograd's", gaps, equals=0, within=1e-12)


@breaks(gradients="stay", en="Without the gradients, backward sends what forward sends.", zh="若梯度不传，反向与前向的通信量相同。")
@breaks(home=False, en="One hop of the gradients is missing.", zh="少了梯度的一跳。")
def claim_backward_sends_more_than_twice_as_much(counts=(2, 4), tokens=24, d_head=8, gradients="travel", home=True):
    """Counted in numbers, backward sends (2P − 1)/(P − 1) times forward: 3 times for 2 ranks, 2.33 for 4.

    按数的个数计，反向的通信量是前向的 (2P − 1)/(P − 1) 倍：2 个 rank 时 3 倍，4 个时 2.33 倍。"""
    data = torch.randn(4, tokens, d_head, dtype=torch.float64)
    ratios = []
    for ranks in counts:
        sent = on_ranks(work, ranks, *data, gradients, home)[0][2]
        ratios.append(sent["backward"] / sent["forward"])
    formula = [(2 * p - 1) / (p - 1) for p in counts]
    show(lines("ranks", counts, {"backward over forward": ratios, "(2P − 1)/(P − 1)": formula}))
    expect("numbers sent in backward over forward", ratios, equals=formula, within=1e-12, at=("ranks", counts))


def drill_bytes_of_a_step(rng) -> Drill:
    """Bytes of forward and backward together."""
    tokens, kv_heads = rng.choice([(65_536, 8), (131_072, 8), (32_768, 4), (131_072, 4)])
    ranks = rng.choice([2, 4, 8])
    block = 2 * tokens // ranks * kv_heads * 128 * 2
    total = block * (3 * ranks - 2)
    return Drill(
        en=f"Ring attention over {ranks} ranks, {tokens:,} tokens, {kv_heads} KV heads of width 128, everything in bf16. "
           "How many MB (1e6) does a rank send per layer in forward and backward together?",
        zh=f"{ranks} 个 rank 的 ring attention，{tokens:,} 个 token，{kv_heads} 个宽 128 的 KV 头，全部 bf16。前向加反向，"
           "一个 rank 每层共发送多少 MB（1e6）？",
        answer=total / 1e6,
        steps=[
            (f"one K, V block: 2 · {tokens // ranks:,} · {kv_heads} · 128 · 2 bytes = {block / 1e6:.2f} MB",
             f"一块 K、V：2 · {tokens // ranks:,} · {kv_heads} · 128 · 2 字节 = {block / 1e6:.2f} MB"),
            (f"forward {ranks - 1} hops; backward {ranks - 1} of K, V and {ranks} of dK, dV: {3 * ranks - 2} blocks",
             f"前向 {ranks - 1} 跳；反向 K、V {ranks - 1} 跳，dK、dV {ranks} 跳：共 {3 * ranks - 2} 块"),
            (f"{total / 1e6:.1f} MB", f"{total / 1e6:.1f} MB"),
        ],
        proved_by="backward_sends_more_than_twice_as_much",
    )


ZH = {
    "largest difference": "最大差异",
    "dQ, dK, dV from the ring less autograd's": "环所得的 dQ、dK、dV 与 autograd 之差",
    "ranks": "rank 数",
    "backward over forward": "反向与前向之比",
    "(2P − 1)/(P − 1)": "(2P − 1)/(P − 1)",
    "numbers sent in backward over forward": "反向与前向发送的数之比",
}

if __name__ == "__main__":
    main()
