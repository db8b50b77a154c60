r"""A loop that reads and searches again finds what one search with the question cannot, as long as it may take enough steps.

读了再检索的循环，能找到用原问题检索一次找不到的东西，前提是步数够用。

Turn `hops` to 1: one search is enough. 把 `hops` 调到 1：检索一次就够了。
"""

import math
import random
from collections.abc import Callable

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show


@exercise(claims=("the_loop_reaches_what_one_search_cannot", "failed_calls_want_spare_steps"), wrong=("asks_the_same_again",
        "never_stops", "stops_one_short"))
def search_loop(question: str, search: Callable[[str], str | None], read: Callable[[list[str]], tuple[str, str]], limit: int) -> str | None:
    """Search, read, search again. search(query) gives a passage, or None where the call failed; read(passages) gives ("answer", text) or
    ("search", next query). The same query is tried again after a failure. At most `limit` searches; None if they do not suffice.

    检索、阅读、再检索。search(query) 返回一段，调用失败时返回 None；read(passages) 返回 ("answer", 文本) 或 ("search", 下一个查询)。
    失败后重试同一查询。最多检索 `limit` 次，不够则返回 None。"""
    passages: list[str] = []
    query = question
    for _ in range(limit):
        passage = search(query)
        if passage is None:
            continue
        passages.append(passage)
        kind, text = read(passages)
        if kind == "answer":
            return text
        query = text
    return None


def company(people: int, hops: int, rng: random.Random):
    """Passages “the boss of A is B”, a reader that follows the chain, and its right answer."""
    order = [f"p{i}" for i in rng.sample(range(people), people)]
    boss = dict(zip(order, order[1:] + order[:1], strict=True))
    start = rng.choice(order)
    answer = start
    for _ in range(hops):
        answer = boss[answer]

    def read(passages: list[str]) -> tuple[str, str]:
        known = {p.split()[3]: p.split()[5] for p in passages}
        at, steps = start, 0
        while at in known and steps < hops:
            at, steps = known[at], steps + 1
        return ("answer", at) if steps == hops else ("search", f"the boss of {at}")

    def search(query: str) -> str:
        return f"the boss of {query.split()[-1]} is {boss[query.split()[-1]]}"

    return f"follow {hops} bosses up from {start}", search, read, answer, boss


RANGES = {"people": between(50, 200), "hops": between(1, 5), "questions": between(200, 600), "failing": between(0.0, 0.5),
    "trials": between(1500, 3000),
          "history": one_of("sent again", "cached"), "steps": each(between(1, 30), at_least=2, at_most=6, rising=True),
          "fetched": between(3, 8)}


@breaks(hops=1, en="The question names the one passage that is needed.", zh="问题里已经写出了唯一需要的那一段。")
def claim_the_loop_reaches_what_one_search_cannot(people=100, hops=3, questions=200, fetched=5):
    """On chains of three hops the loop answers every question in three searches; one search for passages that share a word answers none.

    三跳的链条上，循环用三次检索答对全部问题；按共同的词检索一次，一个也答不出。"""
    rng = random.Random(0)
    once, loop = 0, 0
    for _ in range(questions):
        question, search, read, answer, boss = company(people, hops, rng)
        names = set(question.split())
        texts = [f"the boss of {a} is {b}" for a, b in boss.items()]
        found = [text for text in texts if names & set(text.split())][:fetched]      # the passages that name the start
        once += read(found) == ("answer", answer)
        loop += search_loop(question, search, read, hops) == answer
    show(lines("searches", [1, hops + 1], {"one search": [once / questions] * 2, "loop": [loop / questions] * 2}))
    expect("questions that the loop answers", loop / questions, equals=1, within=1e-12)
    expect("questions that one search answers", once / questions, equals=0)


@breaks(failing=0.0, en="Where no call fails, as many steps as hops suffice.", zh="调用从不失败时，步数等于跳数就够了。")
def claim_failed_calls_want_spare_steps(people=100, hops=3, trials=2000, failing=0.3):
    """With h hops and calls that fail with probability p, a limit of h succeeds with (1 − p)^h; each spare step adds a binomial term.

    h 跳、每次调用以概率 p 失败时，步数上限为 h 的成功率是 (1 − p)^h；每多一步，加上一个二项项。"""
    rng = random.Random(0)
    limits = [hops, hops + 1, hops + 2, hops + 4]
    success = []
    for limit in limits:
        right = 0
        for _ in range(trials // len(limits)):
            question, search, read, answer, _ = company(10, hops, rng)
            right += search_loop(question, lambda q, s=search: None if rng.random() < failing else s(q), read, limit) == answer
        success.append(right / (trials // len(limits)))
    want = [sum(math.comb(n, k) * (1 - failing)**k * failing ** (n - k) for k in range(hops, n + 1)) for n in limits]
    show(lines("step limit", limits, {"measured": success, "binomial tail": want}))
    # Five standard errors of a share.
    expect("share that succeeds", success, equals=want, within=5 * (0.25 * len(limits) / trials) ** 0.5, at=("step limit", limits))
    expect("won by four spare steps", want[-1] - want[0], at_least=0.1 * failing)
    expect("share lost where no step is spare", 1 - want[0], at_least=0.01)


@breaks(history="cached", en="With the prefix cached every token is computed once.", zh="前缀有缓存时，每个 token 只计算一次。")
def claim_history_sent_again_is_quadratic(steps=(1, 2, 4, 8, 16), history="sent again"):
    """Without a prefix cache a loop of T steps reads T·q + n·T(T − 1)/2 tokens for a prompt of q and n tokens per result.

    没有前缀缓存时，T 步的循环共读 T·q + n·T(T − 1)/2 个 token，q 为提示长度，每次结果 n 个 token。"""
    q, n = 1000, 500
    read = []
    for total in steps:
        prompt, tokens, cached = q, 0, 0
        for _ in range(total):
            tokens += prompt - cached
            cached = prompt if history == "cached" else 0
            prompt += n                                                         # the result stays in the history
        read.append(tokens)
    want = [t * q + n * t * (t - 1) // 2 for t in steps]
    show(lines("steps", steps, {"tokens read": read, "formula": want}, log="xy"))
    expect("tokens read", read, equals=want, at=("steps", steps))


def drill_loop_tokens(rng) -> Drill:
    """Tokens read by a loop."""
    steps, q, n = rng.choice([(5, 1000, 500), (10, 2000, 400), (4, 3000, 1000), (8, 1000, 250)])
    answer = steps * q + n * steps * (steps - 1) // 2
    return Drill(
        en=f"An agent makes {steps} model calls. The first prompt has {q} tokens, and each call adds {n} to the history. "
           "Input tokens in all, without a prefix cache?",
        zh=f"agent 调用模型 {steps} 次。首个提示 {q} 个 token，每次调用给历史增加 {n} 个。没有前缀缓存，输入 token 共多少？",
        answer=answer, within=0.01 * answer,
        steps=[(f"{steps} · {q} for the prompt", f"提示 {steps} · {q}"),
               (f"{n} · (0 + 1 + … + {steps - 1}) = {n * steps * (steps - 1) // 2} for the history, in all {answer}",
                f"历史 {n} · (0 + 1 + … + {steps - 1}) = {n * steps * (steps - 1) // 2}，共 {answer}")],
        proved_by="history_sent_again_is_quadratic")


ZH = {
    "searches": "检索次数", "one search": "检索一次", "loop": "循环", "questions that the loop answers": "循环答对的问题",
    "questions that one search answers": "检索一次答对的问题", "step limit": "步数上限", "measured": "测得",
    "binomial tail": "二项分布尾和",
    "share that succeeds": "成功的比例", "won by four spare steps": "多四步带来的提高",
    "share lost where no step is spare": "没有余步时失败的比例",
    "steps": "步数", "tokens read": "读入的 token", "formula": "公式",
}

if __name__ == "__main__":
    main()
