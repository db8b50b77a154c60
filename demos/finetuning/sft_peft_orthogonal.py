r"""SFT says what the loss counts, PEFT says which tensors may move: two axes, and every pairing exists.

SFT 规定损失算什么，PEFT 规定哪些张量可以动：两个独立的维度，任意组合都成立。

One tiny model, {SFT, continued pre-training} × {full, LoRA}. Turn `saved` to "norm": a norm that is trained
and saved beside the adapter moves too, and switching the adapter off no longer gives the base.
把 `saved` 改为 "norm"：与 adapter 一起训练保存的 norm 也会动，关掉 adapter 就不再是 base。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import (
    Drill,
    bars,
    between,
    breaks,
    exercise,
    expect,
    main,
    one_of,
    show,
    table,
)
from studyapp.evidence.tools import Adam

VOCABULARY, BATCH = 12, 8


@exercise(claims=("the_objective_sets_where_the_gradient_enters",),
          wrong=("does_not_shift", "counts_the_prompt"))
def loss(logits: Tensor, tokens: Tensor, prompt: int, objective: str) -> Tensor:
    """Mean next-token cross-entropy; logits (batch, tokens, vocabulary), tokens (batch, tokens). "SFT" counts
    only targets after the first `prompt` tokens, "pre-training" every target.

    下一个 token 的平均交叉熵；logits 为 (batch, tokens, vocabulary)，tokens 为 (batch, tokens)。"SFT" 只计前 prompt 个 token
    之后的目标，"pre-training" 计所有目标。"""
    start = prompt - 1 if objective == "SFT" else 0
    return F.cross_entropy(logits[:, start:-1].flatten(0, 1), tokens[:, start + 1 :].flatten())


def new_model(width: int, rank: int) -> dict[str, Tensor]:
    """Embedding, norm gain, mixing matrix, its LoRA pair and head; the adapter starts at zero."""
    return {"embedding": torch.randn(VOCABULARY, width), "norm": torch.ones(width),
            "mixing": torch.randn(width, width) / width**0.5, "head": torch.randn(width, VOCABULARY) / width**0.5,
            "lora_a": torch.randn(width, rank) / width**0.5, "lora_b": torch.zeros(rank, width)}


def forward(model: dict[str, Tensor], tokens: Tensor, adapter: bool = True) -> Tensor:
    """Logits (batch, tokens, vocabulary): causal means of embeddings, a norm, one adapted layer, the head."""
    h = model["embedding"][tokens]                                                    # (batch, tokens, width)
    h = h + h.cumsum(1) / torch.arange(1, tokens.shape[1] + 1)[:, None]
    h = F.rms_norm(h, h.shape[-1:]) * model["norm"]
    out = h @ model["mixing"]
    if adapter:
        out = out + h @ model["lora_a"] @ model["lora_b"]
    return F.gelu(out) @ model["head"]


def trainable(parameters: str, saved: str) -> set[str]:
    """The names of the tensors that a choice of parameters trains."""
    if parameters == "full":
        return {"embedding", "norm", "mixing", "head"}
    return {"lora_a", "lora_b"} | ({"norm"} if saved == "norm" else set())


def train(base: dict, tokens: Tensor, prompt: int, objective: str, parameters: str, saved: str) -> dict:
    """The model after 15 steps of Adam."""
    model = {name: t.clone() for name, t in base.items()}
    names = sorted(trainable(parameters, saved))
    adam = Adam([model[n].requires_grad_() for n in names], lr=0.02)
    for _ in range(15):
        adam.step(loss(forward(model, tokens), tokens, prompt, objective))
    return {name: t.detach() for name, t in model.items()}


RANGES = {
    "width": between(16, 48), "rank": between(4, 8), "prompt": between(3, 6), "answer": between(3, 6),
    "saved": one_of("adapter only", "norm"), "second": one_of("SFT", "pre-training"), "merged": one_of("no", "yes"),
    "began": one_of("zero", "SFT adapter"),
}  # fmt: skip
GRID = [(o, p) for o in ("SFT", "pre-training") for p in ("full", "LoRA")]


@breaks(saved="norm", en="A norm trained beside the adapter is a moved tensor of the base.",
        zh="与 adapter 一起训练的 norm，就是 base 里被改动的张量。")
def claim_the_parameters_set_what_moves(width=32, rank=4, prompt=4, answer=4, saved="adapter only"):
    """Whatever the objective, full tuning moves every tensor of the base and LoRA none of them, bit for bit.

    无论训练目标是什么，全参数微调改动 base 的每个张量，LoRA 则一个也不动，逐位相同。"""
    base, tokens = new_model(width, rank), torch.randint(VOCABULARY, (BATCH, prompt + answer))
    names = sorted(trainable("full", ""))
    moved = {}
    for o, p in GRID:
        after = train(base, tokens, prompt, o, p, saved)
        moved[f"{o}, {p}"] = [int(not torch.equal(after[n], base[n])) for n in names]
    show(table({"tensor": names, **moved}))
    for o, p in GRID:
        expect(f"tensors of the base moved, {o}, {p}", sum(moved[f"{o}, {p}"]), equals=4 if p == "full" else 0)


@breaks(second="pre-training", en="Another objective puts the gradient at other positions.", zh="换一个目标，梯度就落在别的位置。")
def claim_the_objective_sets_where_the_gradient_enters(width=32, rank=4, prompt=4, answer=4, second="SFT"):
    """At the start full tuning and LoRA get the very same gradient at the logits, at the answer's positions:
    they differ in which tensors take it up.

    起点处，全参数与 LoRA 在 logits 上得到完全相同的梯度，都落在答案的位置：差别只在哪些张量接收它。"""
    base, tokens = new_model(width, rank), torch.randint(VOCABULARY, (BATCH, prompt + answer))
    slopes = []
    for objective, adapter in (("SFT", False), (second, True)):
        logits = forward(base, tokens, adapter).requires_grad_()
        slopes.append(torch.autograd.grad(loss(logits, tokens, prompt, objective), logits)[0])
    labels = tokens.clone()                                              # torch's own masking, as a reference
    labels[:, :prompt] = -100
    logits = forward(base, tokens).requires_grad_()
    reference = F.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
    (by_torch,) = torch.autograd.grad(reference, logits)
    show(bars(range(prompt + answer), {"full": slopes[0].abs().sum((0, 2)), "LoRA": slopes[1].abs().sum((0, 2))},
              y_label="size of the gradient"))
    for name, s in zip(("full", "LoRA"), slopes, strict=True):
        expect(f"gradient at the logits, {name}, less by torch's mask", s - by_torch, equals=0, within=1e-8)


@breaks(merged="yes", en="Merged into the weights the base is gone, unless a copy was kept.",
        zh="合并进权重之后 base 就没有了，除非另存一份。")
@breaks(began="SFT adapter", en="Where training goes on with an SFT adapter, switching it off gives the base, not the SFT model.",
        zh="接着训练 SFT 的 adapter 时，关掉它得到的是 base，而不是 SFT 之后的模型。")
@breaks(saved="norm", en="With a norm trained as well, switching the adapter off leaves the new norm.",
        zh="norm 也训练过，关掉 adapter 后留下的是新的 norm。")
def claim_switched_off_the_adapter_is_the_reference(width=32, rank=4, prompt=4, answer=4, saved="adapter only", merged="no",
                                                          began="zero"):
    """A LoRA policy with the adapter switched off is its own reference model, to the bit: DPO and GRPO need no
    second copy.

    LoRA 策略关掉 adapter，就是自己的参考模型，逐位相同：DPO 与 GRPO 不需要第二份模型。"""
    base, tokens = new_model(width, rank), torch.randint(VOCABULARY, (BATCH, prompt + answer))
    start = base if began == "zero" else train(base, tokens, prompt, "SFT", "LoRA", "")
    tuned = train(start, tokens, prompt, "SFT", "LoRA", saved)
    if merged == "yes":
        tuned["mixing"] = tuned["mixing"] + tuned["lora_a"] @ tuned["lora_b"]
    before, on, off = forward(start, tokens), forward(tuned, tokens), forward(tuned, tokens, adapter=False)
    gap = [(z - before).abs().max().item() for z in (on, off)]
    show(bars(["adapter on", "adapter off"], {"largest difference from the reference's logits": gap}))
    expect("adapter off, less the reference", off - before, equals=0)
    expect("adapter on, largest difference from the reference", gap[0], at_least=0.1)


def drill_positions(rng) -> Drill:
    """How many targets a batch's loss counts."""
    prompt, answer, rows = rng.choice([10, 100, 60]), rng.choice([20, 40]), rng.choice([1, 4])
    objective = rng.choice(["SFT", "pre-training"])
    count = rows * (answer if objective == "SFT" else prompt + answer - 1)
    how = "answers only (SFT)" if objective == "SFT" else "all tokens (continued pre-training)"
    zh = "只计答案（SFT）" if objective == "SFT" else "计所有 token（继续预训练）"
    return Drill(
        en=f"{rows} row(s) of {prompt} prompt and {answer} answer tokens are trained with LoRA on {how}. How many targets count?",
        zh=f"{rows} 行数据，每行提示 {prompt} 个、答案 {answer} 个 token，用 LoRA 训练，{zh}。有多少个目标计入损失？",
        answer=count, within=0,
        steps=[("the choice of LoRA does not matter", "是否用 LoRA 与此无关"),
               (f"{rows} · " + (f"{answer}" if objective == "SFT" else f"({prompt} + {answer} − 1)") + f" = {count}",) * 2],
        proved_by="the_objective_sets_where_the_gradient_enters",
    )


ZH = {
    "mixing": "混合矩阵", "norm": "norm 增益", "tensor": "张量", "{}, {}": "{}，{}",
    "tensors of the base moved, {}, {}": "base 中改动的张量数，{}，{}",
    "SFT, full": "SFT，全参数", "SFT, LoRA": "SFT，LoRA", "pre-training, full": "预训练，全参数", "pre-training, LoRA": "预训练，LoRA",
    "full": "全参数", "size of the gradient": "梯度的大小",
    "gradient at the logits, {}, less by torch's mask": "logits 处的梯度，{}，减 torch 掩码所得",
    "adapter on": "adapter 打开", "adapter off": "adapter 关闭",
    "largest difference from the reference's logits": "与参考模型 logits 的最大差",
    "adapter off, less the reference": "adapter 关闭，减参考模型",
    "adapter on, largest difference from the reference": "adapter 打开，与参考模型的最大差",
}  # fmt: skip

if __name__ == "__main__":
    main()
