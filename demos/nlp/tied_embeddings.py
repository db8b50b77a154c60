r"""One matrix looks tokens up and scores them: its gradients add, and it must suit both ends.

同一个矩阵既查表又打分：两处梯度相加，而它必须同时适合两端。

Press & Wolf 2017. Turn `between` to "nothing": tied logits are symmetric, and a chain a → b → c cannot be
learnt below ln 3. 把 `between` 改为 "nothing"：绑定后 logits 对称，a → b → c 这样的链，损失降不到 ln 3 以下。
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import Drill, between, breaks, each, exercise, expect, lines, main, one_of, show, table
from studyapp.evidence.tools import Adam, named_model

F64 = torch.float64


@exercise(claims=("the_tied_gradient_is_the_sum_of_both",), wrong=("input_side_only", "head_side_only", "overwrites_repeats"))
def tied_gradient(ids: Tensor, slope_in: Tensor, hidden: Tensor, slope_out: Tensor, vocabulary: int) -> Tensor:
    """The gradient (vocabulary, width) of a matrix used twice. As a table its rows `ids` (tokens,) were looked up
    and got gradients slope_in (tokens, width); as a head it made logits hidden @ Eᵀ, hidden (tokens, width),
    which got gradients slope_out (tokens, vocabulary).

    同一矩阵用了两次时的梯度 (vocabulary, width)。作为嵌入表，被查的行是 ids (tokens,)，传回的梯度为 slope_in
    (tokens, width)；作为输出头，logits = hidden @ Eᵀ，hidden 为 (tokens, width)，传回的梯度为 slope_out (tokens, vocabulary)。"""
    as_head = slope_out.T @ hidden                                              # (vocabulary, width): dense
    return as_head.index_add(0, ids, slope_in)                                  # the rows that were looked up get more


def train(tied: bool, middle: bool, vocabulary: int = 12, width: int = 16, steps: int = 60) -> list[float]:
    """Losses of a model of next tokens i → i + 1 on a ring: rows, a matrix between or none, and a head."""
    rows = (torch.randn(vocabulary, width) / width**0.5).requires_grad_()
    head = rows if tied else (torch.randn(vocabulary, width) / width**0.5).requires_grad_()
    square = (torch.eye(width) + 0.1 * torch.randn(width, width)).requires_grad_()
    learnt = [rows] + ([] if tied else [head]) + ([square] if middle else [])
    optimizer, losses, labels = Adam(learnt, lr=0.03), [], torch.arange(1, vocabulary + 1) % vocabulary
    for _ in range(steps):
        hidden = rows @ square if middle else rows                              # (vocabulary, width)
        loss = F.cross_entropy(hidden @ head.T, labels)
        losses.append(loss.item())
        optimizer.step(loss)
    return losses


RANGES = {
    "tokens": between(4, 32), "count": one_of("both", "input"), "between": one_of("matrix", "nothing"),
    "stds": each(between(0.01, 0.09), at_least=2, rising=True), "scale": one_of("counted", "left out"),
    "tables": one_of("one", "two"),
}  # fmt: skip


@breaks(count="input", en="Without the head's part most rows would get nothing.", zh="少了输出头那部分，大多数行就没有梯度。")
def claim_the_tied_gradient_is_the_sum_of_both(tokens=12, count="both"):
    """The gradient of a tied matrix is the sum of what it gets as table and as head: the first in the rows that
    occurred, the second in all rows.

    绑定矩阵的梯度是它作为嵌入表和作为输出头所得梯度之和：前者只在出现过的行，后者在所有行。"""
    vocabulary, width = 20, 16
    ids, labels = torch.randint(vocabulary, (2, tokens))
    table_, head = nn.Embedding(vocabulary, width, dtype=F64), nn.Linear(width, vocabulary, bias=False, dtype=F64)
    stored = list(head.weight.shape)
    head.weight = table_.weight                                                 # one tensor, no transpose
    hidden, e = table_(ids).tanh(), table_.weight.detach()
    F.cross_entropy(head(hidden), labels, reduction="sum").backward()           # torch's own, used twice
    h = hidden.detach()
    slope_out = (h @ e.T).softmax(1) - F.one_hot(labels, vocabulary)            # p − y
    slope_in = (slope_out @ e) * (1 - h**2)
    ours = tied_gradient(ids, slope_in, h, slope_out if count == "both" else 0 * slope_out, vocabulary)
    show(table({"part": ["as table", "as head"],
                "rows that get it": [len(ids.unique()), int((slope_out.T @ h != 0).any(1).sum())]}))
    # float64: sums of at most 32 · 24 products of size 10
    expect("our gradient less autograd's", ours - table_.weight.grad, equals=0, within=1e-10)
    expect("shape of the weight of nn.Linear(width, vocabulary)", stored, equals=[vocabulary, width])


@breaks(between="nothing", en="Without a matrix between, logits E Eᵀ are symmetric: b follows a as a follows b.",
        zh="中间没有矩阵时，logits 为 E Eᵀ，是对称的：a 后接 b 与 b 后接 a 得分相同。")
def claim_a_matrix_between_frees_tied_logits(between="matrix"):
    """On a ring of tokens, each followed by the next one, a tied model without layers cannot get below ln 3; with
    one matrix between look-up and head it learns the ring.

    token 排成一圈，每个后面接下一个：没有中间层的绑定模型，损失降不到 ln 3 以下；查表与输出头之间加一个矩阵就能学会。"""
    losses = {how: train(True, how == "matrix") for how in ("matrix", "nothing")}
    losses["untied, nothing"] = train(False, False)
    show(lines("step", range(60), losses | {"ln 3": [math.log(3)] * 60}, y_label="nats"))
    expect("loss of the tied model as set", losses[between][-1], at_most=0.1)
    # G = E Eᵀ: around the ring the differences to the token before add up to 0, and those to the token itself to at least 0
    # (2 G_ab ≤ G_aa + G_bb). ln(1 + e^u + e^v) is convex (Jensen): at least ln 3.
    expect("loss of the tied model with nothing between", losses["nothing"][-1], at_least=math.log(3), within=1e-6)
    expect("loss of the untied model with nothing between", losses["untied, nothing"][-1], at_most=0.1)


@breaks(scale="left out", en="At zero logits the loss is ln V; random logits cost half their variance more.",
        zh="logits 为零时损失是 ln V；随机 logits 还要多出方差的一半。")
def claim_the_tables_scale_sets_the_first_loss(stds=(0.02, 0.04, 0.08), scale="counted"):
    """With random states of size √d and a random head of standard deviation s, the loss starts at ln V + d·s²/2: GPT-2's
    0.02 costs 0.15 nats at width 768, and 0.08 costs 2.5.

    隐状态随机、模长为 √d，输出头随机、标准差为 s 时，初始损失为 ln V + d·s²/2：宽 768 时，GPT-2 的 0.02 多 0.15 nat，0.08 多 2.5 nat。"""
    width, vocabulary, tokens = 768, 4000, 64
    h = torch.randn(tokens, width)
    h = h / h.norm(dim=1, keepdim=True) * width**0.5                            # as after a norm
    logits = h @ torch.randn(width, vocabulary)                                 # (tokens, vocabulary), s = 1
    losses = [((s * logits).logsumexp(1) - s * logits.mean(1)).mean().item() for s in stds]  # the mean over all labels
    formula = [math.log(vocabulary) + (scale == "counted") * width * s * s / 2 for s in stds]
    show(lines("standard deviation", stds, {"loss": losses, "ln V + d·s²/2": formula}, log="x", y_label="nats"))
    for s, got, said in zip(stds, losses, formula, strict=True):
        # the mean of V lognormal numbers scatters by √(e^σ² − 1) / √V of itself, σ² = d·s²
        room = 5 * math.sqrt(math.expm1(width * s * s) / vocabulary)
        expect(f"loss at standard deviation {s:g} less the formula", got - said, equals=0, within=room)


@breaks(tables="two", en="An untied head is a second table of the same size.", zh="不绑定的输出头就是第二张同样大小的表。")
def claim_tying_saves_a_fifth_of_a_small_model(tables="one"):
    """Tying saves one table of V·d numbers: a fifth of what Qwen3-0.6B would have without it, under one percent of
    Llama-3.1-405B, which does not tie.

    绑定省下一张 V·d 的表：对 Qwen3-0.6B，相当于不绑定时参数量的五分之一；对 Llama-3.1-405B 不到百分之一，它也没有绑定。"""
    rows = {name: named_model(name) for name in ("qwen3-0.6b", "llama-3.1-405b")}
    size = {name: row["vocabulary"] * row["width"] for name, row in rows.items()}
    body = {name: layers_of(row) for name, row in rows.items()}
    shares = [size[n] / (body[n] + 2 * size[n]) for n in rows]
    show(table({"model": list(rows), "table (M)": [round(size[n] / 1e6) for n in rows],
                "layers (M)": [round(body[n] / 1e6) for n in rows], "saved": [f"{s:.1%}" for s in shares]}))
    held = body["qwen3-0.6b"] + (1 if tables == "one" else 2) * size["qwen3-0.6b"]
    expect("Qwen3-0.6B, millions of parameters", held / 1e6, equals=596, within=1)
    expect("share saved in the small model", shares[0], equals=0.207, within=0.002)
    expect("share saved in the large model", shares[1], at_most=0.01)


def layers_of(row: dict) -> int:
    """Parameters of all layers and norms of a gated decoder without biases."""
    q, kv = row["heads"] * row["d_head"], row["kv_heads"] * row["d_head"]
    qk_norm = 2 * row["d_head"] if row["name"].startswith("Qwen3") else 0
    layer = row["width"] * (2 * q + 2 * kv) + 3 * row["width"] * row["ffn"]["d_ff"] + 2 * row["width"] + qk_norm
    return row["layers"] * layer + row["width"]


def drill_saved(rng) -> Drill:
    """Parameters that tying saves."""
    vocabulary, width = rng.choice([(32, 4096), (128, 2048), (128, 4096), (152, 1024), (256, 2048)])
    saved = vocabulary * width / 1000
    return Drill(
        en=f"Vocabulary {vocabulary},000, width {width:,}: how many million parameters does tying the head to the embedding save?",
        zh=f"词表 {vocabulary},000，宽 {width:,}：把输出头与嵌入绑定，省下多少百万个参数？",
        answer=saved, unit="M", within=0.02 * saved,
        steps=[("the head would be a second matrix of V · d", "否则输出头是第二个 V · d 的矩阵"),
               (f"{vocabulary},000 · {width:,} = {saved:.0f} million", f"{vocabulary},000 · {width:,} = {saved:.0f} 百万")],
        proved_by="tying_saves_a_fifth_of_a_small_model",
    )


ZH = {
    "shape of the weight of nn.Linear(width, vocabulary)": "nn.Linear(width, vocabulary) 的权重形状",
    "ln 3": "ln 3", "llama-3.1-405b": "llama-3.1-405b",
    "part": "部分", "as table": "作为嵌入表", "as head": "作为输出头", "rows that get it": "得到梯度的行",
    "our gradient less autograd's": "我们的梯度减 autograd 的梯度", "step": "步", "matrix": "绑定，有矩阵", "nothing": "绑定，没有",
    "untied, nothing": "不绑定，没有", "nats": "nats", "loss of the tied model as set": "所设绑定模型的损失",
    "loss of the tied model with nothing between": "中间没有矩阵的绑定模型的损失",
    "loss of the untied model with nothing between": "中间没有矩阵的不绑定模型的损失", "standard deviation": "标准差", "loss": "损失",
    "ln V + d·s²/2": "ln V + d·s²/2", "loss at standard deviation {} less the formula": "标准差 {} 时的损失减公式", "model": "模型",
    "table (M)": "表（百万）", "layers (M)": "各层（百万）", "saved": "省下",
    "Qwen3-0.6B, millions of parameters": "Qwen3-0.6B 的参数（百万）",
    "share saved in the small model": "小模型省下的比例", "share saved in the large model": "大模型省下的比例",
}  # fmt: skip

if __name__ == "__main__":
    main()
