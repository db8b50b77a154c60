r"""Approximate nearest neighbours: inverted lists, a graph and product codes, each with its recall against its work.

近似最近邻：倒排列表、图、乘积量化，各以召回率对工作量来看。

IVF and PQ as in Jégou et al. 2011, the graph as the bottom layer of HNSW (Malkov & Yashunin 2016). Turn `links` to "neighbours only":
clusters become islands that a search cannot leave. 把 `links` 改为 "neighbours only"：簇成为孤岛，搜索走不出去。
"""

import heapq

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, lines, main, one_of, show

COUNT, QUERIES, WIDTH = 2000, 60, 32


def vectors(clusters: int = 40, spread: float = 0.8) -> tuple[Tensor, Tensor]:
    """Stored vectors (COUNT, WIDTH) and queries (QUERIES, WIDTH) around the same centres, on the unit sphere."""
    centres = torch.randn(clusters, WIDTH)
    def some(n: int) -> Tensor:
        return F.normalize(centres[torch.randint(clusters, (n,))] + spread * torch.randn(n, WIDTH), dim=-1)
    return some(COUNT), some(QUERIES)


def kmeans(x: Tensor, k: int, steps: int = 8) -> Tensor:
    """k centres of x (points, d) by Lloyd's steps: (k, d)."""
    centres = x[torch.randperm(len(x))[:k]]
    for _ in range(steps):
        own = F.one_hot(torch.cdist(x, centres).argmin(1), k).to(x.dtype)      # (points, k)
        centres = torch.where(own.sum(0)[:, None] > 0, own.T @ x / own.sum(0)[:, None].clamp(min=1), centres)
    return centres


def in_lists(x: Tensor, queries: Tensor, centres: Tensor, nprobe: int) -> tuple[Tensor, Tensor]:
    """The nearest vector among those of the nprobe nearest lists, and the share of vectors that were compared."""
    own = torch.cdist(x, centres).argmin(1)                                    # (points,): each vector's list
    probed = torch.cdist(queries, centres).topk(nprobe, largest=False).indices # (queries, nprobe)
    open_lists = torch.zeros(len(queries), len(centres), dtype=torch.bool).scatter_(1, probed, True)
    seen = open_lists[:, own]                                                  # (queries, points)
    distances = torch.cdist(queries, x).masked_fill(~seen, torch.inf)
    return distances.argmin(1), seen.float().mean(1)


@exercise(claims=("a_graph_needs_long_links",), wrong=("stops_at_the_first_dead_end", "follows_one_link"))
def walk(distance: list[float], links: list[list[int]], start: int, ef: int) -> tuple[int, int]:
    """Best-first search on a graph that keeps the ef best vertices seen. distance[i] is that of vertex i to the query,
    links[i] its neighbours; the result is the nearest vertex found and how many distances were needed.

    图上的最佳优先搜索，保留已见到的最好的 ef 个点。distance[i] 是点 i 到查询的距离，links[i] 是其邻居；返回找到的最近点，以及算了
    多少个距离。"""
    seen, frontier, best = {start}, [(distance[start], start)], [(-distance[start], start)]
    while frontier:
        d, vertex = heapq.heappop(frontier)              # the nearest vertex not yet expanded
        if d > -best[0][0] and len(best) >= ef:          # worse than all that are kept: done
            break
        for other in links[vertex]:
            if other not in seen:
                seen.add(other)
                heapq.heappush(frontier, (distance[other], other))
                heapq.heappush(best, (-distance[other], other))
                if len(best) > ef:
                    heapq.heappop(best)                  # the farthest of the kept goes
    return max(best)[1], len(seen)


@exercise(claims=("codes_are_read_through_tables",), wrong=("adds_codes_not_squares", "uses_one_codebook"))
def table_distances(query: Tensor, codes: Tensor, books: Tensor) -> Tensor:
    """Squared distances of a query to product-coded vectors, by table look-ups alone. query (d,), codes (points, m) of
    integers, books (m, centroids, d/m); the result (points,).

    只靠查表得到查询到乘积量化向量的平方距离。query (d,)，整数 codes (points, m)，books (m, centroids, d/m)；结果 (points,)。"""
    parts = query.view(len(books), 1, -1)                # (m, 1, d/m)
    tables = ((parts - books) ** 2).sum(2)               # (m, centroids): one table per part
    return tables.gather(1, codes.T).sum(0)              # (points,)


def bytes_per_vector(kind: str, d: int, m: int) -> float:
    """Bytes of one stored vector of d dimensions. HNSW: 2m links of 4 bytes on the bottom layer; PQ: a code of m bytes. Upper layers,
    ids, codebooks and centres are left out."""
    return {"flat": 4 * d, "int8": d, "binary": d / 8, "HNSW": 4 * d + 2 * m * 4, "PQ": m}[kind]


RANGES = {
    "lists": between(36, 44), "nprobe": between(8, 10), "centres": one_of("k-means", "random directions"),
    "ef": between(40, 64), "links": one_of("neighbours and long links", "neighbours only"),
    "rescored": one_of("full vectors", "no"), "kept": between(40, 100),
    "width": between(32, 1024, multiple_of=8), "m": between(8, 64), "number": one_of("32 bits", "64 bits"),
}  # fmt: skip


@breaks(centres="random directions", en="Centres that are none put neighbours into different lists.",
        zh="中心若不是真正的中心，近邻会分到不同的列表里。")
def claim_few_lists_hold_most_neighbours(lists=40, nprobe=8, centres="k-means"):
    """Probing eight of forty k-means lists compares under a third of the vectors and finds the nearest one in over 85%; probing
    all is exact search.

    40 个 k-means 列表只探 8 个：比较不到三分之一的向量，85% 以上找到最近邻；全部探测就是精确搜索。"""
    x, queries = vectors(spread=1.5)
    exact = torch.cdist(queries, x).argmin(1)
    middle = kmeans(x, lists) if centres == "k-means" else torch.randn(lists, WIDTH)
    probes = sorted({1, 2, nprobe, 2 * nprobe, lists})
    found = [in_lists(x, queries, middle, p) for p in probes]
    recall = [float((f == exact).float().mean()) for f, _ in found]
    work = [float(share.mean()) for _, share in found]
    show(lines("share of vectors compared", work, {"recall@1": recall}, y_label="recall@1"))
    at = probes.index(nprobe)
    expect(f"recall@1 of {nprobe} lists", recall[at], at_least=0.85)
    expect(f"share compared in {nprobe} lists", work[at], at_most=1 / 3)
    expect("recall@1 of all lists", recall[-1], equals=1)


@breaks(links="neighbours only", en="A graph of nearest neighbours falls into islands: the search never leaves the one it begins in.",
        zh="只连最近邻的图会碎成孤岛：搜索走不出起点所在的那个。")
def claim_a_graph_needs_long_links(ef=48, links="neighbours and long links"):
    """On a graph of eight near and four random links per vertex a search that keeps 48 candidates finds the nearest vector in over
    85%, with distances to under a third of all.

    每个点连 8 个近邻和 4 个随机远点的图上，保留 48 个候选的搜索 85% 以上找到最近邻，只算了不到三分之一的距离。"""
    x, queries = vectors(spread=0.15)
    near = (x @ x.T).topk(9).indices[:, 1:]                                    # unit vectors: the largest cosine is nearest
    far = torch.randint(COUNT, (COUNT, 4))
    graph = (torch.cat([near, far], 1) if links == "neighbours and long links" else near).tolist()
    distances = torch.cdist(queries, x)
    exact, rows, widths = distances.argmin(1).tolist(), distances.tolist(), (1, 8, ef)
    runs = [[walk(row, graph, 0, width) for row in rows] for width in widths]
    recall = [sum(f == e for (f, _), e in zip(run, exact, strict=True)) / QUERIES for run in runs]
    work = [sum(n for _, n in run) / QUERIES / COUNT for run in runs]
    show(lines("share of vectors compared", work, {"recall@1": recall}, y_label="recall@1"))
    expect(f"recall@1 at ef {ef}", recall[-1], at_least=0.85)
    expect(f"share compared at ef {ef}", work[-1], at_most=1 / 3)


@breaks(rescored="no", en="Sixteen centroids per part cannot tell near neighbours apart.", zh="每段只有 16 个中心，分不清相近的邻居。")
def claim_codes_are_read_through_tables(kept=50, rescored="full vectors"):
    """Product codes of eight half bytes are 32 times smaller than 128 bytes; table sums equal the distance to the decoded vector, and
    rescoring 50 candidates in full brings the nearest back in over 85%.

    8 个 4 位的乘积码是 128 字节的 32 分之一；查表之和等于到解码向量的距离，用完整向量重算 50 个候选，85% 以上找回最近邻。"""
    x, queries = vectors()
    parts = x.view(COUNT, 8, 4).transpose(0, 1)                                # (8, points, 4)
    books = torch.stack([kmeans(part, 16, 4) for part in parts])               # (8, 16, 4)
    codes = torch.cdist(parts, books).argmin(2).T                              # (points, 8) of 4 bits
    decoded = torch.cat([books[i][codes[:, i]] for i in range(8)], 1)          # (points, WIDTH)
    rough = torch.stack([table_distances(q, codes, books) for q in queries])   # (queries, points)
    exact = torch.cdist(queries, x)
    short = rough.topk(kept, largest=False).indices                            # the candidates, by codes
    again = short.gather(1, exact.gather(1, short).argmin(1, keepdim=True))[:, 0]
    truth = exact.argmin(1)
    recall = {"codes alone": float((rough.argmin(1) == truth).float().mean()), "rescored": float((again == truth).float().mean())}
    show(bars(list(recall), {"recall@1": list(recall.values())}))
    # Squares below 8 in float32, summed in another order: a few units of 1e-6.
    expect("table sum less distance to the decoded vector", rough - torch.cdist(queries, decoded) ** 2, equals=0, within=5e-5)
    expect("recall@1", recall["rescored" if rescored == "full vectors" else "codes alone"], at_least=0.85)


@breaks(number="64 bits", en="Floats and links of 8 bytes take twice the room.", zh="8 字节的浮点数与链接要占两倍空间。")
def claim_stored_bytes_are_counted(width=1024, m=32, number="32 bits"):
    """Per vector, the tensors stored take 4·d bytes as 32-bit floats, d as int8, d/8 as one bit per dimension, m as product codes of m
    parts, and 8·M more for the bottom links of HNSW.

    每个向量实际存下的张量：32 位浮点 4·d 字节，int8 为 d 字节，每维 1 位为 d/8 字节，m 段的乘积码 m 字节；HNSW 底层链接另加 8·M 字节。"""
    floats, ids = (torch.float32, torch.int32) if number == "32 bits" else (torch.float64, torch.int64)
    x = torch.randn(8, width, dtype=floats)
    links = torch.randint(100, (8, 2 * m), dtype=ids)                        # 2M neighbours on the bottom layer
    bits = ((x > 0).view(8, -1, 8) * 2 ** torch.arange(8)).sum(2).to(torch.uint8)
    codes = torch.randint(256, (8, m), dtype=torch.uint8)                    # one of 256 centroids per part
    kept = {"flat": [x], "int8": [(x * 127 / x.abs().max()).to(torch.int8)], "binary": [bits], "HNSW": [x, links], "PQ": [codes]}
    counted = {kind: sum(t.nbytes for t in tensors) / 8 for kind, tensors in kept.items()}
    show(bars(list(counted), {"bytes per vector": list(counted.values())}, log="y"))
    by_formula = [bytes_per_vector(kind, width, m) for kind in counted]
    expect("bytes per vector", list(counted.values()), equals=by_formula, at=("index", list(counted)))
    signs = ((bits[..., None] >> torch.arange(8)) & 1).view(8, -1)             # (8, width)
    expect("signs read wrongly from the bits", (signs != (x > 0)).sum(), equals=0)


def drill_memory(rng) -> Drill:
    """Memory of an index in GB (1e9 bytes)."""
    millions, d, kind = rng.choice([(100, 1024, "flat"), (10, 768, "flat"), (100, 1024, "int8"), (100, 1024, "binary"),
                                    (10, 1024, "HNSW"), (1000, 768, "PQ"), (100, 768, "HNSW"), (1000, 1024, "PQ")])
    per = bytes_per_vector(kind, d, 64 if kind == "PQ" else 32)
    en, zh, sum_ = {
        "flat": ("as 32-bit floats, flat", "以 32 位浮点平铺存储", f"4 · {d}"),
        "int8": ("as int8", "以 int8 存储", f"{d}"),
        "binary": ("as one bit per dimension", "每维 1 位存储", f"{d} / 8"),
        "HNSW": ("as 32-bit floats in HNSW with M = 32 (2M links of 4 bytes each, upper layers left out)",
                 "以 32 位浮点放入 M = 32 的 HNSW（底层 2M 条链接、每条 4 字节，上层忽略）", f"4 · {d} + 2 · 32 · 4"),
        "PQ": ("as product codes of 64 bytes (ids and codebooks left out)", "以 64 字节的乘积码存储（不计 id 与码本）", "64"),
    }[kind]
    value = millions * per / 1000
    return Drill(
        en=f"How many GB (1e9 bytes) do {millions} million vectors of {d} dimensions take {en}?",
        zh=f"{millions} 百万个 {d} 维向量{zh}，占多少 GB（1e9 字节）？",
        answer=value, unit="GB",
        steps=[(f"bytes per vector: {sum_} = {per:g}", f"每个向量的字节数：{sum_} = {per:g}"),
               (f"{per:g} · {millions}e6 = {value:g} GB",) * 2],
        proved_by="stored_bytes_are_counted",
    )


ZH = {
    "share of vectors compared": "比较过的向量比例", "recall@1": "recall@1", "recall@1 of {} lists": "{} 个列表的 recall@1",
    "bytes per vector": "每个向量的字节数", "index": "索引", "flat": "平铺", "binary": "1 位", "HNSW": "HNSW", "PQ": "PQ",
    "signs read wrongly from the bits": "从各位还原出错的符号数",
    "share compared in {} lists": "{} 个列表中比较的比例", "recall@1 of all lists": "全部列表的 recall@1",
    "recall@1 at ef {}": "ef 为 {} 时的 recall@1",
    "share compared at ef {}": "ef 为 {} 时比较的比例", "codes alone": "只用码", "rescored": "重算后",
    "table sum less distance to the decoded vector": "查表之和减去到解码向量的距离",
}  # fmt: skip

if __name__ == "__main__":
    main()
