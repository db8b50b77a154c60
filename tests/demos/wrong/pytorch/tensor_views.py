"""Plausible wrong bodies of the exercise of pytorch/tensor_views."""


def can_view__asks_for_contiguity(shape, strides, new):
    """The usual half-truth: a view wants a contiguous tensor."""
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def can_view__minds_dimensions_of_size_one(shape, strides, new):
    """The right rule, but a dimension of size 1 may begin a run by its own stride, which nothing steps along."""
    runs, last = [], 0
    for size, stride in zip(shape, strides, strict=True):
        if runs and last == size * stride:
            runs[-1] *= size
        else:
            runs.append(size)
        last = stride
    room = 1
    for size in new:
        if size == 1:
            continue
        if room == 1:
            if not runs:
                return False
            room = runs.pop(0)
        if room % size:
            return False
        room //= size
    return True


def can_view__compares_sizes_alone(shape, strides, new):
    """Any shape of as many elements, wherever they lie."""
    had, wanted = 1, 1
    for size in shape:
        had *= size
    for size in new:
        wanted *= size
    return had == wanted
