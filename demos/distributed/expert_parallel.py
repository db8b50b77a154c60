r"""Expert parallelism moves tokens to the experts; replicated experts move gradients instead.

专家并行把 token 送到专家那里；专家各存一份的数据并行，搬的则是梯度。

Lepikhin et al. 2020 (GShard). Turn `scaled` to "not": with each rank's mean loss an owner's
gradient is N times too large, since it already sums over all ranks.
把 `scaled` 改为 "not"：各 rank 取自己的平均损失时，专家所在 rank 的梯度大了 N 倍，因为它已经把所有 rank 加在一起。
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, expect, lines, main, on_ranks, one_of, show
from studyapp.evidence.tools import collectives, randn

EXPERTS, WIDTH, CHOSEN = 12, 8, 2


class Exchange(torch.autograd.Function):
    """An all-to-all with rows for each rank; its backward sends the gradients the other way."""

    @staticmethod
    def forward(ctx, rows, sent, received):
        ctx.sizes = sent, received
        out = rows.new_empty(sum(received), rows.shape[1])
        dist.all_to_all_single(out, rows.contiguous(), received, sent)
        return out

    @staticmethod
    def backward(ctx, grad):
        return Exchange.apply(grad, ctx.sizes[1], ctx.sizes[0]), None, None


def gates(x: Tensor, router: Tensor) -> tuple[Tensor, Tensor]:
    """The top-2 choices (tokens, 2), and a weight for every expert (tokens, EXPERTS), 0 where not chosen."""
    top = (x @ router.T).topk(CHOSEN)
    return top.indices, torch.zeros(len(x), EXPERTS).scatter(1, top.indices, top.values.softmax(1))


def through(x: Tensor, gate: Tensor, experts: Tensor) -> Tensor:
    """Σ gate · tanh(x W_e) over the experts that are here; every one is computed and weighted."""
    return torch.einsum("te,tef->tf", gate, torch.einsum("td,edf->tef", x, experts).tanh())


def expert_parallel(x: Tensor, router: Tensor, own: Tensor, ranks: int, combine: str) -> Tensor:
    """The MoE layer where each rank owns a part of the experts, `own` (EXPERTS/ranks, WIDTH, WIDTH)."""
    chosen, gate = gates(x, router)
    away = F.one_hot(chosen // len(own), ranks).amax(1) > 0                 # (tokens, ranks): once per rank
    to = away.T.nonzero()                                                   # (copies, 2): rank, token
    sent = torch.bincount(to[:, 0], minlength=ranks)
    received = torch.empty_like(sent)
    dist.all_to_all_single(received, sent)                                  # counts first
    local = gate.unflatten(1, (ranks, -1))[to[:, 1], to[:, 0]]              # weights of that rank's experts
    there = Exchange.apply(torch.cat((x[to[:, 1]], local), 1), sent.tolist(), received.tolist())
    done = through(there[:, :WIDTH], there[:, WIDTH:], own)                 # dispatched; now the experts
    back = Exchange.apply(done, received.tolist(), sent.tolist())           # combine
    if combine == "added up":
        return torch.zeros_like(x).index_add(0, to[:, 1], back)
    return torch.zeros_like(x).index_put((to[:, 1],), back)                 # the wrong way: one rank's part only


def work(rank, ranks, layout, combine, tokens):
    """One step on one rank: output, gradients after synchronisation, bytes handed to collectives."""
    x, router = randn(tokens, WIDTH, seed=10 + rank), randn(EXPERTS, WIDTH, seed=1).requires_grad_()
    experts = randn(EXPERTS, WIDTH, WIDTH, seed=2) / WIDTH**0.5
    own = (experts if layout == "replicated" else experts.chunk(ranks)[rank]).clone().requires_grad_()
    with collectives() as counted:
        y = (through(x, gates(x, router)[1], own) if layout == "replicated"
             else expert_parallel(x, router, own, ranks, combine))
        y.square().mean().backward()                                        # each rank's own mean
        for p in (router, own) if layout == "replicated" else (router,):
            dist.all_reduce(p.grad)
            p.grad /= ranks
    return y.tolist(), router.grad.tolist(), own.grad.tolist(), dict(counted)


def traffic(rank, ranks, layout, counts):
    """Bytes of all-reduce and all-to-all on one rank, for each number of tokens; the router left out."""
    steps = [work(rank, ranks, layout, "added up", tokens)[3] for tokens in counts]
    return [step["all_reduce"] + step.get("all_to_all_single", 0) - EXPERTS * WIDTH * 4 for step in steps]


def whole(ranks: int, tokens: int) -> tuple[Tensor, Tensor, Tensor]:
    """The same in one process, token by token: output (ranks · tokens, WIDTH), ∂/∂router, ∂/∂experts."""
    x = torch.cat([randn(tokens, WIDTH, seed=10 + r) for r in range(ranks)])
    router = randn(EXPERTS, WIDTH, seed=1).requires_grad_()
    experts = (randn(EXPERTS, WIDTH, WIDTH, seed=2) / WIDTH**0.5).requires_grad_()
    rows = []
    for row in x:
        top = (router @ row).topk(CHOSEN)
        rows.append(sum(w * (row @ experts[e]).tanh() for w, e in zip(top.values.softmax(0), top.indices, strict=True)))
    y = torch.stack(rows)
    y.square().mean().backward()
    return y.detach(), router.grad, experts.grad


RANGES = {
    "ranks": between(2, 4),
    "layout": one_of("owned", "replicated"),
    "combine": one_of("added up", "overwritten"),
    "scaled": one_of("by 1/N", "not"),
}


@breaks(combine="overwritten", en="A token whose two experts live on two ranks gets two parts back; one alone is not its output.",
        zh="两个专家在两个 rank 上的 token 会收回两份结果，只取一份就不对。")
def claim_tokens_travel_and_come_back(ranks=3, combine="added up"):
    """With each expert on one rank only, dispatch, experts and combine give the output of one process that
    holds all of them; so does replication.

    每个专家只在一个 rank 上时，dispatch、专家计算、combine 之后的输出，等于单进程持有全部专家的输出；各存一份也一样。"""
    y = whole(ranks, 6)[0]
    parts = on_ranks(work, ranks, "owned", combine, 6)
    mine = torch.tensor([row for part in parts for row in part[0]])
    x, router = torch.cat([randn(6, WIDTH, seed=10 + r) for r in range(ranks)]), randn(EXPERTS, WIDTH, seed=1)
    copied = through(x, gates(x, router)[1], randn(EXPERTS, WIDTH, WIDTH, seed=2) / WIDTH**0.5)
    show(bars([f"rank {r}" for r in range(ranks)], {"bytes sent by all-to-all": [p[3]["all_to_all_single"] for p in parts]}))
    for name, got in (("expert parallel", mine), ("replicated", copied)):
        expect(f"output less one process's, {name}", got - y, equals=0, within=1e-5)  # float32, sums of 8


@breaks(scaled="not", en="Each rank's mean divides by its own tokens; the owner's sum over N ranks is N times the batch's mean.",
        zh="各 rank 的平均只除以自己的 token 数；专家所在 rank 把 N 个 rank 加在一起，就是整批平均的 N 倍。")
def claim_the_owners_gradient_is_n_times_too_large(ranks=3, scaled="by 1/N"):
    """If every rank takes its own mean loss and averages the shared gradients, an owner's expert gradient
    must be divided by N; then all equal the whole batch's.

    各 rank 取自己的平均损失、共享参数的梯度取平均时，专家的梯度要再除以 N，这样才都等于整批的梯度。"""
    _, router, experts = whole(ranks, 6)
    parts = on_ranks(work, ranks, "owned", "added up", 6)
    mine = torch.cat([torch.tensor(p[2]) for p in parts])                   # (EXPERTS, WIDTH, WIDTH)
    ratio = mine.norm() / experts.norm()
    show(bars(["router", "experts"], {"norm, over the whole batch's": [torch.tensor(parts[0][1]).norm() / router.norm(), ratio]}))
    expect("router's gradient less the whole batch's", torch.tensor(parts[0][1]) - router, equals=0, within=1e-5)
    expect("experts' gradient less the whole batch's", mine / (ranks if scaled == "by 1/N" else 1) - experts,
           equals=0, within=1e-5)


@breaks(layout="owned", en="Owned experts need no reduction; their traffic is tokens, and grows with them.",
        zh="专家只有一份时不需要规约；通信的是 token，随 token 数增长。")
def claim_replicated_experts_are_reduced_whole(ranks=3, layout="replicated"):
    """Replicated experts hand every expert's gradient to the all-reduce, however many tokens there are.

    专家各存一份时，all-reduce 要规约全部专家的梯度，与 token 数无关。"""
    counts = (4, 8)
    handed = on_ranks(traffic, ranks, layout, counts)[0]
    show(lines("tokens per rank", counts, {"bytes handed over, router left out": handed}))
    expect("bytes handed over, router left out", handed, equals=EXPERTS * WIDTH * WIDTH * 4, at=("tokens", counts))


ZH = {
    "rank {}": "rank {}",
    "bytes sent by all-to-all": "all-to-all 交出的字节数",
    "output less one process's, expert parallel": "输出与单进程之差，专家并行",
    "output less one process's, replicated": "输出与单进程之差，各存一份",
    "router": "路由器",
    "experts": "专家",
    "norm, over the whole batch's": "范数 / 整批的范数",
    "router's gradient less the whole batch's": "路由器梯度与整批之差",
    "experts' gradient less the whole batch's": "专家梯度与整批之差",
    "tokens per rank": "每个 rank 的 token 数",
    "bytes handed over, router left out": "交给集合通信的字节数（不含路由器）",
    "tokens": "token 数",
}

if __name__ == "__main__":
    main()
