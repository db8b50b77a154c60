r"""Serving a mixture of experts: every expert is resident, few are read per token, and MLA's cache is
copied to every tensor-parallel rank.

部署 MoE：全部专家都要常驻显存，每个 token 只读其中几个；MLA 的 cache 在张量并行的每个 rank 上各存一份。

DeepSeek-V3 and R1, counted from their configuration (questions/models.yaml). Turn `latent` to "split":
a rank whose heads see only a part of the latent computes something else.
把 `latent` 改为 "split"：rank 上的头若只看到一部分隐向量，算出的就不是原来的注意力。
"""

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, expect, main, one_of, show
from studyapp.evidence.tools import named_model


def parameters(name: str, experts: str = "all") -> dict[str, int]:
    """The parameters of a DeepSeek-V3 model by part, those of all experts or of the ones that a token
    goes through; norms are in `attention`."""
    m = named_model(name)
    a, e = m["attention"], m["experts"]
    width, heads, layers = m["width"], m["heads"], m["layers"]
    query = width * a["q_latent"] + a["q_latent"] * heads * (a["d_nope"] + a["d_rope"]) + a["q_latent"]
    latent = width * (a["latent"] + a["d_rope"]) + a["latent"]
    up = a["latent"] * heads * (a["d_nope"] + a["d_value"])
    attention = query + latent + up + heads * a["d_value"] * width + 2 * width
    sparse = layers - e["dense_layers"]
    many = (e["total"] if experts == "all" else e["active"]) + e["shared"]
    return {
        "embedding and head": 2 * m["vocabulary"] * width + width,
        "attention": layers * attention,
        "dense FFN": e["dense_layers"] * 3 * width * m["ffn"]["d_ff"],
        "experts": sparse * many * 3 * width * e["d_expert"],
        "router": sparse * (width + 1) * e["total"],
    }


def fp8_bytes(name: str, experts: str = "all") -> float:
    """Bytes of the weights in FP8: embedding, head and router in 16 bit, one fp32 scale per block of 128 × 128."""
    parts = parameters(name, experts)
    wide = parts["embedding and head"] + parts["router"]
    narrow = sum(parts.values()) - wide
    return narrow + 2 * wide + 4 * narrow / 128**2


def cache_per_token(name: str) -> int:
    """Bytes of MLA's cache in 16 bit."""
    m = named_model(name)
    return m["layers"] * (m["attention"]["latent"] + m["attention"]["d_rope"]) * 2


def attend(q: Tensor, latent: Tensor) -> Tensor:
    """Absorbed MLA: each head's query (heads, rank) scores the latents (tokens, rank) and sums them."""
    return (q @ latent.T / q.shape[-1] ** 0.5).softmax(-1) @ latent


RANGES = {
    "experts": one_of("all", "active"),
    "gpus": one_of(4, 8, 16),
    "gpu_gb": one_of(80, 141, 192, 288),
    "resident": one_of("all", "active"),
    "ranks": one_of(2, 4, 8),
    "tokens": between(2, 256),
    "latent": one_of("whole", "split"),
}


@breaks(experts="active", en="The experts of one token are 37 billion weights, not what must be stored.",
        zh="单个 token 经过的是 37B 权重，而不是需要存放的量。")
def claim_configuration_gives_671_billion(experts="all"):
    """DeepSeek-V3's configuration counts to 671 billion parameters, of which a token goes through 37 billion
    with one embedding.

    按配置计数，DeepSeek-V3 共 671B 参数；一个 token 经过其中 37B（嵌入与输出头只计其一）。"""
    total, active = parameters("deepseek-v3", experts), parameters("deepseek-v3", "active")
    show(bars(list(total), {"resident, billions": [n / 1e9 for n in total.values()],
                            "per token, billions": [n / 1e9 for n in active.values()]}))
    published = named_model("deepseek-v3")
    expect("total, billions", sum(total.values()) / 1e9, equals=published["total"] / 1e9, within=0.5)
    once = sum(active.values()) - 129280 * 7168
    expect("per token, billions", once / 1e9, equals=published["active"] / 1e9, within=0.5)


@breaks(gpu_gb=80, en="Eight cards of 80 GB hold 640 GB, less than the weights in 8 bit.",
        zh="八张 80 GB 的卡共 640 GB，放不下 8 bit 的权重。")
@breaks(gpus=4, en="Four cards of 141 GB hold 564 GB.", zh="四张 141 GB 的卡共 564 GB。")
def claim_eight_bit_weights_fit_eight_h200(gpus=8, gpu_gb=141):
    """In FP8 the weights take 673 GB, 627 GiB: eight cards of 141 GB hold them with 400 GB to spare, eight
    of 80 GB do not.

    FP8 权重占 673 GB（627 GiB）：八张 141 GB 的卡放得下，还余 400 GB 以上；八张 80 GB 的卡放不下。"""
    weights = fp8_bytes("deepseek-v3") / 1e9
    show(bars(["weights in FP8", "left on all cards"], {"GB": [weights, gpus * gpu_gb - weights]}))
    expect("weights, GB", weights, equals=673, within=1)
    expect("weights, GiB", weights * 1e9 / 2**30, equals=627, within=1)
    expect("GB left", gpus * gpu_gb - weights, at_least=400)


@breaks(latent="split", en="Scores are sums over the whole latent: a part of it gives other weights.",
        zh="分数是对整个隐向量求和：只有一部分就得到别的权重。")
def claim_every_rank_needs_the_whole_latent(ranks=4, tokens=16, latent="whole"):
    """Tensor parallelism splits MLA's heads, but every rank reads the whole latent: its cache is copied, not
    divided.

    张量并行切分 MLA 的头，但每个 rank 都要读整个隐向量：cache 是复制，不是均分。"""
    q = torch.randn(8, 64, dtype=torch.float64)
    kept = torch.randn(tokens, 64, dtype=torch.float64)
    whole, parts, stored = attend(q, kept), [], 0
    for rank, heads in enumerate(q.chunk(ranks)):                       # heads of this rank
        mine = kept if latent == "whole" else kept.chunk(ranks, 1)[rank]
        stored += mine.numel()
        seen = torch.zeros_like(kept)
        start = 0 if latent == "whole" else rank * mine.shape[1]
        seen[:, start : start + mine.shape[1]] = mine
        parts.append(attend(heads, seen))
    gap = (torch.cat(parts) - whole).abs().amax(1)
    show(bars([f"head {i}" for i in range(8)], {"largest difference": gap}))
    # float64: the same products in the same order
    expect("output of the ranks less the whole", gap, equals=0, within=1e-12)
    expect("numbers stored over one copy", stored / kept.numel(), equals=ranks)


@breaks(resident="active", en="With the experts of one token alone there would be no model to route in.",
        zh="只放一个 token 的专家，就没有可供路由的模型了。")
def claim_replication_costs_a_factor_of_six(resident="all"):
    """On eight H200 the room after FP8 weights and a tenth for the rest holds under 0.7 million tokens with
    TP 8, and five to seven times as many with attention data-parallel.

    八张 H200 放下 FP8 权重、再留一成给其他开销后：TP 8 只容得下不到 70 万 token；注意力数据并行则是其五到七倍。"""
    weights, attention = fp8_bytes("deepseek-v3", resident), parameters("deepseek-v3")["attention"]
    room = 8 * 141e9 * 0.9
    shared = (room - weights) / 8 / cache_per_token("deepseek-v3")             # the same tokens on each card
    own = (room - weights - 7 * attention) / cache_per_token("deepseek-v3")    # attention weights eight times
    show(bars(["TP 8: latent copied", "attention data-parallel"], {"million tokens": [shared / 1e6, own / 1e6]}))
    expect("million tokens with TP 8", shared / 1e6, equals=0.61, within=0.09)
    expect("data-parallel over TP 8", own / shared, equals=6, within=1)


def drill_serving_memory(rng) -> Drill:
    """What is left for the cache."""
    billions, bits, cards, gb = rng.choice([(671, 8, 8, 141), (235, 16, 8, 80), (1000, 4, 8, 141), (671, 4, 4, 192)])
    left = cards * gb - billions * bits / 8
    return Drill(
        en=f"A mixture of {billions} billion parameters is served in {bits} bits on {cards} cards of {gb} GB. How "
           f"many GB are left in all, scales and workspaces not counted?",
        zh=f"{billions}B 参数的 MoE 以 {bits} bit 部署在 {cards} 张 {gb} GB 的卡上。一共还剩多少 GB？不计 scale 与工作区。",
        answer=left, unit="GB", within=2,
        steps=[(f"all experts are resident: {billions}e9 · {bits}/8 = {billions * bits / 8:g} GB",
                f"专家全部常驻：{billions}e9 · {bits}/8 = {billions * bits / 8:g} GB"),
               (f"{cards} · {gb} = {cards * gb} GB, so {left:g} GB are left",
                f"{cards} · {gb} = {cards * gb} GB，还剩 {left:g} GB")],
        proved_by="eight_bit_weights_fit_eight_h200",
    )


ZH = {
    "embedding and head": "嵌入与输出头",
    "attention": "注意力",
    "dense FFN": "dense FFN",
    "experts": "专家",
    "router": "路由器",
    "resident, billions": "常驻，B",
    "per token, billions": "每 token，B",
    "total, billions": "总量，B",
    "weights in FP8": "FP8 权重",
    "left on all cards": "各卡合计余量",
    "weights, GB": "权重，GB",
    "weights, GiB": "权重，GiB",
    "GB left": "剩余 GB",
    "head {}": "头 {}",
    "largest difference": "最大差异",
    "output of the ranks less the whole": "各 rank 输出与整体之差",
    "numbers stored over one copy": "存放的数与一份之比",
    "TP 8: latent copied": "TP 8：隐向量复制",
    "attention data-parallel": "注意力数据并行",
    "million tokens": "百万 token",
    "million tokens with TP 8": "TP 8 下的百万 token 数",
    "data-parallel over TP 8": "数据并行与 TP 8 之比",
}

if __name__ == "__main__":
    main()
