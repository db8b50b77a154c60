r"""At step 0 the DPO loss is ln 2 = 0.693 whatever the pairs and β, because policy and reference are
the same function; any other value says that they are not.

第 0 步的 DPO 损失恒为 ln 2 = 0.693，与数据和 β 无关，因为此时策略与参考是同一个函数；若是别的值，就说明两者不同。

Rafailov et al. 2023, §4, eq. 7. Turn `setup` to "dropout": the two differ by the noise of the masks,
and the loss starts elsewhere. 把 `setup` 改为 "dropout"：两次前向的掩码不同，损失就不再从 ln 2 起步。
"""

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import bars, between, breaks, each, expect, main, one_of, show, table


def losses(margin: Tensor, beta: float) -> dict[str, Tensor]:
    """Losses of the pairwise family at a difference of log-ratios `margin` (pairs,), before β."""
    m = beta * margin
    return {
        "DPO": F.softplus(-m),
        "cDPO, ε = 0.1": 0.9 * F.softplus(-m) + 0.1 * F.softplus(m),
        "hinge": (1 - m).relu(),
        "IPO, τ = β": (margin - 1 / (2 * beta)) ** 2,
    }


class TinyLM(nn.Module):
    """The next token from the mean of all embeddings so far: it sees the whole prompt."""

    def __init__(self, vocabulary: int, width: int, dropout: float) -> None:
        super().__init__()
        self.embed, self.head = nn.Embedding(vocabulary, width), nn.Linear(width, vocabulary)
        self.drop = nn.Dropout(dropout)
        self.down, self.up = nn.Linear(width, 2, bias=False), nn.Linear(2, width, bias=False)
        nn.init.zeros_(self.up.weight)                                 # LoRA: B = 0 at the start
        self.adapter = False                                           # switched off: the base alone

    def forward(self, ids: Tensor) -> Tensor:
        """ids (rows, tokens) → log-probability of every token but the first, (rows, tokens − 1)."""
        seen = self.embed(ids).cumsum(1) / torch.arange(1, ids.shape[1] + 1)[:, None].to(self.head.weight)
        hidden = self.drop((seen * 3).tanh())
        logits = self.head(hidden + self.up(self.down(hidden)) if self.adapter else hidden)
        return logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0].float()


def first_margins(setup: str, pairs: int, tokens: int, lora: bool = False) -> tuple[Tensor, Tensor]:
    """What the first step sees: the difference of log-ratios of each pair (pairs,), and the difference
    of the two responses' log-probabilities themselves."""
    base = TinyLM(64, 32, 0.1)
    policy, reference = copy.deepcopy(base).eval(), copy.deepcopy(base).eval()
    policy.adapter = lora
    if setup == "B drawn at random":
        nn.init.normal_(policy.up.weight, std=0.2)
    ids = torch.randint(64, (2 * pairs, 4 + tokens))                   # chosen rows first, prompt of 4
    if setup == "dropout":
        policy.train()
    if setup == "bf16 reference":
        reference.bfloat16()
    with torch.no_grad():
        mine = policy(ids)[:, 3:].sum(1)                               # of the response alone
        other = ids
        if setup == "another template":
            other = torch.cat((torch.full((len(ids), 1), 7), ids), 1)  # one token more in front
        theirs = reference(other)[:, -tokens:].sum(1)
    if setup == "no reference":
        theirs = torch.zeros_like(mine)
    ratio = mine - theirs
    return ratio[:pairs] - ratio[pairs:], mine[:pairs] - mine[pairs:]


SETUPS = ("same weights", "dropout", "bf16 reference", "another template", "no reference")
RANGES = {
    "betas": each(between(0.01, 1.0), at_least=1), "beta": between(0.01, 1.0), "pairs": between(16, 256),
    "tokens": between(4, 64),
    "setup": one_of("same weights", "dropout", "bf16 reference", "another template", "no reference"),
    "adapter": one_of("B zero", "B drawn at random"),
}
DROPOUT = breaks(setup="dropout", en="With dropout on, policy and reference draw different masks.",
                 zh="dropout 开着，策略与参考各抽各的掩码。")
BF16 = breaks(setup="bf16 reference", en="The reference rounds to 8 bits of mantissa: small ratios, but none is 1.",
              zh="参考模型舍入到 8 位有效精度：比值偏离 1 虽小，却无一等于 1。")
TEMPLATE = breaks(setup="another template", en="The reference reads another prompt, so it is another function.",
                  zh="参考模型读到的 prompt 不同，等于换了一个函数。")
NONE = breaks(setup="no reference", en="Without a reference the loss depends on the two log-probabilities.",
              zh="没有参考模型，损失取决于两个对数概率本身。")


@DROPOUT
@BF16
@TEMPLATE
@NONE
def claim_starts_at_ln2(betas=(0.01, 0.1, 0.5), pairs=64, tokens=24, setup="same weights"):
    """With policy and reference the same weights, dropout off, the loss is ln 2 for every β, although
    the two responses' log-probabilities differ.

    策略与参考权重相同、关掉 dropout 时，任何 β 下损失都是 ln 2，尽管两个回答的对数概率并不相同。"""
    drawn = {name: first_margins(name, pairs, tokens)[0] for name in SETUPS}
    margin, plain = first_margins(setup, pairs, tokens)
    show(bars(list(drawn), {f"loss at β = {b:g}": [F.softplus(-b * m).mean() for m in drawn.values()] for b in betas}))
    for b in betas:
        # float32 log-probabilities summed twice in the same order are equal to the last bit
        expect(f"loss of each pair at β = {b:g}", F.softplus(-b * margin), equals=math.log(2), within=1e-6)
    expect("spread of log π(chosen) − log π(rejected) over the pairs", plain.std(), at_least=0.5)


@breaks(adapter="B drawn at random", en="A LoRA pair that is not zero at the start is another function.",
        zh="LoRA 的乘积若一开始不为零，策略就已是另一个函数。")
def claim_lora_starts_there_too(beta=0.1, pairs=64, tokens=24, adapter="B zero"):
    """A LoRA policy with B = 0 starts at ln 2 against its own base with the adapter switched off.

    LoRA 策略（B = 0）以关掉 adapter 的自身为参考，同样从 ln 2 起步。"""
    margin, _ = first_margins(adapter, pairs, tokens, lora=True)
    loss = F.softplus(-beta * margin)
    show(table(["adapter", "mean loss", "largest |loss − ln 2|"],
               [[adapter, loss.mean().item(), (loss - math.log(2)).abs().max().item()]]))
    expect("loss of each pair", loss, equals=math.log(2), within=1e-6)


@DROPOUT
def claim_other_losses_start_elsewhere(beta=0.1, pairs=64, tokens=24, setup="same weights"):
    """Label smoothing keeps ln 2, the hinge starts at 1 and IPO at (1/2τ)², 25 for τ = 0.1.

    标签平滑仍从 ln 2 起步，hinge 从 1，IPO 从 (1/2τ)²，τ = 0.1 时为 25。"""
    margin, _ = first_margins(setup, pairs, tokens)
    start = losses(margin, beta)
    known = {"DPO": 0.69314718, "cDPO, ε = 0.1": 0.69314718, "hinge": 1.0, "IPO, τ = β": 0.25 / beta**2}
    show(table(["loss", "at step 0", "known"], [[k, v.mean().item(), known[k]] for k, v in start.items()]))
    for name, value in start.items():
        expect(f"{name}, over its known start", value / known[name], equals=1, within=1e-5)


@breaks(setup="dropout", en="With noise in the ratios about half the pairs come out ahead by chance.",
        zh="比值里一有噪声，约一半的对会碰巧领先。")
def claim_reward_accuracy_starts_at_zero(pairs=64, tokens=24, setup="same weights"):
    """Counted with a strict “greater than”, the share of pairs whose chosen reward is larger starts at
    0, not at one half: all are ties.

    按严格大于统计，chosen 奖励更高的比例从 0 起步，而不是一半：全是平局。"""
    margin, _ = first_margins(setup, pairs, tokens)
    show(table(["counted", "share of pairs"], [["reward(chosen) > reward(rejected)", (margin > 0).float().mean().item()],
                                               ["equal", (margin == 0).float().mean().item()]]))
    expect("share of pairs with a larger chosen reward", (margin > 0).float().mean(), equals=0)


ZH = {
    "loss at β = {}": "β = {} 时的损失", "same weights": "权重相同", "dropout": "开 dropout",
    "bf16 reference": "bf16 参考模型", "another template": "模板不同", "no reference": "无参考",
    "loss of each pair at β = {}": "β = {} 时每一对的损失", "loss of each pair": "每一对的损失",
    "spread of log π(chosen) − log π(rejected) over the pairs": "各对 log π(chosen) − log π(rejected) 的标准差",
    "adapter": "adapter", "hinge": "hinge", "B zero": "B 为零", "B drawn at random": "B 随机", "mean loss": "平均损失",
    "largest |loss − ln 2|": "|损失 − ln 2| 的最大值", "loss": "损失", "at step 0": "第 0 步", "known": "已知值",
    "{}, over its known start": "{} 与已知起点之比", "counted": "统计项", "share of pairs": "占比", "equal": "相等",
    "reward(chosen) > reward(rejected)": "chosen 奖励 > rejected 奖励",
    "share of pairs with a larger chosen reward": "chosen 奖励更高的对的占比",
}

if __name__ == "__main__":
    main()
