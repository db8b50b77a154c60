r"""FlashAttention gives the same output, and its N × N matrices never pass through slow memory.

FlashAttention 的输出不变，而 N × N 的矩阵从不进出慢速内存。

Dao et al. 2022, Algorithms 0 and 1. HBM is simulated: every read and write is counted in elements,
nothing is kept in a cache. Turn `algorithm` to "three kernels": S and P go out and come back, and
SRAM is of no use. 把 `algorithm` 改为 "three kernels"：S 与 P 写出再读回，SRAM 再大也没有用。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import SlowMemory


def block_sizes(sram: int, d_head: int) -> tuple[int, int]:
    """Br and Bc of Algorithm 1 for `sram` elements on chip."""
    keys = math.ceil(sram / (4 * d_head))
    return min(keys, d_head), keys


@exercise(claims=("tiled_attention_is_exact", "v1_traffic_matches_the_formula"),
          wrong=("adds_without_rescaling", "stores_the_scores", "forgets_the_scale",
                 "loads_k_for_every_tile"))
def tiled(hbm: SlowMemory, rows: int, keys: int) -> None:
    """Attention of one head in tiles of `rows` queries × `keys` keys, K/V blocks outside, Q blocks
    inside. In hbm lie Q, K, V (tokens, d), and O = 0 (tokens, d), l = 0 and m = −inf (tokens, 1):
    the output over the keys seen so far, and each row's sum of exp(s − m) and maximum. Only
    hbm.load(name, rows) and hbm.store(name, value, rows), with a slice of rows, touch it.

    一个头的分块注意力，每块 `rows` 个 query × `keys` 个 key，外层 K/V 块，内层 Q 块。hbm 中有 Q、K、V
    (tokens, d)，以及 O = 0 (tokens, d)、l = 0、m = −inf (tokens, 1)：对已见 key 的输出、每行 exp(s − m) 之和与最大值。
    只能用 hbm.load(name, rows) 与 hbm.store(name, value, rows)（rows 是行的 slice）读写。"""
    tokens, d = hbm.tensors["Q"].shape
    for j in range(0, tokens, keys):
        k, v = (hbm.load(x, slice(j, j + keys)) for x in "KV")               # (keys, d)
        for i in range(0, tokens, rows):
            q, o, l, m = (hbm.load(x, slice(i, i + rows)) for x in "QOlm")   # noqa: E741
            s = q @ k.T / d**0.5                                             # (rows, keys): on chip
            top = torch.maximum(m, s.amax(1, keepdim=True))
            p, old = torch.exp(s - top), torch.exp(m - top) * l              # (…, keys), (…, 1)
            total = old + p.sum(1, keepdim=True)
            for name, value in (("O", (old * o + p @ v) / total), ("l", total), ("m", top)):
                hbm.store(name, value, slice(i, i + rows))


def without_rescale(hbm: SlowMemory, rows: int, keys: int) -> None:
    """The wrong way: each K/V block gives its own softmax, and the outputs are averaged."""
    d = hbm.tensors["Q"].shape[1]
    parts = [(hbm.tensors["Q"] @ k.T / d**0.5).softmax(1) @ v
             for k, v in zip(hbm.tensors["K"].split(keys), hbm.tensors["V"].split(keys),
                             strict=True)]
    hbm.store("O", torch.stack(parts).mean(0))


def three_kernels(hbm: SlowMemory, rows: int, keys: int) -> None:
    """Written out: scores, softmax and the product with V, each a kernel."""
    hbm.store("S", hbm.load("Q") @ hbm.load("K").T / hbm.tensors["Q"].shape[1] ** 0.5)
    hbm.store("P", hbm.load("S").softmax(1))
    hbm.store("O", hbm.load("P") @ hbm.load("V"))


ALGORITHMS = {"tiled": tiled, "three kernels": three_kernels, "no rescale": without_rescale}
RANGES = {
    "tokens": between(2, 1024),
    "d_head": between(16, 128),
    "sram": between(8192, 400_000),
    "srams": each(between(8192, 400_000), at_least=2, rising=True),
    "algorithm": one_of("tiled", "three kernels", "no rescale"),
}
WRITTEN_OUT = breaks(algorithm="three kernels",
                     en="Written out, S and P pass through HBM, whatever the SRAM holds.",
                     zh="写成三个 kernel，S 与 P 总要进出 HBM，与 SRAM 多大无关。")


def run(tokens: int, d_head: int, sram: int, algorithm: str) -> tuple[SlowMemory, Tensor]:
    """The memory after attention over random tokens, and PyTorch's output."""
    q, k, v = torch.randn(3, tokens, d_head, dtype=torch.float64)
    hbm = SlowMemory(Q=q, K=k, V=v, O=torch.zeros_like(q), l=q.new_zeros(tokens, 1),
                     m=q.new_full((tokens, 1), -torch.inf))
    ALGORITHMS[algorithm](hbm, *block_sizes(sram, d_head))
    return hbm, F.scaled_dot_product_attention(q[None], k[None], v[None])[0]


@breaks(algorithm="no rescale",
        en="Blocks that do not know of one another's maxima and sums cannot be averaged.",
        zh="各块不知道彼此的最大值与累计和，直接取平均是错的。")
def claim_tiled_attention_is_exact(tokens=512, d_head=64, srams=(16_384, 24_576, 98_304),
                                   algorithm="tiled"):
    """Tiled attention is PyTorch's to rounding, whatever the tile: it is no approximation.

    无论分块多大，分块注意力与 PyTorch 的只差舍入：它不是近似。"""
    done = [run(tokens, d_head, sram, algorithm) for sram in srams]
    gaps = [(hbm.tensors["O"] - exact).abs().max() for hbm, exact in done]
    show(bars([" × ".join(map(str, block_sizes(s, d_head))) for s in srams],
              {"largest difference": gaps}, log="y"))
    # float64: sums of d and of `tokens` terms in another order
    expect("difference from SDPA", gaps, equals=0, within=1e-14 * (d_head + tokens),
           at=("SRAM", srams))


@WRITTEN_OUT
def claim_v1_traffic_matches_the_formula(tokens=1024, d_head=64, sram=98_304, algorithm="tiled"):
    """FlashAttention-1 moves 2Nd + Tc(3Nd + 4N) elements, never S or P; written out it is 4Nd +
    4N².

    FlashAttention-1 搬运 2Nd + Tc(3Nd + 4N) 个元素，从不搬运 S 与 P；写成三个 kernel 则是 4Nd + 4N²。"""
    done = {"tiled": run(tokens, d_head, sram, algorithm)[0],
            "written out": run(tokens, d_head, sram, "three kernels")[0]}
    names = ["Q", "K", "V", "S", "P", "O", "l", "m"]
    moved = {way: [hbm.read[x] + hbm.written[x] for x in names] for way, hbm in done.items()}
    show(bars(names, moved, y_label="elements read and written"))
    nd, passes = tokens * d_head, math.ceil(tokens / block_sizes(sram, d_head)[1])
    expect("elements of S and P moved, tiled", moved["tiled"][3:5], equals=0,
           at=("matrix", ["S", "P"]))
    expect("elements moved, tiled", done["tiled"].moved,
           equals=2 * nd + passes * (3 * nd + 4 * tokens))
    expect("elements moved, written out", done["written out"].moved, equals=4 * nd + 4 * tokens**2)


@WRITTEN_OUT
def claim_traffic_falls_with_sram(tokens=768, d_head=64, srams=(24_576, 49_152, 98_304),
                                  algorithm="tiled"):
    """Beyond reading K and V once, the traffic is as many passes over Q and O as there are K/V
    blocks: twice the SRAM, half the passes.

    除读一遍 K、V 外，有几个 K/V 块，就要把 Q 与 O 扫几遍：SRAM 翻倍，遍数减半。"""
    moved = [run(tokens, d_head, sram, algorithm)[0].moved for sram in srams]
    nd, written_out = tokens * d_head, run(tokens, d_head, srams[0], "three kernels")[0].moved
    show(lines("SRAM, elements", srams, {algorithm: moved, "written out": [written_out] * len(srams)},
               log="xy", y_label="elements moved"))
    passes = [(m - 2 * nd) / (3 * nd + 4 * tokens) for m in moved]
    blocks = [math.ceil(tokens / block_sizes(s, d_head)[1]) for s in srams]
    expect("passes over Q and O", passes, equals=blocks, at=("SRAM", srams))


def drill_traffic(rng) -> Drill:
    """Elements that FlashAttention-1 moves, from N, d and the rows of a K/V block."""
    tokens, d, keys = rng.choice([(1024, 64, 256), (1024, 64, 512), (2048, 128, 256),
                                  (4096, 128, 512), (2048, 64, 512)])
    hbm = SlowMemory(**{x: torch.zeros(tokens, d) for x in "QKVO"}, l=torch.zeros(tokens, 1),
                     m=torch.zeros(tokens, 1))
    tiled(hbm, tokens, keys)
    passes = tokens // keys
    return Drill(
        en=f"FlashAttention-1, one head of N = {tokens} tokens and d = {d}, K/V blocks of {keys} rows outside. "
           "Neglecting l and m, how many million elements pass between HBM and the chip?",
        zh=f"FlashAttention-1，一个头，N = {tokens}，d = {d}，外层 K/V 块每块 {keys} 行。忽略 l 与 m，"
           "HBM 与片上之间共搬运多少百万个元素？",
        answer=(hbm.moved - 4 * passes * tokens) / 1e6, unit="M", within=0.02 * hbm.moved / 1e6,
        steps=[
            (f"K and V are read once: 2Nd = {2 * tokens * d / 1e6:.3f} M",
             f"K、V 各读一遍：2Nd = {2 * tokens * d / 1e6:.3f} M"),
            (f"{tokens} / {keys} = {passes} passes, each reads Q and O and writes O: "
             f"{passes} · 3Nd = {3 * passes * tokens * d / 1e6:.3f} M",
             f"{tokens} / {keys} = {passes} 遍，每遍读 Q、O 并写 O："
             f"{passes} · 3Nd = {3 * passes * tokens * d / 1e6:.3f} M"),
        ],
        proved_by="v1_traffic_matches_the_formula",
    )


ZH = {
    "largest difference": "最大差异",
    "difference from SDPA": "与 SDPA 之差",
    "tiled": "分块",
    "written out": "三个 kernel",
    "three kernels": "三个 kernel",
    "no rescale": "不缩放",
    "elements read and written": "读写的元素数",
    "elements of S and P moved, tiled": "分块时搬运的 S、P 元素数",
    "elements moved, tiled": "分块时搬运的元素数",
    "elements moved, written out": "三个 kernel 搬运的元素数",
    "matrix": "矩阵",
    "SRAM, elements": "SRAM（元素数）",
    "elements moved": "搬运的元素数",
    "passes over Q and O": "扫过 Q 与 O 的遍数",
}

if __name__ == "__main__":
    main()
