"""Plausible wrong bodies of the exercise of attention/flash_attention_triton."""

from studyapp.evidence.kernels import tl


def over_keys__forgets_the_sum(q, k, v, tokens, first, scale, D, ROWS, COLUMNS, CAUSAL, RESCALED):
    """The output is rescaled, the running sum is not."""
    rows, width = first + tl.arange(0, ROWS), tl.arange(0, D)
    largest = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    out = tl.zeros([ROWS, D], tl.float32)
    for start in range(0, min(tokens, first + ROWS) if CAUSAL else tokens, COLUMNS):
        keys = start + tl.arange(0, COLUMNS)
        here = keys[:, None] * D + width
        kb = tl.load(k + here, mask=keys[:, None] < tokens, other=0.0)
        s = tl.dot(q, tl.trans(kb), input_precision="ieee") * scale
        seen = keys[None, :] < tokens
        if CAUSAL:
            seen = seen & (keys[None, :] <= rows[:, None])
        s = tl.where(seen, s, float("-inf"))
        larger = tl.maximum(largest, tl.max(s, 1))
        p = tl.exp2(s - larger[:, None])
        shrink = tl.exp2(largest - larger)
        total += tl.sum(p, 1)
        out *= shrink[:, None]
        vb = tl.load(v + here, mask=keys[:, None] < tokens, other=0.0)
        out = tl.dot(p.to(vb.dtype), vb, out, input_precision="ieee")
        largest = larger
    return out / total[:, None]


def over_keys__forgets_the_output(q, k, v, tokens, first, scale, D, ROWS, COLUMNS, CAUSAL, RESCALED):
    """The running sum is rescaled, the output is not."""
    rows, width = first + tl.arange(0, ROWS), tl.arange(0, D)
    largest = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    out = tl.zeros([ROWS, D], tl.float32)
    for start in range(0, min(tokens, first + ROWS) if CAUSAL else tokens, COLUMNS):
        keys = start + tl.arange(0, COLUMNS)
        here = keys[:, None] * D + width
        kb = tl.load(k + here, mask=keys[:, None] < tokens, other=0.0)
        s = tl.dot(q, tl.trans(kb), input_precision="ieee") * scale
        seen = keys[None, :] < tokens
        if CAUSAL:
            seen = seen & (keys[None, :] <= rows[:, None])
        s = tl.where(seen, s, float("-inf"))
        larger = tl.maximum(largest, tl.max(s, 1))
        p = tl.exp2(s - larger[:, None])
        shrink = tl.exp2(largest - larger)
        total = total * shrink + tl.sum(p, 1)
        vb = tl.load(v + here, mask=keys[:, None] < tokens, other=0.0)
        out = tl.dot(p.to(vb.dtype), vb, out, input_precision="ieee")
        largest = larger
    return out / total[:, None]


def over_keys__counts_keys_beyond_the_end(q, k, v, tokens, first, scale, D, ROWS, COLUMNS, CAUSAL, RESCALED):
    """Keys that do not exist are loaded as zeros and get exp(0 − m) each."""
    rows, width = first + tl.arange(0, ROWS), tl.arange(0, D)
    largest = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    out = tl.zeros([ROWS, D], tl.float32)
    for start in range(0, min(tokens, first + ROWS) if CAUSAL else tokens, COLUMNS):
        keys = start + tl.arange(0, COLUMNS)
        here = keys[:, None] * D + width
        kb = tl.load(k + here, mask=keys[:, None] < tokens, other=0.0)
        s = tl.dot(q, tl.trans(kb), input_precision="ieee") * scale
        seen = keys[None, :] < tokens + COLUMNS
        if CAUSAL:
            seen = seen & (keys[None, :] <= rows[:, None])
        s = tl.where(seen, s, float("-inf"))
        larger = tl.maximum(largest, tl.max(s, 1))
        p = tl.exp2(s - larger[:, None])
        shrink = tl.exp2(largest - larger)
        total = total * shrink + tl.sum(p, 1)
        out *= shrink[:, None]
        vb = tl.load(v + here, mask=keys[:, None] < tokens, other=0.0)
        out = tl.dot(p.to(vb.dtype), vb, out, input_precision="ieee")
        largest = larger
    return out / total[:, None]


def over_keys__subtracts_the_blocks_own_maximum(q, k, v, tokens, first, scale, D, ROWS, COLUMNS, CAUSAL, RESCALED):
    """Each block subtracts its own maximum, not the larger of both."""
    rows, width = first + tl.arange(0, ROWS), tl.arange(0, D)
    largest = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    out = tl.zeros([ROWS, D], tl.float32)
    for start in range(0, min(tokens, first + ROWS) if CAUSAL else tokens, COLUMNS):
        keys = start + tl.arange(0, COLUMNS)
        here = keys[:, None] * D + width
        kb = tl.load(k + here, mask=keys[:, None] < tokens, other=0.0)
        s = tl.dot(q, tl.trans(kb), input_precision="ieee") * scale
        seen = keys[None, :] < tokens
        if CAUSAL:
            seen = seen & (keys[None, :] <= rows[:, None])
        s = tl.where(seen, s, float("-inf"))
        larger = tl.max(s, 1)
        p = tl.exp2(s - larger[:, None])
        shrink = tl.exp2(tl.minimum(largest - larger, 0.0))
        total = total * shrink + tl.sum(p, 1)
        out *= shrink[:, None]
        vb = tl.load(v + here, mask=keys[:, None] < tokens, other=0.0)
        out = tl.dot(p.to(vb.dtype), vb, out, input_precision="ieee")
        largest = larger
    return out / total[:, None]


def over_keys__divides_by_the_last_sum(q, k, v, tokens, first, scale, D, ROWS, COLUMNS, CAUSAL, RESCALED):
    """The output is divided by the sum of the last block."""
    rows, width = first + tl.arange(0, ROWS), tl.arange(0, D)
    largest = tl.full([ROWS], float("-inf"), tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    out = tl.zeros([ROWS, D], tl.float32)
    for start in range(0, min(tokens, first + ROWS) if CAUSAL else tokens, COLUMNS):
        keys = start + tl.arange(0, COLUMNS)
        here = keys[:, None] * D + width
        kb = tl.load(k + here, mask=keys[:, None] < tokens, other=0.0)
        s = tl.dot(q, tl.trans(kb), input_precision="ieee") * scale
        seen = keys[None, :] < tokens
        if CAUSAL:
            seen = seen & (keys[None, :] <= rows[:, None])
        s = tl.where(seen, s, float("-inf"))
        larger = tl.maximum(largest, tl.max(s, 1))
        p = tl.exp2(s - larger[:, None])
        shrink = tl.exp2(largest - larger)
        total = tl.sum(p, 1)
        out *= shrink[:, None]
        vb = tl.load(v + here, mask=keys[:, None] < tokens, other=0.0)
        out = tl.dot(p.to(vb.dtype), vb, out, input_precision="ieee")
        largest = larger
    return out / total[:, None]
