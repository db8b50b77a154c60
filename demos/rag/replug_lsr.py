r"""A frozen language model teaches a retriever which passages help it: REPLUG LSR.

冻结的语言模型教检索器：哪些段落对它有用（REPLUG LSR）。

Shi et al. 2023: minimise KL(P‖Q), P = softmax(score/γ) over the retrieved list, Q = softmax(p(y|d, x)/β). (Their NAACL 2024 text writes
KL(Q‖P), with the gradient (P − Q)/γ.) Turn `supervised` to
"with leaks": the retriever learns to find the answer's wording, not the evidence.
把 `supervised` 改为 "with leaks"：检索器学会找答案的字面，而不是证据。
"""

import math

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, main, one_of, show
from studyapp.evidence.tools import Adam

WIDTH, QUERIES = 8, 128


@exercise(claims=("the_gradient_is_weighted_by_p", "held_out_answers_get_likelier"), wrong=("turns_the_kl_round", "divides_by_nothing"))
def lsr_loss(scores: Tensor, answer: Tensor, gamma: float, beta: float) -> Tensor:
    """Mean KL(P‖Q) over queries. scores (queries, passages) of the retriever, answer (queries, passages) = p(y|d, x) of the frozen
    language model; P = softmax(scores/γ), Q = softmax(answer/β).

    KL(P‖Q) 对查询的平均。scores (queries, passages) 是检索得分，answer (queries, passages) 是冻结语言模型的 p(y|d, x)；
    P = softmax(scores/γ)，Q = softmax(answer/β)。"""
    log_p = (scores / gamma).log_softmax(1)                     # what the retriever would read
    log_q = (answer / beta).log_softmax(1)                      # what helps the language model
    return (log_p.exp() * (log_p - log_q)).sum(1).mean()


def other_way(scores: Tensor, answer: Tensor, gamma: float, beta: float) -> Tensor:
    """KL(Q‖P), the cross-entropy of a distillation up to a constant."""
    log_p, log_q = (scores / gamma).log_softmax(1), (answer / beta).log_softmax(1)
    return (log_q.exp() * (log_q - log_p)).sum(1).mean()


LOSSES = {"P to Q": lsr_loss, "Q to P": other_way}
RANGES = {"passages": between(5, 30), "gamma": between(0.5, 2.0), "beta": between(0.05, 0.5), "direction": one_of("P to Q", "Q to P"),
          "supervised": one_of("clean", "with leaks"), "steps": between(55, 80)}


@breaks(direction="Q to P", en="The other direction has the gradient (P − Q)/γ, which also lifts passages that the retriever has given up.",
        zh="反方向的梯度是 (P − Q)/γ，检索器已放弃的段落也会被抬起来。")
def claim_the_gradient_is_weighted_by_p(passages=10, gamma=1.0, beta=0.1, direction="P to Q"):
    """The gradient of KL(P‖Q) in a score is P(log P/Q − KL)/γ: a passage that the retriever all but ignores is hardly lifted, however
    useful.

    KL(P‖Q) 对得分的梯度是 P(log P/Q − KL)/γ：检索器几乎不理会的段落再有用，也几乎不会被抬起。"""
    scores = torch.randn(1, passages, dtype=torch.float64)
    scores[0, 0] = scores.min() - 12 * gamma                    # P of the first is below e^-12
    answer = torch.rand(1, passages, dtype=torch.float64)
    answer[0, 0] = 1.0                                          # and no passage is more useful
    (got,) = torch.autograd.grad(LOSSES[direction](scores.requires_grad_(), answer, gamma, beta), scores)
    s, a = scores[0].tolist(), answer[0].tolist()
    p = [math.exp(x / gamma) / sum(math.exp(y / gamma) for y in s) for x in s]
    q = [math.exp(x / beta) / sum(math.exp(y / beta) for y in a) for x in a]
    kl = sum(x * math.log(x / y) for x, y in zip(p, q, strict=True))
    by_hand = [x * (math.log(x / y) - kl) / gamma for x, y in zip(p, q, strict=True)]
    show(bars([str(n) for n in range(passages)], {"gradient of the score": got[0], "P": p, "Q": q}))
    expect("gradient", got[0], equals=by_hand, within=1e-9)
    # P < e^-12 = 6.1e-6, and |log P/Q − KL| below 100 here.
    expect("gradient of the ignored passage, absolute", got[0, 0].abs(), at_most=1e-3)


def pools(leaks: bool, useful: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries (QUERIES, WIDTH), their passages (QUERIES, 20, WIDTH), which of these carry the answer's wording (QUERIES, 20), and
    p(y|d, x): it follows query · useful · passage, and with `leaks` is 0.95 wherever the wording stands."""
    x, d = torch.randn(QUERIES, WIDTH), torch.randn(QUERIES, 20, WIDTH)
    p = (0.5 * torch.einsum("qi,ij,qkj->qk", x, useful, d) - 2).sigmoid()
    wording = torch.zeros(QUERIES, 20).scatter_(1, torch.randint(20, (QUERIES, 3)), 1.0)
    return x, d, wording, torch.where(wording > 0, 0.95, p) if leaks else p


@breaks(supervised="with leaks", en="Passages that hold the answer's words by accident teach the retriever to look for the words.",
        zh="碰巧含有答案字样的段落，教检索器去找字样。")
def claim_held_out_answers_get_likelier(steps=60, supervised="clean"):
    """Trained on what helps a frozen language model, a retriever raises the probability of held-out right answers, averaged over what it
    reads, by over 0.2.

    按「什么段落对冻结的语言模型有用」训练后，检索器使未见问题正确答案的概率（按所读段落平均）提高 0.2 以上。"""
    useful = torch.linalg.qr(torch.randn(WIDTH, WIDTH)).Q                        # usefulness is not similarity
    x, d, wording, answer = pools(supervised == "with leaks", useful)
    held = pools(False, useful)
    weight, mark = torch.eye(WIDTH).requires_grad_(), torch.zeros(()).requires_grad_()

    def score(x: Tensor, d: Tensor, wording: Tensor) -> Tensor:
        return torch.einsum("qi,ij,qkj->qk", x, weight, d) + mark * wording      # (queries, passages)

    def expected(x: Tensor, d: Tensor, wording: Tensor, answer: Tensor) -> float:
        with torch.no_grad():
            return float((score(x, d, wording).softmax(1) * answer).sum(1).mean())

    optimiser, before = Adam([weight, mark], lr=0.1), expected(*held)
    for _ in range(steps):
        optimiser.step(lsr_loss(score(x, d, wording), answer, 1.0, 0.1))
    after = expected(*held)
    best = float(held[3].amax(1).mean())
    show(bars(["before", "after", "best passage"], {"probability of the right answer": [before, after, best]}))
    expect("gain on held-out questions", after - before, at_least=0.2)


def drill_target(rng) -> Drill:
    """The teacher's share of the best passage."""
    a, b, c = rng.choice([(0.6, 0.4, 0.3), (0.5, 0.4, 0.2), (0.9, 0.8, 0.7), (0.4, 0.3, 0.3), (0.7, 0.5, 0.5)])
    value = 1 / (1 + math.exp((b - a) / 0.1) + math.exp((c - a) / 0.1))
    return Drill(
        en=f"The frozen model gives the right answer probability {a}, {b} and {c} with three passages. Which share has the first in "
           "REPLUG LSR's target Q = softmax(p/β), β = 0.1?",
        zh=f"冻结的模型读三段时，正确答案的概率分别为 {a}、{b}、{c}。REPLUG LSR 的目标 Q = softmax(p/β)，β = 0.1，第一段占多少？",
        answer=value, within=0.01,
        steps=[(f"over the first: e^{(b - a) / 0.1:.0f} and e^{(c - a) / 0.1:.0f}",
                f"与第一段之比：e^{(b - a) / 0.1:.0f} 与 e^{(c - a) / 0.1:.0f}"),
               (f"1 / (1 + {math.exp((b - a) / 0.1):.3f} + {math.exp((c - a) / 0.1):.3f}) = {value:.2f}",) * 2],
        proved_by="the_gradient_is_weighted_by_p")


ZH = {
    "gradient of the score": "得分的梯度", "P": "P", "Q": "Q", "gradient": "梯度",
    "gradient of the ignored passage, absolute": "被忽略段落的梯度绝对值", "before": "训练前", "after": "训练后",
    "best passage": "最有用的段落", "probability of the right answer": "正确答案的概率", "gain on held-out questions": "未见问题上的提高",
}

if __name__ == "__main__":
    main()
