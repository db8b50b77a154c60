"""What a learner might write instead."""

def parameters__gives_every_head_its_kv(c):
    width, layers, biased = c["width"], c["layers"], c["biases"] == "all"
    q, kv = c["heads"] * c["d_head"], c["heads"] * c["d_head"]
    inputs = q + 2 * kv
    attention = width * (inputs + q) + inputs * (c["biases"] != "none") + width * biased
    ffn = c["matrices"] * width * c["d_ff"] + ((c["matrices"] - 1) * c["d_ff"] + width) * biased
    return {
        "embeddings": (c["vocabulary"] + c["positions"]) * width,
        "attention": layers * attention,
        "FFN": layers * ffn,
        "norms": (2 * layers + 1) * width * (1 + biased) + 2 * layers * c["d_head"] * c.get("qk_norm", False),
        "head": 0 if c["tied"] else c["vocabulary"] * width,
    }


def parameters__splits_the_width_among_heads(c):
    width, layers, biased = c["width"], c["layers"], c["biases"] == "all"
    q, kv = c["heads"] * (c["width"] // c["heads"]), c["kv_heads"] * (c["width"] // c["heads"])
    inputs = q + 2 * kv
    attention = width * (inputs + q) + inputs * (c["biases"] != "none") + width * biased
    ffn = c["matrices"] * width * c["d_ff"] + ((c["matrices"] - 1) * c["d_ff"] + width) * biased
    return {
        "embeddings": (c["vocabulary"] + c["positions"]) * width,
        "attention": layers * attention,
        "FFN": layers * ffn,
        "norms": (2 * layers + 1) * width * (1 + biased) + 2 * layers * (c["width"] // c["heads"]) * c.get("qk_norm", False),
        "head": 0 if c["tied"] else c["vocabulary"] * width,
    }


def parameters__counts_two_matrices(c):
    width, layers, biased = c["width"], c["layers"], c["biases"] == "all"
    q, kv = c["heads"] * c["d_head"], c["kv_heads"] * c["d_head"]
    inputs = q + 2 * kv
    attention = width * (inputs + q) + inputs * (c["biases"] != "none") + width * biased
    ffn = 2 * width * c["d_ff"] + ((2 - 1) * c["d_ff"] + width) * biased
    return {
        "embeddings": (c["vocabulary"] + c["positions"]) * width,
        "attention": layers * attention,
        "FFN": layers * ffn,
        "norms": (2 * layers + 1) * width * (1 + biased) + 2 * layers * c["d_head"] * c.get("qk_norm", False),
        "head": 0 if c["tied"] else c["vocabulary"] * width,
    }


def parameters__counts_a_tied_head(c):
    width, layers, biased = c["width"], c["layers"], c["biases"] == "all"
    q, kv = c["heads"] * c["d_head"], c["kv_heads"] * c["d_head"]
    inputs = q + 2 * kv
    attention = width * (inputs + q) + inputs * (c["biases"] != "none") + width * biased
    ffn = c["matrices"] * width * c["d_ff"] + ((c["matrices"] - 1) * c["d_ff"] + width) * biased
    return {
        "embeddings": (c["vocabulary"] + c["positions"]) * width,
        "attention": layers * attention,
        "FFN": layers * ffn,
        "norms": (2 * layers + 1) * width * (1 + biased) + 2 * layers * c["d_head"] * c.get("qk_norm", False),
        "head": c["vocabulary"] * width,
    }


def parameters__forgets_the_last_norm(c):
    width, layers, biased = c["width"], c["layers"], c["biases"] == "all"
    q, kv = c["heads"] * c["d_head"], c["kv_heads"] * c["d_head"]
    inputs = q + 2 * kv
    attention = width * (inputs + q) + inputs * (c["biases"] != "none") + width * biased
    ffn = c["matrices"] * width * c["d_ff"] + ((c["matrices"] - 1) * c["d_ff"] + width) * biased
    return {
        "embeddings": (c["vocabulary"] + c["positions"]) * width,
        "attention": layers * attention,
        "FFN": layers * ffn,
        "norms": 2 * layers * width * (1 + biased) + 2 * layers * c["d_head"] * c.get("qk_norm", False),
        "head": 0 if c["tied"] else c["vocabulary"] * width,
    }
