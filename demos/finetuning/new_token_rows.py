r"""New output rows take mass from the old tokens: mean rows at most N / (V + N) of it, zero rows
perhaps all.

新的输出行会从旧 token 那里拿走概率：用均值初始化至多拿走 N / (V + N)，用零初始化则可能拿走全部。

Hewitt 2021. Turn `start` to "zeros" or "normal": where a model's logits lie far below 0, a new
token at 0 wins. 把 `start` 改为 "zeros" 或 "normal"：模型的 logits 远低于 0 时，logit 约为 0 的新 token 会胜出。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import named_model


@exercise(claims=("mean_rows_bound_the_loss", "a_padded_matrix_is_not_cut"),
          wrong=("cuts_spare_rows", "appends_zeros", "draws_small_numbers"))
def grow(rows: Tensor, tokens: int) -> Tensor:
    """Embedding or head rows (vocabulary, width) for `tokens` tokens: old rows stay in place, each
    new one is the mean of the old; a matrix that has rows enough is returned as it is.

    把嵌入或输出头的行 (vocabulary, width) 扩到 `tokens` 个 token：旧行原样不动，新行取旧行的均值；行数已经够用的矩阵原样返回。"""
    new = max(tokens - len(rows), 0)
    return torch.cat((rows, rows.mean(0, keepdim=True).expand(new, -1)))


def grown(head: Tensor, tokens: int, start: str) -> Tensor:
    """The head with new rows: by `grow`, or zeros, or normal with a standard deviation of 0.02."""
    rows = grow(head, tokens)
    if start != "mean":
        rows = rows.clone()
        rows[len(head):] = 0.02 * torch.randn_like(rows[len(head):]) if start == "normal" else 0
    return rows


def model(vocabulary: int, width: int, level: float) -> tuple[Tensor, Tensor]:
    """Hidden states (256, width) and a head (vocabulary, width), logits of spread 3 around
    `level`: a common direction shifts them all."""
    head = torch.randn(vocabulary, width, dtype=torch.float64)
    head[:, 0] = 1.0
    hidden = 3 / width**0.5 * torch.randn(256, width, dtype=torch.float64)
    hidden[:, 0] = level
    return hidden, head


RANGES = {
    "vocabulary": between(8, 4000),
    "new": between(1, 1000),
    "width": between(2, 128),
    "level": between(-60.0, 60.0),
    "start": one_of("mean", "zeros", "normal"),
    "old_rows": one_of("kept", "drawn again"),
    "resized_to": one_of("what is needed", "the tokenizer"),
    "tied_again": one_of("yes", "no"),
}
ZEROS = breaks(start="zeros", en="A logit of 0 beats logits that all lie far below 0.",
               zh="旧 logits 全都远低于 0 时，为 0 的新 logit 就会胜出。")
NORMAL = breaks(start="normal", en="Small random rows give logits near 0, which beat logits far below 0.",
                zh="小的随机行给出接近 0 的 logits，胜过远低于 0 的旧 logits。")


@ZEROS
@NORMAL
def claim_mean_rows_bound_the_loss(vocabulary=400, new=100, width=32, level=-30.0, start="mean"):
    """With mean rows the old distribution moves by a KL of at most ln(1 + N / V), whatever the
    context.

    新行取均值时，无论上下文如何，旧分布与新分布的 KL 至多为 ln(1 + N / V)。"""
    hidden, head = model(vocabulary, width, level)
    before = (hidden @ head.T).log_softmax(-1)                                  # (256, vocabulary)
    after = (hidden @ grown(head, vocabulary + new, start).T).log_softmax(-1)[:, :vocabulary]
    moved = (before.exp() * (before - after)).sum(-1)                           # KL(before ‖ after)
    bound = math.log1p(new / vocabulary)
    show(lines("context", range(256), {"KL": moved.sort().values, "ln(1 + N / V)": [bound] * 256}, y_label="nats"))
    # Logits of size |level| rounded at 1e-16 of their size, summed over the vocabulary.
    expect("KL from the model before to the grown one", moved, at_most=bound, within=1e-11)


@breaks(old_rows="drawn again", en="With other old rows the old tokens change places.", zh="旧行一变，旧 token 之间的次序也变。")
def claim_old_tokens_lose_alike(vocabulary=400, new=100, width=32, level=-30.0, old_rows="kept"):
    """New rows, whatever their start, raise every old token's loss by the same −ln(1 − their mass):
    no two old tokens change places.

    无论新行如何初始化，每个旧 token 的损失都增加同样的 −ln(1 − 新行的概率)，旧 token 之间的次序不变。"""
    hidden, head = model(vocabulary, width, level)
    rises, masses = [], []
    for start in ("mean", "zeros", "normal"):
        rows = grown(head, vocabulary + new, start)
        if old_rows == "drawn again":
            rows = torch.cat((torch.randn_like(head), rows[vocabulary:]))
        targets = torch.randint(vocabulary, (256,))
        rise = F.cross_entropy(hidden @ rows.T, targets, reduction="none") - F.cross_entropy(
            hidden @ head.T, targets, reduction="none")
        mass = (hidden @ rows[vocabulary:].T).logsumexp(-1) - (hidden @ head.T).logsumexp(-1)
        rises.append(rise)
        masses.append(torch.logaddexp(mass, torch.zeros_like(mass)))        # −ln(1 − m) where m / (1 − m) = e^mass
    show(bars(["mean", "zeros", "normal"], {"rise of the loss": [r.mean() for r in rises]}, y_label="nats"))
    # as above: 1e-16 of the logits' size, and room
    expect("rise of the loss of old tokens", torch.stack(rises), equals=torch.stack(masses), within=1e-11)


@ZEROS
@NORMAL
def claim_a_mean_row_starts_below_chance(vocabulary=400, new=100, width=32, level=-30.0, start="mean"):
    """A mean row starts with a probability of at most 1 / (V + N) in every context, so its first
    loss is at least ln(V + N).

    均值行在任何上下文里的初始概率都不超过 1 / (V + N)，所以它的初始损失至少是 ln(V + N)。"""
    hidden, head = model(vocabulary, width, level)
    losses = -(hidden @ grown(head, vocabulary + new, start).T).log_softmax(-1)[:, -1]          # (256,)
    chance = math.log(vocabulary + new)
    show(lines("context", range(256), {"loss of a new token": losses.sort().values, "ln(V + N)": [chance] * 256}, y_label="nats"))
    expect("loss of a new token", losses, at_least=chance, within=1e-11)


@breaks(resized_to="the tokenizer", en="The tokenizer is shorter than the padded matrix: rows are cut off.",
        zh="tokenizer 比补齐过的矩阵短，于是有行被裁掉。")
def claim_a_padded_matrix_is_not_cut(resized_to="what is needed"):
    """Qwen2.5-7B keeps 152,064 rows for 151,665 tokens: its 399 spare rows take new tokens without
    any resizing, and a resize to the tokenizer cuts them.

    Qwen2.5-7B 有 152,064 行，只用 151,665 个 token：399 个空行可直接给新 token 用，按 tokenizer 长度 resize 反而会裁掉它们。"""
    have, used = named_model("qwen2.5-7b")["vocabulary"], 151_665
    rows = torch.empty(have, 4, device="meta")
    after = []
    for added in (0, 100, 399, 400):
        tokens = used + added
        after.append(len(grow(rows, tokens) if resized_to == "what is needed" else rows[:tokens]))
    show(bars(["0", "100", "399", "400"], {"rows": after}, y_label="rows"))
    expect("rows after adding tokens", after, equals=[152_064, 152_064, 152_064, 152_065], at=("added", (0, 100, 399, 400)))


@breaks(tied_again="no", en="A head that is not tied again is a matrix of its own.", zh="扩表后若不重新绑定，输出头就成了另一份矩阵。")
def claim_a_tied_row_counts_once(vocabulary=400, new=100, width=32, tied_again="yes"):
    """N new tokens add N·d parameters where input and output rows are tied, and 2·N·d where they
    are not.

    新增 N 个 token：输入、输出嵌入绑定时增加 N·d 个参数，不绑定时增加 2·N·d 个。"""
    added = []
    for tied in (True, False):
        net = nn.ModuleDict({"embed": nn.Embedding(vocabulary, width), "head": nn.Linear(width, vocabulary, bias=False)})
        if tied:
            net["head"].weight = net["embed"].weight
        before = sum(p.numel() for p in net.parameters())
        for part in net.values():
            part.weight = nn.Parameter(grow(part.weight.detach(), vocabulary + new))
        if tied and tied_again == "yes":
            net["head"].weight = net["embed"].weight
        added.append(sum(p.numel() for p in net.parameters()) - before)
    show(bars(["tied", "untied"], {"parameters added": added}))
    expect("parameters added, tied and untied", added, equals=[new * width, 2 * new * width])


def drill_parameters(rng) -> Drill:
    """Parameters that an extension of the vocabulary adds."""
    old, grown_to, width, tied = rng.choice(
        [(32_000, 49_953, 4096, False), (32_000, 55_296, 4096, False), (50_257, 50_300, 768, True), (128_256, 128_356, 2048, True),
         (32_000, 40_000, 5120, False)])
    rows = grow(torch.empty(old, width, device="meta"), grown_to)
    added = (1 if tied else 2) * (rows.numel() - old * width)
    how, how_zh = ("tied", "绑定") if tied else ("untied", "不绑定")
    return Drill(
        en=f"A vocabulary grows from {old:,} to {grown_to:,} tokens at width {width}, input and output rows {how}. "
           "How many parameters are added?",
        zh=f"词表从 {old:,} 扩到 {grown_to:,}，宽度 {width}，输入与输出嵌入{how_zh}。增加多少参数？",
        answer=added,
        steps=[(f"new rows: {grown_to:,} − {old:,} = {grown_to - old:,}", f"新行数：{grown_to:,} − {old:,} = {grown_to - old:,}"),
               (f"times {width}, {'once' if tied else 'twice'}: {added:,}", f"乘 {width}，{'一份' if tied else '两份'}：{added:,}")],
        proved_by="a_tied_row_counts_once",
    )


def drill_mass(rng) -> Drill:
    """The most that mean rows can take from the old tokens."""
    old, new = rng.choice([(400, 100), (32_000, 8000), (50_000, 50_000), (32_000, 18_000), (90_000, 10_000)])
    mass = new / (old + new)
    return Drill(
        en=f"{new:,} rows are added to a head of {old:,} (no bias), each the mean of the old ones. What is the most probability that "
           "the new tokens can take together, in any context?",
        zh=f"给 {old:,} 行的输出头（无偏置）加 {new:,} 行，每行都取旧行的均值。无论什么上下文，新 token 合计最多占多少概率？",
        answer=mass, within=0.005,
        steps=[("by Jensen exp(mean logit) ≤ mean of exp(logits): one new row weighs at most 1/V of the old sum",
                "由 Jensen，exp(平均 logit) ≤ exp(logits) 的平均：一个新行至多是旧和的 1/V"),
               (f"together N / (V + N) = {new:,} / {old + new:,} = {mass:.3f}",
                f"合计 N / (V + N) = {new:,} / {old + new:,} = {mass:.3f}")],
        proved_by="mean_rows_bound_the_loss",
    )


ZH = {
    "context": "上下文",
    "nats": "纳特",
    "ln(1 + N / V)": "ln(1 + N / V)",
    "ln(V + N)": "ln(V + N)",
    "KL from the model before to the grown one": "扩表前到扩表后的 KL",
    "mean": "均值",
    "zeros": "零",
    "normal": "正态随机",
    "rise of the loss": "损失的增加",
    "rise of the loss of old tokens": "旧 token 损失的增加",
    "loss of a new token": "新 token 的损失",
    "rows": "行数",
    "rows after adding tokens": "加 token 之后的行数",
    "added": "新增",
    "tied": "绑定",
    "untied": "不绑定",
    "parameters added": "增加的参数",
    "parameters added, tied and untied": "增加的参数：绑定与不绑定",
}

if __name__ == "__main__":
    main()
