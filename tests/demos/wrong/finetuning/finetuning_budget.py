"""Plausible wrong bodies of the exercise of finetuning/finetuning_budget."""
# ruff: noqa: F821


def step__steps_in_bf16(weight, gradient, master, moments, lr, t):
    """The bf16 weight is stepped, and the master is its copy."""
    mean, square = moments
    g = gradient.to(master.dtype)
    mean.lerp_(g, 1 - BETAS[0])
    square.mul_(BETAS[1]).addcmul_(g, g, value=1 - BETAS[1])
    spread = (square / (1 - BETAS[1] ** t)).sqrt() + EPS
    weight.mul_(1 - lr * DECAY)
    weight.sub_((lr / (1 - BETAS[0] ** t) * mean / spread).to(weight.dtype))
    master.copy_(weight)


def step__forgets_the_bias_correction(weight, gradient, master, moments, lr, t):
    """The moments start at zero and are used as they are."""
    mean, square = moments
    g = gradient.to(master.dtype)
    mean.lerp_(g, 1 - BETAS[0])
    square.mul_(BETAS[1]).addcmul_(g, g, value=1 - BETAS[1])
    master.mul_(1 - lr * DECAY).addcdiv_(mean, square.sqrt() + EPS, value=-lr)
    weight.copy_(master)


def step__decays_the_gradient(weight, gradient, master, moments, lr, t):
    """Adam with L2: the decay enters the moments."""
    mean, square = moments
    g = gradient.to(master.dtype) + DECAY * master
    mean.lerp_(g, 1 - BETAS[0])
    square.mul_(BETAS[1]).addcmul_(g, g, value=1 - BETAS[1])
    spread = (square / (1 - BETAS[1] ** t)).sqrt() + EPS
    master.addcdiv_(mean, spread, value=-lr / (1 - BETAS[0] ** t))
    weight.copy_(master)
