r"""A judge's bias does not average out; a few human labels measure it, and then many verdicts help.

裁判的偏差平均不掉；少量人工标签能量出它，之后大量判决才有用。

Prediction-powered inference, Angelopoulos et al. 2023. Turn `way` to "judge alone": more verdicts only make the
wrong number steadier. Turn `judge` to "coin": a judge that knows nothing widens the interval.
把 `way` 改为 "judge alone"：判决再多，只是让错误的数更稳。把 `judge` 改为 "coin"：一无所知的裁判会使区间变宽。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show

F64 = torch.float64


@exercise(claims=("a_few_labels_remove_the_bias", "a_good_judge_narrows_the_interval"),
          wrong=("takes_people_alone", "adds_the_bias", "pools_labels_and_verdicts"))
def corrected_rate(verdicts: Tensor, verdicts_too: Tensor, people: Tensor) -> Tensor:
    """The pass rate from a judge's verdicts on many answers (…, many), corrected by what the judge says, verdicts_too, and
    people say on a few others, (…, few) each; all are 0 or 1. The result is (…).

    通过率：由裁判对大量回答的判决 (…, many) 得出，再用另外少量回答上裁判所说的 verdicts_too 与人所说的 people（各为 (…, few)）校正；
    取值都是 0 或 1。结果为 (…)。"""
    return verdicts.mean(-1) + (people - verdicts_too).mean(-1)


def agreement_and_kappa(people: Tensor, verdicts: Tensor) -> tuple[Tensor, Tensor]:
    """Share of equal labels, and Cohen's κ: how far it is above what independent labels of the same rates would give."""
    p, q, agree = people.mean(), verdicts.mean(), (people == verdicts).to(F64).mean()
    chance = p * q + (1 - p) * (1 - q)
    return agree, (agree - chance) / (1 - chance)


def judged(people: Tensor, sensitivity: float, specificity: float) -> Tensor:
    """Verdicts on answers that people pass (1) or fail (0)."""
    says_yes = torch.where(people == 1, sensitivity, 1 - specificity)
    return (torch.rand_like(people) < says_yes).to(people.dtype)


RANGES = {
    "rate": between(0.5, 0.7), "sensitivity": between(0.9, 0.98), "specificity": between(0.7, 0.8), "few": between(100, 300),
    "many": between(2000, 4000), "way": one_of("corrected", "judge alone"), "judge": one_of("good", "coin"),
    "weight": one_of("best", "one"),
    "rates": each(between(0.05, 0.95), at_least=3, at_most=9, rising=True), "known": one_of("both", "sensitivity"),
    "passed": between(0.8, 0.95), "says": one_of("always yes", "what people say"),
}


@breaks(way="judge alone", en="The judge passes bad answers, and does so on every new one.", zh="裁判会放过坏答案，在每个新答案上都如此。")
def claim_a_few_labels_remove_the_bias(rate=0.6, sensitivity=0.95, specificity=0.7, few=200, many=3000, way="corrected"):
    """A judge of 95% sensitivity and 70% specificity reports 69% where 60% are good, on any number of answers; corrected by
    200 human labels it is right on average.

    灵敏度 95%、特异度 70% 的裁判，真实通过率 60% 时报告 69%，看多少回答都一样；用 200 个人工标签校正后，平均正确。"""
    trials, bias = 400, rate * sensitivity + (1 - rate) * (1 - specificity) - rate
    good = (torch.rand(trials, many) < rate).float()
    alone = judged(good, sensitivity, specificity)
    people = (torch.rand(trials, few) < rate).float()
    fixed = corrected_rate(alone, judged(people, sensitivity, specificity), people)
    estimate = fixed if way == "corrected" else alone.mean(1)
    show(bars(["truth", "judge alone", "corrected"], {"pass rate": [rate, alone.mean(), fixed.mean()]}))
    # an estimate scatters by at most √(0.25/100 + 0.25/2000) = 0.051, so the mean of 400 by 0.0026
    expect("mean estimate less the truth", estimate.mean() - rate, equals=0, within=0.011)
    expect("bias of the judge alone less the formula", alone.mean() - rate - bias, equals=0, within=0.003)


@breaks(judge="coin", en="Verdicts that have nothing to do with the answers only add noise.", zh="与回答无关的判决只会增加噪声。")
def claim_a_good_judge_narrows_the_interval(rate=0.6, sensitivity=0.95, specificity=0.7, few=200, many=3000, judge="good"):
    """The corrected estimate has the variance V(people − judge)/few + V(judge)/many: less than the V(people)/few of labels
    alone for a good judge, twice it for one that agrees in 81.5% where 90% pass.

    校正估计的方差是 V(人 − 裁判)/few + V(裁判)/many：好裁判使它小于只用标签的 V(人)/few；90% 通过时，一致率 81.5% 的裁判使它翻倍。"""
    judges = {"good": (rate, sensitivity, specificity), "agrees in 81.5%": (0.9, 0.85, 0.5), "coin": (rate, 0.5, 0.5)}
    trials, seen, known = 2000, {}, {}
    for name, (p, s, t) in judges.items():
        people = (torch.rand(trials, few) < p).float()
        said, differ = p * s + (1 - p) * (1 - t), p * (1 - s) + (1 - p) * (1 - t)
        # the mean of many verdicts is drawn at once: a binomial count
        alone = torch.distributions.Binomial(many, torch.tensor(said)).sample((trials, 1)) / many
        labels = p * (1 - p) / few
        seen[name] = corrected_rate(alone, judged(people, s, t), people).var() / labels
        known[name] = ((differ - (said - p) ** 2) / few + said * (1 - said) / many) / labels
    show(bars(judges, {"variance over that of the labels alone": list(seen.values()), "formula": list(known.values())}))
    # a variance of 2000 trials has a relative error of √(2/2000) = 3.2%
    expect("variance over the formula", [seen[name] / known[name] for name in judges], equals=1, within=0.15)
    expect("variance over that of the labels alone", known[judge], at_most=0.95)
    expect("the same for one that agrees in 81.5%", known["agrees in 81.5%"], at_least=1.9)
    expect("the same for a coin", known["coin"], at_least=1.9)


@breaks(weight="one", en="At full weight a judge that knows little adds more noise than it takes away.",
        zh="权重取一时，所知不多的裁判带来的噪声多于它消去的。")
def claim_weighted_verdicts_never_widen(few=200, many=3000, weight="best"):
    """With verdicts weighted by Cov(people, judge)/V(judge)/(1 + few/many) the variance is 1 − ρ²/(1 + few/many) times that of
    the labels alone, ρ the correlation of people and judge.

    判决乘以 Cov(人, 裁判)/V(裁判)/(1 + few/many) 时，方差是只用标签的 1 − ρ²/(1 + few/many) 倍，ρ 为人与裁判的相关系数。"""
    judges = {"good": (0.6, 0.95, 0.7), "agrees in 81.5%": (0.9, 0.85, 0.5), "coin": (0.6, 0.5, 0.5)}
    trials, seen, known = 2000, [], []
    for p, s, t in judges.values():
        people = (torch.rand(trials, few) < p).float()
        said = p * s + (1 - p) * (1 - t)
        alone = torch.distributions.Binomial(many, torch.tensor(said)).sample((trials, 1)) / many
        covariance = p * s - p * said
        w = covariance / (said * (1 - said)) / (1 + few / many) if weight == "best" else 1.0
        seen.append(corrected_rate(w * alone, w * judged(people, s, t), people).var() / (p * (1 - p) / few))
        known.append(1 - covariance**2 / (p * (1 - p) * said * (1 - said)) / (1 + few / many))
    show(bars(judges, {"variance over that of the labels alone": seen, "1 − ρ²/(1 + few/many)": known}))
    # a variance of 2000 trials has a relative error of √(2/2000) = 3.2%
    expect("variance over the formula", [a / b for a, b in zip(seen, known, strict=True)], equals=1, within=0.15)
    expect("variance over that of the labels alone", known, at_most=1)


@breaks(known="sensitivity", en="Divided by the sensitivity alone, the bad answers that pass are still in the count.",
        zh="只除以灵敏度，被放过的坏答案仍算在里面。")
def claim_two_error_rates_undo_the_judge(rates=(0.1, 0.3, 0.5, 0.7, 0.9), sensitivity=0.95, specificity=0.7, known="both"):
    """The true rate is (reported + specificity − 1)/(sensitivity + specificity − 1): the reported one is a straight line in it,
    flat for a judge that guesses.

    真实通过率 =（报告值 + 特异度 − 1）/（灵敏度 + 特异度 − 1）：报告值是它的线性函数；瞎猜的裁判，这条线是平的。"""
    reported = [p * sensitivity + (1 - p) * (1 - specificity) for p in rates]     # by the law of total probability
    back = [(r + specificity - 1) / (sensitivity + specificity - 1) if known == "both" else r / sensitivity for r in reported]
    show(lines("true rate", rates, {"reported": reported, "undone": back}))
    expect("undone less true", [b - p for b, p in zip(back, rates, strict=True)], equals=0, within=1e-12, at=("true rate", rates))


@breaks(says="what people say", en="A judge that repeats the people has κ = 1.", zh="照抄人的裁判，κ = 1。")
def claim_agreement_alone_flatters(passed=0.9, says="always yes"):
    """Where people pass 90% of the answers, a judge that always says yes agrees with them in 90% of cases; Cohen's κ is 0, as for
    one that tosses a coin.

    人让 90% 的回答通过时，一律说「是」的裁判与人一致率为 90%；Cohen κ 为 0，与抛硬币的裁判相同。"""
    n, good = 1000, 2 * round(500 * passed)
    people = (torch.arange(n) < good).to(F64)
    coin = (torch.arange(n) % 2).to(F64)                                 # half of the good and half of the bad ones
    verdicts = torch.ones(n, dtype=F64) if says == "always yes" else people
    agree, kappa = agreement_and_kappa(people, verdicts)
    tossed = agreement_and_kappa(people, coin)
    show(bars(["always yes" if says == "always yes" else "what people say", "a coin"],
              {"agreement": [agree, tossed[0]], "κ": [kappa, tossed[1]]}))
    expect("agreement less the share that people pass", agree - good / n, equals=0, within=1e-12)
    expect("κ", kappa, equals=0, within=1e-9)
    expect("κ of a coin", tossed[1], equals=0, within=1e-9)


def drill_true_rate(rng) -> Drill:
    """Undo a judge of known error rates."""
    s, t, p = rng.choice([(0.9, 0.8, 0.6), (0.95, 0.75, 0.5), (0.9, 0.7, 0.4), (0.8, 0.8, 0.7), (0.95, 0.65, 0.8)])
    reported = p * s + (1 - p) * (1 - t)
    return Drill(
        en=f"On labelled answers a judge passes {100 * s:g}% of the good ones and fails {100 * t:g}% of the bad ones. On new answers it "
           f"passes {100 * reported:.4g}%. What share is good, if its error rates hold there?",
        zh=f"在有标注的回答上，裁判让 {100 * s:g}% 的好回答通过，判 {100 * t:g}% 的坏回答不通过。"
           f"在新回答上它让 {100 * reported:.4g}% 通过。若错误率不变，好回答占多少？",
        answer=p, within=0.005,
        steps=[(f"({reported:.4g} + {t:g} − 1) / ({s:g} + {t:g} − 1)",) * 2,
               (f"= {reported + t - 1:.4g} / {s + t - 1:.4g} = {p:g}",) * 2],
        proved_by="two_error_rates_undo_the_judge")


def drill_kappa(rng) -> Drill:
    """Cohen's kappa from a table of four counts."""
    both, people_only, judge_only, neither = rng.choice([(80, 10, 5, 5), (40, 10, 10, 40), (60, 20, 10, 10), (85, 5, 5, 5)])
    people = torch.tensor([1.0] * (both + people_only) + [0.0] * (judge_only + neither), dtype=F64)
    verdicts = torch.tensor([1.0] * both + [0.0] * people_only + [1.0] * judge_only + [0.0] * neither, dtype=F64)
    agree, kappa = (float(x) for x in agreement_and_kappa(people, verdicts))
    p, q = float(people.mean()), float(verdicts.mean())
    return Drill(
        en=f"Of 100 answers {both} pass with both people and judge, {people_only} with people alone, {judge_only} with the judge alone, "
           f"{neither} with neither. What is Cohen's κ?",
        zh=f"100 个回答中，人与裁判都通过的 {both} 个，只有人通过 {people_only} 个，只有裁判通过 {judge_only} 个，"
           f"都不通过 {neither} 个。Cohen κ 是多少？",
        answer=kappa, within=0.01,
        steps=[(f"agreement {agree:g}; by chance {p:g} · {q:g} + {1 - p:.2g} · {1 - q:.2g} = {p * q + (1 - p) * (1 - q):.4g}",
                f"一致率 {agree:g}；随机一致 {p:g} · {q:g} + {1 - p:.2g} · {1 - q:.2g} = {p * q + (1 - p) * (1 - q):.4g}"),
               (f"κ = (agreement − chance) / (1 − chance) = {kappa:.3f}", f"κ =（一致率 − 随机）/（1 − 随机）= {kappa:.3f}")],
        proved_by="agreement_alone_flatters")


ZH = {
    "truth": "真值", "judge alone": "只用裁判", "corrected": "校正后", "pass rate": "通过率",
    "mean estimate less the truth": "估计的均值减真值", "bias of the judge alone less the formula": "只用裁判的偏差减公式",
    "formula": "公式", "variance over the formula": "方差与公式之比",
    "variance over that of the labels alone": "方差与只用标签的方差之比", "good": "好裁判", "coin": "抛硬币的裁判",
    "agrees in 81.5%": "一致率 81.5%", "the same for one that agrees in 81.5%": "同上，一致率 81.5% 的裁判",
    "1 − ρ²/(1 + few/many)": "1 − ρ²/(1 + few/many)", "the same for a coin": "同上，抛硬币的裁判", "true rate": "真实通过率",
    "reported": "报告值",
    "undone": "还原值",
    "undone less true": "还原值减真值", "agreement": "一致率", "κ": "κ", "always yes": "一律说是",
    "what people say": "照抄人",
    "a coin": "抛硬币", "κ of a coin": "抛硬币的 κ",
    "agreement less the share that people pass": "一致率减人的通过率",
}

if __name__ == "__main__":
    main()
