"""The figures that verdicts give, each with its interval: precision of a rule, recall of the flags.

In: counts. Out: estimates with 95 % intervals. Precision: Wilson's score interval (E. B. Wilson, JASA 22, 1927), which keeps its coverage
with few verdicts and at 0 and 1 (Brown, Cai and DasGupta, Statistical Science 16, 2001). Recall: flagged and unflagged calls are two strata
sampled at their own rates; each stratum's share of deserving calls gets Jeffreys' Beta(½, ½) prior, and recall's posterior is simulated, as
W. Webber recommends for stratified samples (Approximate Recall Confidence Intervals, ACM TOIS 31(1), 2013). The surprising choice: a fixed
seed, so that the same answers always show the same interval.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Z95 = 1.959964
DRAWS = 40_000
PRIOR = 0.5


@dataclass(frozen=True, slots=True)
class Share:
    """A share and its 95 % interval; None without any observation."""

    value: float | None
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Stratum:
    """calls: how many there are; heard: how many of them were judged; deserving: how many of those deserve a flag."""

    calls: int
    heard: int
    deserving: int


@dataclass(frozen=True, slots=True)
class Recall:
    """Of the calls that deserve a flag, the share that got one; None until both strata have been heard."""

    value: float | None
    low: float
    high: float
    flagged: Stratum
    unflagged: Stratum


def wilson(yes: int, n: int) -> Share:
    """Share yes/n with Wilson's 95 % score interval."""
    if n == 0:
        return Share(None, 0.0, 1.0, 0)
    p, z2 = yes / n, Z95 * Z95
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Share(p, max(0.0, middle - half), min(1.0, middle + half), n)


def recall(flagged: Stratum, unflagged: Stratum) -> Recall:
    """Recall of the flags and its 95 % interval, from a sample of each stratum.

    What was heard is known; only the rest of each stratum is uncertain: its deserving calls are Beta-binomial. Both fully heard: no interval left.
    """
    if flagged.heard == 0 or unflagged.heard == 0:
        return Recall(None, 0.0, 1.0, flagged, unflagged)
    caught, lost = (s.calls * s.deserving / s.heard for s in (flagged, unflagged))
    rng = np.random.default_rng(0)
    totals = []
    for s in (flagged, unflagged):
        share = rng.beta(s.deserving + PRIOR, s.heard - s.deserving + PRIOR, DRAWS)
        totals.append(s.deserving + rng.binomial(max(0, s.calls - s.heard), share))
    both = totals[0] + totals[1]
    drawn = np.where(both > 0, totals[0] / np.maximum(both, 1), 1.0)
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = caught / (caught + lost) if caught + lost else None
    return Recall(value, float(low), float(high), flagged, unflagged)
