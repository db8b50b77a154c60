r"""The label of a position is the next token: shift exactly once, in the loss or in the data.

一个位置的标签是下一个 token：恰好移一位，要么在损失里移，要么在数据里移。

Not shifted, the model copies; shifted twice, it predicts two ahead, and both look like training. Turn
`shift` to 0 or 2: the loss goes to another floor. 把 `shift` 改为 0 或 2：损失会落到另一个下界。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, exercise, expect, main, one_of, show, table

IGNORE = -100                                                                   # F.cross_entropy's default


@exercise(claims=("the_flattened_loss_equals_a_loop",), wrong=("does_not_shift", "shifts_twice", "divides_by_all", "softmax_first"))
def lm_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean next-token cross-entropy, a scalar: logits (batch, tokens, vocabulary) come from the same tokens
    that stand in labels (batch, tokens), not shifted; a label IGNORE is no target.

    下一个 token 的平均交叉熵，标量：logits (batch, tokens, vocabulary) 与 labels (batch, tokens) 来自同一串 token，尚未移位；
    标签为 IGNORE 的位置不计。"""
    predictions = logits[:, :-1].flatten(0, 1)                                  # (batch · (tokens − 1), vocabulary)
    targets = labels[:, 1:].flatten()                                           # the token after each
    return F.cross_entropy(predictions, targets, ignore_index=IGNORE)


def by_loop(logits: Tensor, labels: Tensor, shift: int = 1) -> tuple[float, int]:
    """The same on paper: −log p of the label `shift` places on, averaged over targets; and their number."""
    total, targets = 0.0, 0
    for row, ids in zip(logits.tolist(), labels.tolist(), strict=True):
        for t in range(len(ids) - shift):
            if ids[t + shift] != IGNORE:
                total += math.log(sum(math.exp(z) for z in row[t])) - row[t][ids[t + shift]]
                targets += 1
    return total / targets, targets


def chain(states: int, tokens: int) -> tuple[Tensor, Tensor]:
    """A Markov chain with Dirichlet(0.3) rows, (states, states), and a text of it (tokens,)."""
    p = torch.distributions.Dirichlet(torch.full((states,), 0.3)).sample((states,)).double()
    p = 0.98 * p + 0.02 / states                                                # no state is a trap
    uniform, rows, x = torch.rand(tokens, dtype=torch.float64).tolist(), p.cumsum(1).tolist(), 0
    text = []
    for u in uniform:
        row = rows[x]
        x = next((i for i, edge in enumerate(row) if u < edge), states - 1)
        text.append(x)
    return p, torch.tensor(text)


def stationary(p: Tensor) -> Tensor:
    """The shares of the states in a long text, (states,)."""
    return torch.linalg.matrix_power(p, 4096)[0]


def entropy(p: Tensor) -> float:
    """Σ_x π(x) H(p(· | x)) in nats, for the conditional p (states, states) under p's chain."""
    return float(-(stationary(p) * torch.special.xlogy(p, p).sum(1)).sum())


def trained(text: Tensor, states: int, shift: int) -> float:
    """Loss of the best table from the current token to the label `shift` on: counts of one half, tested on the other."""
    half = len(text) // 2
    counts = torch.full((states, states), 0.5, dtype=torch.float64)
    x, y = text[:half], text[shift : half + shift]
    counts.index_put_((x, y), torch.ones(half, dtype=torch.float64), accumulate=True)
    x, y = text[half : len(text) - shift], text[half + shift :]
    return -(counts / counts.sum(1, keepdim=True))[x, y].log().mean().item()


RANGES = {
    "batch": between(1, 4), "tokens": between(3, 10), "vocabulary": between(2, 30), "shift": between(0, 2),
    "states": between(6, 10), "sees": one_of("the next token", "itself"),
}  # fmt: skip


@breaks(shift=0, en="Not shifted, each label is the token just read.", zh="不移位时，标签就是刚读入的 token。")
@breaks(shift=2, en="A trainer that shifts labels which the data set has shifted already asks for two ahead.",
        zh="数据集已经移过一位，训练代码再移一位，问的就是后面第二个 token。")
def claim_the_flattened_loss_equals_a_loop(batch=2, tokens=8, vocabulary=12, shift=1):
    """Logits without the last position against ids without the first, flattened, give the mean of −log p(next
    token): tokens − 1 targets per row, masked ones not counted.

    去掉最后一位的 logits 对去掉第一位的 id，展平后得到 −log p(下一个 token) 的平均：每行有 tokens − 1 个目标，被掩掉的不计。"""
    logits = torch.randn(batch, tokens, vocabulary, dtype=torch.float64)
    labels = torch.randint(vocabulary, (batch, tokens))
    masked = labels.clone()
    masked[:, :2] = IGNORE                                                      # a prompt of two tokens
    rows = [(lm_loss(logits, y).item(), *by_loop(logits, y, shift)) for y in (labels, masked)]
    show(table({"labels": ["all", "after a prompt of 2"], "loss": [r[0] for r in rows], "by the loop": [r[1] for r in rows],
                "targets": [r[2] for r in rows]}))
    expect("targets in all", rows[0][2], equals=batch * (tokens - 1))
    expect("loss less the loop's", [r[0] - r[1] for r in rows], equals=0, within=1e-12)


@breaks(shift=0, en="The label is the input: the loss goes to 0.", zh="标签就是输入：损失趋于 0。")
@breaks(shift=2, en="Two ahead is less certain: the floor is higher, and the model skips a token.",
        zh="隔一位更难预测：下界更高，生成时会跳过一个 token。")
def claim_the_shift_decides_the_floor(states=8, shift=1):
    """On a Markov text the loss reaches the entropy of the next token if labels are shifted once, nearly 0 if not
    at all, and the higher entropy of the second next if twice.

    在马尔可夫文本上，标签移一位时损失降到「下一个 token」的熵；不移则接近 0；移两位则停在更高的「隔一个 token」的熵。"""
    p, text = chain(states, 8000)
    losses = [trained(text, states, k) for k in (0, 1, 2)]
    pi = stationary(p)
    two = float(-(pi * torch.special.xlogy(p @ p, p @ p).sum(1)).sum())
    show(bars(["0", "1", "2"], {"loss, held out": losses, "entropy of that label": [0.0, entropy(p), two]}, y_label="nats"))
    # 4,000 correlated losses of spread about 1, and a table's own error of states²/8,000
    expect("loss less the entropy of the next token", losses[shift] - entropy(p), equals=0, within=0.1)
    expect("loss shifted twice less the entropy of the second next", losses[2] - two, equals=0, within=0.1)
    expect("loss shifted twice less shifted once", losses[2] - losses[1], at_least=0.05)
    expect("loss not shifted", losses[0], at_most=0.05)


@breaks(sees="itself", en="From the current token alone the one after next stays uncertain by two steps.",
        zh="只看当前 token，隔一个的 token 要跨两步，更不确定。")
def claim_two_ahead_is_easy_once_the_next_is_seen(states=8, sees="the next token"):
    """A head for the second next token meets a higher floor if it sees the present only; fed the true next token,
    as DeepSeek-V3's module is, its floor is the usual one.

    预测隔一个 token 的头，如果只看到当前位置，下界更高；若像 DeepSeek-V3 的模块那样喂入真实的下一个 token，下界就和平常一样。"""
    p, text = chain(states, 8000)
    counts = torch.full((states, states, states), 0.1, dtype=torch.float64)
    a, b, c = text[:-2], text[1:-1], text[2:]
    half, ones = 4000, torch.ones(4000, dtype=torch.float64)
    counts.index_put_((a[:half], b[:half], c[:half]), ones, accumulate=True)
    fed = -(counts / counts.sum(2, keepdim=True))[a[half:], b[half:], c[half:]].log().mean().item()
    alone = trained(text, states, 2)
    show(bars(["the present only", "the next token too"], {"loss two ahead, held out": [alone, fed]}, y_label="nats"))
    got = fed if sees == "the next token" else alone
    # as above, and up to 512 cells of counts for 4,000 samples
    expect("loss two ahead less the entropy of a next token", got - entropy(p), equals=0, within=0.13)
    expect("loss from the present only less the loss with the next token", alone - fed, at_least=0.03)


def drill_targets(rng) -> Drill:
    """Positions that carry a loss."""
    batch, tokens, prompt = rng.choice([4, 8, 16]), rng.choice([512, 1024, 2048]), rng.choice([0, 100, 200])
    count = batch * (tokens - max(prompt, 1))
    return Drill(
        en=f"{batch} sequences of {tokens:,} tokens" + (f", the loss on the answer after a prompt of {prompt} tokens" if prompt else
           ", causal language modelling") + ". How many positions carry a loss?",
        zh=f"{batch} 条序列，每条 {tokens:,} 个 token" + (f"，只对 {prompt} 个 token 的提示之后的回答算损失" if prompt else
           "，因果语言建模") + "。有多少个位置计入损失？",
        answer=count, within=0,
        steps=[("a token is a target if another stands before it" + (" and it is in the answer" if prompt else ""),
                "前面有 token 的 token 才能作目标" + ("，且属于回答" if prompt else "")),
               (f"{batch} · ({tokens} − {max(prompt, 1)}) = {count:,}",) * 2],
        proved_by="the_flattened_loss_equals_a_loop",
    )


ZH = {
    "labels": "标签", "all": "全部", "after a prompt of 2": "2 个 token 的提示之后", "loss": "损失", "by the loop": "循环得到的",
    "targets": "目标数", "targets in all": "目标总数", "loss less the loop's": "损失减循环得到的", "loss, held out": "留出文本上的损失",
    "entropy of that label": "该标签的熵", "nats": "nats", "loss less the entropy of the next token": "损失减下一个 token 的熵",
    "loss shifted twice less the entropy of the second next": "移两位的损失减隔一个的熵",
    "loss from the present only less the loss with the next token": "只看当前的损失减还看下一个的损失",
    "loss shifted twice less shifted once": "移两位的损失减移一位的", "loss not shifted": "不移位的损失",
    "the present only": "只看当前", "the next token too": "还看下一个 token", "loss two ahead, held out": "隔一个的损失（留出）",
    "loss two ahead less the entropy of a next token": "隔一个的损失减下一个 token 的熵",
}  # fmt: skip

if __name__ == "__main__":
    main()
