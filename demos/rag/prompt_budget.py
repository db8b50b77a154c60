r"""Filling a prompt: which passages fit into the budget, and how much of the prompt a second request reuses.

拼提示：预算里放哪些段落，第二个请求能复用多少前缀。

Turn `order` to "question first": nothing after the first tokens can be reused. 把 `order` 改为 "question first"：后面都无法复用。
"""

from itertools import combinations

import torch

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show


@exercise(claims=("filling_by_density_is_near_the_best",), wrong=("takes_the_best_scores", "ignores_the_budget", "takes_the_shortest"))
def fill(scores: list[float], tokens: list[int], budget: int) -> list[int]:
    """Passages for a prompt: by falling score per token, each that still fits into the budget; returns their numbers.

    为提示选段落：按每 token 得分从高到低，放得下就放；返回段落号。"""
    chosen, left = [], budget
    for i in sorted(range(len(scores)), key=lambda i: -scores[i] / tokens[i]):
        if tokens[i] <= left:
            chosen.append(i)
            left -= tokens[i]
    return chosen


def fill_by_score(scores: list[float], tokens: list[int], budget: int) -> list[int]:
    """The wrong way: the best score first, however long."""
    chosen, left = [], budget
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        if tokens[i] <= left:
            chosen.append(i)
            left -= tokens[i]
    return chosen


ORDERS = {"rules first": ("rules", "passages", "question"), "question first": ("question", "rules", "passages")}
RANGES = {"passages": between(9, 10), "prompts": between(30, 40), "rule": one_of("per token", "score"), "order": one_of("rules first",
    "question first"),
          "rules": between(100, 600), "evidence": between(500, 3000), "question": between(10, 500),
          "fetched": between(0, 20), "length": between(50, 1000)}


@breaks(rule="score", en="A long passage of the best score pushes out several short ones.", zh="得分最高的长段落会挤掉好几个短段落。")
def claim_filling_by_density_is_near_the_best(passages=9, prompts=30, rule="per token"):
    """Filled by score per token, a prompt is short of the best by at most one passage's score, and on average beats filling by score.

    按每 token 得分来填，总分与最优选择相差不超过一段的得分，平均好于按得分来填。"""
    gaps, ratios, others = [], [], []
    for _ in range(prompts):
        scores, tokens = torch.rand(passages).tolist(), (30 * 50 ** torch.rand(passages)).long().tolist()   # 30 to 1,500 tokens
        budget = sum(tokens) // 3
        chosen = (fill if rule == "per token" else fill_by_score)(scores, tokens, budget)
        over = sum(tokens[i] for i in chosen) - budget
        best = max(sum(scores[i] for i in s) for n in range(passages + 1) for s in combinations(range(passages), n)
                   if sum(tokens[i] for i in s) <= budget)
        total = sum(scores[i] for i in chosen)
        gaps.append(max(best - total - max(scores), over))
        ratios.append(total / best)
        others.append(sum(scores[i] for i in fill_by_score(scores, tokens, budget)) / best)
    show(lines("prompt", list(range(1, prompts + 1)), {"share of the best": ratios, "filled by score": others}))
    expect("shortfall beyond one passage, or tokens over the budget", gaps, at_most=1e-9)
    expect("mean share less that of filling by score", (sum(ratios) - sum(others)) / prompts, at_least=0.002)


@breaks(order="question first", en="Where the question stands first, the second prompt differs from its first token on.",
        zh="问题放在最前面，第二个提示从第一个 token 起就不同。")
def claim_rules_first_are_reused(rules=300, evidence=2000, order="rules first"):
    """With rules, passages, then the question, a second question on the same passages reuses all before it; put first, one that
    begins otherwise reuses nothing.

    按规则、段落、问题的次序，对同样的段落再提一问，除问题外都能复用；放在最前的问题若开头不同，则什么也不能复用。"""
    parts = [{"rules": [("r", i) for i in range(rules)], "passages": [("p", i) for i in range(evidence)], "question": [(ask,
        i) for i in range(40)]}
             for ask in ("first", "second")]
    reused = {}
    for name, kinds in ORDERS.items():
        one, two = ([token for kind in kinds for token in part[kind]] for part in parts)
        same = [a == b for a, b in zip(one, two, strict=True)]
        reused[name] = same.index(False)
    show(bars(list(reused), {"tokens reused": list(reused.values())}))
    expect("tokens reused", reused[order], equals=rules + evidence)
    expect("tokens reused, question first", reused["question first"], equals=0)


@breaks(fetched=0, en="Without passages the prompt is the question.", zh="没有段落，提示就是问题本身。")
def claim_a_bare_question_is_shorter(question=50, fetched=10, length=500):
    """Ten passages of 500 tokens make the prompt of a question of 50 tokens 101 times as long: the factor is 1 + k·n/q.

    50 个 token 的问题，加上十段各 500，提示变为 101 倍：倍数是 1 + k·n/q。"""
    counts = list(range(fetched + 1))
    prompts = [["q"] * question + [t for i in range(k) for t in [f"p{i}"] * length] for k in counts]
    factors = [len(prompt) / question for prompt in prompts]
    show(lines("passages", counts, {"prompt over question": factors}))
    expect("prompt over question", factors, equals=[1 + k * length / question for k in counts], within=1e-9)
    expect("growth by all passages", factors[-1], at_least=1 + 0.99 * length / question)


def drill_passages_that_fit(rng) -> Drill:
    """Whole passages within a budget."""
    budget, rules, question, answer, each = rng.choice([(8000, 300, 60, 640, 500), (4000, 200, 50, 750, 300), (16000, 500, 100, 1400, 700)])
    n = (budget - rules - question - answer) // each
    return Drill(
        en=f"A budget of {budget} tokens, rules {rules}, question {question}, {answer} kept for the answer. "
           f"How many passages of {each} fit?",
        zh=f"预算 {budget} 个 token，规则 {rules}，问题 {question}，给答案留 {answer}，每段 {each}。放得下几段？",
        answer=n, within=0,
        steps=[(f"{budget} − {rules} − {question} − {answer} = {budget - rules - question - answer}",) * 2,
               (f"⌊{budget - rules - question - answer} / {each}⌋ = {n}",) * 2],
        proved_by="filling_by_density_is_near_the_best")


def drill_prefill_factor(rng) -> Drill:
    """How much longer a request becomes."""
    q, k, n = rng.choice([(50, 10, 500), (100, 5, 400), (200, 8, 300), (40, 4, 250)])
    return Drill(
        en=f"A question of {q} tokens; RAG adds {k} passages of {n}. By what factor does the prompt grow?",
        zh=f"问题 {q} 个 token，RAG 加上 {k} 段、每段 {n}。提示变为原来的几倍？",
        answer=(q + k * n) / q, within=0.01 * (q + k * n) / q,
        steps=[(f"{q} + {k} · {n} = {q + k * n}",) * 2, (f"{q + k * n} / {q} = {(q + k * n) / q:g}",) * 2],
        proved_by="a_bare_question_is_shorter")


ZH = {
    "prompt": "提示", "share of the best": "占最优的比例",
    "shortfall beyond one passage, or tokens over the budget": "超过一段的差额，或超出预算的 token",
    "mean share less that of filling by score": "平均比例减按得分来填的",
    "filled by score": "按得分来填", "tokens reused": "复用的 token",
    "tokens reused, question first": "问题在前时复用的 token",
    "passages": "段落数", "prompt over question": "提示与问题之比",
    "growth by all passages": "全部段落带来的增长", "rules first": "规则在前", "question first": "问题在前",
    "per token": "每 token 得分", "score": "得分",
}

if __name__ == "__main__":
    main()
