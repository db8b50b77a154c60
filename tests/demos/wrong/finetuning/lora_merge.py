"""What a learner might write instead."""

def lora_linear__forgets_the_scale(x, w, a, b, alpha):
    return x @ w.T + (x @ a.T) @ b.T * alpha


def lora_linear__scales_the_base_too(x, w, a, b, alpha):
    return (x @ w.T + (x @ a.T) @ b.T) * (alpha / a.shape[0])


def merge__forgets_the_scale(w, a, b, alpha):
    return w + b.to(w.dtype) @ a.to(w.dtype)


def merge__transposes_the_product(w, a, b, alpha):
    update = (b @ a * (alpha / a.shape[0])).flatten().reshape(a.shape[1], b.shape[0]).T
    return w + update.to(w.dtype)
