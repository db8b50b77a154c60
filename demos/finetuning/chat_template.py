r"""A chat template turns messages into one token row; training and serving must agree on it, token by token.

对话模板把消息变成一行 token；训练与部署必须逐个 token 一致。

Turn `history` to "without thinking": the template drops earlier reasoning, so what the model reads at serving is no
prefix of what it was trained on. Turn `boundary` to "plain": tokenised apart, prompt and answer give other tokens.
把 `history` 改为 "without thinking"：模板会删去先前的思考，部署时读到的就不再是训练行的前缀。把 `boundary` 改为 "plain"：提示与回答
分开分词，得到的 token 就不同。
"""

import random

import torch

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, heatmap, main, one_of, show

Message = tuple[str, str]


@exercise(claims=("serving_prompts_are_prefixes", "trained_tokens_are_those_the_model_writes"),
          wrong=("forgets_to_end_turns", "opens_no_answer", "trains_the_header"))
def render(messages: list[Message], generate: bool = False) -> tuple[list[str], list[bool]]:
    """One row: `<bos>`, then for each message its header `<role>`, the words of its text, and `<end>`; with `generate`
    the header `<assistant>` opens an answer. Gives the tokens, and for each whether it is trained: what an assistant
    writes, its `<end>` included and its header not.

    渲染成一行：先是 `<bos>`，每条消息依次为头 `<role>`、正文各词与 `<end>`；`generate` 为真时，末尾以 `<assistant>` 头开启回答。
    返回各 token，以及各自是否训练：assistant 写出的要训练，含 `<end>`，不含它的头。"""
    tokens, trained = ["<bos>"], [False]
    for role, text in messages:
        words, own = text.split(), role == "assistant"
        tokens += [f"<{role}>", *words, "<end>"]
        trained += [False] + [own] * (len(words) + 1)
    if generate:
        tokens, trained = [*tokens, "<assistant>"], [*trained, False]
    return tokens, trained


def without_thinking(messages: list[Message]) -> list[Message]:
    """What some templates make of a history: all but the last answer lose what stands before `</think>`."""
    last = max(i for i, (role, _) in enumerate(messages) if role == "assistant")
    return [(role, text.split("</think>")[-1] if role == "assistant" and i < last else text)
            for i, (role, text) in enumerate(messages)]


def conversation(turns: int) -> list[Message]:
    """Random words in `turns` pairs of question and answer, each answer with a thought first."""
    def words(most: int) -> str:
        return " ".join(f"w{int(n)}" for n in torch.randint(100, (int(torch.randint(1, most, ())),)))

    return [("system", words(6)), *(one for _ in range(turns)
                                    for one in (("user", words(8)), ("assistant", f"{words(5)} </think> {words(8)}")))]


def tokenise(text: str, vocabulary: set[str]) -> list[str]:
    """Greedy longest match, as a stand-in for BPE: the longest known piece at each place, else one character; special
    tokens in angle brackets are never split or joined."""
    out, at = [], 0
    while at < len(text):
        if text[at] == "<":
            size = text.index(">", at) + 1 - at
        else:
            stop = text.find("<", at)
            most = (len(text) if stop < 0 else stop) - at
            size = next(n for n in range(most, 0, -1) if n == 1 or text[at : at + n] in vocabulary)
        out.append(text[at : at + size])
        at += size
    return out


RANGES = {
    "turns": between(2, 6), "history": one_of("kept", "without thinking"), "pairs": between(10, 60),
    "boundary": one_of("special", "plain"), "headers": one_of("one", "two"),
}


@breaks(history="without thinking", en="The answer was trained after thoughts that serving no longer shows.",
        zh="训练时回答前面有思考，部署时却看不到。")
def claim_serving_prompts_are_prefixes(turns=4, history="kept"):
    """If a template renders earlier messages alike whatever follows, each prompt at serving is a prefix of the training
    row, and one row trains all turns at once.

    模板渲染前面的消息若不受后文影响，部署时的每个提示就都是训练行的前缀，一行就能同时训练所有回合。"""
    messages = conversation(turns)
    row, _ = render(messages)
    agree = []
    for i, (role, _) in enumerate(messages):
        if role == "assistant":
            past = messages[:i]
            if history == "without thinking" and i > 2:
                past = without_thinking([*past, ("assistant", "")])[:-1]
            prompt, _ = render(past, generate=True)
            agree.append([1.0 if a == b else 0.0 for a, b in zip(prompt, row, strict=False)])
    longest = max(map(len, agree))
    show(heatmap(torch.tensor([one + [0.5] * (longest - len(one)) for one in agree]), x_label="token", y_label="turn",
                 title="serving agrees with training"))
    expect("share of prompt tokens that agree", [sum(one) / len(one) for one in agree], equals=1,
           at=("turn", range(1, turns + 1)))


@breaks(headers="two", en="A second header or begin token is one that training never had there.",
        zh="多出的一个头或句首符，是训练时那里没有的 token。")
def claim_trained_tokens_are_those_the_model_writes(turns=3, headers="one"):
    """What serving has to generate after each prompt, up to the end token, is what was trained in that turn, in order: no
    header, nothing of the user's.

    部署时每个提示之后要生成的内容，直到结束符，正是该回合训练过的 token，次序相同：不含头，也不含用户的话。"""
    messages = conversation(turns)
    row, trained = render(messages)
    marked = [t for t, own in zip(row, trained, strict=True) if own]
    written: list[str] = []
    for i, (role, _) in enumerate(messages):
        if role == "assistant":
            prompt, _ = render(messages[:i], generate=True)
            if headers == "two":
                prompt = [*prompt, "<assistant>"]
            written += row[len(prompt) : row.index("<end>", len(prompt)) + 1]
    show(bars(["in the row", "trained", "to be written"], {"tokens": [len(row), len(marked), len(written)]}))
    expect("trained tokens that differ from those to be written", sum(a != b for a, b in zip(marked, written, strict=False)),
           equals=0)
    expect("tokens to be written less trained ones", len(written) - len(marked), equals=0)
    words = sum(len(text.split()) + 1 for role, text in messages if role == "assistant")
    expect("trained tokens less words and ends of the assistant", len(marked) - words, equals=0)


@breaks(boundary="plain", en="Without a special token a piece may reach across: “: ” and “Paris” against “:” and “ Paris”.",
        zh="没有特殊 token 时，一个词片可能跨过边界：「: 」加「Paris」，对「:」加「 Paris」。")
def claim_special_tokens_keep_the_boundary(pairs=30, boundary="special"):
    """Prompt and answer tokenised apart give the tokens of the whole if a special token stands between; after “Answer: ”
    they do not, and a mask counted on the prompt is off.

    提示与回答之间有特殊 token 时，分开分词与整体分词结果相同；以「Answer: 」相接则不同，按提示长度数出的掩码就错位了。"""
    words = ["Paris", "Rome", "Lima", "Oslo", "Bern"]
    vocabulary = {*words, *(f" {w}" for w in words), "Answer:", " is", " it", "Which"}
    rng, off = random.Random(int(torch.randint(1 << 30, ()))), []
    for _ in range(pairs):
        prompt = f"Which is it {rng.choice(words)}" + ("<assistant>" if boundary == "special" else " Answer: ")
        answer = rng.choice(words)
        apart = tokenise(prompt, vocabulary) + tokenise(answer, vocabulary)
        off.append(int(apart != tokenise(prompt + answer, vocabulary)))
    show(bars(["alike", "different"], {"pairs": [off.count(0), off.count(1)]}))
    expect("pairs whose tokens differ", sum(off), equals=0)


def drill_trained_tokens(rng) -> Drill:
    """Trained tokens of a conversation."""
    system, turns = rng.randint(5, 20), [(rng.randint(3, 15), rng.randint(5, 30)) for _ in range(rng.choice([2, 3]))]
    messages = [("system", " ".join(["w"] * system)), *(one for u, a in turns for one in (
        ("user", " ".join(["w"] * u)), ("assistant", " ".join(["w"] * a))))]
    value = float(sum(render(messages)[1]))
    listed = ", ".join(f"user {u} / assistant {a}" for u, a in turns)
    return Drill(
        en=f"A template writes <bos>, and each message as header, text, <end>, one token each for header and <end>. Texts in "
           f"tokens: system {system}, {listed}. All assistant turns are trained, headers are not. How many tokens are trained?",
        zh=f"模板先写 <bos>，每条消息写成头、正文、<end>，头与 <end> 各一个 token。正文 token 数：system {system}，{listed}。"
           "所有 assistant 回合都训练，头不训练。共训练多少个 token？",
        answer=value, within=0.1,
        steps=[(" + ".join(f"({a} + 1)" for _, a in turns) + f" = {value:g}",) * 2,
               (f"of a row of {len(render(messages)[0])} tokens", f"整行共 {len(render(messages)[0])} 个 token")],
        proved_by="trained_tokens_are_those_the_model_writes")


ZH = {
    "token": "token", "turn": "回合", "serving agrees with training": "部署与训练一致",
    "share of prompt tokens that agree": "提示 token 一致的比例",
    "in the row": "整行", "trained": "训练", "to be written": "要写出", "tokens": "token 数",
    "trained tokens that differ from those to be written": "训练的与要写出的不同的 token 数",
    "tokens to be written less trained ones": "要写出的减训练的 token 数",
    "trained tokens less words and ends of the assistant": "训练的 token 数减 assistant 的词与结束符数", "alike": "相同",
    "different": "不同", "pairs": "对数", "pairs whose tokens differ": "token 不同的对数",
}

if __name__ == "__main__":
    main()
