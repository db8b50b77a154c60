r"""The roll-out buffer of PPO: tokens, a mask that keeps the end token, and the log-probabilities of the policy
that sampled. Every ratio of the update is measured against these.

PPO 的采样缓冲：token、保留结束符的掩码，以及采样时策略的对数概率。更新时的每个比值都以它们为分母。

The policy is a table of logits by last token; all answers are enumerated. Turn `mask` to "without the end token":
the masked log-probabilities are those of no distribution.
策略是一张按前一个 token 查的 logits 表，全部回答逐一枚举。把 `mask` 改为 "without the end token"：掩码后的概率不再是一个分布。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, heatmap, lines, main, one_of, show

F64 = torch.float64
END = 0                                               # the end token, which also fills what follows it


@exercise(claims=("masked_answers_are_a_distribution",),
          wrong=("drops_the_end_token", "keeps_the_padding", "stops_at_the_length"))
def response_mask(tokens: Tensor, end: int) -> Tensor:
    """1 for the tokens of the answer up to the first end token and including it, 0 after it: (answers, tokens)
    of token ids to the same shape in float64.

    回答的 token 直到第一个结束符（含它）为 1，其后为 0：输入 (answers, tokens) 的 token id，输出同形状的 float64。"""
    is_end = (tokens == end).long()
    return (is_end.cumsum(-1) - is_end == 0).double()


def log_probs(z: Tensor, tokens: Tensor) -> Tensor:
    """Teacher forcing: log-probability of each token after the one before, (answers, tokens). z (1 + classes,
    classes): row 0 starts an answer, row 1 + a follows token a."""
    before = torch.cat([torch.zeros_like(tokens[:, :1]), 1 + tokens[:, :-1]], 1)
    return z.log_softmax(-1)[before].gather(-1, tokens[..., None])[..., 0]


def all_answers(classes: int, length: int) -> Tensor:
    """Every answer that ends or is cut at `length`, filled with END: (answers, length)."""
    every = torch.cartesian_prod(*[torch.arange(classes)] * length).view(-1, length)
    return every[(every * (1 - response_mask(every, END).long()) == 0).all(1)]


def sample(z: Tensor, answers: int, length: int, temperature: float = 1.0):
    """Token by token as an engine does: tokens (answers, length) and the log-probability of each as it was drawn."""
    last, done, tokens, logs = torch.zeros(answers).long(), torch.zeros(answers).bool(), [], []
    for _ in range(length):
        log_p = (z[last] / temperature).log_softmax(-1)
        drawn = torch.multinomial(log_p.exp(), 1)[:, 0]
        drawn = torch.where(done, END, drawn)
        logs.append(log_p.gather(1, drawn[:, None])[:, 0])
        tokens.append(drawn)
        last, done = 1 + drawn, done | (drawn == END)
    return torch.stack(tokens, 1), torch.stack(logs, 1)


MASKS = {
    "with the end token": lambda t: response_mask(t, END), "without the end token": lambda t: (t != END).double(),
    "none": lambda t: torch.ones_like(t).double(),
}
RANGES = {
    "classes": between(2, 5), "length": between(2, 5), "mask": one_of("with the end token", "without the end token", "none"),
    "recomputed_at": one_of("the same temperature", "temperature 1"), "sampled": one_of("whole distribution", "top 2"),
    "prompts": between(4, 64), "unfinished": one_of("kept", "dropped"),
}


@breaks(mask="without the end token", en="Ending has no probability any more: the answers' probabilities sum to more than 1.",
        zh="结束这一步没有了概率：全部回答的概率之和超过 1。")
@breaks(mask="none", en="Padding enters as if it had been generated.", zh="填充被当成生成的 token 计入。")
def claim_masked_answers_are_a_distribution(classes=4, length=4, mask="with the end token"):
    """Log-probabilities summed under a mask that keeps the end token are those of whole answers: over all answers
    their exponentials sum to one.

    掩码保留结束符时，求和的对数概率就是整段回答的：全部回答的概率之和为一。"""
    z = torch.randn(1 + classes, classes, dtype=F64)
    tokens = all_answers(classes, length)
    probability = (log_probs(z, tokens) * MASKS[mask](tokens)).sum(1).exp()
    show(heatmap(MASKS[mask](tokens[:12]), x_label="token", y_label="answer", title="mask of twelve answers"),
         bars(["sum over all answers"], {"probability": [probability.sum()]}))
    expect("sum of the probabilities of all answers", probability.sum(), equals=1, within=1e-12)
    # By hand: a loop that stops at the end token.
    loop = []
    for row, logs in zip(tokens.tolist(), log_probs(z, tokens).tolist(), strict=True):
        n = row.index(END) + 1 if END in row else length
        loop.append(sum(logs[:n]))
    expect("log-probability less that of a loop", probability.log(), equals=loop, within=1e-12)


@breaks(recomputed_at="temperature 1", en="Sampled at 0.7 but recomputed at 1, ratios start away from 1.",
        zh="以 0.7 采样却按温度 1 重算，比值一开始就不是 1。")
def claim_recomputed_log_probs_equal_the_stored(prompts=32, length=5, recomputed_at="the same temperature"):
    """One forward pass over the finished answers gives the log-probabilities that sampling stored, if logits are
    divided by the same temperature: all ratios start at one.

    对完整回答做一次前向，就得到采样时存下的对数概率，前提是 logits 除以同一个温度：比值都从一开始。"""
    classes, temperature = 6, 0.7
    z = torch.randn(1 + classes, classes, dtype=F64)
    tokens, stored = sample(z, prompts, length, temperature)
    again = log_probs(z / (temperature if recomputed_at == "the same temperature" else 1.0), tokens)
    ratio = ((again - stored) * response_mask(tokens, END)).exp()
    n = min(prompts, 24)
    show(lines("answer", range(n), {"first ratio of its first token": ratio[:n, 0]}))
    expect("first ratios", ratio, equals=1, within=1e-12)
    first = z[0] / temperature
    expect("first token's stored log-probability", stored[0, 0], equals=first[tokens[0, 0]] - first.logsumexp(0), within=1e-12)


@breaks(sampled="top 2", en="Answers that top-2 never draws are missing from the mean, and the rest come too often.",
        zh="top-2 从不采到的回答在均值里缺失，其余的又过多。")
def claim_mean_ratio_is_one(classes=4, length=3, sampled="whole distribution"):
    """Over answers of the old policy the ratio new/old of whole answers averages to exactly one, however far the
    new policy is.

    在旧策略的回答上，整段回答的比值 新/旧 的均值恰为一，不论新策略走了多远。"""
    old, new = torch.randn(2, 1 + classes, classes, dtype=F64)
    tokens = all_answers(classes, length)
    mask = response_mask(tokens, END)
    kept = old.masked_fill(old < old.topk(2, dim=-1).values[:, 1:], -torch.inf) if sampled == "top 2" else old
    drawn = (log_probs(kept, tokens) * mask).nan_to_num(nan=-torch.inf).sum(1).exp()
    log_ratio = ((log_probs(new, tokens) - log_probs(old, tokens)) * mask).sum(1)
    order = log_ratio.argsort()[:: max(1, len(tokens) // 20)]
    show(bars(range(len(order)), {"ratio": log_ratio[order].exp()}, log="y", y_label="new / old, by answer"))
    expect("sum of the sampling probabilities", drawn.sum(), equals=1, within=1e-12)
    expect("mean ratio", (drawn * log_ratio.exp()).sum(), equals=1, within=1e-10)


@breaks(unfinished="kept", en="With the unfinished kept, the mean length is that of the policy.",
        zh="保留未完成的回答，平均长度就是策略的平均长度。")
def claim_dropping_the_unfinished_shortens_the_sample(unfinished="dropped"):
    """Answers that hit the limit and are dropped leave a batch that is shorter than what the policy writes, and
    in which ending looks more likely than it is.

    丢掉触到长度上限的回答，剩下的一批比策略实际写的短，其中结束符的占比也偏高。"""
    classes, length = 4, 5
    z = torch.randn(1 + classes, classes, dtype=F64)
    tokens = all_answers(classes, length)
    mask = response_mask(tokens, END)
    p = (log_probs(z, tokens) * mask).sum(1).exp()
    lengths = mask.sum(1)
    finished = (tokens == END).any(1)
    q = p * finished / p[finished].sum() if unfinished == "dropped" else p
    by_length = {name: [float(w[lengths == n].sum()) for n in range(1, length + 1)]
                 for name, w in (("policy", p), ("batch", q))}
    show(bars(range(1, length + 1), by_length, y_label="probability"))
    expect("sum of the batch's probabilities", q.sum(), equals=1, within=1e-12)
    expect("mean length of the batch less the policy's", ((q - p) * lengths).sum(), at_most=-0.05)
    ends = (tokens == END) * mask
    rate = {name: ((w[:, None] * ends).sum() / (w[:, None] * mask).sum()).item()
            for name, w in (("policy", p), ("batch", q))}
    expect("rate of the end token in the batch over the policy's", rate["batch"] / rate["policy"], at_least=1.05)


def drill_mask(rng) -> Drill:
    """How many tokens carry loss."""
    lengths, limit = rng.choice([(3, 7, 5), (2, 8, 8), (4, 4, 6), (1, 10, 3)]), 8
    rows = torch.ones(3, limit).long()
    for row, n in zip(rows, lengths, strict=True):
        row[n:] = END                                                    # n tokens, then the end token if it fits
    count = int(response_mask(rows, END).sum())
    kept = [min(n + 1, limit) for n in lengths]
    return Drill(
        en=f"Answers may take {limit} tokens, the end token counted. Three answers would have {lengths} tokens before "
           "their end token; a longer one is cut. How many tokens carry loss?",
        zh=f"回答最多 {limit} 个 token，结束符计入。三个回答在结束符之前分别有 {lengths} 个 token，超出的被截断。"
           "共有多少个 token 参与损失？",
        answer=float(count), within=0,
        steps=[(f"each has its end token if it fits: {kept}", f"放得下就含结束符：{kept}"), (f"{sum(kept)}",) * 2],
        proved_by="masked_answers_are_a_distribution",
    )


ZH = {
    "token": "token", "answer": "回答", "mask of twelve answers": "十二个回答的掩码",
    "sum over all answers": "全部回答之和", "probability": "概率",
    "sum of the probabilities of all answers": "全部回答的概率之和",
    "log-probability less that of a loop": "对数概率与逐个相加的差",
    "first ratio of its first token": "首 token 的首步比值", "first ratios": "首步比值",
    "first token's stored log-probability": "首 token 存下的对数概率", "ratio": "比值", "new / old, by answer": "各回答的 新/旧",
    "sum of the sampling probabilities": "采样概率之和", "mean ratio": "比值的均值", "policy": "策略",
    "batch": "这一批", "sum of the batch's probabilities": "这一批的概率之和",
    "mean length of the batch less the policy's": "这一批的平均长度减策略的",
    "rate of the end token in the batch over the policy's": "这一批与策略的结束符占比之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
