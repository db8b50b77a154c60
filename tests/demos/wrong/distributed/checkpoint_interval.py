"""What a learner might write instead."""


def segment_minutes__forgets_the_work_since_the_checkpoint(interval, write, restart, to_fault):
    whole = interval + write
    failed = (to_fault < whole).long().cumprod(0).bool()
    return failed.sum(0) * restart + whole


def segment_minutes__writes_for_free(interval, write, restart, to_fault):
    failed = (to_fault < interval).long().cumprod(0).bool()
    return (failed * (to_fault + restart)).sum(0) + interval


def segment_minutes__restarts_for_free(interval, write, restart, to_fault):
    whole = interval + write
    failed = (to_fault < whole).long().cumprod(0).bool()
    return (failed * to_fault).sum(0) + whole
