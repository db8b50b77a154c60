r"""A base model continues text as its corpus does; SFT in a template makes it answer and end its turn.

base 模型照语料那样续写；套模板的 SFT 使它作答，并结束自己的回合。

A toy: an MLP on the last two tokens. In its corpus a question is followed by its answer with chance `share`,
else by another question. Turn `share` to 0.8: the base answers. Turn `end` to "masked": the chat model never ends.
玩具实验：MLP 只看最近两个 token。语料里一个问题以概率 `share` 后接答案，否则后接另一个问题。把 `share` 改为 0.8：base 也会作答。
把 `end` 改为 "masked"：chat 模型从不结束回合。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import bars, between, breaks, each, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam

WIDTH, HIDDEN = 48, 128
Weights = dict[str, Tensor]


def next_token(context: Tensor, w: Weights) -> Tensor:
    """Probabilities of the next token from the last two; context (…, 2), result (…, vocabulary)."""
    return ((w["embedding"][context].sum(-2) @ w["in"] + w["bias"]).relu() @ w["out"]).softmax(-1)


def ids(questions: int) -> dict[str, int]:
    """Tokens: the questions, then their answers, then these."""
    return dict(zip(("begin", "end of document", "assistant", "end of turn"), range(2 * questions, 2 * questions + 4),
                    strict=True))


def base(questions: int, share: float, steps: int = 110) -> Weights:
    """Trained on `question answer <end of document>`, or with chance 1 − share `question question <end of document>`."""
    t, n = ids(questions), questions
    q, vocabulary = torch.arange(n), 2 * n + 4
    after_question = torch.zeros(n, vocabulary)
    after_question[:, :n] = (1 - share) / n
    after_question[q, n + q] = share
    pairs = torch.cat((torch.stack((q, n + q), 1), torch.cartesian_prod(q, q)))
    context = torch.cat((torch.stack((torch.full((n,), t["begin"]), q), 1), pairs))
    ends = F.one_hot(torch.full((len(pairs),), t["end of document"]), vocabulary).float()
    weight = torch.cat((torch.full((n,), 1 / n), torch.full((n,), share / n), torch.full((n * n,), (1 - share) / n**2)))
    w = {name: (scale * torch.randn(*shape)).requires_grad_() for name, scale, shape in (
        ("embedding", 0.5, (vocabulary, WIDTH)), ("in", WIDTH**-0.5, (WIDTH, HIDDEN)), ("bias", 0.0, (HIDDEN,)),
        ("out", HIDDEN**-0.5, (HIDDEN, vocabulary)))}
    target, optimizer = torch.cat((after_question, ends)), Adam(w.values(), lr=1e-2)
    for _ in range(steps):
        optimizer.step(-(weight[:, None] * target * next_token(context, w).log()).sum())
    return w


def chat(w: Weights, questions: int, end: str, steps: int = 60) -> Weights:
    """SFT on `question <assistant> answer <end of turn>` for the even questions; the loss is on the last two tokens."""
    t, q = ids(questions), torch.arange(0, questions, 2)
    answer, who = questions + q, torch.full_like(q, t["assistant"])
    w = {name: one.detach().clone().requires_grad_() for name, one in w.items()}
    optimizer = Adam(w.values(), lr=3e-3)
    for _ in range(steps):
        loss = F.nll_loss(next_token(torch.stack((q, who), 1), w).log(), answer)
        if end == "trained":
            loss = loss + F.nll_loss(next_token(torch.stack((who, answer), 1), w).log(),
                                     torch.full_like(q, t["end of turn"]))
        optimizer.step(loss)
    return w


RANGES = {
    "questions": between(16, 24, multiple_of=2), "share": one_of(0.2, 0.3, 0.8), "shares": each(between(0.05, 0.95), rising=True),
    "stage": one_of("base", "chat"), "end": one_of("trained", "masked"), "stops": one_of("end of turn", "end of document"),
}
MASKED = breaks(end="masked", en="An end token without a label is never learnt.", zh="结束符没有标签，就永远学不会。")


def asked(w: Weights, questions: int, stage: str) -> Tensor:
    """Next-token probabilities after each trained question, raw for a base and in the template for a chat model."""
    t, q = ids(questions), torch.arange(0, questions, 2)
    mark = torch.full_like(q, t["begin" if stage == "base" else "assistant"])
    with torch.no_grad():
        return next_token(torch.stack((q, mark), 1), w)                  # the order within the pair does not enter


@breaks(stage="chat", en="After SFT in the template the answer follows almost always.",
        zh="套模板 SFT 之后，后面几乎总是答案。")
def claim_a_base_answers_as_often_as_its_corpus(questions=20, shares=(0.1, 0.5, 0.9), stage="base"):
    """The base gives the answer with the share that answers have after questions in its corpus: it has no habit of its
    own, neither of answering nor of asking more.

    base 给出答案的概率，等于语料中问题后接答案的占比：它自己既没有作答的习惯，也没有接着提问的习惯。"""
    found = []
    for share in shares:
        w = base(questions, share)
        w = chat(w, questions, "trained") if stage == "chat" else w
        p = asked(w, questions, stage)
        found.append(p[torch.arange(len(p)), questions + torch.arange(0, questions, 2)].mean())
    show(lines("share of answers after questions in the corpus", shares, {"probability of the answer": found, "share": shares}))
    # 110 steps of Adam end within a hundredth or two of the frequencies
    expect("probability of the answer less the share", torch.stack(found) - torch.tensor(shares), equals=0, within=0.04,
           at=("share", shares))


@breaks(share=0.8, en="Fed questions with answers, a base answers without any SFT.",
        zh="语料里问题多半带着答案，base 不经 SFT 也会作答。")
def claim_questions_breed_questions(questions=20, share=0.2):
    """Where 4 of 5 questions in the corpus are followed by another one, the base asks another with a chance over 0.6.

    语料中五个问题有四个后接另一个问题时，base 接着提问的概率超过 0.6。"""
    p = asked(base(questions, share), questions, "base")
    show(bars(["another question", "an answer"], {"probability": [p[:, :questions].sum(1).mean(),
                                                                  p[:, questions : 2 * questions].sum(1).mean()]}))
    expect("probability of another question", p[:, :questions].sum(1).mean(), at_least=0.6)


@MASKED
def claim_sft_teaches_the_end_of_a_turn(questions=20, share=0.3, end="trained"):
    """A base ends documents, not turns; SFT with the end-of-turn token among its labels ends turns, after answers of
    questions it was not tuned on as well.

    base 会结束文档，不会结束回合；SFT 把回合结束符计入标签，就会结束回合，没训练过的问题的答案之后也会。"""
    t, w = ids(questions), base(questions, share)
    odd, talking = torch.arange(1, questions, 2), chat(w, questions, end)
    with torch.no_grad():
        raw = next_token(torch.stack((odd, questions + odd), 1), w).mean(0)
        tuned = next_token(torch.stack((torch.full_like(odd, t["assistant"]), questions + odd), 1), talking).mean(0)
    names = ("end of document", "end of turn")
    show(bars(list(names), {"base": [raw[t[n]] for n in names], "chat": [tuned[t[n]] for n in names]},
              y_label="probability after an answer"))
    expect("base: end of document", raw[t["end of document"]], at_least=0.9)
    expect("base: end of turn", raw[t["end of turn"]], at_most=0.05)
    expect("chat: end of turn", tuned[t["end of turn"]], at_least=0.6)


@MASKED
@breaks(stops="end of document", en="The model ends its turn, and a server that waits for another token goes on.",
        zh="模型已结束回合，而服务端在等另一个 token，于是继续生成。")
def claim_generation_stops_at_a_listed_end_token(questions=20, share=0.3, end="trained", stops="end of turn"):
    """Generation stops after the answer if the end token was trained and is among the stop tokens; lacking either, it runs
    on.

    结束符训练过、又列在停止 token 里，生成才会在答案之后停下；缺其一就会一直写下去。"""
    t, q = ids(questions), torch.arange(0, questions, 2)
    w, lengths = chat(base(questions, share), questions, end), torch.full((len(q),), 12)
    context = torch.stack((q, torch.full_like(q, t["assistant"])), 1)
    for step in range(12):
        with torch.no_grad():
            token = next_token(context, w).argmax(1)
        lengths = torch.where((token == t[stops]) & (lengths == 12), step + 1, lengths)
        context = torch.stack((context[:, 1], token), 1)
    show(bars([str(i) for i in q.tolist()], {"tokens generated": lengths}, y_label="at most 12"))
    expect("mean length, an answer and its end being 2", lengths.float().mean(), at_most=2.5)


ZH = {
    "share of answers after questions in the corpus": "语料中问题后接答案的占比", "probability of the answer": "给出答案的概率",
    "share": "占比", "probability of the answer less the share": "给出答案的概率与占比之差", "another question": "另一个问题",
    "an answer": "答案", "probability": "概率", "probability of another question": "接着提问的概率",
    "end of document": "文档结束符", "end of turn": "回合结束符", "probability after an answer": "答案之后的概率",
    "base": "base", "chat": "chat",
    "base: end of document": "base：文档结束符", "base: end of turn": "base：回合结束符", "chat: end of turn": "chat：回合结束符",
    "tokens generated": "生成的 token 数", "at most 12": "至多 12",
    "mean length, an answer and its end being 2": "平均长度（答案加结束符为 2）",
}

if __name__ == "__main__":
    main()
