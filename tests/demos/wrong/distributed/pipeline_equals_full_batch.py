"""What a learner might write instead."""


def from_the_input__forgets_the_gradient_behind(stage, x, grad):
    x = x.detach().requires_grad_()
    stage(x).sum().backward()
    return x.grad


def from_the_input__returns_the_output(stage, x, grad):
    x = x.detach().requires_grad_()
    y = stage(x)
    y.backward(grad)
    return y.detach()


def from_the_input__keeps_the_graph_off(stage, x, grad):
    x = x.detach().requires_grad_()
    y = stage(x)
    y.backward(grad)
    stage(x.detach()).backward(grad)
    return x.grad
