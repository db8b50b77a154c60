r"""A linear layer's state of width d holds d associations; softmax attention, which keeps every key,
recalls them all.

线性层宽为 d 的状态只装得下 d 个键值对；保留全部 key 的 softmax 注意力能全部取回。

Unit keys and normal values at random; error is the share of the values' energy that is missed. The
write is the delta rule (Yang et al. 2024, Gated DeltaNet, without its decay). Turn `memory` to the
other kind, or `rule` to "add". 把 `memory` 换成另一种，或把 `rule` 改为 "add"。
"""

import torch
from torch import Tensor

from studyapp.evidence import (
    Drill,
    between,
    breaks,
    each,
    exercise,
    expect,
    lines,
    main,
    one_of,
    show,
)  # fmt: skip

F64 = torch.float64


@exercise(
    claims=("a_write_is_a_gradient_step", "rewriting_a_key_replaces_its_value"),
    wrong=("adds", "erases_the_wrong_side", "forgets_the_step"),
)
def write(state: Tensor, k: Tensor, v: Tensor, beta: float) -> Tensor:
    """One step of the delta rule: move what state (d_v, d) reads for key k (d,) towards v (d_v,) by a
    share beta; for a unit key and beta = 1 it then reads v.

    delta 规则的一步：让状态 (d_v, d) 对 key k (d,) 读出的值向 v (d_v,) 靠近 beta 的比例；k 为单位向量且 beta = 1
    时，读出的就是 v。"""
    return state + beta * torch.outer(v - state @ k, k)


def add(state: Tensor, k: Tensor, v: Tensor, beta: float) -> Tensor:
    """The write of plain linear attention: nothing is erased."""
    return state + beta * torch.outer(v, k)


RULES = {"delta": write, "add": add}


def pairs(n: int, d: int, d_v: int) -> tuple[Tensor, Tensor]:
    """n unit keys (n, d) and values (n, d_v)."""
    return torch.nn.functional.normalize(torch.randn(n, d, dtype=F64)), torch.randn(n, d_v, dtype=F64)


def best_state(k: Tensor, v: Tensor) -> Tensor:
    """Values read from the state that fits all pairs best, by least squares: no write rule can do better."""
    return k @ torch.linalg.lstsq(k, v, driver="gelsd").solution


def attention(k: Tensor, v: Tensor, sharpness: float = 60.0) -> Tensor:
    """Values that softmax attention reads for each key, all n pairs kept."""
    return (sharpness * k @ k.T).softmax(-1) @ v


def missed(read: Tensor, v: Tensor) -> float:
    return float((read - v).square().sum() / v.square().sum())


MEMORIES = {"state": best_state, "all keys": attention}

RANGES = {
    "d": between(4, 64), "d_v": between(8, 64), "times": each(between(2, 16), rising=True),
    "memory": one_of("state", "all keys"), "beta": between(0.1, 1.0), "rule": one_of("delta", "add"),
}  # fmt: skip
ADDED = breaks(rule="add", en="Adding erases nothing: the old value stays in what is read.",
               zh="只加不擦：读出的值里仍混着旧值。")


@ADDED
def claim_a_write_is_a_gradient_step(d=16, d_v=8, beta=0.5, rule="delta"):
    """The delta rule's write is one gradient step on half the squared error of reading v for k.

    delta 规则的一次写入，就是在“用 k 读出 v”的平方误差之半上走一步梯度。"""
    k, v = pairs(1, d, d_v)
    state = torch.randn(d_v, d, dtype=F64, requires_grad=True)
    loss = (state @ k[0] - v[0]).square().sum() / 2
    (slope,) = torch.autograd.grad(loss, state)
    stepped, written = state - beta * slope, RULES[rule](state, k[0], v[0], beta)
    show(lines("entry of the first row", range(d), {"gradient step": stepped[0], "written": written[0]}))
    expect("written less the gradient step", written - stepped, equals=0, within=1e-12)


@ADDED
def claim_rewriting_a_key_replaces_its_value(d=16, d_v=8, rule="delta"):
    """A key written twice reads its second value under the delta rule, the sum of both under plain
    addition.

    同一个 key 写两次：delta 规则读出第二个值，单纯相加读出两者之和。"""
    k, v = pairs(1, d, d_v)
    other = torch.randn(d_v, dtype=F64)
    state = torch.zeros(d_v, d, dtype=F64)
    for value in (v[0], other):
        state = RULES[rule](state, k[0], value, 1.0)
    show(lines("dimension of the value", range(d_v), {"first": v[0], "second": other, "read": state @ k[0]}))
    expect("read less the second value", state @ k[0] - other, equals=0, within=1e-12)


@breaks(memory="all keys", en="With all keys kept nothing is missed, however many pairs there are.",
        zh="保留全部 key 时，无论多少对都不会丢。")
def claim_the_best_state_misses_one_minus_d_over_n(d=16, d_v=32, times=(2, 4, 8, 16), memory="state"):
    """Of n > d random pairs even the best d-wide state misses a share 1 − d/n of the values; no rule of
    writing can beat it.

    随机键值对数 n > d 时，即使是最优的宽 d 状态也会丢掉 1 − d/n 的值能量；任何写入规则都胜不过它。"""
    counts = [d * t for t in times]
    found, delta = [], []
    for n in counts:
        k, v = pairs(n, d, d_v)
        found.append(missed(MEMORIES[memory](k, v), v))
        state = torch.zeros(d_v, d, dtype=F64)
        for key, value in zip(k, v, strict=True):
            state = write(state, key, value, 0.5)
        delta.append(missed(k @ state.T, v))
    wanted = [1 - d / n for n in counts]
    show(lines("pairs n", counts, {"best state": found, "1 − d/n": wanted, "delta rule, one pass": delta},
               y_label="share missed"))
    # The share is a Beta((n−d)d_v/2, d·d_v/2) variable: its variance is below 1 / (4 (n d_v/2 + 1)).
    slack = [6 * (1 / (4 * (n * d_v / 2 + 1))) ** 0.5 for n in counts]
    expect("share missed, less 1 − d/n, in six sigmas",
           [(a - b) / s for a, b, s in zip(found, wanted, slack, strict=True)], equals=0, within=1,
           at=("pairs n", counts))
    expect("delta rule over the best state", min(a / b for a, b in zip(delta, found, strict=True)),
           at_least=1 - 1e-9)


@breaks(memory="state", en="A state of width d cannot tell n > d pairs apart.",
        zh="宽 d 的状态分不清 n > d 个键值对。")
def claim_attention_over_all_keys_recalls_every_pair(d=16, d_v=32, times=(2, 4, 8, 16), memory="all keys"):
    """Softmax attention over the same pairs reads each value to the weight that other keys get, which
    falls exponentially with the sharpness of the scores.

    对同样的键值对做 softmax 注意力，读出的误差只来自其他 key 分到的权重，而这随分数变尖呈指数下降。"""
    counts, sharpness = [d * t for t in times], 2000.0
    found, bounds = [], []
    for n in counts:
        k, v = pairs(n, d, d_v)
        read = attention(k, v, sharpness) if memory == "all keys" else best_state(k, v)
        found.append(missed(read, v))
        nearest = (k @ k.T).fill_diagonal_(-1).amax(1)
        others = ((n - 1) * (sharpness * (nearest - 1)).exp()).clamp(max=1)        # weight not its own
        bounds.append(float((others * 2 * v.norm(dim=1).max()).square().sum() / v.square().sum()))
    show(lines("pairs n", counts, {"all keys": [max(f, 1e-16) for f in found],
                                   "best state": [1 - d / n for n in counts]}, log="y",
               y_label="share missed"))
    # 1e-20: rounding of float64, squared, where the bound itself is smaller.
    expect("share missed over its bound",
           [f / (b + 1e-20) for f, b in zip(found, bounds, strict=True)], at_most=1, at=("pairs n", counts))


def drill_share_missed(rng) -> Drill:
    """What a state cannot hold."""
    d, times = rng.choice((64, 128)), rng.choice((2, 4, 8, 10))
    return Drill(
        en=f"A linear-attention head has keys of width {d}. What share of the values' energy does even the best state "
           f"miss for {d * times} random key-value pairs?",
        zh=f"某线性注意力头的 key 宽 {d}。随机写入 {d * times} 个键值对，即使是最优状态也会丢掉值能量的多大比例？",
        answer=1 - 1 / times, within=0.005,
        steps=[(f"the state has rank {d}: it fits {d} of {d * times} dimensions",
                f"状态的秩至多 {d}：{d * times} 维中只拟合得了 {d} 维"),
               (f"1 − {d}/{d * times} = {1 - 1 / times:g}",) * 2],
        proved_by="the_best_state_misses_one_minus_d_over_n",
    )


ZH = {
    "entry of the first row": "第一行的元素", "gradient step": "一步梯度", "written": "写入后",
    "written less the gradient step": "写入与一步梯度之差", "dimension of the value": "value 的维",
    "first": "第一个值", "second": "第二个值", "read": "读出", "read less the second value": "读出与第二个值之差",
    "pairs n": "键值对数 n", "best state": "最优状态", "1 − d/n": "1 − d/n",
    "delta rule, one pass": "delta 规则，写一遍", "share missed": "丢失的比例",
    "share missed, less 1 − d/n, in six sigmas": "丢失比例减 1 − d/n，以六倍标准差计",
    "delta rule over the best state": "delta 规则与最优状态之比",
    "all keys": "全部 key", "share missed over its bound": "丢失比例与其上界之比",
}  # fmt: skip

if __name__ == "__main__":
    main()
