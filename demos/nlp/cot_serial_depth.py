r"""Written steps turn one long computation into many short ones, each fed with the last result.

写出来的步骤把一次长计算变成许多次短计算，每一步都用到上一步的结果。

Parity of n bits by one small network at once, or bit by bit with the running parity written down (fetching the
next bit is given). Turn `written` to "filler": as many tokens, nothing in them, and it is chance again.
把 `written` 改为 "filler"：token 一样多，却不含信息，又回到瞎猜。
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, exercise, expect, lines, main, one_of, show
from studyapp.evidence.tools import Adam


@exercise(claims=("written_steps_turn_chance_into_a_rule",), wrong=("forgets_what_it_wrote", "reads_the_first_bit"))
def answer_in_steps(step: Callable[[Tensor], Tensor], bits: Tensor) -> Tensor:
    """Let a network write one token per bit and answer with the last: `step` maps (rows, 2), the token last written
    (0 before the first) and the next bit, to logits (rows,) of writing 1; bits are (rows, n) of 0 and 1.

    让网络每读一位写一个 token，以最后写的为答案：`step` 把 (rows, 2)，即上次写的 token（最初为 0）与下一位，映射为写 1 的
    logits (rows,)；bits 为 (rows, n)，取 0 或 1。"""
    written = torch.zeros(len(bits))
    for bit in bits.T:                                                          # one after the other: it cannot be parallel
        written = (step(torch.stack((written, bit), 1)) > 0).float()            # (rows,)
    return written


def network(x: Tensor, y: Tensor, width: int = 64, steps: int = 80) -> Callable[[Tensor], Tensor]:
    """A network with one hidden layer, trained by Adam on x (rows, inputs) and labels y (rows,)."""
    inputs = x.shape[1]
    a, b = (torch.randn(inputs, width) / inputs**0.5).requires_grad_(), torch.zeros(width, requires_grad=True)
    c = (torch.randn(width) / width**0.5).requires_grad_()
    optimizer = Adam([a, b, c], lr=0.03)

    def logits(z: Tensor) -> Tensor:
        return ((2 * z - 1) @ a + b).relu() @ c                                 # 0 and 1 come as −1 and 1

    for _ in range(steps):
        optimizer.step(F.binary_cross_entropy_with_logits(logits(x), y))
    return lambda z: logits(z).detach()


def strings(rows: int, n: int) -> Tensor:
    """Random bits, (rows, n)."""
    return torch.randint(2, (rows, n)).float()


def learn_step(bits: Tensor, written: str) -> Callable[[Tensor], Tensor]:
    """Train the step on all positions of bits (rows, n): the label is the running parity, and the token before it is
    shown ("steps") or a constant 0 ("filler")."""
    bits = bits[:60]                                                            # a few of them are enough
    running = bits.cumsum(1) % 2                                                # (rows, n)
    before = F.pad(running[:, :-1], (1, 0))                                     # nothing is written before the first
    shown = torch.tensor([float(written == "steps"), 1.0])
    step = network(torch.stack((before, bits), 2).flatten(0, 1) * shown, running.flatten(), width=16)
    return lambda z: step(z * shown)


RANGES = {
    "bits": between(11, 13), "examples": between(100, 300), "written": one_of("steps", "filler"),
    "lengths": each(between(1, 100), at_least=1), "task": one_of("majority", "parity"), "repair": one_of("none", "each step"),
}  # fmt: skip
FILLER = breaks(written="filler", en="A constant token carries nothing on: each step would have to know all bits before it.",
                zh="固定的 token 传不了信息：每一步都得自己知道前面所有位。")


@FILLER
def claim_written_steps_turn_chance_into_a_rule(bits=12, examples=300, written="steps"):
    """From 300 strings of 12 bits a network that answers at once is right on under 70 % of new ones, and one that
    writes the running parity on all.

    用 300 个 12 位的串训练：一次作答的网络在新串上正确率不到 70%；把逐位的奇偶写下来的网络全对。"""
    seen, new = strings(examples, bits), strings(1000, bits)
    direct = network(seen, seen.sum(1) % 2)
    step = learn_step(seen, written)
    at_once = ((direct(new) > 0).float() == new.sum(1) % 2).float().mean().item()
    in_steps = (answer_in_steps(step, new) == new.sum(1) % 2).float().mean().item()
    fitted = ((direct(seen) > 0).float() == seen.sum(1) % 2).float().mean().item()
    show(bars(["at once, seen", "at once, new", "in steps, new"], {"share right": [fitted, at_once, in_steps]}))
    expect("share right in steps", in_steps, at_least=0.99)
    expect("share right at once on the strings seen", fitted, at_least=0.95)
    # chance, half of the new strings that were seen after all, five standard errors of 1,000 strings, and what neighbours tell
    expect("share right at once", at_once, at_most=0.5 + examples / 2**bits / 2 + 0.16)


@FILLER
def claim_a_learnt_step_goes_on_beyond_the_training_length(lengths=(12, 24, 48, 96), written="steps"):
    """A step learnt on strings of 12 bits is right on strings of 96: the rule of a step does not know the length.

    在 12 位的串上学会的一步，用到 96 位仍然全对：一步的规则与总长无关。"""
    step = learn_step(strings(300, 12), written)
    right = [(answer_in_steps(step, x) == x.sum(1) % 2).float().mean().item() for x in (strings(300, n) for n in lengths)]
    show(lines("bits", lengths, {"share right": right, "chance": [0.5] * len(lengths)}))
    expect("share right", right, at_least=0.99, at=("bits", lengths))


@breaks(task="parity", en="Parity changes with every single bit: no vote of the bits tells it.",
        zh="任何一位改变都会翻转奇偶：对各位投票得不出它。")
def claim_a_vote_needs_no_steps(task="majority"):
    """Where the answer is one vote of all inputs, the majority of 11 bits, a network that answers at once is right on over
    nine in ten new strings.

    若答案只需对所有输入投一次票，如 11 位的多数，一次作答的网络在新串上九成以上正确。"""
    seen, new = strings(300, 11), strings(1000, 11)
    label = (lambda x: (x.mean(1) > 0.5).float()) if task == "majority" else (lambda x: x.sum(1) % 2)
    direct = network(seen, label(seen))
    right = ((direct(new) > 0).float() == label(new)).float().mean().item()
    show(bars([task, "chance"], {"share right": [right, 0.5]}))
    expect("share right at once", right, at_least=0.9)


@breaks(repair="each step", en="If a checker finds and redoes each slip, the length no longer matters.",
        zh="若每一步都有检查并重做，链长就不再有影响。")
def claim_slips_add_up_along_the_chain(lengths=(1, 5, 20, 50), repair="none"):
    """With a slip in 2 % of the steps a chain of n is free of slips with probability 0.98ⁿ, 36 % at 50, and parity is right
    with (1 + 0.96ⁿ)/2: two slips cancel.

    每步有 2% 的概率写错，n 步全对的概率是 0.98ⁿ，50 步时为 36%；奇偶的正确率是 (1 + 0.96ⁿ)/2，因为两次错会抵消。"""
    slip, runs = 0.02, 20_000
    slips = [(torch.rand(runs, n) < slip * (repair == "none")).sum(1) for n in lengths]
    clean = [(s == 0).float().mean().item() for s in slips]
    right = [(s % 2 == 0).float().mean().item() for s in slips]
    show(lines("steps", lengths, {"no slip": clean, "0.98ⁿ": [(1 - slip) ** n for n in lengths], "parity right": right}))
    # shares of 20,000 runs: six standard errors of at most 0.0036
    expect("share without a slip less 0.98ⁿ", [c - (1 - slip) ** n for c, n in zip(clean, lengths, strict=True)], equals=0,
           within=0.022, at=("steps", lengths))
    expect("share right less (1 + 0.96ⁿ)/2", [r - (1 + (1 - 2 * slip) ** n) / 2 for r, n in zip(right, lengths, strict=True)],
           equals=0, within=0.022, at=("steps", lengths))


def drill_clean_chain(rng) -> Drill:
    """The chance that a chain has no slip."""
    percent, n = rng.choice([(99, 10), (99, 50), (98, 10), (98, 50), (95, 10), (99, 100)])
    answer = 100 * (percent / 100) ** n
    return Drill(
        en=f"Each step of a chain of thought is right with {percent} %, independently, and nothing is checked. "
           f"How likely is a chain of {n} steps without any slip?",
        zh=f"思维链每一步正确的概率是 {percent}%，相互独立，且不做检查。{n} 步全对的概率是多少？",
        answer=answer, unit="%", within=2,
        steps=[(f"{percent / 100:g}^{n}, about exp(−{n} · {1 - percent / 100:.2g})",
                f"{percent / 100:g}^{n}，约为 exp(−{n} · {1 - percent / 100:.2g})"), (f"= {answer:.1f} %",) * 2],
        proved_by="slips_add_up_along_the_chain",
    )


ZH = {
    "at once, seen": "一次作答，训练串", "at once, new": "一次作答，新串", "in steps, new": "逐步，新串", "share right": "正确率",
    "share right in steps": "逐步作答的正确率", "share right at once on the strings seen": "一次作答在训练串上的正确率",
    "share right at once": "一次作答的正确率", "bits": "位数", "chance": "瞎猜",
    "majority": "多数", "parity": "奇偶", "steps": "步数", "no slip": "全对", "parity right": "奇偶正确", "0.98ⁿ": "0.98ⁿ",
    "share without a slip less 0.98ⁿ": "全对的比例减 0.98ⁿ", "share right less (1 + 0.96ⁿ)/2": "正确的比例减 (1 + 0.96ⁿ)/2",
}  # fmt: skip

if __name__ == "__main__":
    main()
