"""The sums of embedding_sum by hand, and reading them back in embedding_sum_readout."""

import pytest
import torch

from studyapp.evidence.api import ExpectationError


def test_a_sum_by_hand(demo):
    """Row 1 of one table plus row 0 of the other, and their mean."""
    sums, tables = demo("position/embedding_sum"), [torch.tensor([[1.0, 2], [3, 4]]), torch.tensor([[10.0, 20]])]
    assert sums.embed(torch.tensor([[1, 0]]), tables, "sum").tolist() == [[13, 24]]
    assert sums.embed(torch.tensor([[1, 0]]), tables, "mean").tolist() == [[6.5, 12]]


def test_a_long_row_does_not_win_by_its_length(demo):
    """Of the rows (1, 0) and (10, 0) the first is read from itself: without the −|r|²/2 it would be the second."""
    rows = torch.tensor([[1.0, 0.0], [10.0, 0.0]])
    assert demo("position/embedding_sum_readout").read(rows, rows).tolist() == [0, 1]


def test_reading_at_random_breaks_the_claims(demo, monkeypatch):
    """A reader that ignores the sum fails every claim that ids come back."""
    readout = demo("position/embedding_sum_readout")
    monkeypatch.setattr(readout, "read", lambda x, rows: torch.randint(len(rows), (len(x),)))
    for claim in (readout.claim_ids_are_read_back_from_a_wide_sum, readout.claim_no_frequencies_keep_the_parts_apart):
        with pytest.raises(ExpectationError):
            claim()
