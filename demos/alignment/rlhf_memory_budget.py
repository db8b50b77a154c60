r"""What RLHF holds in memory, counted from tensors: 16 bytes per parameter of a trained model, 2 of a frozen
one, and a copy for the roll-out engine.

RLHF 占多少显存，由张量数出来：训练的模型每参数 16 字节，冻结的 2 字节，采样引擎另有一份副本。

AdamW in mixed precision: bfloat16 weights and gradients, float32 master weights and two moments; states only,
no activations and no KV cache. Turn `critic` to "head on the actor": PPO loses a whole trained model.
把 `critic` 改为 "head on the actor"：PPO 少训练一整个模型。
"""

import torch
from torch import Tensor, nn

from studyapp.evidence import Drill, bars, between, breaks, expect, main, one_of, show, table
from studyapp.evidence.tools import tensor_bytes

BF16 = torch.bfloat16


def model(width: int) -> nn.Module:
    """A stand-in: width² weights in bfloat16."""
    return nn.Linear(width, width, bias=False, dtype=BF16).requires_grad_(False)


def states(weight: Tensor, trained: bool, gradient: torch.dtype = BF16) -> list[Tensor]:
    """All that training keeps for a weight: itself, and if trained its gradient, a float32 master copy and Adam's
    two moments."""
    if not trained:
        return [weight]
    moments = [torch.zeros_like(weight, dtype=torch.float32) for _ in range(2)]
    return [weight, torch.zeros_like(weight, dtype=gradient), weight.float(), *moments]


#: Trained and frozen models of each method; a rule is a reward without a model.
METHODS = {
    "PPO": (("actor", "critic"), ("reference", "reward model")),
    "GRPO, reward model": (("actor",), ("reference", "reward model")),
    "GRPO, rules, β = 0": (("actor",), ()),
    "DPO": (("actor",), ("reference",)),
    "DPO, reference precomputed": (("actor",), ()),
}


def per_parameter(method: str, width: int, critic: str = "own model") -> float:
    """Bytes per parameter of one model, measured on tensors."""
    trained, frozen = METHODS[method]
    kept: list[Tensor] = []
    for name in (*trained, *frozen):
        if name == "critic" and critic == "head on the actor":
            kept += states(torch.zeros(width, dtype=BF16), True)         # a row that reads the actor's last state
        else:
            kept += states(model(width).weight, name in trained)
    return tensor_bytes(*kept) / width**2


RANGES = {
    "width": between(256, 1024), "gradients": one_of("bfloat16", "float32"), "critic": one_of("own model", "head on the actor"),
    "engine": one_of("own copy", "shares the tensors"),
    "rank": between(1, 8), "adapter": one_of("beside the weight", "merged into it"),
}


@breaks(gradients="float32", en="Gradients accumulated in float32 take two bytes more: 18.",
        zh="梯度若以 float32 累加，多 2 字节：18。")
def claim_trained_costs_16_and_frozen_2(width=512, gradients="bfloat16"):
    """A model trained with AdamW in mixed precision keeps 16 bytes per parameter, eight times the 2 of a frozen
    one.

    混合精度 AdamW 训练的模型每参数保存 16 字节，是冻结模型 2 字节的八倍。"""
    weight = model(width).weight
    kept = states(weight, True, torch.float32 if gradients == "float32" else BF16)
    names = ["weight", "gradient", "master copy", "first moment", "second moment"]
    show(bars(names, {"bytes per parameter": [tensor_bytes(t) / width**2 for t in kept]}))
    expect("trained", tensor_bytes(*kept) / width**2, equals=16)
    expect("frozen", tensor_bytes(*states(weight, False)) / width**2, equals=2)


@breaks(critic="head on the actor", en="A critic that is one row on the actor leaves PPO near 20 bytes.",
        zh="critic 若只是 actor 上的一行输出头，PPO 降到约 20 字节。")
def claim_ppo_holds_36_bytes_per_parameter(width=512, critic="own model"):
    """With four models of one size PPO holds 36 bytes per parameter, GRPO with a reward model 20, DPO 18, GRPO with
    rules and β = 0 only 16.

    四个模型同样大时，PPO 每参数 36 字节，带奖励模型的 GRPO 20，DPO 18，规则奖励且 β = 0 的 GRPO 只要 16。"""
    got = {m: per_parameter(m, width, critic) for m in METHODS}
    show(bars(list(got), {"bytes per parameter": got.values()}))
    expect("bytes per parameter", list(got.values()), equals=[36, 20, 16, 18, 16], at=("method", list(got)))


@breaks(engine="shares the tensors", en="An engine on the trainer's own tensors would need no copy.",
        zh="引擎若直接用训练器的张量，就不需要副本。")
def claim_rollout_engine_is_a_fifth_copy(width=512, engine="own copy"):
    """A roll-out engine with its own bfloat16 weights adds 2 bytes: 38 for PPO, 18 for GRPO with rules and β = 0,
    before any KV cache.

    采样引擎自带一份 bfloat16 权重，再加 2 字节：PPO 38，规则奖励且 β = 0 的 GRPO 18，还没算 KV cache。"""
    actor = model(width).weight
    copy = actor.clone() if engine == "own copy" else actor.view(-1)
    kept = states(actor, True)
    added = (tensor_bytes(*kept, copy) - tensor_bytes(*kept)) / width**2
    totals = {m: per_parameter(m, width) + added for m in ("PPO", "GRPO, rules, β = 0")}
    show(table({"method": list(totals), "bytes per parameter": totals.values()}))
    expect("bytes per parameter of the engine", added, equals=2)
    expect("with the engine", list(totals.values()), equals=[38, 18])


@breaks(adapter="merged into it", en="Once merged, the base is gone, and with it the reference.",
        zh="一旦合并，原始权重不在了，参考模型也就没有了。")
def claim_lora_actor_holds_its_reference(width=512, rank=4, adapter="beside the weight"):
    """A LoRA actor switched off gives the base's outputs bit for bit, so a fresh one is its own reference: together they
    keep 2 bytes per parameter and 16 per adapter weight.

    关掉 LoRA 的 actor 输出与基座逐位相同，所以新建的 LoRA 自带参考模型；actor 加参考共占每参数 2 字节，外加每个 adapter 权重 16 字节。"""
    base = model(width)
    before = base.weight.clone()
    down, up = (0.01 * torch.randn(rank, width)).to(BF16), (0.01 * torch.randn(width, rank)).to(BF16)
    if adapter == "merged into it":
        base.weight += up @ down
    x = torch.randn(8, width).to(BF16)
    off, on = base(x), base(x) + x @ down.T @ up.T                       # the reference, and the actor
    kept = [*states(base.weight, False), *states(down, True), *states(up, True)]
    show(table({"part": ["base", "adapters"], "bytes": [tensor_bytes(base.weight), tensor_bytes(*kept[1:])]}))
    expect("actor switched off less the base", off - x @ before.T, equals=0, within=0)
    expect("largest difference of actor and reference", (on - off).abs().max(), at_least=1e-4)
    expect("bytes of actor and reference", tensor_bytes(*kept), equals=2 * width**2 + 16 * 2 * rank * width)


def drill_states(rng) -> Drill:
    """Model states of a method, in GB."""
    size, method = rng.choice([1, 3, 7, 8, 13, 32]), rng.choice(list(METHODS))
    trained, frozen = (len(names) for names in METHODS[method])
    each, engine = 16 * trained + 2 * frozen, 0 if method.startswith("DPO") else 2
    return Drill(
        en=f"All models have {size}B parameters: {method}. A trained model takes 16 bytes per parameter, a frozen one 2; "
           "where answers are sampled in training, the roll-out engine keeps one more bfloat16 copy. "
           "How many GB (10^9 bytes) of model states?",
        zh=f"所有模型都是 {size}B 参数：{method}。"
           "训练的模型每参数 16 字节，冻结的 2 字节；训练中要采样的方法，采样引擎另存一份 bfloat16 副本。"
           "模型状态共多少 GB（10^9 字节）？",
        answer=float(size * (each + engine)), within=0.01,
        steps=[(f"{trained} trained · 16 + {frozen} frozen · 2 = {each}",
                f"{trained} 个训练 · 16 + {frozen} 个冻结 · 2 = {each}"),
               (f"engine {engine}: {size} · {each + engine} = {size * (each + engine)} GB",
                f"引擎 {engine}：{size} · {each + engine} = {size * (each + engine)} GB")],
        proved_by="rollout_engine_is_a_fifth_copy",
    )


ZH = {
    "weight": "权重", "gradient": "梯度", "master copy": "主权重", "first moment": "一阶矩",
    "second moment": "二阶矩", "bytes per parameter": "每参数字节数", "trained": "训练", "frozen": "冻结",
    "method": "方法", "PPO": "PPO", "DPO": "DPO", "GRPO, reward model": "GRPO，奖励模型",
    "GRPO, rules, β = 0": "GRPO，规则，β = 0", "DPO, reference precomputed": "DPO，参考预先算好",
    "bytes per parameter of the engine": "引擎每参数字节数", "with the engine": "含引擎", "part": "部分",
    "base": "基座", "adapters": "adapter", "bytes": "字节",
    "actor switched off less the base": "关掉 adapter 的 actor 减基座",
    "largest difference of actor and reference": "actor 与参考的最大差",
    "bytes of actor and reference": "actor 与参考的字节数",
}  # fmt: skip

if __name__ == "__main__":
    main()
