"""The figures against what is published and against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from flows.review.statistics import Stratum, recall, wilson


@pytest.mark.parametrize(("yes", "n", "low", "high"), [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (8, 10, 0.4902, 0.9433), (81, 263, 0.2553, 0.3662)])
def test_wilson_gives_the_published_intervals(yes: int, n: int, low: float, high: float) -> None:
    """81 of 263: Newcombe, Statistics in Medicine 17 (1998), table I, method 3."""
    share = wilson(yes, n)
    assert (share.low, share.high) == (pytest.approx(low, abs=2e-4), pytest.approx(high, abs=2e-4))


def test_nothing_judged_is_no_share() -> None:
    assert wilson(0, 0).value is None and recall(Stratum(10, 0, 0), Stratum(90, 5, 0)).value is None


def test_everything_heard_leaves_no_doubt() -> None:
    found = recall(Stratum(40, 40, 30), Stratum(60, 60, 10))
    assert found.value == pytest.approx(0.75) and (found.low, found.high) == (pytest.approx(0.75), pytest.approx(0.75))


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """1,000 flagged of which 70 % deserve it, 9,000 unflagged of which 2 % would: 50 and 50 heard, 400 times."""
    rng = np.random.default_rng(1)
    deserving = (700, 180)
    truth = deserving[0] / sum(deserving)
    hits = 0
    for _ in range(400):
        yes = [int(rng.hypergeometric(d, n - d, 50)) for d, n in zip(deserving, (1000, 9000), strict=True)]
        found = recall(Stratum(1000, 50, yes[0]), Stratum(9000, 50, yes[1]))
        hits += found.low <= truth <= found.high
    assert hits / 400 >= 0.90


def test_the_same_answers_show_the_same_interval() -> None:
    assert recall(Stratum(100, 10, 8), Stratum(900, 10, 1)) == recall(Stratum(100, 10, 8), Stratum(900, 10, 1))
