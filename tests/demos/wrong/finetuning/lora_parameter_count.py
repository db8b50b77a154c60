"""What a learner might write instead."""

def adapter_values__as_if_multi_head(width, heads, kv_heads, d_head, d_ff, r, where):
    attention = {"q": 2 * width, "k": 2 * width, "v": 2 * width, "o": 2 * width}
    used = {"q,v": ("q", "v"), "mlp": (), "all": tuple(attention)}[where]
    return r * sum(attention[n] for n in used) + (where != "q,v") * r * 3 * (width + d_ff)


def adapter_values__multiplies_the_sides(width, heads, kv_heads, d_head, d_ff, r, where):
    q, kv = heads * d_head, kv_heads * d_head
    shapes = {"q": (width, q), "k": (width, kv), "v": (width, kv), "o": (q, width),
              "gate": (width, d_ff), "up": (width, d_ff), "down": (d_ff, width)}
    used = {"q,v": ("q", "v"), "mlp": ("gate", "up", "down"), "all": tuple(shapes)}[where]
    return sum(r * shapes[n][0] * shapes[n][1] // width for n in used)
