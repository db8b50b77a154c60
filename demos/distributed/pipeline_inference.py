r"""One request cannot fill a pipeline: its next token waits for the last one to pass every stage.

单个请求填不满流水线：下一个 token 要等上一个走完所有级。

Turn `work` to "prefill": chunks of a prompt do not wait for one another's output, and a single request
fills the stages.
把 `work` 改为 "prefill"：提示的各块不必等彼此的输出，一个请求就能填满各级。
"""

from collections import deque

import torch
from torch import Tensor

from studyapp.evidence import Drill, bars, between, breaks, each, expect, lines, main, one_of, show
from studyapp.evidence.tools import randn


def ticks(requests: int, pieces: int, stages: int, work: str) -> tuple[int, float]:
    """Ticks until every request's pieces have passed all stages, and the share of stages that were busy.
    A tick is one stage's time. A decoded token enters when the one before it has left the last stage; chunks
    of a prompt enter one after another."""
    waiting = deque((q, 0) for q in range(requests))
    if work == "prefill":
        waiting = deque((q, c) for q in range(requests) for c in range(pieces))
    line: list[tuple[int, int] | None] = [None] * stages
    count = busy = 0
    while waiting or any(line[:-1]):
        line = [waiting.popleft() if waiting else None, *line[:-1]]
        count, busy = count + 1, busy + sum(item is not None for item in line)
        if line[-1] and work == "decode" and line[-1][1] + 1 < pieces:
            waiting.append((line[-1][0], line[-1][1] + 1))                   # enters at the next tick
    return count, busy / count / stages


RANGES = {
    "stages": between(2, 8),
    "counts": each(between(1, 16), at_least=2, rising=True),
    "pieces": between(2, 32),
    "work": one_of("decode", "prefill"),
    "cache": one_of("kept", "none"),
}


@breaks(work="prefill", en="Chunks of a prompt follow each other at once: here they do not wait a whole round.",
        zh="提示的各块可以紧接着进入，不必等一整圈。")
def claim_requests_in_flight_fill_the_stages(stages=4, counts=(1, 2, 4, 8), pieces=16, work="decode"):
    """Decoding r requests over p equal stages takes a stage's time times max(r, p) per round of tokens: one
    request keeps one stage of p busy, p requests keep all busy, and latency falls for none.

    p 级等长时，r 个请求每解码一轮 token 用 max(r, p) 拍：一个请求只让 p 级中的一级忙，p 个请求才全忙，而单个请求的延迟并不下降。"""
    took = [ticks(r, pieces, stages, work) for r in counts]
    show(lines("requests in flight", counts, {"share of stages busy": [busy for _, busy in took]}))
    at = ("requests", counts)
    expect("ticks for all", [t for t, _ in took], at=at,
           equals=[max(r, stages) * pieces + min(r, stages) - 1 for r in counts])
    expect("share of stages busy", [busy for _, busy in took], at=at, within=1e-9,
           equals=[r * pieces / (max(r, stages) * pieces + min(r, stages) - 1) for r in counts])


@breaks(work="decode", en="A decoded token needs the one before it as input: the next may enter only after a round.",
        zh="解码的 token 以前一个为输入：走完一圈，下一个才能进入。")
def claim_chunks_of_a_prompt_pipeline(stages=4, pieces=16, work="prefill"):
    """A single prompt cut into c chunks passes p stages in c + p − 1 ticks, not c·p: prefill pipelines
    where decoding cannot.

    一个提示切成 c 块，走完 p 级只要 c + p − 1 拍，而不是 c·p：prefill 能流水，解码不能。"""
    took = ticks(1, pieces, stages, work)[0]
    show(bars(["one after another", "in a pipeline"], {"ticks": [pieces * stages, took]}))
    expect("ticks for one prompt", took, equals=pieces + stages - 1)


@breaks(cache="none", en="Without the keys and values of earlier chunks a chunk sees itself alone.",
        zh="没有前面各块的 K、V，每一块就只看得到自己。")
def claim_a_chunk_needs_only_its_layers_cache(pieces=4, cache="kept"):
    """In layer l a chunk needs its own input and the keys and values of earlier chunks in layer l, nothing
    of theirs from above: chunk by chunk through the layers, the output is that of the whole prompt.

    一块在第 l 层只需要自己的输入，以及前面各块在第 l 层的 K、V，不需要它们更上层的东西：逐块通过各层，输出与整个提示一次算完相同。"""
    tokens, width, layers = 4 * pieces, 8, 3
    weights = [randn(3, width, width, seed=n).double() / width**0.5 for n in range(layers)]

    def layer(x: Tensor, before: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        kv = torch.cat((before, torch.stack((x @ w[1], x @ w[2]))), 1)       # (2, seen, width)
        mask = torch.ones(len(x), kv.shape[1], dtype=torch.bool).tril(kv.shape[1] - len(x))
        scores = (x @ w[0] @ kv[0].T / width**0.5).masked_fill(~mask, -torch.inf)
        return x + scores.softmax(-1) @ kv[1], kv

    empty = torch.empty(2, 0, width, dtype=torch.float64)
    x = randn(tokens, width, seed=7).double()
    whole, out, caches = x, {}, [empty] * layers
    for w in weights:
        whole = layer(whole, empty, w)[0]
    chunks = dict(enumerate(x.chunk(pieces)))
    for tick in range(pieces + layers - 1):                                  # a wave: chunk c in layer tick − c
        for c in range(pieces):
            if 0 <= (n := tick - c) < layers:
                chunks[c], kv = layer(chunks[c], caches[n] if cache == "kept" else empty, weights[n])
                caches[n] = kv
                out[c] = chunks[c]
    gap = (torch.cat([out[c] for c in range(pieces)]) - whole).abs().amax(1)
    show(lines("token", range(tokens), {"largest difference": gap}))
    expect("output chunk by chunk less the whole prompt's", gap, equals=0, within=1e-10)  # float64, sizes to some tens


def drill_rounds(rng) -> Drill:
    """Ticks to decode requests over a pipeline."""
    r, p, t = rng.choice([(1, 4, 10), (4, 4, 10), (2, 8, 5), (8, 4, 5), (6, 3, 4), (3, 6, 10)])
    value = ticks(r, t, p, "decode")[0]
    return Drill(
        en=f"{r} request(s) each decode {t} tokens over a pipeline of {p} equal stages, prompts already processed. A stage takes "
           "one tick per token. After how many ticks are all done?",
        zh=f"{r} 个请求各解码 {t} 个 token，流水线 {p} 级等长，提示已处理完。每级处理一个 token 用一拍。多少拍后全部完成？",
        answer=value, within=0,
        steps=[(f"a round takes max({r}, {p}) = {max(r, p)} ticks, {t} rounds: {max(r, p) * t}",
                f"一轮 max({r}, {p}) = {max(r, p)} 拍，{t} 轮：{max(r, p) * t}"),
               (f"the last request started min({r}, {p}) − 1 = {min(r, p) - 1} ticks later: {value}",
                f"最后一个请求晚 min({r}, {p}) − 1 = {min(r, p) - 1} 拍：{value}")],
        proved_by="requests_in_flight_fill_the_stages",
    )


ZH = {
    "requests in flight": "在途请求数",
    "share of stages busy": "忙碌的级占比",
    "ticks for all": "全部完成的拍数",
    "requests": "请求数",
    "one after another": "一块接一块",
    "in a pipeline": "流水线",
    "ticks": "拍",
    "ticks for one prompt": "一个提示的拍数",
    "largest difference": "最大差异",
    "output chunk by chunk less the whole prompt's": "逐块输出与整个提示之差",
}

if __name__ == "__main__":
    main()
