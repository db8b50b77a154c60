"""The orders of the pipeline demos against those that torch.distributed.pipelining would run."""

import pytest

KINDS = {"FORWARD": "F", "FULL_BACKWARD": "B", "BACKWARD_INPUT": "B", "BACKWARD_WEIGHT": "W"}


class _Stage:
    """As much of a pipeline stage as an order is made from."""

    def __init__(self, rank: int, ranks: int, chunk: int, chunks: int) -> None:
        self.stage_index, self.num_stages = chunk * ranks + rank, ranks * chunks
        self.group_rank, self.group_size = rank, ranks
        self.is_first, self.is_last = self.stage_index == 0, self.stage_index == self.num_stages - 1
        self.has_backward, self.submod, self.group, self.stage_index_to_group_rank = True, None, None, None


@pytest.fixture(scope="module")
def torchs_orders():
    """`torchs_orders(schedule, ranks, batches, chunks)`: for each rank (kind, chunk, micro-batch) in torch's order."""
    from torch.distributed.pipelining import schedules

    def orders(name: str, ranks: int, batches: int, chunks: int = 1):
        kind = getattr(schedules, name)
        stages = [_Stage(0, ranks, c, chunks) for c in range(chunks)]
        single = issubclass(kind, schedules.PipelineScheduleSingle)
        made = kind(stages[0] if single else stages, batches)
        rows = made._get_pipeline_order() if single else made.pipeline_order
        return [[(KINDS[a.computation_type.name], a.stage_index // ranks, a.microbatch_index)
                 for a in rows[r] if a is not None and a.computation_type.name in KINDS] for r in range(ranks)]

    return orders


@pytest.mark.parametrize(("ranks", "batches"), [(4, 8), (3, 3), (2, 6)])
def test_one_f_one_b_is_torchs(demo, torchs_orders, ranks, batches):
    """Each stage runs torch's Schedule1F1B: kinds on every stage, micro-batches on all but the last (torch numbers that one
    from 1 in its drawing alone)."""
    mine = [demo("distributed/pipeline_schedules").one_f_one_b(s, ranks, batches) for s in range(ranks)]
    theirs = torchs_orders("Schedule1F1B", ranks, batches)
    assert [[a[0] for a in row] for row in mine] == [[a[0] for a in row] for row in theirs]
    assert [[a[2] for a in row] for row in mine[:-1]] == [[a[2] for a in row] for row in theirs[:-1]]


@pytest.mark.parametrize(("ranks", "batches", "chunks"), [(4, 8, 2), (3, 6, 2), (2, 4, 3)])
def test_interleaved_is_torchs(demo, torchs_orders, ranks, batches, chunks):
    """Each device runs torch's ScheduleInterleaved1F1B, action by action."""
    mine = [demo("distributed/interleaved_schedule").interleaved(r, ranks, chunks, batches) for r in range(ranks)]
    assert mine == torchs_orders("ScheduleInterleaved1F1B", ranks, batches, chunks)


@pytest.mark.parametrize(("ranks", "batches"), [(4, 8), (3, 6)])
def test_zb_h1_is_torchs_zero_bubble_with_one_chunk(demo, torchs_orders, ranks, batches):
    """With one chunk per rank, torch's ScheduleInterleavedZeroBubble runs F, B and W in the order of ZB-H1."""
    mine = [demo("distributed/zero_bubble").zb_h1(s, ranks, batches) for s in range(ranks)]
    theirs = torchs_orders("ScheduleInterleavedZeroBubble", ranks, batches)
    assert mine == [[(kind, i) for kind, _, i in row] for row in theirs]
