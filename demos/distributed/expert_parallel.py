r"""Expert parallelism moves tokens to the experts; replicated experts move gradients instead.

专家并行把 token 送到专家那里；专家各存一份的数据并行，搬的则是梯度。

Lepikhin et al. 2020 (GShard); DeepEP. Turn `scaled` to "not": with each rank's mean loss an owner's
gradient is N times too large, since it already sums over all ranks.
把 `scaled` 改为 "not"：各 rank 取自己的平均损失时，专家所在 rank 的梯度大了 N 倍，因为它已经把所有 rank 加在一起。
"""

import math

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, on_ranks, one_of, show
from studyapp.evidence.tools import collectives, named_model, randn

EXPERTS, WIDTH, CHOSEN = 12, 8, 2


@exercise(claims=("tokens_travel_and_come_back", "a_token_is_sent_once_per_rank"),
          wrong=("deals_experts_round_robin", "follows_the_first_choice", "counts_every_choice"))
def needed(chosen: Tensor, experts: int, ranks: int) -> Tensor:
    """Which ranks a token must be sent to: True at (token, rank) if one of its experts lives there. chosen
    (tokens, k) holds expert ids; rank r owns experts r·E/N to (r+1)·E/N − 1.

    一个 token 要送往哪些 rank：(token, rank) 处为 True，表示它选的某个专家在那里。chosen (tokens, k) 是专家编号；
    第 r 个 rank 持有第 r·E/N 到 (r+1)·E/N − 1 号专家。"""
    home = chosen // (experts // ranks)                                     # (tokens, k): rank of each choice
    return F.one_hot(home, ranks).amax(1) > 0                               # once, however many of them agree


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
    to = needed(chosen, EXPERTS, ranks).T.nonzero()                         # (copies, 2): rank, token
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
    "counted": one_of("per rank", "per choice"),
    "tokens": one_of(1024, 8192, 65536, 524288),
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
    """Replicated experts hand every expert's gradient to the all-reduce, whatever the batch; only the
    tokens' number does not matter there.

    专家各存一份时，无论批次多大，all-reduce 都要规约全部专家的梯度，与 token 数无关。"""
    counts = (4, 8)
    handed = on_ranks(traffic, ranks, layout, counts)[0]
    show(lines("tokens per rank", counts, {"bytes handed over, router left out": handed}))
    expect("bytes handed over, router left out", handed, equals=EXPERTS * WIDTH * WIDTH * 4, at=("tokens", counts))


def copies(experts: int, k: int, ranks: int) -> float:
    """Mean number of other ranks that a token is sent to, for a router without preferences."""
    return (ranks - 1) * (1 - math.comb(experts - experts // ranks, k) / math.comb(experts, k))


@breaks(counted="per choice", en="Sent once per chosen expert, tokens whose experts share a rank travel several times.",
        zh="若按所选专家逐个发送，专家同在一个 rank 的 token 会重复发送。")
def claim_a_token_is_sent_once_per_rank(counted="per rank"):
    """With 8 of 256 experts a token goes to (N−1)(1 − C(E−E/N, k)/C(E, k)) other ranks on average: 1.0,
    2.7, 4.6 for N = 2, 4, 8, not 8(N−1)/N.

    256 选 8 时，一个 token 平均发往 (N−1)(1 − C(E−E/N, k)/C(E, k)) 个其他 rank：N = 2、4、8 时为 1.0、2.7、4.6，而不是 8(N−1)/N。"""
    ranks, rows = (2, 4, 8, 16, 64), 2048
    chosen = torch.rand(rows, 256).topk(8).indices
    sent = []
    for n in ranks:
        away = needed(chosen, 256, n)[:, 1:].sum(1) if counted == "per rank" else (chosen // (256 // n) > 0).sum(1)
        sent.append(away.double())
    formula = [copies(256, 8, n) for n in ranks]
    show(lines("ranks", ranks, {"copies of a token": [s.mean() for s in sent], "formula": formula,
                                "8(N−1)/N": [8 * (n - 1) / n for n in ranks]}, log="x"))
    expect("copies of a token, mean", [s.mean() for s in sent], equals=formula, at=("N", ranks),
           within=[6 * s.std() / rows**0.5 + 1e-12 for s in sent])          # six standard errors


@breaks(tokens=524288, en="At half a million tokens per rank the tokens outweigh the experts' weights.",
        zh="每个 rank 有五十万个 token 时，token 就比专家的权重还多。")
def claim_sending_tokens_beats_gathering_experts(tokens=8192):
    """For DeepSeek-V3 over 64 ranks, dispatching a layer's tokens moves fewer bytes than gathering its
    experts' weights, up to about 200,000 tokens per rank.

    DeepSeek-V3、64 个 rank：每个 rank 的 token 不到约 20 万时，一层 dispatch 的字节数少于收集该层全部专家的权重。"""
    model, ranks = named_model("deepseek-v3"), 64
    e, k, inner = (model["experts"][name] for name in ("total", "active", "d_expert"))
    away = needed(torch.rand(1024, e).topk(k).indices, e, ranks)[:, 1:].sum(1).double().mean().item()
    weights = 3 * model["width"] * inner * e * (ranks - 1) / ranks          # numbers, 16 bit both
    counts = (1024, 8192, 65536, 524288)
    show(lines("tokens per rank", counts, {"dispatch over gather": [n * away * model["width"] / weights for n in counts]}, log="xy"))
    expect("dispatched bytes over gathered bytes", tokens * away * model["width"] / weights, at_most=1)
    expect("tokens per rank where they are equal", weights / model["width"] / away, equals=205_000, within=10_000)


def drill_copies(rng) -> Drill:
    """Copies of a token."""
    e, k, n = rng.choice([(8, 2, 4), (8, 2, 2), (4, 2, 2), (16, 2, 4), (6, 2, 3), (12, 2, 4)])
    value, each = copies(e, k, n), e // n
    miss = math.comb(e - each, k) / math.comb(e, k)
    return Drill(
        en=f"{e} experts on {n} ranks, {each} on each; a token's {k} experts are any {k} with equal chance, and it is sent at "
           "most once to a rank. To how many other ranks does it go on average?",
        zh=f"{e} 个专家放在 {n} 个 rank 上，每个 {each} 个；token 等概率选 {k} 个专家，对同一个 rank 最多发送一次。平均发往几个其他 rank？",
        answer=value, within=0.02,
        steps=[(f"a given rank holds none of them with C({e - each}, {k})/C({e}, {k}) = {miss:.3f}",
                f"某个 rank 一个也没有的概率是 C({e - each}, {k})/C({e}, {k}) = {miss:.3f}"),
               (f"({n} − 1)(1 − {miss:.3f}) = {value:.2f}; per choice it would be {k * (n - 1) / n:g}",
                f"({n} − 1)(1 − {miss:.3f}) = {value:.2f}；按选择逐个发送则是 {k * (n - 1) / n:g}")],
        proved_by="a_token_is_sent_once_per_rank",
    )


def drill_break_even(rng) -> Drill:
    """Tokens per rank where dispatching costs as much as gathering the experts."""
    e, inner, c = rng.choice([(256, 2048, 6), (128, 1536, 4), (64, 1024, 3), (16, 4096, 2), (128, 768, 6)])
    value = 3 * e * inner / c
    return Drill(
        en=f"A MoE layer has {e} SwiGLU experts of inner width {inner}; a token is sent to {c} other ranks. From how many tokens "
           "per rank does one dispatch move as many numbers as gathering all experts' weights once? (Ignore (N−1)/N.)",
        zh=f"一个 MoE 层有 {e} 个内部宽度 {inner} 的 SwiGLU 专家；一个 token 发往 {c} 个其他 rank。每个 rank 有多少 token 时，"
           "一次 dispatch 搬的数与收集一遍全部专家权重一样多？（忽略 (N−1)/N）",
        answer=value,
        steps=[(f"weights: {e} · 3 · d · {inner}; tokens: T · {c} · d", f"权重：{e} · 3 · d · {inner}；token：T · {c} · d"),
               (f"T = 3 · {e} · {inner} / {c} = {value:,.0f}", f"T = 3 · {e} · {inner} / {c} = {value:,.0f}")],
        proved_by="sending_tokens_beats_gathering_experts",
    )


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
    "ranks": "rank 数",
    "copies of a token": "一个 token 的份数",
    "formula": "公式",
    "copies of a token, mean": "一个 token 的份数，均值",
    "dispatch over gather": "dispatch / 收集权重",
    "dispatched bytes over gathered bytes": "dispatch 的字节数 / 收集权重的字节数",
    "tokens per rank where they are equal": "两者相等时每个 rank 的 token 数",
    "tokens": "token 数",
}

if __name__ == "__main__":
    main()
