r"""A soft prompt is a trained input vector: it reaches behaviour that no token reaches, and its
nearest token does not name it.

软提示是训练出来的输入向量：能做到任何 token 都做不到的行为，而离它最近的 token 说明不了它在做什么。

Lester et al. 2021; Khashabi et al. 2022 on the second point. A toy: a one-layer language model that
counts up or down. Turn `wanted` to "counting up": the token "up" already does it.
玩具实验：一个会数上或数下的单层语言模型。把 `wanted` 改为 "counting up"：token "up" 本来就能做到。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, expect, heatmap, lines, main, one_of, show
from studyapp.evidence.tools import Adam, named_model

DIGITS, UP, DOWN, CERTAIN = 10, 10, 11, 0.95
SHARES = {"a blend": 0.7, "counting up": CERTAIN}      # of the next digit in what is wanted


def predict(net: dict[str, Tensor], prompt: Tensor, x: Tensor) -> Tensor:
    """Next-token log-probabilities (batch, 12) after [prompt, x]: prompt is a vector (batch, width),
    a token's row or trained; x is (batch,) digits."""
    h = torch.stack((prompt, F.embedding(x, net["embed"])), 1) + net["position"]  # (batch, 2, width)
    q, k, v = h[:, 1:] @ net["q"], h @ net["k"], h @ net["v"]                   # the last position asks
    h = h[:, 1] + (F.scaled_dot_product_attention(q, k, v) @ net["o"])[:, 0]    # (batch, width)
    h = h + F.gelu(h @ net["w1"]) @ net["w2"]
    return (h @ net["head"]).log_softmax(-1)


def counting(share: float) -> Tensor:
    """The wanted distribution (10, 12): `share` on the next digit, the rest on the one before."""
    digit = torch.arange(DIGITS)
    return share * F.one_hot((digit + 1) % DIGITS, 12) + (1 - share) * F.one_hot((digit - 1) % DIGITS, 12)


def kl(wanted: Tensor, log_p: Tensor) -> Tensor:
    """KL(wanted ‖ model) per row; wanted is (rows, 12)."""
    return (torch.special.xlogy(wanted, wanted) - wanted * log_p).sum(-1)


def pretrained(width: int, steps: int = 60) -> dict[str, Tensor]:
    """A frozen model that after "down" counts down with 95 %, and after every other token up."""
    shapes = {"embed": (12, width), "position": (2, width), "q": (width, width), "k": (width, width), "v": (width, width),
              "o": (width, width), "w1": (width, 4 * width), "w2": (4 * width, width), "head": (width, 12)}
    net = {n: torch.randn(*s) / (1 if n in ("embed", "position") else s[0] ** 0.5) for n, s in shapes.items()}
    net["q"], net["k"] = net["q"] / 10, net["k"] / 10            # attention starts even: the prompt is seen
    for p in net.values():
        p.requires_grad_()
    first, x = torch.arange(12).repeat_interleave(DIGITS), torch.arange(DIGITS).repeat(12)
    wanted = torch.cat([counting(1 - CERTAIN if t == DOWN else CERTAIN) for t in range(12)])
    weight = torch.where(first == DOWN, 11.0, 1.0)               # both directions count the same
    adam = Adam(net.values(), lr=1e-2)
    for _ in range(steps):
        adam.step(-(weight * (wanted * predict(net, F.embedding(first, net["embed"]), x)).sum(-1)).mean())
    return {n: p.detach() for n, p in net.items()}


def tune(net: dict[str, Tensor], prompts: Tensor, share: float, steps: int = 50) -> tuple[Tensor, list[float]]:
    """Train the prompts (count, width), each by itself, the model frozen; and the curve."""
    prompts = prompts.clone().requires_grad_()
    x, wanted = torch.arange(DIGITS).repeat(len(prompts)), counting(share).repeat(len(prompts), 1)
    adam, curve = Adam([prompts], lr=0.12), []
    for _ in range(steps):
        loss = kl(wanted, predict(net, prompts.repeat_interleave(DIGITS, 0), x)).mean()
        curve.append(loss.item())
        adam.step(loss * len(prompts))
    return prompts.detach(), curve


def behaviour(net: dict[str, Tensor], prompts: Tensor, share: float) -> Tensor:
    """KL of the wanted behaviour from the model's, per prompt."""
    x = torch.arange(DIGITS).repeat(len(prompts))
    log_p = predict(net, prompts.repeat_interleave(DIGITS, 0), x)
    return kl(counting(share).repeat(len(prompts), 1), log_p).unflatten(0, (-1, DIGITS)).mean(1)


RANGES = {
    "wanted": one_of("a blend", "counting up"),
    "width": between(24, 32),
    "start": one_of("every token", "one token"),
    "counted": one_of("the input", "every layer"),
}


@breaks(wanted="counting up", en="What a token does already, no vector has to learn.", zh="某个 token 本来就能做到的，用不着再学一个向量。")
def claim_soft_prompt_beats_every_hard_token(width=24, wanted="a blend"):
    """In a toy model a trained prompt vector brings the KL to a 70/30 blend below 0.1; no token of
    the vocabulary gets below 0.2.

    玩具模型里，训练出来的一个提示向量使与 70/30 混合目标的 KL 低于 0.1；词表里没有一个 token 低于 0.2。"""
    net, share = pretrained(width), SHARES[wanted]
    hard = behaviour(net, net["embed"], share)                                  # (12,)
    prompt, curve = tune(net, net["embed"].mean(0, keepdim=True), share)
    show(lines("step", range(len(curve)), {"soft prompt": curve, "best token": [hard.min()] * len(curve)}, y_label="KL"))
    expect("KL with the soft prompt", behaviour(net, prompt, share), at_most=0.1)
    expect("KL with the best token", hard.min(), at_least=0.2)


@breaks(start="one token", en="Started at one token, all prompts stay near that token.", zh="都从同一个 token 出发，就都留在它附近。")
def claim_the_nearest_token_does_not_name_the_behaviour(width=24, start="every token"):
    """In the toy, of prompts started at twelve different tokens at least six learn the same
    behaviour, and these have at least four different nearest tokens.

    玩具模型里，从十二个不同 token 出发的提示至少六个学会同一行为，而离它们最近的 token 至少有四个不同。"""
    net, share = pretrained(width), SHARES["a blend"]
    starts = net["embed"] if start == "every token" else net["embed"][UP].expand(12, -1)
    prompts, _ = tune(net, starts, share)
    near = F.normalize(prompts, dim=-1) @ F.normalize(net["embed"], dim=-1).T   # (12, 12)
    show(heatmap(near, x_label="token", y_label="prompt started at", title="cosine"))
    learnt = behaviour(net, prompts, share) < 0.1
    expect("prompts with a KL below 0.1", int(learnt.sum()), at_least=6)
    expect("different nearest tokens of these", len(set(near[learnt].argmax(1).tolist())), at_least=4)


@breaks(counted="every layer", en="That is prefix tuning: keys and values in every layer.", zh="那是前缀微调：每一层都有 key 与 value。")
def claim_an_input_prompt_has_p_times_d_values(counted="the input"):
    """200 virtual tokens on Llama 3.2 3B are the published 614,400 values for prompt tuning, and a
    prefix of the same length has 18.7 times as many.

    Llama 3.2 3B 上 200 个虚拟 token：prompt tuning 为公布的 614,400 个值，同样长的前缀是它的 18.7 倍。"""
    row = named_model("llama-3.2-3b")
    tokens = torch.empty(200, row["width"], device="meta")
    prefix = torch.empty(row["layers"], 2, row["kv_heads"], 200, row["d_head"], device="meta")
    trained = tokens if counted == "the input" else prefix
    show(bars(["prompt tuning", "prefix tuning"], {"trained values": [tokens.numel(), prefix.numel()]}, log="y"))
    # PEFT 5d602fd, method_comparison/MetaMathQA/results: num_trainable_params
    expect("trained values of prompt tuning", trained.numel(), equals=614_400)
    expect("prefix over prompt", prefix.numel() / tokens.numel(), equals=18.7, within=0.05)


def drill_share(rng) -> Drill:
    """The values of a soft prompt, and which share of the model they are."""
    p, d, billions = rng.choice([(100, 4096, 11), (20, 4096, 8), (200, 3072, 3.2), (100, 1024, 0.77), (50, 8192, 70)])
    values = torch.empty(p, d, device="meta").numel()
    percent = 100 * values / (billions * 1e9)
    return Drill(
        en=f"Prompt tuning with {p} virtual tokens at width {d} on a model of {billions:g} billion parameters. "
           "How many per cent of the parameters are trained?",
        zh=f"prompt tuning 用 {p} 个虚拟 token，宽度 {d}，模型 {billions:g}B 参数。训练的参数占百分之几？",
        answer=percent,
        steps=[(f"{p} · {d} = {values:,} values, at the input only", f"{p} · {d} = {values:,} 个值，只在输入层"),
               (f"{values:,} / {billions:g}e9 = {percent:.2g} %", f"{values:,} / {billions:g}e9 = {percent:.2g} %")],
        proved_by="an_input_prompt_has_p_times_d_values",
    )


ZH = {
    "step": "步",
    "soft prompt": "软提示",
    "best token": "最好的 token",
    "KL with the soft prompt": "用软提示时的 KL",
    "KL with the best token": "用最好的 token 时的 KL",
    "prompt started at": "提示的起点",
    "cosine": "余弦",
    "prompts with a KL below 0.1": "KL 低于 0.1 的提示数",
    "different nearest tokens of these": "其中不同的最近 token 数",
    "prompt tuning": "prompt tuning",
    "prefix tuning": "前缀微调",
    "trained values": "训练的值",
    "trained values of prompt tuning": "prompt tuning 训练的值",
    "prefix over prompt": "前缀与提示之比",
}

if __name__ == "__main__":
    main()
