r"""A sum kept in bf16 rounds at every addition: its error grows like √N, and ones stop counting at 256.

用 bf16 累加，每加一次都要舍入：误差按 √N 增长，逐个加 1 到 256 就再也加不上去。

A ring or a gradient buffer that keeps bf16 adds so; DeepSeek-V4 sends bf16 but adds in fp32. Turn `accumulate`
to "fp32": one rounding is left. 把 `accumulate` 改为 "fp32"：只剩最后一次舍入。
"""

import math

import torch
import torch.distributed as dist
from torch import Tensor

from studyapp.evidence import (
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    on_ranks,
    one_of,
    show,
    table,
)
from studyapp.evidence.tools import collectives


@exercise(
    claims=("all_to_all_and_a_local_fp32_sum_rounds_once",),
    wrong=("adds_in_bf16", "sums_its_own_chunks", "sends_fp32"),
)
def reduce_scatter_fp32(x: Tensor, ranks: int) -> Tensor:
    """Chunk r of the sum of x (ranks · m,) over the ranks, on rank r, rounded to bf16 once: bf16 travels, fp32 adds.

    各 rank 的 x (ranks · m,) 之和的第 r 块，放在 rank r 上，只舍入到 bf16 一次：传的是 bf16，加用 fp32。"""
    chunks = torch.empty_like(x)
    dist.all_to_all_single(chunks, x)                   # chunk r of every rank comes to rank r
    return chunks.view(ranks, -1).float().sum(0).bfloat16()      # (m,)


def running_sum(terms: Tensor, accumulate: str) -> Tensor:
    """The sum over dim 0 of bf16 terms (n, numbers), one after another, kept in bf16 or in fp32; bf16."""
    total = terms[0].to(torch.bfloat16 if accumulate == "bf16" else torch.float32)
    for term in terms[1:]:
        total = total + term
    return total.bfloat16()


# bf16 keeps 8 significant bits: an error within ±2⁻⁸ of the power of two below the number, uniform; on average over
# mantissas m in [1, 2) with density 1/m, the mean square of 1/m is 3 / (8 ln 2).
UNIT = 2**-8 / math.sqrt(3) * math.sqrt(3 / (8 * math.log(2)))          # 0.166 %, root mean square


def reduced(rank: int, ranks: int, numbers: int, way: str, seed: int) -> tuple[int, int]:
    """Numbers of a rank's chunk that are not the rounded exact sum; bytes handed to the collective."""
    def draw(r: int) -> Tensor:
        return torch.randint(-256, 257, (ranks * numbers,), generator=torch.Generator().manual_seed(seed + r))

    exact = sum(draw(r) for r in range(ranks)).chunk(ranks)[rank].bfloat16()      # integers: no error so far
    x, out = draw(rank).bfloat16(), torch.empty(numbers, dtype=torch.bfloat16)    # exact: 8 bits suffice
    with collectives() as sent:
        if way == "reduce-scatter":
            dist.reduce_scatter_single(out, x)
        else:
            out = reduce_scatter_fp32(x, ranks)
    return int((out != exact).sum()), sum(sent.values())


RANGES = {
    "counts": each(between(4, 1024), at_most=6),
    "count": between(1, 2000),
    "numbers": between(1000, 20_000),
    "ranks": between(1, 5),
    "accumulate": one_of("bf16", "fp32"),
    "way": one_of("all-to-all, fp32 sum", "reduce-scatter"),
}


@breaks(accumulate="fp32", en="In fp32 the running sum hardly rounds; what is left is one rounding at the end.",
        zh="用 fp32 累加几乎不舍入，只剩最后一次舍入。")
def claim_error_of_a_bf16_sum_grows_like_the_root_of_n(counts=(8, 64, 512), numbers=4000, accumulate="bf16"):
    """Adding N random bf16 numbers in bf16 leaves a relative error of about 0.17 % · √(N/2): 1 % for 64 terms.

    用 bf16 累加 N 个随机 bf16 数，相对误差约为 0.17% · √(N/2)：64 项时约 1%。"""
    errors = {"bf16": [], "fp32": []}
    for n in counts:
        terms = torch.randn(n, numbers).bfloat16()
        exact = terms.double().sum(0)
        for kind, curve in errors.items():
            off = running_sum(terms, kind).double() - exact
            curve.append((off.square().mean() / exact.square().mean()).sqrt())
    # Each of N−1 additions rounds a sum of variance k: Σ u² k for k = 2 … N, over N.
    formula = [UNIT * math.sqrt((n + 1) / 2 - 1 / n) for n in counts]
    show(lines("terms", counts, {"kept in bf16": errors["bf16"], "0.17 % · √(N/2)": formula,
                                 "kept in fp32": errors["fp32"]}, log="xy", y_label="relative error (rms)"))
    # A mean square of 1,000 numbers is known to 5 %, its root to 2.5 %; four of these, and 6 % for mantissas
    # that are not spread evenly.
    ratio = [e / f for e, f in zip(errors[accumulate], formula, strict=True)]
    expect("error over 0.17 % · √(N/2)", ratio, equals=1, within=0.16, at=("terms", counts))


@breaks(accumulate="fp32", en="fp32 counts ones up to 16 million.", zh="fp32 逐个加 1 可以数到一千六百万。")
def claim_ones_stop_counting_at_256(count=1000, accumulate="bf16"):
    """Ones added up in bf16 stop at 256: the next number is 258, and 257 is rounded back.

    用 bf16 逐个加 1，到 256 就停住：下一个可表示的数是 258，而 257 会舍入回 256。"""
    terms = torch.ones(count, 1).bfloat16()
    at = [k for k in (64, 128, 256, 512, 1024, 2048) if k < count] + [count]
    show(lines("ones added", at, {kind: [running_sum(terms[:k], kind).item() for k in at] for kind in ("bf16", "fp32")}))
    expect("sum of the ones", running_sum(terms, accumulate).item(), equals=min(count, 256))


@breaks(way="reduce-scatter", en="A reduce-scatter in bf16 rounds each partial sum on its way.",
        zh="bf16 的 reduce-scatter 在途中对每个部分和都舍入。")
def claim_all_to_all_and_a_local_fp32_sum_rounds_once(ranks=4, numbers=2000, way="all-to-all, fp32 sum"):
    """An all-to-all in bf16 and a local sum in fp32 give each chunk rounded once, for the payload of one bf16
    reduce-scatter.

    先 bf16 all-to-all，再在本地用 fp32 求和：每块只舍入一次，通信量与一次 bf16 reduce-scatter 相同。"""
    seed = int(torch.randint(1000, ()))                 # the ranks draw from it
    results = on_ranks(reduced, ranks, numbers, way, seed)
    shares = [wrong / numbers for wrong, _ in results]
    show(table({"rank": range(ranks), "sums not rounded correctly": [r[0] for r in results],
                "bytes sent": [r[1] for r in results]}))
    expect("share of sums not rounded correctly", shares, equals=0)
    expect("bytes handed over", [r[1] for r in results], equals=2 * ranks * numbers)


ZH = {
    "terms": "项数",
    "kept in bf16": "用 bf16 累加",
    "kept in fp32": "用 fp32 累加",
    "relative error (rms)": "相对误差（均方根）",
    "error over 0.17 % · √(N/2)": "误差与 0.17% · √(N/2) 之比",
    "ones added": "加了多少个 1",
    "sum of the ones": "这些 1 的和",
    "rank": "rank",
    "sums not rounded correctly": "没有正确舍入的和",
    "bytes sent": "发送字节",
    "share of sums not rounded correctly": "没有正确舍入的和所占比例",
    "bytes handed over": "交给集合通信的字节数",
}

if __name__ == "__main__":
    main()
