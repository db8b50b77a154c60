"""What a learner might write instead."""


def suspects__names_who_waits(dumps):
    return [r for r, dump in enumerate(dumps) if len(dump) == max(map(len, dumps))]


def suspects__looks_at_the_counters_only(dumps):
    entered = [len(dump) for dump in dumps]
    return [r for r, count in enumerate(entered) if count < max(entered)]


def suspects__looks_at_the_calls_only(dumps):
    calls = [dump[-1][1:] for dump in dumps]
    usual = max(calls, key=calls.count)
    return [r for r, call in enumerate(calls) if call != usual]
