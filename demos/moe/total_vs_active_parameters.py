r"""Total parameters count every expert, active ones only those of one token: Mixtral 8x7B has 46.7 and
12.9 billion, since its experts share attention, embeddings and norms.

总参数计入全部专家，激活参数只计一个 token 经过的：Mixtral 8x7B 为 46.7B 与 12.9B，因为注意力、嵌入与归一化由各专家共用。

Jiang et al. 2024; shapes from questions/models.yaml, no weights are loaded. Turn `shared` to False:
eight whole models of 7.2 billion, 57.9 in all, and 14.5 active.
把 `shared` 改为 False：八个完整的 7.2B 模型，共 57.9B，激活 14.5B。
"""

import torch
from torch import Tensor, nn

from studyapp.evidence import Drill, bars, breaks, expect, guess, main, one_of, show
from studyapp.evidence.tools import flops, named_model


def parameters(name: str, experts: int, shared: bool = True) -> dict[str, int]:
    """Parameters by part of a GQA model with `experts` SwiGLU experts a layer; one expert and no router
    is the dense model."""
    m = named_model(name)
    width, layers, d_head = m["width"], m["layers"], m["d_head"]
    d_ff, routed = m["ffn"].get("d_ff") or m["experts"]["d_expert"], "experts" in m
    copies = 1 if shared else experts
    return {
        "embedding and head": copies * 2 * m["vocabulary"] * width,
        "attention": copies * layers * width * d_head * 2 * (m["heads"] + m["kv_heads"]),
        "norms": copies * (2 * layers + 1) * width,
        "router": layers * width * m["experts"]["total"] if routed else 0,
        "experts": layers * experts * 3 * width * d_ff,
    }


class Layer(nn.Module):
    """One layer of such a model, in torch's own modules, on the meta device: shapes without memory."""

    def __init__(self, m: dict, count: int) -> None:
        super().__init__()
        def linear(i: int, o: int) -> nn.Linear:
            return nn.Linear(i, o, bias=False, device="meta")

        width, inner, kv = m["width"], m["heads"] * m["d_head"], m["kv_heads"] * m["d_head"]
        self.attention = nn.ModuleList((linear(width, inner), linear(width, kv), linear(width, kv),
                                        linear(inner, width)))
        self.router = linear(width, m["experts"]["total"])
        self.norms = nn.ModuleList(nn.RMSNorm(width, device="meta") for _ in range(2))
        d = m["experts"]["d_expert"]
        self.experts = nn.ModuleList(nn.ModuleList((linear(width, d), linear(width, d), linear(d, width)))
                                     for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        q, _, _, out = self.attention
        every = [out(q(x)), *(p(x) for p in self.attention[1:3]), self.router(x)]
        return sum(down(up(x) * gate(x)) for gate, up, down in self.experts) + every[0]


def built(name: str, count: int) -> int:
    """Parameters of the model put together from torch's modules."""
    m = named_model(name)
    layer = sum(p.numel() for p in Layer(m, count).parameters())
    ends = (nn.Embedding(m["vocabulary"], m["width"], device="meta"), nn.RMSNorm(m["width"], device="meta"),
            nn.Linear(m["width"], m["vocabulary"], bias=False, device="meta"))
    return m["layers"] * layer + sum(p.numel() for end in ends for p in end.parameters())


RANGES = {"model": one_of("mixtral-8x7b", "qwen3-30b-a3b", "qwen3-235b-a22b"), "run": one_of("chosen", "all")}
WHOLE = breaks(shared=False, en="Eight whole models have eight attentions and eight embeddings.",
               zh="八个完整的模型就有八份注意力和八份嵌入。")


@WHOLE
@guess("GB in 16 bit", unit="GB",
       en="How many GB do the weights of Mixtral 8x7B take in 16 bit?",
       zh="Mixtral 8x7B 的权重按 16 bit 存要多少 GB？")
def claim_mixtral_total_is_46_7_billion(shared=True):
    """Mixtral 8x7B has 46.7 billion parameters: eight times Mistral 7B less seven times the 1.6 billion that
    the experts share, plus the router.

    Mixtral 8x7B 共 46.7B 参数：八倍的 Mistral 7B，减去七倍的共用部分 1.6B，再加路由器。"""
    parts, dense = parameters("mixtral-8x7b", 8, shared), parameters("mistral-7b", 1)
    show(bars(list(parts), {"billions": [n / 1e9 for n in parts.values()]}))
    total, common = sum(parts.values()), sum(dense.values()) - dense["experts"]
    expect("total less torch's modules", total - built("mixtral-8x7b", 8), equals=0)
    expect("total, billions", total / 1e9, equals=named_model("mixtral-8x7b")["total"] / 1e9, within=0.05)
    expect("GB in 16 bit", 2 * total / 1e9, equals=93.4, within=0.05)
    expect("total less 8·M − 7·S + router", total - 8 * sum(dense.values()) + 7 * common - parts["router"],
           equals=0)
    expect("share of the experts", parts["experts"] / total, equals=0.966, within=0.001)


@WHOLE
def claim_mixtral_active_is_12_9_billion(shared=True):
    """One token goes through 12.9 billion of Mixtral's parameters, 28 %: two experts of each layer and all
    that is shared, so neither 12 nor 2 · 7 billion.

    一个 token 经过 Mixtral 的 12.9B 参数，占 28 %：每层两个专家加全部共用部分，既不是 12B，也不是 2 × 7B。"""
    active, total = parameters("mixtral-8x7b", 2, shared), parameters("mixtral-8x7b", 8, shared)
    show(bars(list(active), {"active, billions": [n / 1e9 for n in active.values()],
                             "total, billions": [n / 1e9 for n in total.values()]}))
    count = sum(active.values())
    expect("active less torch's modules", count - built("mixtral-8x7b", 2), equals=0)
    expect("active, billions", count / 1e9, equals=12.9, within=0.05)
    expect("active over total", count / sum(total.values()), equals=0.276, within=0.002)


@breaks(run="all", en="A dense model of the same total computes with every parameter.",
        zh="同样总参数的 dense 模型，每个参数都参与计算。")
def claim_flops_follow_active_and_bytes_total(model="mixtral-8x7b", run="chosen"):
    """The matrix products of a token take 2 FLOPs per active parameter, while memory holds the total. The
    input embedding is looked up, not multiplied; scores of attention are left out.

    一个 token 的矩阵乘法按激活参数计，每个参数 2 FLOPs；显存却要放下总参数。输入嵌入只查表、不相乘；注意力分数未计。"""
    m = named_model(model)
    used = m["experts"]["active"] if run == "chosen" else m["experts"]["total"]
    token = torch.empty(1, m["width"], device="meta")
    head = nn.Linear(m["width"], m["vocabulary"], bias=False, device="meta")
    spent = m["layers"] * flops(Layer(m, used), token) + flops(head, token)
    active, total = (parameters(model, m["experts"][which]) for which in ("active", "total"))
    show(bars(["GFLOPs per token", "GB in 16 bit"], {"this model": [spent / 1e9, 2 * sum(total.values()) / 1e9],
        "dense of the active size": [2 * sum(active.values()) / 1e9] * 2}))
    multiplied = sum(active.values()) - active["norms"] - m["vocabulary"] * m["width"]
    expect("FLOPs per active parameter that multiplies", spent / multiplied, equals=2)
    # announced totals are rounded to three digits or to billions
    expect("total over the announced", sum(total.values()) / m["total"], equals=1, within=0.02)


def drill_total_and_active(rng) -> Drill:
    """From a dense model to its mixture."""
    dense, ffn, experts, k = rng.choice([(7, 5, 8, 2), (3, 2, 16, 2), (8, 6, 16, 1), (1, 0.6, 64, 4)])
    which = rng.choice(["total", "active"])
    count = experts if which == "total" else k
    answer = dense - ffn + count * ffn
    zh = {"total": "总参数", "active": "激活参数"}[which]
    return Drill(
        en=f"A dense model has {dense} B parameters, {ffn} B of them in its FFNs. Every FFN becomes {experts} experts "
           f"of the same size, top-{k}. How many billion {which} parameters, the router not counted?",
        zh=f"一个 dense 模型有 {dense}B 参数，其中 FFN 占 {ffn}B。把每个 FFN 换成 {experts} 个同样大小的专家，top-{k}。"
           f"{zh}是多少 B？不计路由器。",
        answer=answer, unit="B",
        steps=[(f"shared: {dense} − {ffn} = {dense - ffn:g} B", f"共用部分：{dense} − {ffn} = {dense - ffn:g}B"),
               (f"plus {count} · {ffn} B of experts: {answer:g} B", f"加上专家 {count} × {ffn}B：共 {answer:g}B")],
        proved_by="mixtral_total_is_46_7_billion",
    )


def drill_decode_step(rng) -> Drill:
    """Time of a decode step at batch 1."""
    active, bits, tb = rng.choice([(13, 16, 3.35), (22, 8, 3.35), (37, 8, 4.8), (5, 4, 1.0)])
    ms = active * bits / 8 / tb
    return Drill(
        en=f"A mixture activates {active} B parameters per token, stored in {bits} bits. What is the least time of a "
           f"decode step at batch 1 on {tb} TB/s, in ms, reading the weights alone?",
        zh=f"一个 MoE 每 token 激活 {active}B 参数，以 {bits} bit 存放。带宽 {tb} TB/s、batch 为 1 时，仅读权重，"
           f"一步解码至少要多少毫秒？",
        answer=ms, unit="ms", within=0.03 * ms,
        steps=[(f"bytes read: {active}e9 · {bits}/8 = {active * bits / 8:g} GB",
                f"读取量：{active}e9 · {bits}/8 = {active * bits / 8:g} GB"),
               (f"{active * bits / 8:g} GB / {tb} TB/s = {ms:.2f} ms", f"{active * bits / 8:g} GB / {tb} TB/s = {ms:.2f} ms")],
        proved_by="mixtral_active_is_12_9_billion",
    )


ZH = {
    "embedding and head": "嵌入与输出头",
    "attention": "注意力",
    "norms": "归一化",
    "router": "路由器",
    "experts": "专家",
    "billions": "B",
    "active, billions": "激活，B",
    "total, billions": "总量，B",
    "total less torch's modules": "总量与 torch 模块之差",
    "active less torch's modules": "激活量与 torch 模块之差",
    "total less 8·M − 7·S + router": "总量与 8·M − 7·S + 路由器之差",
    "share of the experts": "专家占比",
    "active over total": "激活与总量之比",
    "GFLOPs per token": "每 token 的 GFLOPs",
    "GB in 16 bit": "16 bit 下的 GB",
    "this model": "该模型",
    "dense of the active size": "激活规模的 dense 模型",
    "FLOPs per active parameter that multiplies": "每个参与乘法的激活参数的 FLOPs",
    "total over the announced": "总量与公布值之比",
}

if __name__ == "__main__":
    main()
