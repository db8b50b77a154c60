"""Plausible wrong bodies of the exercise of pytorch/graph_capture."""


def replay__returns_the_first_result(tape, x):
    """Everything runs, and the first operator's result is handed back."""
    results = [x]
    for op, args, kwargs in tape:
        results.append(op(*[results[a[1]] if isinstance(a, tuple) and a and a[0] == "slot" else a for a in args], **kwargs))
    return results[1]


def replay__stops_one_early(tape, x):
    """The last operator, which takes one of two results, is left out."""
    results = [x]
    for op, args, kwargs in tape[:-1]:
        results.append(op(*[results[a[1]] if isinstance(a, tuple) and a and a[0] == "slot" else a for a in args], **kwargs))
    return results[-1]
