r"""A causal mask lets one forward pass train every position, because no position can see what it must predict.

有了因果掩码，一次前向就能训练所有位置，因为任何位置都看不到自己要预测的内容。

Vaswani et al. 2017, §3.2.3. `ahead` is how far beyond itself a position may look: 0 is causal, −1 and 1 are the two
off-by-one mistakes, and anything from `tokens` − 1 on is bidirectional. Turn `layers`: one step of leak a layer adds up.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studyapp.evidence import expect, heatmap, lines, main, show, table


def visible(tokens: int, ahead: int) -> Tensor:
    """(tokens, tokens) booleans: may query i look at key j? Yes where j ≤ i + ahead."""
    return torch.ones(tokens, tokens, dtype=torch.bool).tril(ahead)


def attention_weights(q: Tensor, k: Tensor, ahead: int) -> Tensor:
    """softmax of q kᵀ/√d over the visible keys; q, k (…, tokens, d)."""
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    return scores.masked_fill(~visible(q.shape[-2], ahead), -torch.inf).softmax(-1)


class Block(nn.Module):
    """One pre-norm Transformer layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.o = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width, bias=False)
        self.ffn = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, ahead: int) -> Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (b, h, n, d)
        x = x + self.o((attention_weights(q, k, ahead) @ v).transpose(1, 2).flatten(2))
        return x + self.ffn(self.norm2(x))


class Decoder(nn.Module):
    """Tokens to next-token logits, with learned positions."""

    def __init__(self, vocabulary: int, tokens: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(vocabulary, width), nn.Embedding(tokens, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.out = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False))

    def embed(self, x: Tensor) -> Tensor:
        return self.token(x) + self.position.weight[: x.shape[1]]  # (b, n, width)

    def forward(self, x: Tensor, ahead: int = 0, embedded: bool = False) -> Tensor:
        x = x if embedded else self.embed(x)
        for block in self.blocks:
            x = block(x, ahead)
        return self.out(x)  # (b, n, vocabulary)


def influence(model: Decoder, x: Tensor, ahead: int) -> Tensor:
    """(tokens, tokens): the norm of d logits at position i / d embedding at position j."""
    jacobian = torch.autograd.functional.jacobian(lambda e: model(e, ahead, embedded=True)[0], model.embed(x))
    return jacobian[:, :, 0].norm(dim=(1, 3))  # from (n, vocabulary, 1, n, width)


def train(model: Decoder, batch, ahead: int, steps: int, shift: int = 1) -> tuple[Tensor, Tensor]:
    """Each step's loss and its standard error; `batch` gives fresh tokens, and a label stands `shift` tokens on."""
    optimiser, losses = torch.optim.Adam(model.parameters(), lr=0.01), []
    for _ in range(steps):
        x = batch()
        inputs, labels = x[:, :-1], x[:, shift:][:, : x.shape[1] - 1]
        loss = F.cross_entropy(model(inputs, ahead).transpose(1, 2), labels, reduction="none")
        optimiser.zero_grad()
        loss.mean().backward()
        optimiser.step()
        losses.append(torch.stack([loss.mean(), loss.std() / loss.numel() ** 0.5]).detach())
    return torch.stack(losses).unbind(1)


def claim_future_edit_leaves_the_past_unchanged(tokens=10, vocabulary=10, width=32, heads=2, layers=2):
    """Under the causal mask editing a token moves no earlier output, and every output from there on; without the mask
    it moves all of them.

    有因果掩码时，改动一个 token 不影响更早位置的输出，只影响该位置及之后的输出；没有掩码则全部改变。"""
    model = Decoder(vocabulary, tokens, width, heads, layers).double()
    x = torch.randint(vocabulary, (1, tokens))
    moved = {}
    for name, ahead in (("causal", 0), ("bidirectional", tokens)):
        rows = []
        for t in range(tokens):
            edited = x.clone()
            edited[0, t] = (edited[0, t] + 1) % vocabulary
            rows.append((model(edited, ahead) - model(x, ahead))[0].abs().amax(-1).detach())
        moved[name] = torch.stack(rows)  # (edited token, position)
    show(heatmap(moved["causal"], x_label="position", y_label="edited token", title="change of the logits, causal"))
    show(heatmap(moved["bidirectional"], x_label="position", y_label="edited token", title="the same without a mask"))
    past = torch.ones(tokens, tokens).tril(-1).bool()
    expect("causal: largest change before the edited token", moved["causal"][past].max(), at_most=1e-12)
    expect("causal: smallest change from it on", moved["causal"][~past].min(), at_least=1e-9)
    expect("bidirectional: smallest change before it", moved["bidirectional"][past].min(), at_least=1e-9)


def claim_jacobian_is_lower_triangular(tokens=10, vocabulary=10, width=32, heads=2, layers=2):
    """d output i / d input j is exactly zero for j > i and not zero for j = i: a position sees itself.

    输出 i 对输入 j 的导数在 j > i 时严格为零，在 j = i 时不为零：每个位置看得到自己。"""
    model = Decoder(vocabulary, tokens, width, heads, layers).double()
    size = influence(model, torch.randint(vocabulary, (1, tokens)), 0)
    show(heatmap(size.log10().clamp(min=-6), x_label="input j", y_label="output i", title="log10 |d output/d input|"))
    future = torch.ones(tokens, tokens).triu(1).bool()
    expect("largest block above the diagonal", size[future].max(), equals=0)
    expect("smallest block on the diagonal", size.diagonal().min(), at_least=1e-9)
    expect("smallest block below the diagonal", size[~future].min(), at_least=1e-9)


def claim_off_by_one_mask_leaks_or_breaks(tokens=10, vocabulary=10, width=32, heads=2, layers=2):
    """A mask one step too wide leaks one future token a layer; one step too narrow leaves the first query no key: a
    softmax written out gives NaN, PyTorch's fused attention silently gives zeros.

    掩码宽一格，每层泄露一个未来 token；窄一格，第一个 query 没有 key 可看：手写的 softmax 得到 NaN，而 PyTorch 的融合注意力
    会不声不响地给出零。"""
    model = Decoder(vocabulary, tokens, width, heads, layers).double()
    x = torch.randint(vocabulary, (1, tokens))
    reach, broken, steps = [], [], (0, 1, -1)
    for ahead in steps:
        size = influence(model, x, ahead)
        seen = (size > 0).nonzero()
        reach.append((seen[:, 1] - seen[:, 0]).max() if len(seen) else math.nan)
        broken.append(model(x, ahead).isnan().any(-1).sum())
    show(table({"keys visible": ["j ≤ i", "j ≤ i + 1", "j ≤ i − 1"], "furthest future token seen": reach,
                "positions NaN": broken}, title=f"{layers} layers"))
    expect("future tokens seen, right mask", reach[0], equals=0)
    expect("future tokens seen, one step too wide", reach[1], equals=min(layers, tokens - 1))
    expect("positions that are NaN", broken[:2], equals=0)
    expect("positions that are NaN, one step too narrow", broken[2], at_least=1)
    q, k, v = torch.randn(3, 1, tokens, width // heads)
    fused = F.scaled_dot_product_attention(q, k, v, attn_mask=visible(tokens, -1))
    expect("PyTorch's output for the query without a key", fused[0, 0].abs().max(), equals=0)


def claim_allowed_pairs_are_n_n_plus_1_over_2(lengths=(1, 2, 8, 64, 512), d=16):
    """The causal mask leaves n(n + 1)/2 of the n² query-key pairs: 3 of 4 for two tokens, nearly half for many.

    因果掩码在 n² 个 query-key 对中留下 n(n + 1)/2 个：两个 token 时是 4 个中的 3 个，token 多时接近一半。"""
    drawn = [torch.randn(2, n, d) for n in lengths]
    used = [(attention_weights(q, k, 0) > 0).sum() for q, k in drawn]
    show(table({"tokens": lengths, "pairs with weight": used, "of all pairs": [u / n**2 for u, n in zip(used, lengths, strict=True)]}))
    expect("pairs with weight", used, equals=[n * (n + 1) // 2 for n in lengths], at=("tokens", lengths))


def claim_teacher_forcing_equals_stepwise_decoding(tokens=10, vocabulary=10, width=32, heads=2, layers=2):
    """One pass over the whole sequence gives, at every position, the logits of a pass over that prefix alone; without
    the mask only the last position agrees.

    对整个序列做一次前向，每个位置的 logits 都等于只对该前缀做前向的结果；没有掩码则只有最后一个位置相符。"""
    model = Decoder(vocabulary, tokens, width, heads, layers).double()
    x = torch.randint(vocabulary, (1, tokens))
    gaps = {}
    for name, ahead in (("causal", 0), ("bidirectional", tokens)):
        stepwise = torch.stack([model(x[:, : t + 1], ahead)[0, -1] for t in range(tokens)])
        gaps[name] = (model(x, ahead)[0] - stepwise).abs().amax(-1).detach()
    show(table({"position": range(tokens), **{f"difference, {name}": g for name, g in gaps.items()}},
               title=f"1 pass over {tokens} positions against {tokens} passes over {tokens * (tokens + 1) // 2}"))
    expect("causal: one pass less step by step", gaps["causal"], at_most=1e-12, at=("position", range(tokens)))
    expect("bidirectional: the same, before the last", gaps["bidirectional"][:-1], at_least=1e-9,
           at=("position", range(tokens - 1)))


def claim_decode_step_needs_no_mask(tokens=10, d=16, new=(1, 3, 10)):
    """The last query over all keys needs no mask; PyTorch's is_causal aligns a non-square mask at the top left, so over
    a cache it hides from the last query all but the first key.

    最后一个 query 对全部 key 做注意力无需掩码；PyTorch 的 is_causal 把非方阵掩码按左上角对齐，配合 cache 使用时，
    最后一个 query 只剩第一个 key 可见。"""
    q, k, v = torch.randn(3, 1, tokens, d, dtype=torch.float64)
    whole = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    unmasked, top_left, bottom_right = [], [], []
    for m in new:  # the last m queries over all `tokens` keys, as when m tokens are appended to a cache
        want, last = whole[:, -m:], q[:, -m:]
        shifted = torch.ones(m, tokens, dtype=torch.bool).tril(tokens - m)
        unmasked.append((F.scaled_dot_product_attention(last, k, v) - want).abs().max())
        top_left.append((F.scaled_dot_product_attention(last, k, v, is_causal=True) - want).abs().max())
        bottom_right.append((F.scaled_dot_product_attention(last, k, v, attn_mask=shifted) - want).abs().max())
    show(table({"new queries": new, "error, no mask": unmasked, "error, is_causal": top_left,
                "error, mask shifted to the bottom right": bottom_right}, title=f"over {tokens} keys"))
    alone = F.scaled_dot_product_attention(q[:, -1:], k, v) - whole[:, -1:]
    first = F.scaled_dot_product_attention(q[:, -1:], k, v, is_causal=True) - v[:, :1]
    expect("one new query without a mask, less the last row of the whole", alone.abs().max(), at_most=1e-12)
    expect("one new query with is_causal, less the first value", first.abs().max(), at_most=1e-12)
    expect("error of the shifted mask", bottom_right, at_most=1e-12, at=("new queries", new))


def claim_leak_beats_the_entropy(tokens=10, vocabulary=10, width=32, heads=2, steps=40):
    """On uniformly random tokens a causal model's loss stays at ln V; with a mask one step too wide, or labels not
    shifted, it falls far below, which only a look at the answer allows.

    token 均匀随机时，因果模型的损失停在 ln V；掩码宽一格，或标签没有错开一位，损失就远低于 ln V，只有偷看答案才做得到。"""
    entropy = math.log(vocabulary)
    curves, errors = {}, {}
    for name, ahead, shift in (("causal", 0, 1), ("one step too wide", 1, 1), ("labels not shifted", 0, 0)):
        model = Decoder(vocabulary, tokens, width, heads, layers=1)
        curves[name], errors[name] = train(model, lambda: torch.randint(vocabulary, (32, tokens + 1)), ahead, steps, shift)
    show(lines("step", range(steps), {**curves, "ln V": [entropy] * steps}, y_label="loss"))
    tail = {name: c[-10:].mean() for name, c in curves.items()}
    noise = errors["causal"][-10:].square().mean().sqrt() / 10**0.5
    expect("loss, causal", tail["causal"], at_least=entropy - 5 * noise)
    expect("loss, one step too wide", tail["one step too wide"], at_most=entropy / 2)
    expect("loss, labels not shifted", tail["labels not shifted"], at_most=entropy / 2)


def claim_free_running_departs_at_the_first_error(tokens=10, vocabulary=10, width=32, heads=2, steps=40, samples=256):
    """Fed its own greedy tokens, a model stays on the reference until the first token that teacher forcing gets wrong,
    and ends far less accurate than teacher forcing says.

    用自己贪心生成的 token 作输入时，模型在 teacher forcing 第一次出错之前与参考序列完全一致，最终准确率远低于
    teacher forcing 显示的数值。"""
    rule = torch.stack([torch.randperm(vocabulary) for _ in range(vocabulary)])

    def batch(size: int = 128) -> Tensor:
        x = torch.randint(vocabulary, (size, 2))
        for _ in range(tokens - 1):
            x = torch.cat([x, rule[x[:, -1:], x[:, -2:-1]]], 1)  # the next token follows from the last two
        return x

    model = Decoder(vocabulary, tokens, width, heads, layers=1)
    train(model, batch, 0, steps)
    x = batch(samples)
    forced = model(x[:, :-1]).argmax(-1)[:, 1:] == x[:, 2:]  # (samples, tokens − 1), prefixes from the reference
    own = x[:, :2]
    for _ in range(tokens - 1):
        own = torch.cat([own, model(own)[:, -1:].argmax(-1)], 1)  # prefixes from the model itself
    free = own[:, 2:] == x[:, 2:]
    still_right = forced.long().cumprod(1).double().mean(0)
    still_on = free.long().cumprod(1).double().mean(0)
    accuracy = {"teacher forced": forced.double().mean(0), "free running": free.double().mean(0)}
    show(lines("generated token", range(1, tokens), {**accuracy, "no error so far": still_right}, y_label="share right"))
    expect("still on the reference, less: no teacher-forced error so far", still_on - still_right, equals=0,
           at=("token", range(1, tokens)))
    half = tokens // 2
    expect("accuracy of the later half, teacher forced less free running",
           accuracy["teacher forced"][half:].mean() - accuracy["free running"][half:].mean(), at_least=0.1)


if __name__ == "__main__":
    main()
