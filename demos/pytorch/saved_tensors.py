r"""Autograd keeps what the derivative will read, and lets go of it when backward has passed or the graph dies.

自动求导保留求导时要用到的张量；反向经过之后，或者计算图被释放时，才放手。

torch.autograd.graph.saved_tensors_hooks. Turn `backward` to False: a running total of losses then keeps the activations of
every step. 把 `backward` 改为 False：累计的损失会留住每一步的激活值。
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, one_of, show, table
from studyapp.evidence.tools import saved_for_backward


def kept(work, *inputs: Tensor) -> float:
    """What `work(*inputs)` keeps for backward, in tensors of the size of the first input."""
    with saved_for_backward() as saved:
        out = work(*inputs)
        held = saved.now / inputs[0].nbytes
    del out                                           # the graph lives until here
    return held


OPERATIONS = {                                        # what the derivative reads, in tensors of the input's size
    "x + y": (torch.add, 0), "sum x": (lambda x, y: x.sum(), 0), "x · y": (torch.mul, 2), "x @ y": (torch.matmul, 2),
    "exp x": (lambda x, y: x.exp(), 1), "tanh x": (lambda x, y: x.tanh(), 1), "ReLU x": (lambda x, y: x.relu(), 1),
    "x²": (lambda x, y: x**2, 1), "tanh(exp x)": (lambda x, y: x.exp().tanh(), 2),
}  # fmt: skip

RANGES = {
    "size": between(4, 64), "needs": one_of("both", "the first"), "batches": each(between(1, 32), at_least=2, rising=True),
    "lengths": each(between(32, 512), at_least=2, rising=True), "heads": between(1, 4), "d_head": between(8, 32),
    "attention": one_of("fused", "written out"), "steps": each(between(1, 50), at_least=2, rising=True),
    "width": between(4, 128), "total": one_of("tensor", "number"), "layers": between(2, 8), "batch": between(1, 32),
    "activation": one_of("tanh", "GELU"),
}  # fmt: skip


@breaks(needs="the first", en="Where y needs no gradient, x · y and x @ y keep y alone.", zh="y 不需要梯度时，x · y 与 x @ y 只保留 y。")
def claim_each_operation_keeps_what_its_derivative_reads(size=16, needs="both"):
    """A sum keeps nothing, a product of two inputs that need gradients keeps both, exp, tanh and ReLU one tensor of the
    output's size.

    加法与求和什么也不保留，两个输入都要梯度的乘法保留两者，exp、tanh、ReLU 保留一个与输出同样大小的张量。"""
    x, y = (torch.randn(size, size).requires_grad_(grad) for grad in (True, needs == "both"))
    found = [kept(work, x, y) for work, _ in OPERATIONS.values()]
    show(bars(list(OPERATIONS), {"tensors kept": found}))
    expect("tensors kept", found, equals=[n for _, n in OPERATIONS.values()], at=("operation", list(OPERATIONS)))


@breaks(activation="GELU", en="GELU keeps its input, which is not the next layer's: two tensors per layer.",
        zh="GELU 保留的是输入，而它不是下一层的输入：每层两个张量。")
def claim_a_tensor_that_serves_twice_is_kept_once(layers=6, batch=32, width=128, activation="tanh"):
    """Six layers h = tanh(hWᵀ), batch 32, width 128, keep their first input and six outputs, each once: 7 · 4,096 numbers
    beside the weights.

    六层 h = tanh(hWᵀ)，batch 32、宽 128，权重之外只留最初的输入和六个输出，各一份：7 · 4,096 个数。"""
    weights = [(torch.randn(width, width) / width**0.5).requires_grad_() for _ in range(layers)]
    h, held = torch.randn(batch, width), []
    with saved_for_backward(*weights) as saved:
        for w in weights:
            h = (torch.tanh if activation == "tanh" else F.gelu)(h @ w.T)
            held.append(saved.now // 4)
    show(lines("layers", range(1, layers + 1), {"numbers kept": held}))
    expect("numbers kept", held[-1], equals=(layers + 1) * batch * width)


@breaks(attention="written out", en="Written out, the probabilities of all pairs are kept: they grow with the square of the length.",
        zh="逐步写出的注意力要保留所有 token 对的概率，随长度平方增长。")
def claim_kept_bytes_follow_the_tokens_of_the_batch(batches=(1, 2, 4), lengths=(64, 128), heads=2, d_head=16,
                                                    attention="fused"):
    """With fused attention a layer keeps bytes in proportion to the tokens of the micro-batch, batch times padded length,
    and to nothing else.

    用融合注意力时，一层保留的字节数只正比于微批次的 token 数，即 batch 乘填充后的长度。"""
    per_token, rows = [], []
    for batch in batches:
        for length in lengths:
            def layer(x: Tensor) -> Tensor:
                q = x.unflatten(-1, (heads, d_head)).transpose(1, 2)                  # (batch, heads, length, d_head)
                if attention == "fused":
                    o = F.scaled_dot_product_attention(q, q, q, is_causal=True)
                else:
                    o = (q @ q.mT / d_head**0.5).softmax(-1) @ q
                return o.transpose(1, 2).flatten(2).tanh()

            x = torch.randn(batch, length, heads * d_head).requires_grad_()
            numbers = kept(layer, x) * x.numel()
            rows.append([batch, length, numbers * 4])
            per_token.append(numbers / (batch * length))
    show(table(["batch", "length", "bytes kept"], rows))
    expect("numbers kept per token over those of the first case", [n / per_token[0] for n in per_token], equals=1, within=1e-9)


@breaks(backward=False, en="Without backward nothing frees the graph, and the total holds on to all of them: linear in the steps.",
        zh="没有 backward，计算图就不会释放，累计值把它们全都留住：随步数线性增长。")
def claim_after_backward_a_running_total_keeps_no_activations(steps=(1, 5, 10), width=16, backward=True):
    """Where each loss had its backward, `total += loss` keeps no activation at all: backward has freed them already.

    每个损失都做过 backward 时，`total += loss` 不留住任何激活值：backward 已经把它们释放了。"""
    held = []
    for count in steps:
        w = torch.randn(width, width).requires_grad_()
        with saved_for_backward(w) as saved:
            total = torch.zeros(())
            for _ in range(count):
                loss = (torch.randn(8, width) @ w).tanh().square().mean()
                if backward:
                    loss.backward()
                total = total + loss
            del loss
            held.append(saved.now)
    show(lines("steps", steps, {"bytes kept": held}))
    expect("bytes kept", held, equals=0, at=("steps", steps))


@breaks(total="tensor", en="Added as tensors, the losses keep the graph of every evaluation batch.",
        zh="以张量累加，损失会留住每个评估 batch 的计算图。")
def claim_an_evaluation_loop_leaks_unless_it_adds_numbers(steps=(1, 5, 10), width=16, total="number"):
    """Without no_grad and without backward, a running total holds every batch's activations; loss.item() holds none.

    既没有 no_grad 也没有 backward 时，累计的损失留住每个 batch 的激活值；用 loss.item() 则一个不留。"""
    held: dict[str, list[int]] = {"number": [], "tensor": []}
    for way, kept_bytes in held.items():
        for count in steps:
            w = torch.randn(width, width).requires_grad_()
            with saved_for_backward(w) as saved:
                running = 0.0
                for _ in range(count):
                    loss = (torch.randn(8, width) @ w).tanh().square().mean()
                    running = running + (loss.item() if way == "number" else loss)
                del loss
                kept_bytes.append(saved.now)
    show(lines("batches", steps, {"adding loss.item()": held["number"], "adding the loss": held["tensor"]}, y_label="bytes kept"))
    expect("bytes kept", held[total], equals=0, at=("batches", steps))
    # a batch keeps its input and the output of tanh, 8 · width numbers of 4 bytes each; w is not counted
    expect("bytes kept per batch, adding the loss", [b / n / (2 * 8 * width * 4) for b, n in zip(held["tensor"], steps, strict=True)],
           at_least=1, at=("batches", steps))


def drill_attention_kept(rng) -> Drill:
    """Bytes of the probabilities that written-out attention keeps."""
    batch, heads, tokens = rng.choice([(1, 32, 4096), (2, 16, 2048), (4, 32, 2048), (1, 16, 8192), (8, 8, 1024)])
    return Drill(
        en=f"One attention layer written out in bf16: batch {batch}, {heads} heads, {tokens} tokens. How many MiB do the "
           "probabilities take that are kept for backward (one copy, the full square)?",
        zh=f"一层逐步写出的 bf16 注意力：batch {batch}，{heads} 个头，{tokens} 个 token。为反向保留的概率占多少 MiB（一份，整个方阵）？",
        answer=batch * heads * tokens**2 * 2 / 2**20,
        steps=[(f"{batch} · {heads} · {tokens}² = {batch * heads * tokens**2:,} numbers",
                f"{batch} · {heads} · {tokens}² = {batch * heads * tokens**2:,} 个数"),
               (f"times 2 bytes over 2^20: {batch * heads * tokens**2 * 2 / 2**20:,.0f} MiB",
                f"乘 2 字节，除以 2^20：{batch * heads * tokens**2 * 2 / 2**20:,.0f} MiB")],
        proved_by="kept_bytes_follow_the_tokens_of_the_batch",
    )


ZH = {
    "tensors kept": "保留的张量数", "numbers kept": "保留的数的个数", "layers": "层数",
    "operation": "运算", "sum x": "对 x 求和", "length": "长度",
    "bytes kept": "保留的字节数", "adding loss.item()": "累加 loss.item()", "adding the loss": "累加损失张量",
    "bytes kept per batch, adding the loss": "累加损失张量时每个 batch 保留的字节数与其激活值之比",
    "numbers kept per token over those of the first case": "每 token 保留的数与第一种情形之比", "steps": "步数",
    "batches": "batch 数",
}  # fmt: skip

if __name__ == "__main__":
    main()
