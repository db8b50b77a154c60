r"""A dialogue becomes one row of ids and labels; it trains every assistant turn at once as long as rendering never
rewrites the past.

对话变成一行 id 与标签；只要渲染不改动过去，一行就能同时训练所有 assistant 回合。

Turn `history` to "without thinking": serving drops earlier thoughts, one row does not, and the two train different
things. Turn `mask` to "bidirectional": earlier turns see later ones.
把 `history` 改为 "without thinking"：部署会删去先前的思考，单独一行却保留着，两者训练的就不同。把 `mask` 改为
"bidirectional"：前面的回合会看到后面的。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show, table

F64 = torch.float64
END, THOUGHT_ENDS, IGNORE = 0, 5, -100
HEADERS = {"system": 1, "user": 2, "assistant": 3, "tool": 4}
Message = tuple[str, list[int]]


@exercise(claims=("only_what_the_assistant_writes_is_labelled", "one_row_trains_like_one_row_per_turn"),
          wrong=("trains_the_header", "masks_the_end", "trains_what_tools_return", "shifts_the_labels"))
def build_labels(messages: list[Message]) -> tuple[list[int], list[int]]:
    """Token ids of a dialogue and its labels, equally long. Each message (role, ids of its text) is rendered as the
    header `HEADERS[role]`, the text, `END`. Labels repeat what an assistant writes, its `END` included, and are
    `IGNORE` elsewhere; the loss shifts them, not this function.

    对话的 token id 与标签，两者等长。每条消息 (role, 正文 id) 渲染为头 `HEADERS[role]`、正文、`END`。标签照抄 assistant 写出的内容
    （含它的 `END`），其余为 `IGNORE`；移位由损失函数来做，不在这里。"""
    ids, labels = [], []
    for role, text in messages:
        written = [*text, END]
        ids += [HEADERS[role], *written]
        labels += [IGNORE, *(written if role == "assistant" else [IGNORE] * len(written))]
    return ids, labels


def loss(ids: list[int], labels: list[int], weights: dict[str, Tensor], mask: str = "causal") -> Tensor:
    """Sum of −log p over the labelled tokens, from one layer of attention with learned positions."""
    x = weights["embedding"][ids] + weights["position"][: len(ids)]      # (tokens, width)
    scores = x @ x.T / x.shape[1] ** 0.5
    if mask == "causal":
        scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -torch.inf)
    logits = (x + scores.softmax(-1) @ x) @ weights["embedding"].T       # (tokens, vocabulary)
    return F.cross_entropy(logits[:-1], torch.tensor(labels[1:]), ignore_index=IGNORE, reduction="sum")


def without_thinking(messages: list[Message]) -> list[Message]:
    """What a template makes of a history that drops thoughts: of each answer what follows `THOUGHT_ENDS`."""
    return [(role, text[text.index(THOUGHT_ENDS) + 1 :] if THOUGHT_ENDS in text else text) for role, text in messages]


def dialogue(turns: int) -> list[Message]:
    """Random words, ids of 6 and more; answer number i has a thought, and is longer than the one before."""
    def words(n: int) -> list[int]:
        return torch.randint(6, 40, (n,)).tolist()

    return [m for i in range(turns) for m in (("user", words(3)), ("assistant", [*words(2), THOUGHT_ENDS, *words(2 + i)]))]


def rows_by_turn(messages: list[Message], history: str) -> list[tuple[list[int], list[int]]]:
    """One row for each assistant turn, labelled in that turn only; the history as serving would render it."""
    rows = []
    for i, (role, _) in enumerate(messages):
        if role == "assistant":
            past = without_thinking(messages[:i]) if history == "without thinking" else messages[:i]
            ids, labels = build_labels([*past, messages[i]])
            own = len(messages[i][1]) + 1
            rows.append((ids, [IGNORE] * (len(ids) - own) + labels[-own:]))
    return rows


RANGES = {
    "turns": between(2, 6), "counts": each(between(1, 12), at_least=2, rising=True), "length": between(6, 40),
    "labelled": one_of("the assistant", "everything"), "history": one_of("kept", "without thinking"),
    "mask": one_of("causal", "bidirectional"), "averaged": one_of("over tokens", "over rows"),
    "trained": one_of("every turn", "the last turn"), "rows": one_of("one per turn", "one"),
}


@breaks(labelled="everything", en="Labels that copy every id train the model to write the user and the tools.",
        zh="标签照抄全部 id，就是在训练模型替用户和工具说话。")
def claim_only_what_the_assistant_writes_is_labelled(labelled="the assistant"):
    """Labels stand at the assistant's text and end tokens alone: not at system, user, tool results or any header.

    只有 assistant 的正文与结束符有标签：system、user、工具返回与所有的头都没有。"""
    ids, labels = build_labels([("system", [11]), ("user", [21, 22]), ("assistant", [31]), ("tool", [41, 42]),
                                ("assistant", [32, 33])])
    labels = labels if labelled == "the assistant" else ids
    show(table(["id", "label"], [list(pair) for pair in zip(ids, labels, strict=True)]))
    # written down by hand: header, text, end of each message
    expect("ids", ids, equals=[1, 11, 0, 2, 21, 22, 0, 3, 31, 0, 4, 41, 42, 0, 3, 32, 33, 0])
    expect("labels", labels, equals=[*[-100] * 8, 31, 0, *[-100] * 5, 32, 33, 0])


@breaks(history="without thinking", en="Later turns were served without the earlier thoughts that one row lets them read.",
        zh="部署时后面的回合看不到先前的思考，单独一行却让它们读到了。")
@breaks(mask="bidirectional", en="Without a causal mask an earlier turn reads what follows it.",
        zh="没有因果掩码，前面的回合会读到后文。")
@breaks(averaged="over rows", en="A mean for each row gives every answer the same weight, however long it is.",
        zh="每行各取平均，每个回答的权重就相同，不论长短。")
def claim_one_row_trains_like_one_row_per_turn(turns=3, history="kept", mask="causal", averaged="over tokens"):
    """With a causal mask and a history kept as it was, one row with all assistant turns labelled has the loss and the
    gradient of one row per turn, averaged over tokens.

    因果掩码、历史原样保留时，一行标注全部 assistant 回合，其损失与梯度等于每回合一行、按 token 平均的结果。"""
    weights = {"embedding": torch.randn(40, 16, dtype=F64, requires_grad=True), "position": torch.randn(150, 16, dtype=F64)}
    messages = dialogue(turns)
    ids, labels = build_labels(messages)
    count = sum(label != IGNORE for label in labels)
    split = rows_by_turn(messages, history)
    sums = torch.stack([loss(*row, weights, mask) for row in split])
    sizes = torch.tensor([sum(label != IGNORE for label in row[1]) for row in split])
    one, many = loss(ids, labels, weights, mask) / count, sums.sum() / count
    if averaged == "over rows":
        many = (sums / sizes).mean()
    slopes = [torch.autograd.grad(value, weights["embedding"], retain_graph=True)[0] for value in (one, many)]
    show(bars(["one row", *(f"turn {i + 1}" for i in range(turns))], {"loss by token": [one, *(sums / sizes)]}, y_label="nats"))
    # float64: sums of some hundred terms of size 10
    expect("loss of one row less that of a row per turn", one - many, equals=0, within=1e-10)
    expect("gradients' difference", slopes[0] - slopes[1], equals=0, within=1e-9)


@breaks(trained="the last turn", en="A row for the last turn alone repeats nothing, and trains 1/T of the turns.",
        zh="只为最后一个回合做一行，就没有重复，但也只训练 1/T 的回合。")
def claim_a_row_per_turn_repeats_prefixes(counts=(1, 2, 4, 10), length=12, trained="every turn"):
    """For T equal turns one row per turn processes (T + 1)/2 times the tokens of a single row, and (T + 1)(2T + 1)/6T times
    its causal pairs.

    T 个等长回合时，每回合一行要处理单独一行的 (T + 1)/2 倍 token，因果对为 (T + 1)(2T + 1)/6T 倍。"""
    tokens, pairs = [], []
    for t in counts:
        messages = [m for _ in range(t) for m in (("user", [9] * (length // 2 - 2)), ("assistant", [9] * (length - length // 2 - 2)))]
        rows = [len(ids) for ids, _ in rows_by_turn(messages, "kept")]
        whole = len(build_labels(messages)[0])
        rows = rows if trained == "every turn" else rows[-1:]
        tokens.append(sum(rows) / whole)
        pairs.append(sum(n * (n + 1) for n in rows) / (whole * (whole + 1)))
    show(lines("turns", counts, {"tokens": tokens, "causal pairs": pairs}, y_label="a row per turn over one row"))
    expect("tokens, a row per turn over one row", tokens, equals=[(t + 1) / 2 for t in counts], at=("turns", counts),
           within=1e-12)
    # n(n + 1) instead of n²: a row of 6 tokens and more is off by at most 1/7 of the ratio, falling with the length
    expect("causal pairs over (T + 1)(2T + 1)/6T", [p * 6 * t / ((t + 1) * (2 * t + 1)) for p, t in zip(pairs, counts, strict=True)],
           equals=1, within=1 / (length + 1), at=("turns", counts))


@breaks(rows="one", en="One row from such a template holds the last thought only: the others are never trained.",
        zh="用这种模板渲染成一行，只剩最后一段思考：其余的从未被训练。")
def claim_dropped_thinking_needs_a_row_per_turn(turns=3, rows="one per turn"):
    """If the template drops earlier thoughts, one row per turn trains every thought after the very prompt that serving
    shows; one row trains only the last.

    模板若删去先前的思考，每回合一行才能在部署所见的提示之后训练每一段思考；只做一行，就只训练到最后一段。"""
    messages = dialogue(turns)
    made, whole = rows_by_turn(messages, "without thinking"), build_labels([*without_thinking(messages[:-1]), messages[-1]])
    if rows == "one":
        made = [whole]
    thoughts = sum(labels.count(THOUGHT_ENDS) for _, labels in made)
    prompts = [[*build_labels(without_thinking(messages[:i]))[0], HEADERS["assistant"]] for i in range(1, 2 * turns, 2)]
    agree = [row[0][: len(prompt)] == prompt for row, prompt in zip(made, prompts[-len(made):], strict=True)]
    in_one = whole[1].count(THOUGHT_ENDS)
    show(bars(["in the dialogue", "trained", "trained by one row"], {"thoughts": [turns, thoughts, in_one]}))
    expect("thoughts that are trained", thoughts, equals=turns)
    expect("thoughts that one row trains", in_one, equals=1)
    expect("rows that begin with the serving prompt of their turn", sum(agree), equals=len(made))


def drill_split_tokens(rng) -> Drill:
    """Tokens that a row per turn processes."""
    turns, length = rng.choice([3, 4, 5, 8, 10]), rng.choice([50, 100, 200, 300])
    value = length * turns * (turns + 1) // 2
    return Drill(
        en=f"A dialogue has {turns} turns (question and answer) of {length} tokens each. Its template drops earlier thinking, so "
           "each turn is made a row of its own with the turns before it as context; suppose that what is dropped is negligible. "
           "How many tokens do the rows hold together?",
        zh=f"一段对话有 {turns} 个回合（一问一答），每回合 {length} 个 token。模板会删去先前的思考，所以每个回合单独成行，"
           "以之前的回合为上下文；假设删去的部分可忽略。所有行一共多少个 token？",
        answer=float(value), within=0.1,
        steps=[(f"{length} · (1 + … + {turns}) = {length} · {turns} · {turns + 1} / 2 = {value}",) * 2,
               (f"one row would hold {length * turns}; the ratio is {(turns + 1) / 2:g}",
                f"单独一行是 {length * turns}：比值 {(turns + 1) / 2:g}")],
        proved_by="a_row_per_turn_repeats_prefixes")


ZH = {
    "id": "id", "label": "标签", "ids": "id", "labels": "标签", "one row": "一行", "turn {}": "第 {} 回合",
    "loss by token": "每 token 损失", "nats": "纳特", "loss of one row less that of a row per turn": "一行与每回合一行的损失之差",
    "gradients' difference": "梯度之差", "turns": "回合数", "tokens": "token 数", "causal pairs": "因果对",
    "a row per turn over one row": "每回合一行与一行之比", "tokens, a row per turn over one row": "token 数：每回合一行与一行之比",
    "causal pairs over (T + 1)(2T + 1)/6T": "因果对之比除以 (T + 1)(2T + 1)/6T", "in the dialogue": "对话中", "trained": "被训练",
    "thoughts": "思考段数", "thoughts that are trained": "被训练的思考段数", "trained by one row": "单独一行所训练",
    "thoughts that one row trains": "单独一行训练的思考段数",
    "rows that begin with the serving prompt of their turn": "以本回合部署提示开头的行数",
}

if __name__ == "__main__":
    main()
