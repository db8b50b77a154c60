"""Reading sums back in embedding_sum against brute force, hand-worked rows and a counted collision."""

import pytest
import torch

from studyapp.evidence.api import ExpectationError


@pytest.fixture
def sums(demo):
    return demo("position/embedding_sum")


def test_reading_finds_the_nearest_row(sums):
    """The greatest x·r − |r|²/2 belongs to the row at the least Euclidean distance, also where rows differ in length."""
    rows, x = torch.randn(40, 5) * torch.rand(40, 1) * 4, torch.randn(60, 5)
    assert torch.equal(sums.read(x, rows), torch.cdist(x, rows).argmin(1))


def test_a_long_row_does_not_win_by_its_length(sums):
    """Of the rows (1, 0) and (10, 0) the first is read from itself: without the −|r|²/2 it would be the second."""
    rows = torch.tensor([[1.0, 0.0], [10.0, 0.0]])
    assert sums.read(rows, rows).tolist() == [0, 1]


def test_drawn_sums_are_sums_of_the_named_rows(sums):
    """Each drawn vector is row by row the sum of the rows whose ids come with it, from two tables and from three."""
    tables = [torch.randn(n, 3) for n in (7, 5, 2)]
    for used in (tables[:2], tables):
        x, ids = sums.draw(20, *used)
        for k in range(20):
            want = torch.zeros(3)
            for rows, i in zip(used, ids, strict=True):
                want = want + rows[i[k]]
            assert torch.allclose(x[k], want)


def test_rate_counts_the_right_answers(sums):
    """Two of three right is two thirds."""
    assert sums.rate(torch.tensor([4, 5, 6]), torch.tensor([4, 0, 6])) == pytest.approx(2 / 3)


def test_orthogonal_parts_are_read_from_any_width(sums):
    """Where the tables are orthogonal by construction the parts come back without an error at width 6 already."""
    basis = torch.eye(6)
    x, ids = sums.draw(50, basis[:4], basis[4:])
    assert sums.rate(sums.read(x, basis[:4]), ids[0]) == 1
    assert sums.rate(sums.read(x, basis[4:]), ids[1]) == 1


def test_reading_at_random_breaks_the_claims(sums, monkeypatch):
    """A reader that ignores the sum fails every claim that ids come back."""
    monkeypatch.setattr(sums, "read", lambda x, rows: torch.randint(len(rows), (len(x),)))
    for claim in (sums.claim_ids_are_read_back_from_a_wide_sum, sums.claim_distinct_sums_may_still_be_unreadable,
                  sums.claim_no_frequencies_keep_the_parts_apart):
        with pytest.raises(ExpectationError):
            claim()


def test_narrow_sums_break_the_claim_about_wide_ones(sums):
    """Stop at width 16, and the parts are no longer read back."""
    with pytest.raises(ExpectationError, match="widest"):
        sums.claim_ids_are_read_back_from_a_wide_sum(widths=(8, 16))


def test_the_share_of_the_mixed_terms_follows_the_scale(sums):
    """Position vectors a tenth as large leave the mixed terms 2·0.01/1.01² of the variance, not a half."""
    sums.claim_score_splits_into_four_terms(scale=0.1)
