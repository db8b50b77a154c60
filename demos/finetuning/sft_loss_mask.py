r"""SFT is next-token cross-entropy that counts some tokens only: the others are labelled −100.

SFT 就是只对部分 token 计算的下一个 token 交叉熵：其余 token 的标签设为 −100。

Labels are a copy of the tokens, and the loss shifts them once (as models of transformers do). Turn `shift`
to "twice", a collator that shifts as well, or to "never": other logits are trained.
标签是 token 的副本，由损失函数移一位（transformers 的模型就是这样）。把 `shift` 改为 "twice"（collator 也移了一次）或
"never"：训练到的就是别的 logits。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("matches_a_loop", "the_answer_is_predicted_one_position_earlier"),
          wrong=("does_not_shift", "divides_by_all_tokens", "counts_the_prompt"))
def sft_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy over all labels that are not −100; the logits at position t predict the label at
    t + 1. logits (batch, tokens, vocabulary), labels (batch, tokens); the result is a scalar.

    对所有不为 −100 的标签取平均的交叉熵；位置 t 的 logits 预测位置 t + 1 的标签。logits 为 (batch, tokens, vocabulary)，
    labels 为 (batch, tokens)；结果是标量。"""
    predicted, wanted = logits[:, :-1], labels[:, 1:]                    # (batch, tokens − 1, …)
    counted = wanted != -100
    log_p = predicted.log_softmax(-1).gather(-1, wanted.clamp(min=0)[..., None])[..., 0]
    return -(log_p * counted).sum() / counted.sum()


def labelled(tokens: Tensor, prompt: int) -> Tensor:
    """Labels that train everything after the first `prompt` tokens."""
    return torch.cat((torch.full_like(tokens[:, :prompt], -100), tokens[:, prompt:]), 1)


def loss_by(shift: str, logits: Tensor, labels: Tensor) -> Tensor:
    """The loss with labels that somebody shifted before, or whose shift is undone."""
    gap = torch.full_like(labels[:, :1], -100)
    if shift == "twice":
        labels = torch.cat((labels[:, 1:], gap), 1)
    elif shift == "never":
        labels = torch.cat((gap, labels), 1)
        logits = torch.cat((logits, logits[:, -1:]), 1)
    return sft_loss(logits, labels)


def text(batch: int, tokens: int, vocabulary: int) -> Tensor:
    """Random tokens of which no two neighbours are the same."""
    return torch.randint(1, vocabulary, (batch, tokens)).cumsum(1) % vocabulary


RANGES = {
    "prompt": between(2, 32), "answer": between(2, 32), "vocabulary": between(4, 100), "batch": between(1, 8),
    "width": between(4, 64), "shift": one_of("once", "twice", "never"),
    "mixing": one_of("attention", "none"), "kept": one_of("predicting", "labelled"),
}
TWICE = breaks(shift="twice", en="Shifted in the collator and again in the loss: each logit learns the token after next.",
               zh="collator 移一次、损失再移一次：每个 logit 学的是再下一个 token。")
NEVER = breaks(shift="never", en="Without a shift the logits learn the token that they were given.",
               zh="不移位，logits 学的就是自己的输入 token。")


@TWICE
@NEVER
def claim_matches_a_loop(prompt=5, answer=4, vocabulary=11, batch=2, shift="once"):
    """The loss is the mean of −log p of the answer's tokens, each given everything before it.

    损失等于答案各 token 的 −log p 的平均，每个都以它之前的全部内容为条件。"""
    tokens = text(batch, prompt + answer, vocabulary)
    logits = torch.randn(batch, prompt + answer, vocabulary, dtype=F64)
    terms = []
    for row in range(batch):
        for t in range(prompt, prompt + answer):
            powers = [math.exp(one) for one in logits[row, t - 1].tolist()]
            terms.append(-math.log(powers[int(tokens[row, t])] / sum(powers)))
    show(bars([f"token {t}" for t in range(prompt, prompt + answer)], {"−log p": terms[:answer]}))
    # float64: up to 256 terms of size below 10
    expect("loss less the loop's mean", loss_by(shift, logits, labelled(tokens, prompt)) - sum(terms) / len(terms),
           equals=0, within=1e-12)


@TWICE
@NEVER
def claim_the_answer_is_predicted_one_position_earlier(prompt=6, answer=4, vocabulary=11, batch=2, shift="once"):
    """With p prompt and a answer tokens, the logits at positions p − 1 to p + a − 2, counted from 0, get gradient,
    all others exactly none: the prompt's last position is trained, the answer's is not.

    提示 p 个、答案 a 个 token 时，从 0 数起，位置 p − 1 到 p + a − 2 的 logits 有梯度，其余恰好没有：提示的最后一个位置参与训练，
    答案的最后一个位置不参与。"""
    logits = torch.randn(batch, prompt + answer, vocabulary, dtype=F64, requires_grad=True)
    loss = loss_by(shift, logits, labelled(text(batch, prompt + answer, vocabulary), prompt))
    (slope,) = torch.autograd.grad(loss, logits)
    size = slope.abs().amax((0, 2))                                      # (tokens,)
    trained = torch.tensor([prompt - 1 <= t <= prompt + answer - 2 for t in range(prompt + answer)])
    show(bars([str(t) for t in range(len(size))], {"gradient of the logits": size}, y_label="largest, by position"))
    expect("gradient where it should be none", size[~trained], equals=0)
    # p − y of the wanted token: 1 − p over the count, which only a certain prediction makes small
    expect("gradient where it should be some", size[trained], at_least=1e-6)


@breaks(mixing="none", en="If positions do not mix, the prompt cannot condition the answer.",
        zh="各位置互不混合，提示就无法影响答案。")
def claim_masked_prompt_tokens_still_get_gradient(prompt=6, answer=4, vocabulary=11, width=16, mixing="attention"):
    """Through attention every prompt embedding gets a gradient, though its label is −100: the mask removes
    targets, not inputs.

    提示的标签虽是 −100，每个提示 token 的嵌入仍经由注意力得到梯度：掩去的是目标，不是输入。"""
    tokens = text(1, prompt + answer, vocabulary)
    x = torch.randn(1, prompt + answer, width, dtype=F64, requires_grad=True)
    mixed = F.scaled_dot_product_attention(x, x, x, is_causal=True) if mixing == "attention" else x
    loss = sft_loss(mixed @ torch.randn(width, vocabulary, dtype=F64), labelled(tokens, prompt))
    (slope,) = torch.autograd.grad(loss, x)
    size = slope.abs().amax((0, 2))                                      # (tokens,)
    show(bars([str(t) for t in range(len(size))], {"gradient of the embedding": size}, y_label="largest, by position"))
    expect("gradient at the prompt, without its last token", size[: prompt - 1], at_least=1e-12)


@NEVER
def claim_a_copying_model_is_not_rewarded(prompt=4, answer=8, vocabulary=20, batch=4, shift="once"):
    """A model that repeats its input token has a large loss; a loss near 0 from it betrays a missing shift.

    只会重复输入 token 的模型损失很大；它的损失若接近 0，就说明漏了移位。"""
    tokens = text(batch, prompt + answer, vocabulary)
    sharpness = (0.0, 2.0, 5.0, 10.0)
    losses = [loss_by(shift, s * F.one_hot(tokens, vocabulary).to(F64), labelled(tokens, prompt)) for s in sharpness]
    show(lines("logit of the input token", sharpness, {"loss": losses}, y_label="nats"))
    expect("loss of the copying model over that of a uniform one", losses[-1] / math.log(vocabulary), at_least=1.0)


@breaks(kept="labelled", en="The positions of the labels are one too late: their logits predict what comes after.",
        zh="取标签所在的位置就晚了一位：那里的 logits 预测的是再后面的 token。")
def claim_only_predicting_positions_need_logits(prompt=12, answer=4, vocabulary=50, width=16, batch=2,
                                                kept="predicting"):
    """Projecting to the vocabulary only where the next label counts gives the same loss and gradients, with a/(p + a)
    of the logits.

    只对下一个标签计入损失的位置投影到词表，损失与梯度都不变，logits 只有 a/(p + a)。"""
    labels = labelled(text(batch, prompt + answer, vocabulary), prompt)
    h = torch.randn(batch, prompt + answer, width, dtype=F64, requires_grad=True)
    head = torch.randn(width, vocabulary, dtype=F64, requires_grad=True)
    chosen = labels != -100                                              # (batch, tokens)
    before = torch.cat((chosen[:, 1:], torch.zeros_like(chosen[:, :1])), 1)
    few = h[before if kept == "predicting" else chosen] @ head           # (batch · answer, vocabulary)
    small, whole = F.cross_entropy(few, labels[chosen]), sft_loss(h @ head, labels)
    gaps = [(a - b).abs().max() for a, b in zip(torch.autograd.grad(small, (h, head)),
                                                torch.autograd.grad(whole, (h, head)), strict=True)]
    show(bars(["all positions", "predicting positions"], {"logits": [batch * (prompt + answer) * vocabulary, few.numel()]}))
    # float64: sums of at most 256 · 64 terms of size below 1
    expect("loss less that of all logits", small - whole, equals=0, within=1e-10)
    expect("gradients less those of all logits", gaps, equals=0, within=1e-10, at=("of", ("states", "head")))


def drill_last_position(rng) -> Drill:
    """Where the end token is predicted."""
    p, a = rng.randint(5, 40), rng.randint(3, 20)
    return Drill(
        en=f"A prompt of {p} tokens and an answer of {a} tokens, its end token included; the prompt is masked. Positions "
           "count from 0. At which position is the end token predicted?",
        zh=f"提示 {p} 个 token，答案 {a} 个 token（含结束符），提示被掩掉。位置从 0 数起，结束符在哪个位置被预测？",
        answer=float(p + a - 2), within=0.1,
        steps=[(f"the end token stands at {p} + {a} − 1 = {p + a - 1}", f"结束符位于 {p} + {a} − 1 = {p + a - 1}"),
               (f"it is predicted one position earlier: {p + a - 2}; in all {a} positions count, from {p - 1} on",
                f"在前一个位置被预测：{p + a - 2}；计入损失的共 {a} 个位置，从 {p - 1} 开始")],
        proved_by="the_answer_is_predicted_one_position_earlier")


def drill_logit_bytes(rng) -> Drill:
    """Memory of the logits in fp32, of all positions or of those that predict an answer."""
    tokens, share = rng.choice([4000, 8000, 16000]), rng.choice([1.0, 0.5, 0.25])
    vocabulary = rng.choice([32000, 128000, 150000])
    value = tokens * share * vocabulary * 4 / 1e9
    return Drill(
        en=f"A step of {tokens:,} tokens, vocabulary {vocabulary:,}, logits in fp32. How many GB (1e9 bytes) do the logits "
           f"take if they are computed only where the next token is trained on, {share:.0%} of the positions?",
        zh=f"一步 {tokens:,} 个 token，词表 {vocabulary:,}，logits 用 fp32。若只在下一个 token 计入损失的位置（占 {share:.0%}）计算，"
           "logits 占多少 GB（1e9 字节）？",
        answer=value, within=max(0.01, 0.02 * value),
        steps=[(f"{tokens:,} · {share:g} = {tokens * share:,.0f} positions", f"{tokens:,} · {share:g} = {tokens * share:,.0f} 个位置"),
               (f"times {vocabulary:,} · 4 bytes = {value:.3g} GB; the gradient takes as much again",
                f"再乘 {vocabulary:,} · 4 字节 = {value:.3g} GB；其梯度还要同样多")],
        proved_by="only_predicting_positions_need_logits")


ZH = {
    "token {}": "token {}", "−log p": "−log p", "loss less the loop's mean": "损失与循环所得平均值之差",
    "gradient of the logits": "logits 的梯度", "largest, by position": "各位置的最大值",
    "gradient where it should be none": "应当没有梯度处的梯度", "gradient where it should be some": "应当有梯度处的梯度",
    "gradient of the embedding": "嵌入的梯度", "gradient at the prompt, without its last token": "提示（除最后一个 token）处的梯度",
    "logit of the input token": "输入 token 的 logit", "loss": "损失", "nats": "纳特",
    "loss of the copying model over that of a uniform one": "复制模型与均匀模型的损失之比",
    "all positions": "全部位置", "predicting positions": "做预测的位置", "states": "隐状态", "head": "输出头", "of": "对象",
    "loss less that of all logits": "与全部 logits 的损失之差", "gradients less those of all logits": "与全部 logits 的梯度之差",
}

if __name__ == "__main__":
    main()
