r"""MinHash: two documents share a minimum as often as they share shingles; bands of minima find the pairs.

MinHash：两篇文档的最小哈希相等的频率，就是它们共有 shingle 的比例；把最小值分成若干 band，就能找到候选对。

Broder 1997; bands as in FineWeb (Penedo et al. 2024, §3.4): 14 bands of 8 rows. Turn `hashing` to
"consecutive ids": a linear hash of neighbouring numbers is not random enough, and the estimate is biased.
把 `hashing` 改为 "consecutive ids"：对相邻的整数做线性哈希不够随机，估计有偏。
"""

import hashlib

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, heatmap, lines, main, one_of, show

PRIME = 2**31 - 1
UNION = 20                                                        # shingles in a pair of documents together


@exercise(claims=("agreement_estimates_jaccard",), wrong=("takes_one_hash_for_all", "takes_the_mean"))
def minhash(items: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The signature of a document: under each hash x → (a·x + b) mod PRIME the smallest value. items (shingles,) of
    integers below PRIME, a and b (hashes,), the signature (hashes,).

    文档的签名：每个哈希 x → (a·x + b) mod PRIME 之下的最小值。items (shingles,) 是小于 PRIME 的整数，a 与 b (hashes,)，
    签名 (hashes,)。"""
    values = (a[:, None] * items + b[:, None]) % PRIME            # (hashes, shingles)
    return values.amin(1)


@exercise(claims=("bands_make_a_steep_curve",), wrong=("asks_for_every_band", "asks_for_any_row"))
def candidates(first: Tensor, second: Tensor, bands: int, rows: int) -> Tensor:
    """Whether two signatures agree in all rows of at least one band. Signatures (trials, bands · rows), the first `rows`
    of them being the first band; the result (trials,) of booleans.

    两个签名是否至少有一个 band 的各行全部相同。签名 (trials, bands · rows)，前 `rows` 个为第一个 band；结果 (trials,) 为布尔值。"""
    same = (first == second).unflatten(1, (bands, rows))          # (trials, bands, rows)
    return same.all(2).any(1)


def numbers(count: int, hashing: str) -> Tensor:
    """The shingles 0 … count − 1 as integers (count,): hashed first, or as the ids that a vocabulary gave them."""
    if hashing == "consecutive ids":
        return torch.arange(count)
    digests = [hashlib.sha1(f"shingle {i}".encode()).digest()[:4] for i in range(count)]
    return torch.tensor([int.from_bytes(d, "big") % PRIME for d in digests])


def pair(similarity: float, hashing: str = "shingles first") -> tuple[Tensor, Tensor]:
    """Two documents of UNION shingles together whose Jaccard similarity is the given one, to 1 / UNION."""
    ids, shared = numbers(UNION, hashing), round(UNION * similarity)
    left = (UNION - shared) // 2
    return ids[: left + shared], ids[left:]


def signed(documents: tuple[Tensor, Tensor], hashes: int) -> tuple[Tensor, Tensor]:
    """Both signatures, (hashes,) each, under the same random hashes."""
    a, b = torch.randint(1, PRIME, (hashes,)), torch.randint(0, PRIME, (hashes,))
    return minhash(documents[0], a, b), minhash(documents[1], a, b)


def caught(similarity: float, bands: int, rows: int, trials: int) -> float:
    """The share of trials, each with its own hashes, in which the pair becomes a candidate."""
    first, second = (s.view(trials, -1) for s in signed(pair(similarity), trials * bands * rows))
    return candidates(first, second, bands, rows).double().mean().item()


RANGES = {
    "similarities": each(between(0.3, 0.95), at_least=2, rising=True),
    "hashes": between(2000, 8000),
    "hashing": one_of("shingles first", "consecutive ids"),
    "bands": between(5, 20), "rows": between(3, 10), "trials": between(500, 800),
    "banding": one_of("bands of rows", "swapped"),
    "threshold": between(0.72, 0.78), "verified": one_of("exact Jaccard", "no", "all pairs"),
    "documents": between(10, 24), "kept": one_of("one per cluster", "unlike the kept"),
}


@breaks(hashing="consecutive ids", en="Linear hashes of consecutive ids keep their order too often: the minima agree too rarely.",
        zh="相邻整数经线性哈希后常常仍保持次序，最小值相等得太少。")
def claim_agreement_estimates_jaccard(similarities=(0.4, 0.6, 0.8), hashes=3000, hashing="shingles first"):
    """The share of equal minima estimates the Jaccard similarity of the shingle sets within four standard errors,
    provided the shingles were hashed well before the linear hashes.

    最小值相等的比例估计 shingle 集合的 Jaccard 相似度，误差在四个标准误以内；前提是先把 shingle 充分哈希，再做线性哈希。"""
    agreement, truth = [], []
    for one in similarities:
        documents = pair(one, hashing)
        first, second = signed(documents, hashes)
        agreement.append((first == second).double().mean())
        sets = [set(d.tolist()) for d in documents]
        truth.append(len(sets[0] & sets[1]) / len(sets[0] | sets[1]))
    show(lines("Jaccard similarity", truth, {"equal minima": agreement, "exact": truth}))
    # Four standard errors of a share, and 0.01: the linear family is only approximately min-wise independent.
    expect("equal minima", agreement, equals=truth, within=[4 * (t * (1 - t) / hashes) ** 0.5 + 0.01 for t in truth],
           at=("Jaccard", truth))


@breaks(banding="swapped", en="8 bands of 14 rows ask for much more: the curve moves to the right.",
        zh="8 个 band、每个 14 行，要求高得多：曲线右移。")
def claim_bands_make_a_steep_curve(similarities=(0.5, 0.7, 0.8, 0.9), bands=14, rows=8, trials=500, banding="bands of rows"):
    """With b bands of r rows a pair of similarity J becomes a candidate with probability 1 − (1 − J^r)^b; for 14 bands of 8
    this is 56% at 0.7 and 92% at 0.8.

    b 个 band、每个 r 行时，相似度为 J 的一对成为候选的概率是 1 − (1 − J^r)^b；14 个 8 行时，0.7 处为 56%，0.8 处为 92%。"""
    used = (bands, rows) if banding == "bands of rows" else (rows, bands)
    exact = [round(UNION * j) / UNION for j in similarities]
    measured = [caught(j, *used, trials) for j in similarities]
    formula = [1 - (1 - j**rows) ** bands for j in exact]
    show(lines("Jaccard similarity", exact, {"measured": measured, "1 − (1 − J^r)^b": formula}, y_label="candidate"))
    # Four standard errors, and the effect of 0.01 of J: r·b·J^(r−1)·(1 − J^r)^(b−1) · 0.01 is below 0.06.
    expect("share of candidates", measured, equals=formula, at=("Jaccard", exact),
           within=[4 * (p * (1 - p) / trials) ** 0.5 + 0.06 for p in formula])
    # As printed in Penedo et al. 2024, App. E.1, to the half of a per cent.
    printed = [1 - (1 - j**8) ** 14 for j in (0.7, 0.75, 0.8, 0.85)]
    expect("14 bands of 8: the formula at 0.70, 0.75, 0.80, 0.85", printed, equals=[0.56, 0.77, 0.92, 0.988], within=0.005)


@breaks(verified="all pairs", en="Comparing all pairs misses none: that is the cost that LSH saves.",
        zh="两两全比一个也不漏：LSH 省掉的正是这个开销。")
@breaks(verified="no", en="Unverified, half of the pairs at 0.7 are dropped, though they are below the threshold.",
        zh="不验证时，相似度 0.7 的对有一半被删，而它们低于阈值。")
def claim_verifying_stops_false_drops_and_no_misses(threshold=0.75, bands=14, rows=8, trials=500, verified="exact Jaccard"):
    """Checking candidates against the exact similarity drops no pair below the threshold; the pairs above it that share
    no band stay missed.

    用精确相似度核对候选对，就不会误删低于阈值的对；高于阈值却没有任何 band 相同的对，依旧漏掉。"""
    similarities = (0.7, 0.8)                                         # below the threshold, and above
    found = [1.0 if verified == "all pairs" else caught(j, bands, rows, trials) for j in similarities]
    dropped = [f if verified == "no" or j >= threshold else 0.0 for j, f in zip(similarities, found, strict=True)]
    show(bars([f"{j:g}" for j in similarities], {"candidates": found, "dropped": dropped}, y_label="share of pairs"))
    missed, miss = 1 - dropped[1], (1 - 0.8**rows) ** bands
    # Four standard errors, and 0.01 of J times the slope; for 14 bands of 8 a missed share of 0 lies outside.
    slope = rows * bands * 0.8 ** (rows - 1) * (1 - 0.8**rows) ** (bands - 1)
    expect("dropped below the threshold", dropped[0], equals=0)
    expect("missed at 0.8, less (1 − 0.8^r)^b", missed - miss, equals=0,
           within=max(0.01, 4 * (miss * (1 - miss) / trials) ** 0.5 + 0.01 * slope))


@breaks(kept="unlike the kept", en="Compared with what is already kept, every second document of the chain stays.",
        zh="只与已保留的文档比较，链上每隔一篇会留下一篇。")
def claim_clusters_chain_unlike_documents(documents=10, threshold=0.75, kept="one per cluster"):
    """Duplicates of duplicates form one cluster: of a chain in which each document is over 75% like the next only one stays, though
    its ends share no shingle.

    重复的重复归为同一簇：一条链上相邻文档两两相似度超过 75%，最后只留一篇，尽管链的两端没有一个共同的 shingle。"""
    sets = [set(range(12 * i, 12 * i + 100)) for i in range(documents)]            # neighbours: 88 / 112 = 0.79
    jaccard = [[len(x & y) / len(x | y) for y in sets] for x in sets]
    cluster, survivors = list(range(documents)), []
    for i in range(documents):
        for j in range(i):
            if jaccard[i][j] >= threshold - 1e-9:
                cluster = [cluster[j] if c == cluster[i] else c for c in cluster]  # union of the two clusters
        if all(jaccard[i][j] < threshold for j in survivors):
            survivors.append(i)
    show(heatmap(jaccard, x_label="document", y_label="document"))
    expect("documents kept", len(set(cluster)) if kept == "one per cluster" else len(survivors), equals=1)
    expect("similarity of the ends", jaccard[0][-1], equals=0)


def drill_caught(rng) -> Drill:
    """The probability that LSH catches a pair."""
    bands, rows, j = rng.choice([(20, 5, 0.5), (10, 2, 0.3), (5, 2, 0.5), (14, 8, 0.8), (10, 4, 0.6), (4, 3, 0.5), (20, 5, 0.8)])
    p = 1 - (1 - j**rows) ** bands
    return Drill(
        en=f"MinHash signatures are cut into {bands} bands of {rows} rows. With which probability does a pair of Jaccard "
           f"similarity {j:g} become a candidate?",
        zh=f"MinHash 签名分成 {bands} 个 band，每个 {rows} 行。Jaccard 相似度为 {j:g} 的一对成为候选的概率是多少？",
        answer=p, within=0.01,
        steps=[(f"one band agrees: {j:g}^{rows} = {j**rows:.4g}", f"一个 band 全同：{j:g}^{rows} = {j**rows:.4g}"),
               (f"at least one of {bands}: 1 − (1 − {j**rows:.4g})^{bands} = {p:.3f}",
                f"{bands} 个中至少一个：1 − (1 − {j**rows:.4g})^{bands} = {p:.3f}")],
        proved_by="bands_make_a_steep_curve",
    )


def drill_jaccard(rng) -> Drill:
    """Jaccard similarity of a document and its edited copy."""
    words, n = rng.choice([(100, 5), (50, 5), (30, 3), (24, 5), (60, 3)])
    total = words - n + 1
    j = (total - n) / (total + n)
    return Drill(
        en=f"A document of {words} different words is copied, and one word in the middle replaced by a new one. What is the "
           f"Jaccard similarity of the two sets of {n}-word shingles?",
        zh=f"一篇 {words} 个互不相同的词的文档被复制，中间一个词换成新词。两者 {n} 词 shingle 集合的 Jaccard 相似度是多少？",
        answer=j, within=0.01,
        steps=[(f"shingles each: {words} − {n} + 1 = {total}", f"各有 shingle：{words} − {n} + 1 = {total}"),
               (f"the word stands in {n}: shared {total - n}, together {total + n}",
                f"该词出现在 {n} 个中：共有 {total - n}，合计 {total + n}"),
               (f"{total - n} / {total + n} = {j:.3f}", f"{total - n} / {total + n} = {j:.3f}")],
        proved_by="agreement_estimates_jaccard",
    )


ZH = {
    "Jaccard similarity": "Jaccard 相似度", "equal minima": "最小值相等", "exact": "精确值", "measured": "实测",
    "candidate": "成为候选", "share of candidates": "候选的比例",
    "14 bands of 8: the formula at 0.70, 0.75, 0.80, 0.85": "14 个 8 行的 band：0.70、0.75、0.80、0.85 处的公式值",
    "candidates": "候选", "dropped": "删除",
    "share of pairs": "占各对的比例", "dropped below the threshold": "阈值以下被删的",
    "missed at 0.8, less (1 − 0.8^r)^b": "0.8 处漏掉的比例减去 (1 − 0.8^r)^b", "document": "文档",
    "documents kept": "保留的文档", "similarity of the ends": "两端的相似度",
}

if __name__ == "__main__":
    main()
