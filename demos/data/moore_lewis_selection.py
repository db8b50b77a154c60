r"""Domain documents in a pool are found by a ratio of two language models, and the models have to be estimated.

在语料池里找领域文档，靠的是两个语言模型之比；而这两个模型都要先估计出来。

Moore & Lewis 2010; a toy of unigram models over a pool with a tenth of domain documents. Turn `seeds` to 3: from so few
documents the domain model is rough, and the precision changes from run to run.
把 `seeds` 改为 3：种子太少，领域模型估不准，精度每次都不同。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show

POOL, DOMAIN, VOCABULARY, SHORTEST, LONGEST = 1500, 150, 200, 10, 120


@exercise(claims=("fifty_seed_documents_suffice", "with_few_seeds_the_sum_misleads"),
          wrong=("adds_up_the_tokens", "forgets_the_general_model"))
def moore_lewis(counts: Tensor, domain: Tensor, general: Tensor) -> Tensor:
    """The score of each document: the mean over its tokens of the log-probability under the domain model less that under the
    general one. counts (documents, vocabulary), log-probabilities (vocabulary,); scores (documents,).

    每篇文档的得分：各 token 在领域模型下的对数概率减去通用模型下的对数概率，取平均。counts (documents, vocabulary)，
    对数概率 (vocabulary,)；得分 (documents,)。"""
    return counts @ (domain - general) / counts.sum(1)


def estimated(counts: Tensor) -> Tensor:
    """Log-probabilities (vocabulary,) of a unigram model with half a count added to each word."""
    smoothed = counts.sum(0) + 0.5
    return (smoothed / smoothed.sum()).log()


def documents(p: Tensor, count: int) -> Tensor:
    """Word counts (count, vocabulary) of documents that are SHORTEST to LONGEST words long on average."""
    lengths = torch.randint(SHORTEST, LONGEST, (count, 1)).float()
    return torch.poisson(lengths * p)                             # each word by itself: the length is that on average


def precision(seeds: int, spread: float = 1.0, domain_in_general: float = 0.0) -> dict[str, float]:
    """The share of domain documents among the best tenth of the pool, by the score used."""
    normal = torch.special.ndtri((torch.arange(VOCABULARY) + 0.5) / VOCABULARY)          # evenly spread normal numbers
    base, tilt = spread * normal[torch.randperm(VOCABULARY)], 0.5 * normal[torch.randperm(VOCABULARY)]
    general, domain = base.softmax(0), (base + tilt).softmax(0)
    pool = torch.cat([documents(domain, DOMAIN), documents(general, POOL - DOMAIN)])
    inside = round(800 * domain_in_general)
    other = documents(general, 800)
    if inside:
        other[:inside] = documents(domain, inside)
    d, g = estimated(documents(domain, seeds)), estimated(other)
    scores = {
        "mean ratio": moore_lewis(pool, d, g),
        "summed ratio": pool @ (d - g),
        "pool as general": moore_lewis(pool, d, estimated(pool)),
        "domain alone": pool @ d / pool.sum(1),
        "true models": moore_lewis(pool, domain.log(), general.log()),
    }
    return {name: (s.topk(DOMAIN).indices < DOMAIN).double().mean().item() for name, s in scores.items()}


RANGES = {"seeds": one_of(3, 40, 50, 60), "many": between(400, 800), "few": one_of(3, 5, 800), "spread": one_of(0.0, 1.0, 1.2),
          "domain_in_general": one_of(0.0, 0.5, 0.6)}


@breaks(seeds=3, en="Three documents estimate two hundred probabilities badly.", zh="三篇文档估不准两百个概率。")
def claim_fifty_seed_documents_suffice(seeds=50):
    """With 50 seed documents the best tenth by the ratio is over six tenths domain text, against a tenth in the pool, and at most
    15 points below the true models; the pool itself can stand for general text.

    有 50 篇种子时，按比值取的前十分之一里领域文本超过六成（池中只有一成），比真实模型至多低 15 个百分点；语料池本身也可充当
    通用文本。"""
    tried = (3, seeds, 500)
    found = [precision(n) for n in tried]
    show(lines("seed documents", tried, {n: [f[n] for f in found] for n in ("mean ratio", "pool as general", "true models")},
               log="x", y_label="precision of the best tenth"))
    best = found[1]
    expect("precision", best["mean ratio"], at_least=0.6)
    expect("true models less estimated ones", best["true models"] - best["mean ratio"], at_most=0.15)
    expect("precision with the pool as general text", best["pool as general"], at_least=0.62)


@breaks(spread=0.0, en="Where all words are equally common, probable under the domain model means typical of the domain.",
        zh="各词同样常见时，领域模型下概率高就等于领域特有。")
def claim_probable_is_not_typical(many=500, spread=1.0):
    """Ranked by the domain model alone, the best tenth holds at least 10 points less domain text than by the ratio: common words
    are probable in every domain.

    只按领域模型排序，前十分之一里的领域文本比按比值至少少 10 个百分点：常用词在任何领域都概率高。"""
    names = ("domain alone", "mean ratio", "true models")
    worlds = [precision(many, spread) for _ in range(3)]
    found = {name: sum(w[name] for w in worlds) / 3 for name in names}
    show(bars(names, {"precision of the best tenth": [found[n] for n in names]}))
    expect("ratio less domain model alone", found["mean ratio"] - found["domain alone"], at_least=0.1)


@breaks(domain_in_general=0.0, en="General text without domain documents takes nothing away.", zh="通用文本里没有领域文档，就没有损失。")
def claim_domain_text_in_the_general_model_blunts_the_ratio(domain_in_general=0.5):
    """A general model of which half is domain text loses at least 2 points of precision with 50 seed documents.

    通用模型的训练文本若一半是领域文本，在 50 篇种子时精度至少损失 2 个百分点。"""
    state = torch.random.get_rng_state()
    blunt = sum(precision(50, domain_in_general=domain_in_general)["mean ratio"] for _ in range(3)) / 3
    torch.random.set_rng_state(state)
    clean = sum(precision(50)["mean ratio"] for _ in range(3)) / 3
    show(bars(["clean", "half domain"], {"precision of the best tenth": [clean, blunt]}))
    expect("precision lost", clean - blunt, at_least=0.02)


@breaks(few=800, en="With well estimated models the sum is the better statistic, if anything.", zh="模型估得准时，求和反而是更好的统计量。")
def claim_with_few_seeds_the_sum_misleads(few=5, many=500):
    """With five seed documents and lengths of 10 to 120 tokens, the summed ratio finds at least 3 points less than the mean: errors of
    the model add up with the length. With hundreds of seeds the sum is as good or better, by up to 10.

    文档长 10 到 120 个 token、种子只有五篇时，求和比取平均至少低 3 个百分点：模型的误差随长度累加。种子有几百篇时，
    求和不差，甚至高出至多 10 个百分点。"""
    names = ("mean ratio", "summed ratio")
    poor, good = ([precision(n) for _ in range(3)] for n in (few, many))
    mean = {n: [sum(f[n] for f in found) / 3 for found in (poor, good)] for n in names}
    show(bars(["few seeds", "many seeds"], mean, y_label="precision of the best tenth"))
    expect("few seeds: mean less sum", mean["mean ratio"][0] - mean["summed ratio"][0], at_least=0.03)
    expect("many seeds: mean less sum", mean["mean ratio"][1] - mean["summed ratio"][1], equals=-0.04, within=0.06)


def drill_log_odds(rng) -> Drill:
    """Posterior log-odds that a document is of the domain."""
    tokens, nats, prior, log_prior = rng.choice([(100, 0.05, "1 : 9", -2.197), (50, 0.1, "1 : 9", -2.197), (200, 0.05, "1 : 99", -4.595),
                                                 (40, 0.1, "1 : 99", -4.595), (400, 0.02, "1 : 9", -2.197)])
    odds = tokens * nats + log_prior
    return Drill(
        en=f"A domain document has {tokens} tokens; the KL of the domain model to the general one is {nats:g} nats per token, and the "
           f"pool holds domain to other documents {prior} (ln = {log_prior:.2f}). What are its expected posterior log-odds?",
        zh=f"一篇领域文档有 {tokens} 个 token；领域模型对通用模型的 KL 为每 token {nats:g} nat，池中领域与其他文档之比 {prior}"
           f"（ln = {log_prior:.2f}）。后验对数几率的期望是多少？",
        answer=odds, within=0.05,
        steps=[(f"log-likelihood ratio: {tokens} · {nats:g} = {tokens * nats:g}", f"对数似然比：{tokens} · {nats:g} = {tokens * nats:g}"),
               (f"plus the prior: {tokens * nats:g} − {-log_prior:.2f} = {odds:.2f}",
                f"加先验：{tokens * nats:g} − {-log_prior:.2f} = {odds:.2f}")],
        proved_by="fifty_seed_documents_suffice",
    )


ZH = {
    "mean ratio": "平均比值", "summed ratio": "比值求和", "pool as general": "池作通用文本", "domain alone": "只用领域模型",
    "true models": "真实模型",
    "seed documents": "种子文档", "precision of the best tenth": "前十分之一的精度", "precision": "精度",
    "true models less estimated ones": "真实模型减去估计模型", "precision with the pool as general text": "池作通用文本时的精度",
    "ratio less domain model alone": "比值减去只用领域模型", "clean": "干净", "half domain": "一半领域", "precision lost": "损失的精度",
    "few seeds": "种子少", "many seeds": "种子多", "few seeds: mean less sum": "种子少：平均减求和",
    "many seeds: mean less sum": "种子多：平均减求和",
}

if __name__ == "__main__":
    main()
