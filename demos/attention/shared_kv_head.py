r"""With V = K the same coordinates must both match and carry: the head then has to be wider.

令 V = K，同一组坐标既要用来匹配，又要搬运内容：头就得更宽。

A head learns to return the payload stored under an address. Turn `values` to "keys" at the width of
the payload: part of it is lost. DeepSeek-V4's shared entry is 512 wide.
让一个头学习按地址取回内容。在头与内容同宽时把 `values` 改为 "keys"：内容会丢掉一部分。DeepSeek-V4 共用的条目宽 512。
"""

from functools import cache

import torch
from torch import Tensor

from studyapp.evidence import between, breaks, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam

PAYLOAD = STORED = 8                                                  # numbers per payload, entries


def read(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of q (n, d) over k and v (batch, m, d): (batch, n, d)."""
    return (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1) @ v


@cache
def learn(d_head: int, values: str, steps: int, seed: int) -> Tensor:
    """The losses of “return what is stored under my address”; payloads are new in every step.
    Claims of one run share them."""
    torch.manual_seed(seed)
    address = torch.eye(STORED) * STORED**0.5
    sizes = ((STORED, d_head), (STORED + PAYLOAD, d_head), (STORED + PAYLOAD, d_head),
             (d_head, PAYLOAD))
    w_q, w_k, w_v, w_o = ((torch.randn(i, o) / i**0.5).requires_grad_() for i, o in sizes)
    step, losses = Adam([w_q, w_k, w_o, *([w_v] if values == "own" else [])], lr=0.1), []
    for _ in range(steps):
        content = torch.randn(16, STORED, PAYLOAD)                       # (batch, m, payload)
        x = torch.cat((address.expand(16, -1, -1), content), -1)
        k = x @ w_k
        out = read(address @ w_q, k, x @ w_v if values == "own" else k) @ w_o
        loss = (out - content).square().mean()
        step.step(loss)
        losses.append(loss.detach())
    return torch.stack(losses)


RANGES = {
    "d_head": between(7, 24),
    "values": one_of("own", "keys"),
    "steps": between(80, 100),
}


@breaks(values="own", en="With values of its own a head of 8 carries all 8 numbers.",
        zh="value 另有投影时，宽 8 的头能搬运全部 8 个数。")
@breaks(d_head=24, en="Twice the payload and more: room for the address beside it.",
        zh="宽度超过内容的两倍，就容得下地址。")
def claim_sharing_k_and_v_needs_a_wider_head(d_head=8, values="keys", steps=80):
    """With V = K a head as wide as the payload loses a tenth of it or more; with V apart, or K = V
    and three times the width, it loses under 5%.

    令 V = K，与内容同宽的头至少丢掉十分之一；V 分开，或 K = V 但宽三倍，丢失不到 5%。"""
    seed = torch.initial_seed()
    curves = {"as set": learn(d_head, values, steps, seed), "V apart, 8": learn(8, "own", steps, seed),
              "V = K, 24": learn(24, "keys", steps, seed)}
    show(lines("step", range(steps), curves, y_label="mean squared error"))
    ends = {name: curve[-10:].mean() for name, curve in curves.items()}
    expect("error as set", ends["as set"], at_least=0.1)
    expect("error with V apart or a wide head", [ends["V apart, 8"], ends["V = K, 24"]],
           at_most=0.05)


@breaks(d_head=7, en="Seven numbers cannot hold eight.", zh="七个数装不下八个数。")
def claim_a_head_carries_no_more_than_its_width(d_head=8, steps=80):
    """With V apart a head of 8 returns 8 independent numbers; one of fewer must lose some, whatever
    it learns.

    V 分开时，宽 8 的头能取回 8 个独立的数；更窄的头无论学到什么都必然丢掉一些。"""
    curve = learn(d_head, "own", steps, torch.initial_seed())
    floor = max(0, PAYLOAD - d_head) / PAYLOAD
    show(lines("step", range(steps), {"error": curve, "least possible": [floor] * steps},
               y_label="mean squared error"))
    expect("error at the end", curve[-10:].mean(), at_most=0.05)


ZH = {
    "as set": "按设定", "V apart, 8": "V 分开，宽 8", "V = K, 24": "V = K，宽 24", "step": "步",
    "mean squared error": "均方误差", "error as set": "按设定的误差",
    "error with V apart or a wide head": "V 分开或头更宽时的误差", "error": "误差", "least possible": "理论最小值",
    "error at the end": "最后的误差",
}

if __name__ == "__main__":
    main()
