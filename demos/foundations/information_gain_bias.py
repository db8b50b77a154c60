r"""Information gain favours attributes with many values: even a random one gains, and a row number gains most.

信息增益偏爱取值多的属性：随机的属性也有增益，行号的增益最大。

Quinlan 1986. Turn `gain` to "less that of shuffled labels": what chance alone gives is gone.
把 `gain` 改为 "less that of shuffled labels"：偶然得来的那部分就消失了。
"""

import itertools
import math
import random
from collections import Counter, defaultdict

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show, table

TENNIS = """sunny hot high weak no; sunny hot high strong no; overcast hot high weak yes; rain mild high weak yes;
rain cool normal weak yes; rain cool normal strong no; overcast cool normal strong yes; sunny mild high weak no;
sunny cool normal weak yes; rain mild normal weak yes; sunny mild normal strong yes; overcast mild high strong yes;
overcast hot normal weak yes; rain mild high strong no"""
OUTLOOK, TEMPERATURE, HUMIDITY, WIND, PLAY = zip(*[row.split() for row in TENNIS.split(";")], strict=True)
ATTRIBUTES = {"outlook": OUTLOOK, "humidity": HUMIDITY, "wind": WIND, "temperature": TEMPERATURE,
              "row number": tuple(map(str, range(14)))}


def entropy(labels) -> float:
    """In bits."""
    return -sum(k / len(labels) * math.log2(k / len(labels)) for k in Counter(labels).values())


def gini(labels) -> float:
    """The chance that two labels drawn with replacement differ."""
    return 1 - sum((k / len(labels)) ** 2 for k in Counter(labels).values())


def error_rate(labels) -> float:
    """The share that the commonest label gets wrong."""
    return 1 - max(Counter(labels).values()) / len(labels)


def split(values, labels) -> list[list]:
    """The labels of each value of the attribute."""
    groups = defaultdict(list)
    for value, label in zip(values, labels, strict=True):
        groups[value].append(label)
    return list(groups.values())


@exercise(claims=("the_gain_is_the_mutual_information",), wrong=("groups_alike", "what_remains", "nats"))
def information_gain(values, labels) -> float:
    """How many bits of the labels' entropy an attribute removes: values and labels, one of each per row.

    属性消去了标签多少比特的熵：values 与 labels 每行各一个。"""
    rest = sum(len(group) / len(labels) * entropy(group) for group in split(values, labels))
    return entropy(labels) - rest


def gain(values, labels, impurity) -> float:
    """The same by any measure of impurity."""
    return impurity(labels) - sum(len(g) / len(labels) * impurity(g) for g in split(values, labels))


def gain_of_two_groups(values, labels) -> float:
    """The largest gain of a split of the values into two sets: for two labels one of those along their shares of "yes"."""
    groups = defaultdict(list)
    for value, label in zip(values, labels, strict=True):
        groups[value].append(label)
    order = sorted(groups, key=lambda value: groups[value].count("yes") / len(groups[value]))
    return max((information_gain([v in order[:k] for v in values], labels) for k in range(len(order))), default=0.0)


MEASURES = {"entropy": entropy, "Gini": gini, "error rate": error_rate}

RANGES = {
    "weighted": one_of("by size", "alike"), "values": each(between(1, 14), at_least=2, at_most=6, rising=True),
    "gain": one_of("as it stands", "less that of shuffled labels"), "leaf": one_of(1, 2),
    "measure": one_of("Gini", "error rate"),
}  # fmt: skip


@breaks(weighted="alike", en="A small pure group would count as much as a large mixed one.",
        zh="那样，一个小而纯的组就和一个大而杂的组分量相同。")
def claim_the_gain_is_the_mutual_information(weighted="by size"):
    """On the fourteen days outlook gains 0.247 bits, humidity 0.152, wind 0.048, temperature 0.029: each is
    the mutual information of attribute and label.

    十四天的数据上，天气的增益是 0.247 比特，湿度 0.152，风 0.048，温度 0.029：每个都是属性与标签的互信息。"""
    names = list(ATTRIBUTES)[:4]
    if weighted == "by size":
        got = [information_gain(ATTRIBUTES[name], PLAY) for name in names]
    else:
        groups = [split(ATTRIBUTES[name], PLAY) for name in names]
        got = [entropy(PLAY) - sum(map(entropy, g)) / len(g) for g in groups]
    mutual = []
    for name in names:
        joint, left, right = Counter(zip(ATTRIBUTES[name], PLAY, strict=True)), Counter(ATTRIBUTES[name]), Counter(PLAY)
        mutual.append(sum(k / 14 * math.log2(14 * k / (left[a] * right[b])) for (a, b), k in joint.items()))
    show(bars(names, {"gain": got, "mutual information": mutual}, y_label="bits"))
    expect("gain less the mutual information", [a - b for a, b in zip(got, mutual, strict=True)], equals=0, within=1e-12)
    expect("gain, as in the textbooks", got, equals=[0.2467, 0.1518, 0.0481, 0.0292], within=6e-5)


@breaks(gain="less that of shuffled labels", en="Less what shuffled labels give, a random attribute gains nothing.",
        zh="减去打乱标签后的增益，随机属性就没有增益。")
def claim_a_random_attribute_gains_with_its_values(values=(1, 2, 4, 8, 14), gain="as it stands"):
    """A random attribute says nothing of fourteen labels, yet its mean gain rises with the number of its
    values, to over 0.4 bits at eight; so does that of its best split in two.

    随机属性与十四个标签毫无关系，平均增益却随取值个数上升，八个取值时超过 0.4 比特；它的最优二叉划分也是如此。"""
    rng, means, in_two = random.Random(0), [], []
    for m in values:
        total = total_in_two = 0.0
        for _ in range(150):
            drawn = [rng.randrange(m) for _ in PLAY]
            total += information_gain(drawn, PLAY)
            total_in_two += gain_of_two_groups(drawn, PLAY)
            if gain != "as it stands":
                total -= information_gain(drawn, rng.sample(PLAY, len(PLAY)))
        means.append(total / 150)
        in_two.append(total_in_two / 150)
    show(lines("values", values, {"mean gain": means, "split in two": in_two,
                                  "(m − 1) / (2·14·ln 2)": [(m - 1) / 28 / math.log(2) for m in values]}, y_label="bits"))
    expect("rise of the mean gain of the best split in two", [b - a for a, b in itertools.pairwise(in_two)], at_least=0.005)
    expect("rise of the mean gain to the next number of values", [b - a for a, b in itertools.pairwise(means)], at_least=0.01)
    if values[0] == 1:
        expect("gain of an attribute with one value", means[0], equals=0, within=1e-12)
    if 8 in values:
        expect("mean gain of the best split in two at eight values", in_two[values.index(8)], equals=0.32, within=0.06)
        expect("mean gain at eight values", means[values.index(8)], at_least=0.4 if gain == "as it stands" else 0.0)


@breaks(leaf=2, en="If each leaf must hold two rows the row number is no candidate, and outlook comes first.",
        zh="若每个叶子至少要有两行，行号就不能入选，天气排第一。")
def claim_the_gain_ratio_still_prefers_the_row_number(leaf=1):
    """C4.5's gain ratio divides by the entropy of the split itself, and on this table the row number still
    comes first: 0.247, before outlook with 0.156.

    C4.5 的增益率除以划分本身的熵，但在这张表上行号仍排第一：0.247，天气以 0.156 在后。"""
    ratios = {name: information_gain(v, PLAY) / entropy(v) for name, v in ATTRIBUTES.items()
              if min(Counter(v).values()) >= leaf}
    show(bars(list(ratios), {"gain": [information_gain(ATTRIBUTES[n], PLAY) for n in ratios], "gain ratio": list(ratios.values())}))
    best = max(ratios, key=ratios.get)
    expect("largest gain ratio", ratios[best], equals=0.2470, within=6e-5)
    expect("the row number is first", best == "row number", equals=True)
    expect("gain ratio of outlook", ratios["outlook"], equals=0.1564, within=6e-5)


@breaks(measure="error rate", en="The error rate ties outlook with humidity and gives wind nothing.",
        zh="误差率使天气与湿度并列，风的增益为零。")
def claim_gini_orders_alike(measure="Gini"):
    """Gini impurity orders the four attributes as entropy does, and gives the row number the most too; the
    error rate ties outlook with humidity and gives wind nothing.

    Gini 不纯度给四个属性的排序与熵相同，也同样把行号排在第一；误差率使天气与湿度并列，风的增益为零。"""
    scores = {name: [gain(v, PLAY, f) for v in ATTRIBUTES.values()] for name, f in MEASURES.items()}
    show(table({"attribute": list(ATTRIBUTES), **scores}))
    order = sorted(range(5), key=lambda i: -scores["entropy"][i])
    ranked = [scores[measure][i] for i in order]
    expect("drop from each attribute to the next", [a - b for a, b in itertools.pairwise(ranked)], at_least=1e-6)
    wrong = dict(zip(ATTRIBUTES, scores["error rate"], strict=True))
    expect("error rate: outlook less humidity, and wind", [wrong["outlook"] - wrong["humidity"], wrong["wind"]], equals=0, within=1e-12)
    expect("impurity of the labels, Gini", gini(PLAY), equals=2 * 9 * 5 / 14**2, within=1e-12)


def drill_gain(rng) -> Drill:
    """The gain of a split into two groups."""
    (a, b), (c, d) = rng.choice([((4, 0), (0, 4)), ((4, 0), (2, 2)), ((3, 1), (1, 3)), ((2, 2), (2, 2)), ((6, 0), (1, 1)),
                                 ((2, 0), (2, 4))])
    labels = ["+"] * a + ["-"] * b + ["+"] * c + ["-"] * d
    values = [0] * (a + b) + [1] * (c + d)
    got, before = information_gain(values, labels), entropy(labels)
    n = a + b + c + d
    parts = [entropy(g) for g in split(values, labels)]
    return Drill(
        en=f"A split makes two groups: {a} positive and {b} negative, and {c} positive and {d} negative. How large is the information "
           "gain, in bits? (entropies: 1/2 → 1, 1/4 → 0.811, 1/3 → 0.918, 1/8 → 0.544)",
        zh=f"划分得到两组：{a} 正 {b} 负，与 {c} 正 {d} 负。信息增益是多少比特？（熵：1/2 → 1，1/4 → 0.811，1/3 → 0.918，1/8 → 0.544）",
        answer=got, within=0.01,
        steps=[(f"before: {a + c} against {b + d}, {before:.3f} bits", f"划分前：{a + c} 对 {b + d}，{before:.3f} 比特"),
               (f"after: {a + b}/{n} · {parts[0]:.3f} + {c + d}/{n} · {parts[1]:.3f} = {before - got:.3f}",
                f"划分后：{a + b}/{n} · {parts[0]:.3f} + {c + d}/{n} · {parts[1]:.3f} = {before - got:.3f}"),
               (f"gain = {got:.3f}", f"增益 = {got:.3f}")],
        proved_by="the_gain_is_the_mutual_information",
    )


ZH = {
    "outlook": "天气", "humidity": "湿度", "wind": "风", "temperature": "温度", "row number": "行号", "gain": "增益",
    "mutual information": "互信息", "bits": "比特", "gain less the mutual information": "增益减互信息",
    "gain, as in the textbooks": "增益（与教科书一致）", "values": "取值个数", "mean gain": "平均增益",
    "(m − 1) / (2·14·ln 2)": "(m − 1) / (2·14·ln 2)",
    "rise of the mean gain to the next number of values": "取值个数增加时平均增益的上升",
    "split in two": "二叉划分", "rise of the mean gain of the best split in two": "取值个数增加时最优二叉划分平均增益的上升",
    "error rate: outlook less humidity, and wind": "误差率：天气减湿度，以及风",
    "gain of an attribute with one value": "只有一个取值的属性的增益", "mean gain at eight values": "八个取值时的平均增益",
    "mean gain of the best split in two at eight values": "八个取值时最优二叉划分的平均增益",
    "gain ratio": "增益率", "largest gain ratio": "最大的增益率", "the row number is first": "行号排第一",
    "gain ratio of outlook": "天气的增益率", "attribute": "属性", "entropy": "熵", "Gini": "Gini", "error rate": "误差率",
    "drop from each attribute to the next": "相邻名次之间的下降", "impurity of the labels, Gini": "标签的 Gini 不纯度",
}  # fmt: skip

if __name__ == "__main__":
    main()
