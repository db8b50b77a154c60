"""What a learner might write instead."""
# ruff: noqa: F821


def swiglu__gates_with_sigmoid(x, gate, up, down):
    return ((x @ gate.mT).sigmoid() * (x @ up.mT)) @ down.mT


def swiglu__activates_the_product(x, gate, up, down):
    return F.silu((x @ gate.mT) * (x @ up.mT)) @ down.mT


def swiglu__activates_both(x, gate, up, down):
    return (F.silu(x @ gate.mT) * F.silu(x @ up.mT)) @ down.mT


def swiglu__adds_the_gate(x, gate, up, down):
    return (F.silu(x @ gate.mT) + (x @ up.mT)) @ down.mT


def swiglu__activates_up(x, gate, up, down):
    return ((x @ gate.mT) * F.silu(x @ up.mT)) @ down.mT
