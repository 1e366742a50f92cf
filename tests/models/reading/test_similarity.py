"""Similarity against the plain definition: mean of two Dice coefficients, every clause and sentence against every model."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.reading.conditions import Similar
from models.reading.similarity import likeness, similarities
from models.reading.text import Cutter, normalise, pieces

CUTTER = Cutter()
SAID = st.text("你们除了道歉还会干什么，。投诉", max_size=16)


def slow(a: str, b: str) -> float:
    def dice(x: list[str], y: list[str]) -> float:
        shared = sum(min(x.count(i), y.count(i)) for i in set(x))
        return 2 * shared / (len(x) + len(y)) if x or y else 0.0

    def grams(s: str) -> list[str]:
        s = "^" + "".join(c for c in s if c.isalnum()) + "$"
        return [s[i : i + 2] for i in range(len(s) - 1)]

    return (dice(grams(a), grams(b)) + dice(CUTTER.words(a), CUTTER.words(b))) / 2


@settings(deadline=None)
@given(SAID, st.sampled_from([0.3, 0.5, 0.7]))
def test_similarities_against_the_slow_oracle(said: str, at_least: float) -> None:
    models = ("你们除了道歉还会干什么", "还会什么")
    text = normalise(said)
    expected = Counter()
    for start, end in set(pieces(text, True) + pieces(text, False)):
        best = max(slow(text.norm[start:end], m) for m in models)
        if best >= at_least:
            expected[(start, end, round(best, 9))] += 1
    found = similarities(text, Similar(models, at_least), CUTTER, None)
    assert Counter((s, e, round(v, 9)) for s, e, v in found) == expected


@given(SAID, SAID)
def test_likeness_is_symmetric_and_one_for_the_same(a: str, b: str) -> None:
    assert likeness(a, b, CUTTER) == pytest.approx(likeness(b, a, CUTTER))
    if normalise(a).bare:
        assert likeness(a, a, CUTTER) == pytest.approx(1.0)
