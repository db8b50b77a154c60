r"""The least loss a masked language model can reach, computed exactly on a Markov chain.

掩码语言模型所能达到的最小损失，在马尔可夫链上精确算出。

At a [MASK] it is not the entropy of a token given its neighbours: these are corrupted too. Turn
`corrupted` to "one token": then it is.
在 [MASK] 处，它并不等于给定左右邻居时的熵，因为邻居同样会被改动。把 `corrupted` 改为 "one token"，两者才相等。
"""

import itertools

import torch
from torch import Tensor

from studyapp.evidence import bars, between, breaks, expect, heatmap, main, one_of, show

F64 = torch.float64


def filled(shown: Tensor, chain: Tensor, start: Tensor, others: Tensor, asked: Tensor) -> Tensor:
    """p(token | all that is shown) at every position, were it the asked one: (texts, n, V).

    shown (texts, n) holds ids, [MASK] = V; chain (V, V) = p(next | token); others and asked (V, V + 1)
    = p(shown | token) at a position of which nothing is known, and at the asked one."""
    n, seen = shown.shape[1], others.T[shown]                            # (texts, n, V): p(shown | token)
    left, right = [start.expand(len(shown), -1)], [torch.ones(len(shown), len(start), dtype=F64)]
    for t in range(1, n):
        before = (left[-1] * seen[:, t - 1]) @ chain                     # from the left, without t itself
        after = (right[-1] * seen[:, n - t]) @ chain.T                   # and from the right
        left.append(before / before.sum(1, keepdim=True))
        right.append(after / after.sum(1, keepdim=True))
    p = torch.stack(left, 1) * torch.stack(right[::-1], 1) * asked.T[shown]
    return p / p.sum(2, keepdim=True)                                    # (texts, n, V)


RANGES = {
    "vocabulary": between(3, 12),
    "tokens": between(8, 64),
    "texts": between(300, 1000),
    "corrupted": one_of("15 %", "one token"),
    "evidence": one_of("of the rule", "taken as true"),
    "rule": one_of("80/10/10", "80/0/20"),
}


def language(vocabulary: int) -> tuple[Tensor, Tensor]:
    """A random chain (V, V) whose rows have a few likely words, and its stationary start (V,)."""
    chain = torch.randn(vocabulary, vocabulary, dtype=F64) ** 2 + 1e-3   # Dirichlet(½) rows
    chain = chain / chain.sum(1, keepdim=True)
    return chain, torch.linalg.matrix_power(chain, 4096)[0]


def shown_given_token(vocabulary: int, rule: str = "80/10/10") -> tuple[Tensor, Tensor]:
    """p(shown | token), each (V, V + 1): at a position that may be asked or not, and at an asked one."""
    mask, random, kept = (float(part) / 100 for part in rule.split("/"))
    same = torch.eye(vocabulary, vocabulary + 1, dtype=F64)
    any_token = (torch.arange(vocabulary + 1) < vocabulary).to(F64) / vocabulary
    asked = kept * same + random * any_token
    asked[:, vocabulary] = mask
    return 0.85 * same + 0.15 * asked, asked


def draw(chain: Tensor, start: Tensor, texts: int, tokens: int) -> Tensor:
    """Texts of the chain (texts, n)."""
    ids = [torch.multinomial(start, texts, replacement=True)]
    for _ in range(tokens - 1):
        ids.append(torch.multinomial(chain[ids[-1]], 1)[:, 0])
    return torch.stack(ids, 1)


def entropy(p: Tensor) -> Tensor:
    """−Σ p ln p over the last axis, in nats."""
    return -torch.special.xlogy(p, p).sum(-1)


@breaks(evidence="taken as true",
        en="Shown tokens taken as true: 1.5 % of all are random, and the posterior is too sure.",
        zh="把显示的 token 当真：其中有 1.5% 是随机的，后验就过于自信。")
def claim_it_equals_counting_all_texts(vocabulary=3, evidence="of the rule"):
    """What may stand at an asked position follows from two sweeps over the shown tokens, and equals Bayes'
    rule over all texts one by one.

    被问位置上可能是什么，由左右各扫一遍即可得到，与对所有文本逐一用贝叶斯公式算出的完全相同。"""
    n = 4 if vocabulary > 4 else 5                                       # few enough texts to list
    (chain, start), (others, asked) = language(vocabulary), shown_given_token(vocabulary)
    texts = torch.tensor(list(itertools.product(range(vocabulary), repeat=n)))
    weight = start[texts[:, 0]] * chain[texts[:, :-1], texts[:, 1:]].prod(1)
    shown = torch.randint(vocabulary + 1, (6, n))                        # any mixture of tokens and masks
    used = others if evidence == "of the rule" else (others > 0.1).to(F64).clamp(min=1e-9)
    fast, slow = filled(shown, chain, start, used, asked), torch.zeros(6, n, vocabulary, dtype=F64)
    for row, t in itertools.product(range(6), range(n)):
        each = torch.stack([(asked if i == t else others)[texts[:, i], shown[row, i]] for i in range(n)])
        slow[row, t].index_add_(0, texts[:, t], weight * each.prod(0))
    slow = slow / slow.sum(2, keepdim=True)
    show(heatmap(slow[0].T, x_label="position", y_label="token", title="p(token | shown)"))
    expect("two sweeps less the sum over all texts", fast - slow, equals=0, within=1e-10)  # 1e-16 over 1e-4


@breaks(corrupted="one token", en="With one [MASK] in a text its neighbours are what they were.",
        zh="一条文本只有一个 [MASK] 时，左右邻居都是原样。")
def claim_a_mask_costs_more_than_clean_neighbours_would(vocabulary=8, tokens=32, texts=400, corrupted="15 %"):
    """At a [MASK] the least loss lies above the entropy given both neighbours, for 13.5 % of the
    neighbours are masked or random themselves.

    在 [MASK] 处，最小损失高于给定左右邻居时的熵，因为邻居自己也有 13.5% 被遮住或换掉。"""
    (chain, start), (others, asked) = language(vocabulary), shown_given_token(vocabulary)
    ids = draw(chain, start, texts, tokens)
    shown = torch.multinomial(others[ids].flatten(0, 1), 1).view_as(ids)
    if corrupted == "one token":
        shown, others = ids.clone(), torch.eye(vocabulary, vocabulary + 1, dtype=F64)
        others[:, vocabulary] = 1e-300                                   # nobody else is masked
    middle = tokens // 2
    shown[:, middle] = vocabulary                                        # each text asks for its middle token
    floor = entropy(filled(shown, chain, start, others, asked)[:, middle])
    both = chain[ids[:, middle - 1]] * chain[:, ids[:, middle + 1]].T    # p(token | clean neighbours)
    clean = entropy(both / both.sum(1, keepdim=True))
    show(bars(["as shown", "given clean neighbours", "unigram", "ln V"],
              {"nats": [floor.mean(), clean.mean(), entropy(start), torch.tensor(float(vocabulary)).log()]}))
    expect("least loss at [MASK] less the entropy given clean neighbours", (floor - clean).mean(), at_least=0.02)


@breaks(rule="80/0/20", en="Without random tokens what is shown is certain, and costs nothing.",
        zh="没有随机 token 时，显示的就是答案，不花任何代价。")
def claim_kept_masked_and_random_have_three_floors(vocabulary=8, tokens=32, texts=600, rule="80/10/10"):
    """The best loss has three parts: an unchanged token costs least but not nothing, [MASK] more, a random
    token most; a model cannot tell the first from the last.

    最好的损失分为三部分：保持原样的最低但不为零，[MASK] 较高，随机替换的最高；模型分不清第一种和第三种。"""
    (chain, start), (others, asked) = language(vocabulary), shown_given_token(vocabulary, rule)
    ids, middle = draw(chain, start, texts, tokens), tokens // 2
    shown = torch.multinomial(others[ids].flatten(0, 1), 1).view_as(ids)
    truth, losses = ids[:, middle], []
    for put in (truth, torch.full_like(truth, vocabulary), torch.randint(vocabulary, truth.shape)):
        shown[:, middle] = put
        p = filled(shown, chain, start, others, asked)[torch.arange(texts), middle, truth]
        losses.append(-p.clamp(min=1e-30).log().mean())
    names = ("unchanged", "[MASK]", "random")
    show(bars(names, {"least loss": losses}, y_label="nats"))
    expect("least loss where unchanged", losses[0], at_least=0.02)
    expect("[MASK] less unchanged", losses[1] - losses[0], at_least=0.05)
    expect("random less [MASK]", losses[2] - losses[1], at_least=0.05)


ZH = {
    "ln V": "ln V", "position": "位置", "token": "token", "p(token | shown)": "p(token | 显示的内容)",
    "two sweeps less the sum over all texts": "两遍扫描与对所有文本求和之差", "as shown": "按实际显示",
    "given clean neighbours": "给定未改动的邻居", "unigram": "一元分布", "nats": "纳特",
    "least loss at [MASK] less the entropy given clean neighbours": "[MASK] 处的最小损失与给定未改动邻居时的熵之差",
    "unchanged": "原样", "random": "随机", "least loss": "最小损失", "least loss where unchanged": "原样处的最小损失",
    "[MASK] less unchanged": "[MASK] 与原样之差", "random less [MASK]": "随机与 [MASK] 之差",
}

if __name__ == "__main__":
    main()
