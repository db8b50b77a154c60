r"""With logits cut over the vocabulary, cross-entropy exchanges three numbers per token, not the logits.

logits 沿词表切开时，交叉熵每个 token 只交换三个数，而不是 logits 本身。

Shoeybi et al. 2019, §3; torch's `loss_parallel` does the same. Turn `way` to "own maximum": sums of
different references are added. To "own target": only one rank knows the target's logit. To
"gathered": right, but the logits travel. 把 `way` 改为 "own maximum"：基准不同的和被加在一起；
"own target"：只有一个 rank 有目标的 logit；"gathered"：正确，但 logits 要在网络上走一遍。
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, on_ranks, one_of, show
from studyapp.evidence.tools import collectives


@exercise(claims=("the_loss_is_exact", "three_numbers_per_token", "the_gradient_stays_on_its_rank"),
          wrong=("keeps_its_own_maximum", "forgets_where_the_target_is", "gathers_the_logits", "forgets_to_sum"))
def vocab_parallel_loss(logits: Tensor, target: Tensor, first: int) -> tuple[Tensor, Tensor]:
    """Cross-entropy and log-sum-exp of each token, (tokens) each and the same on every rank, from this
    rank's columns (tokens, vocabulary / ranks) of the logits; its first column is token `first`.
    target (tokens) are ids of the whole vocabulary. No logits travel, and no exp may overflow.

    由本 rank 的 logits 列 (tokens, vocabulary / ranks) 求每个 token 的交叉熵与 log-sum-exp，形状都是 (tokens)，
    各 rank 相同；第一列是词表中的 `first` 号。target (tokens) 是整个词表中的编号。不传输 logits，exp 不得上溢。"""
    top = logits.amax(1)                                        # (tokens)
    dist.all_reduce(top, op=dist.ReduceOp.MAX)                  # one reference for all ranks
    total = (logits - top[:, None]).exp().sum(1)
    dist.all_reduce(total)
    here = (target >= first) & (target < first + logits.shape[1])
    place = (target - first).clamp(0, logits.shape[1] - 1)
    own = logits.gather(1, place[:, None])[:, 0].where(here, 0.0)
    dist.all_reduce(own)                                        # one rank has it, the others give 0
    lse = top + total.log()
    return lse - own, lse


def own_maximum(logits: Tensor, target: Tensor, first: int) -> tuple[Tensor, Tensor]:
    """The wrong way: each rank subtracts its own maximum and adds it back."""
    loss, lse = vocab_parallel_loss(logits - logits.amax(1, keepdim=True), target, first)
    return loss, lse + logits.amax(1)


def own_target(logits: Tensor, target: Tensor, first: int) -> tuple[Tensor, Tensor]:
    """The wrong way: the target's logit is not summed over ranks."""
    _, lse = vocab_parallel_loss(logits, target, first)
    here = (target >= first) & (target < first + logits.shape[1])
    place = (target - first).clamp(0, logits.shape[1] - 1)
    return lse - logits.gather(1, place[:, None])[:, 0].where(here, 0.0), lse


def gathered(logits: Tensor, target: Tensor, first: int) -> tuple[Tensor, Tensor]:
    """Right and dear: every rank gets all logits."""
    parts = [torch.empty_like(logits) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, logits.contiguous())
    whole = torch.cat(parts, 1)
    return F.cross_entropy(whole, target, reduction="none"), whole.logsumexp(1)


WAYS = {"right": vocab_parallel_loss, "own maximum": own_maximum, "own target": own_target, "gathered": gathered}


def work(rank: int, ranks: int, logits: Tensor, target: Tensor, way: str) -> tuple:
    """Loss, this rank's columns of the gradient of the summed loss, and the bytes that it handed out."""
    mine = logits.chunk(ranks, 1)[rank]                         # (tokens, vocabulary / ranks)
    first = rank * mine.shape[1]
    with collectives() as sent:
        loss, lse = WAYS[way](mine, target, first)
    onehot = target[:, None] == first + torch.arange(mine.shape[1])
    return loss, (mine - lse[:, None]).exp() - onehot.double(), dict(sent)


def drawn(tokens: int, vocabulary: int, largest: float) -> tuple[Tensor, Tensor]:
    """Logits in float64 with the largest made `largest`, and targets."""
    z = torch.randn(tokens, vocabulary, dtype=torch.float64)
    return z * (largest / z.abs().max()), torch.randint(vocabulary, (tokens,))


RANGES = {
    "ranks": one_of(2, 4),
    "tokens": between(8, 64),
    "vocabulary": between(64, 512, multiple_of=8),
    "largest": between(5.0, 2000.0),
    "way": one_of("right", "own maximum", "own target", "gathered"),
}
OWN_MAXIMUM = breaks(way="own maximum", en="Sums of exp that stand against different maxima cannot be added.",
                     zh="各 rank 的指数和以不同的最大值为基准，不能直接相加。")


@OWN_MAXIMUM
@breaks(way="own target", en="On the ranks that do not hold the target the loss lacks its logit.",
        zh="不持有目标列的 rank 上，loss 少减了目标的 logit。")
def claim_the_loss_is_exact(ranks=2, tokens=16, vocabulary=128, largest=1000.0, way="right"):
    """From its own columns and three all-reduces every rank has the exact cross-entropy of all tokens.

    每个 rank 只凭自己的列与三次 all-reduce，就得到全部 token 的精确交叉熵。"""
    logits, target = drawn(tokens, vocabulary, largest)
    results = on_ranks(work, ranks, logits, target, way)
    exact = F.cross_entropy(logits, target, reduction="none")
    show(lines("token", range(tokens), {"one process": exact, "rank 0": results[0][0]}, y_label="loss"))
    expect("loss on every rank less torch's cross-entropy", torch.stack([r[0] for r in results]) - exact,
           equals=0, within=1e-12 * largest)                    # float64 numbers of size `largest`


@breaks(way="gathered", en="All-gather hands each rank the other ranks' logits: vocabulary / ranks per token.",
        zh="all-gather 要交出全部 logits：每个 token 有 词表 / rank 数 个数。")
def claim_three_numbers_per_token(ranks=2, tokens=16, vocabulary=128, largest=10.0, way="right"):
    """A rank hands over three numbers per token: a maximum, a sum and the target's logit.

    每个 token 每个 rank 只交出三个数：最大值、指数和、目标的 logit。"""
    sent = on_ranks(work, ranks, *drawn(tokens, vocabulary, largest), way)[0][2]
    show(bars(["three numbers", "its logits"], [sum(sent.values()) / tokens / 8, vocabulary // ranks],
              y_label="numbers per token") if way == "right" else
         bars(["handed over"], [sum(sent.values()) / tokens / 8], y_label="numbers per token"))
    expect("numbers handed to collectives per token", sum(sent.values()) / tokens / 8, equals=3)


@OWN_MAXIMUM
def claim_the_gradient_stays_on_its_rank(ranks=2, tokens=16, vocabulary=128, largest=10.0, way="right"):
    """Backward exchanges nothing: softmax less one-hot of a rank's own columns needs only the log-sum-exp.

    反向不通信：本 rank 各列的 softmax 减 one-hot，只需要 log-sum-exp。"""
    logits, target = drawn(tokens, vocabulary, largest)
    results = on_ranks(work, ranks, logits, target, way)
    whole = logits.clone().requires_grad_()
    F.cross_entropy(whole, target, reduction="sum").backward()
    joined = torch.cat([r[1] for r in results], 1)
    show(lines("column", range(vocabulary), {"one process": whole.grad[0], "joined from the ranks": joined[0]},
               y_label="gradient of token 0"))
    expect("gradient joined from the ranks less autograd's", joined - whole.grad, equals=0, within=1e-10)


def drill_bytes(rng) -> Drill:
    """Wire bytes of the two ways."""
    tokens, vocabulary = rng.choice([(8192, 128_256), (4096, 151_936), (8192, 248_320), (4096, 128_256)])
    ranks = rng.choice([2, 4, 8])
    share = (ranks - 1) / ranks
    gather = tokens * vocabulary * 2 * share / 1e9
    return Drill(
        en=f"{tokens:,} tokens, a vocabulary of {vocabulary:,} over {ranks} ranks, logits in 16 bits. How many GB "
           "(1e9) of logits must each rank receive if they are all-gathered for the loss?",
        zh=f"{tokens:,} 个 token，词表 {vocabulary:,} 切在 {ranks} 个 rank 上，logits 为 16 位。若为求 loss 而 all-gather "
           "logits，每个 rank 要接收多少 GB（1e9）？",
        answer=gather, within=0.02 * gather,
        steps=[
            (f"all logits: {tokens:,} · {vocabulary:,} · 2 = {tokens * vocabulary * 2 / 1e9:.2f} GB; "
             f"({ranks} − 1)/{ranks} of them: {gather:.2f} GB",
             f"全部 logits：{tokens:,} · {vocabulary:,} · 2 = {tokens * vocabulary * 2 / 1e9:.2f} GB；"
             f"其中 ({ranks} − 1)/{ranks}：{gather:.2f} GB"),
            (f"three fp32 numbers per token by ring all-reduce: 3 · 4 · {tokens:,} · 2 · {share:g} "
             f"= {3 * 4 * tokens * 2 * share / 1e6:.2f} MB",
             f"每 token 三个 fp32 数做 ring all-reduce：3 · 4 · {tokens:,} · 2 · {share:g} "
             f"= {3 * 4 * tokens * 2 * share / 1e6:.2f} MB"),
        ],
        proved_by="three_numbers_per_token",
    )


ZH = {
    "one process": "单进程",
    "loss": "loss",
    "rank 0": "rank 0",
    "loss on every rank less torch's cross-entropy": "各 rank 的 loss 与 torch 交叉熵之差",
    "three numbers": "三个数",
    "its logits": "自己的 logits",
    "handed over": "交出的数",
    "numbers per token": "每个 token 的数的个数",
    "numbers handed to collectives per token": "每个 token 交给集合通信的数的个数",
    "column": "列",
    "joined from the ranks": "由各 rank 拼成",
    "gradient of token 0": "token 0 的梯度",
    "gradient joined from the ranks less autograd's": "各 rank 拼成的梯度与 autograd 之差",
}

if __name__ == "__main__":
    main()
