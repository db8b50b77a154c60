r"""NF4 puts its sixteen levels where normal weights are; the scales of the blocks are quantised once more.

NF4 把十六个级别放在正态权重所在之处；各块的尺度再量化一次。

Dettmers et al. 2023 (QLoRA), §3. Turn `weights` to "uniform" or `block` to 4: evenly spaced levels win
there. 把 `weights` 改为 "uniform"，或把 `block` 改为 4：这时等距的级别更准。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, guess, lines, main, one_of, show
from studyapp.evidence.tools import randn, tensor_bytes

# bitsandbytes 0.45.0, functional.get_4bit_type("nf4"); the sixteen values of the paper's appendix E
PUBLISHED = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
             -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
             0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]


def nf4_levels(places: str = "asymmetric") -> Tensor:
    """The sixteen levels, (16,): quantiles of the normal, 8 below and 9 above zero and zero once, over the largest."""
    if places == "midpoints":                                              # the wrong way: no level is zero
        levels = torch.special.ndtri((torch.arange(16).double() + 0.5) / 16)
    else:
        outer = 1 - (1 / 32 + 1 / 30) / 2                                  # between half a step of 16 and of 15 levels
        above = torch.special.ndtri(torch.linspace(outer, 0.5, 9).double()[:-1])
        below = -torch.special.ndtri(torch.linspace(outer, 0.5, 8).double()[:-1])
        levels = torch.cat((below, torch.zeros(1).double(), above)).sort().values
    return levels / levels.abs().max()


@exercise(claims=("nf4_is_nearest_on_normal_weights", "double_quantisation_leaves_four_and_an_eighth_bits"),
          wrong=("one_scale_for_all", "takes_the_level_below", "forgets_to_scale_back"))
def quantize(w: Tensor, levels: Tensor, block: int) -> tuple[Tensor, Tensor, Tensor]:
    """Four-bit codes of w, any shape: in blocks of so many numbers each is divided by the largest magnitude of its block
    and takes the nearest of 16 rising levels. Returns codes (blocks, block), scales (blocks, 1) and the restored
    numbers, shaped as w.

    w（任意形状）的四位码：每 block 个数一块，各数除以块内最大量级，取 16 个递增级别中最近的。返回码 (blocks, block)、尺度
    (blocks, 1) 与还原后的数（形状同 w）。"""
    blocks = w.reshape(-1, block)                                          # (blocks, block)
    scales = blocks.abs().amax(1, keepdim=True)
    codes = torch.bucketize(blocks / scales, (levels[1:] + levels[:-1]) / 2)
    return codes.to(torch.uint8), scales, (levels[codes] * scales).reshape(w.shape)


def even() -> Tensor:
    """The integers −7 … 7 over 7."""
    return torch.arange(-7, 8).double() / 7


def four_bit_floats(kind: str) -> Tensor:
    """FP4 over its largest: E2M1 of MXFP4 and NVFP4, or the table of bitsandbytes."""
    up = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6] if kind == "E2M1" else [0, 0.0625, 2, 3, 4, 6, 8, 12]).double()
    return torch.cat((-up[1:].flip(0), up)) / up.max()


def numbers(weights: str) -> Tensor:
    """2^16 weights, float64."""
    return randn(1 << 16, seed=1, dtype=torch.float64) if weights == "normal" else torch.rand(1 << 16).double() * 2 - 1


def error(w: Tensor, levels: Tensor, block: int) -> float:
    """Root mean square error over that of w."""
    return ((quantize(w, levels, block)[2] - w).norm() / w.norm()).item()


RANGES = {
    "places": one_of("asymmetric", "midpoints"),
    "weights": one_of("normal", "uniform"),
    "block": one_of(4, 32, 64, 128),
    "scales": one_of("in 8 bits", "in fp32"),
    "sizes": each(between(0.003, 0.3), at_least=2, at_most=8, rising=True),
    "merged_into": one_of("NF4", "bf16"),
    "fitted": one_of("yes", "no"),
}


@breaks(places="midpoints", en="Sixteen equally likely bins have no level at zero, and other outer levels.",
        zh="取十六个等概率区间的中点，就没有零这个级别，外侧的级别也不同。")
def claim_the_levels_are_quantiles_of_the_normal(places="asymmetric"):
    """NF4's levels are quantiles of the normal distribution over the largest, 7 below zero, 8 above, and zero itself.

    NF4 的级别是正态分布的分位数除以最大的一个：零以下 7 个，零以上 8 个，外加零本身。"""
    levels = nf4_levels(places)
    show(bars([f"{i}" for i in range(16)], {"level": levels}))
    expect("level less the published one", levels - torch.tensor(PUBLISHED).double(), equals=0, within=1e-6, at=("code", range(16)))
    expect("levels below and above zero", [int((levels < 0).sum()), int((levels > 0).sum())], equals=[7, 8])


@breaks(weights="uniform", en="On uniform weights evenly spaced levels are the right ones.", zh="均匀分布的权重，等距的级别才合适。")
@breaks(block=4, en="Four numbers over their largest are no longer normal: even levels win.",
        zh="四个数除以其最大值，已不是正态：等距的级别更准。")
def claim_nf4_is_nearest_on_normal_weights(weights="normal", block=64):
    """On normal weights in blocks of 64 the error is 9.2 % with NF4, 10.6 % with MXFP4's FP4 (E2M1), 10.8 % with integers, 12.2 %
    with bitsandbytes' FP4; uniform, or in blocks of 4, integers win.

    正态权重、块 64：误差 NF4 为 9.2%，MXFP4 的 FP4（E2M1）10.6%，整数 10.8%，bitsandbytes 的 FP4 12.2%；
    均匀分布或块为 4 时整数最准。"""
    formats = {"NF4": nf4_levels(), "FP4 E2M1": four_bit_floats("E2M1"), "int4": even(), "FP4 bitsandbytes": four_bit_floats("bnb")}

    def errors(w: Tensor, size: int) -> dict[str, float]:
        return {name: error(w, levels, size) for name, levels in formats.items()}

    found = errors(numbers(weights), block)
    show(bars(list(found), {"relative error": list(found.values())}))
    # 65,536 numbers in 1,024 blocks: a percent of scatter; larger blocks are coarser for all
    expect("NF4's error over the next best", found["NF4"] / min(v for name, v in found.items() if name != "NF4"), at_most=0.95)
    if block == 64:
        expect("relative error", list(found.values()), equals=[0.092, 0.106, 0.108, 0.122], within=0.0015, at=("format", list(found)))
    for where, other in (("on uniform weights", errors(numbers("uniform")[: 1 << 14], 64)),
                         ("in blocks of 4", errors(numbers("normal")[: 1 << 14], 4))):
        expect(f"integers' error over the next best, {where}", other.pop("int4") / min(other.values()), at_most=0.99)


@breaks(fitted="no", en="NF4 compared with itself gains nothing.", zh="NF4 与自己比，当然没有改进。")
def claim_quantiles_are_not_the_least_error(fitted="yes"):
    """NF4 uses its codes nearly equally (entropy over 3.8 of 4 bits), which is not the least squared error: levels fitted to normal
    weights in blocks of 64 (Lloyd) have 3 % less.

    NF4 让各个码用得差不多一样多（4 位中的熵超过 3.8 位），但平方误差并非最小：按块为 64 的正态权重拟合的级别（Lloyd 算法）误差小 3%
    以上。"""
    w = numbers("normal")
    blocks = w.reshape(-1, 64)
    shares = (blocks / blocks.abs().amax(1, keepdim=True)).flatten()
    weight = blocks.abs().amax(1, keepdim=True).expand_as(blocks).flatten() ** 2   # errors grow with the scale
    levels = nf4_levels()
    for _ in range(40 if fitted == "yes" else 0):
        codes = torch.bucketize(shares, (levels[1:] + levels[:-1]) / 2)
        mass = torch.zeros(16).double().index_add_(0, codes, weight)
        levels = torch.zeros(16).double().index_add_(0, codes, weight * shares) / mass
    used = quantize(w, nf4_levels(), 64)[0].flatten().long().bincount(minlength=16) / w.numel()
    show(bars([f"{i}" for i in range(16)], {"share of the weights": used}, y_label="code of NF4"))
    entropy = -(used[used > 0] * used[used > 0].log2()).sum()
    expect("entropy of NF4's codes, bits of 4", entropy, at_least=3.8)
    fresh = randn(1 << 16, seed=7, dtype=torch.float64)                    # not those that were fitted
    expect("error of fitted levels over NF4's", error(fresh, levels, 64) / error(fresh, nf4_levels(), 64), at_most=0.97)


@breaks(scales="in fp32", en="With the scales in fp32 a weight takes 4.5 bits.", zh="尺度用 fp32 时每个权重 4.5 位。")
@guess("bits per weight",
       en="How many bits does a weight take in NF4 with double quantisation, scales and all?",
       zh="NF4 加双重量化，连尺度在内每个权重占几位？")
def claim_double_quantisation_leaves_four_and_an_eighth_bits(block=64, scales="in 8 bits"):
    """Scales in fp32 cost half a bit per weight at blocks of 64; in eight bits with one fp32 for 256 of them 0.127, and the
    error grows by less than 1 %.

    块为 64 时，fp32 的尺度每个权重占半位；改用 8 位、每 256 个尺度再配一个 fp32，只占 0.127 位，误差增加不到 1%。"""
    w = numbers("normal")
    codes, absmax, plain = quantize(w, nf4_levels(), block)
    packed = codes[:, ::2] * 16 + codes[:, 1::2]                           # two codes in a byte
    mean = absmax.mean()                                                   # scales are positive: centre them, keep one mean
    groups = (absmax - mean).reshape(-1, min(256, len(absmax)))
    tops = groups.abs().amax(1, keepdim=True).float()
    eight = (groups / tops * 127).round().to(torch.int8)
    restored = ((eight.double() / 127 * tops.double()) + mean).reshape(-1, 1)
    twice = (nf4_levels()[codes.long()] * restored).reshape(w.shape)
    bits = 8 * (tensor_bytes(packed) + (tensor_bytes(eight, tops) if scales == "in 8 bits" else tensor_bytes(absmax.float()))) / w.numel()
    by_formula = 4 + 8 / block + 32 / (block * 256)
    show(bars(["fp32 scales", "8-bit scales"], {"bits per weight": [4 + 32 / block, by_formula]}))
    expect("bits per weight", bits, equals=by_formula, within=1e-9)
    expect("error with 8-bit scales over that with fp32", (twice - w).norm() / (plain - w).norm(), equals=1, within=0.01)


@breaks(merged_into="bf16", en="Sixteen bits have room for it.", zh="16 位装得下。")
def claim_a_merge_into_four_bits_loses_a_small_update(sizes=(0.01, 0.03, 0.1), merged_into="NF4"):
    """Merged into NF4 weights and quantised again, an update of 3 % of the weights' size comes back with an error larger
    than itself.

    合并进 NF4 权重再量化，大小为权重 3% 的更新，还原后的误差比它自己还大。"""
    base = quantize(numbers("normal"), nf4_levels(), 64)[2].reshape(256, 256)  # what QLoRA trains on
    update = randn(256, 8, seed=2, dtype=torch.float64) @ randn(8, 256, seed=3, dtype=torch.float64)
    lost = []
    for size in (*sizes, 0.03):
        wanted = update * size * base.norm() / update.norm()
        merged = quantize(base + wanted, nf4_levels(), 64)[2] if merged_into == "NF4" else (base + wanted).bfloat16().double()
        lost.append(((merged - base - wanted).norm() / wanted.norm()).item())
    show(lines("size of the update over the weights", sizes, {"error over the update": lost[:-1]}, log="xy"))
    expect("error over the update at 3 %", lost[-1], at_least=1.0)


def drill_size(rng) -> Drill:
    """Memory of a base in NF4."""
    billions, block, double = rng.choice([(8, 64, True), (70, 64, True), (32, 64, False), (7, 64, False), (8, 32, True), (14, 128, True)])
    bits = 4 + (8 / block + 32 / (block * 256) if double else 32 / block)
    how = ("8-bit scales, one fp32 for 256 of them", "8 位尺度，每 256 个再配一个 fp32") if double else ("fp32 scales", "fp32 尺度")
    return Drill(
        en=f"{billions} billion weights in NF4, blocks of {block}, {how[0]}. How many GB (1e9 bytes)? "
           "Embeddings and norms that stay in 16 bits are left out.",
        zh=f"{billions}B 个权重用 NF4，块 {block}，{how[1]}。共多少 GB（1e9 字节）？不计保留 16 位的嵌入与归一化。",
        answer=billions * bits / 8, unit="GB",
        steps=[(f"bits: 4 + 8/{block} + 32/({block}·256) = {bits:.3f}" if double else f"bits: 4 + 32/{block} = {bits:g}",
                f"位数：4 + 8/{block} + 32/({block}·256) = {bits:.3f}" if double else f"位数：4 + 32/{block} = {bits:g}"),
               (f"{billions} · {bits:.3f} / 8 = {billions * bits / 8:.2f} GB",) * 2],
        proved_by="double_quantisation_leaves_four_and_an_eighth_bits",
    )


ZH = {
    "level": "级别",
    "level less the published one": "级别减去公布的值",
    "code": "码",
    "levels below and above zero": "零以下与零以上的级别数",
    "relative error": "相对误差",
    "format": "格式",
    "NF4's error over the next best": "NF4 的误差与次优之比",
    "integers' error over the next best, on uniform weights": "均匀权重上，整数的误差与次优之比",
    "integers' error over the next best, in blocks of 4": "块为 4 时，整数的误差与次优之比",
    "FP4 bitsandbytes": "bitsandbytes 的 FP4",
    "share of the weights": "权重的比例",
    "code of NF4": "NF4 的码",
    "entropy of NF4's codes, bits of 4": "NF4 各码的熵（最多 4 位）",
    "error of fitted levels over NF4's": "拟合级别的误差与 NF4 之比",
    "fp32 scales": "fp32 尺度",
    "8-bit scales": "8 位尺度",
    "bits per weight": "每个权重的位数",
    "error with 8-bit scales over that with fp32": "8 位尺度的误差与 fp32 尺度之比",
    "size of the update over the weights": "更新相对权重的大小",
    "error over the update": "误差与更新之比",
    "error over the update at 3 %": "3% 时误差与更新之比",
}

if __name__ == "__main__":
    main()
