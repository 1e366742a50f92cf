"""When a stretch of a turn was said, against a slow walk over its words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reading.text import normalise
from models.reading.timing import Clock
from models.records import Turn, Word


def clock(turn: Turn) -> Clock:
    return Clock(turn, normalise(turn.text))


def spoken(pieces: list[str], marks: list[str]) -> Turn:
    """A turn of words with a mark after each; word i lasts from i to i + 0.5 s."""
    words = tuple(Word(p, float(i), i + 0.5, 0.1 + 0.8 * (i % 2)) for i, p in enumerate(pieces))
    text = "".join(p + m for p, m in zip(pieces, marks, strict=True))
    return Turn(0, "customer", text, 0.0, float(len(pieces)), words)


WORDS = st.lists(st.sampled_from(["我", "要", "投诉", "你们", "a1"]), min_size=1, max_size=8)


@given(WORDS, st.data())
def test_a_word_lasts_as_long_as_the_recogniser_says(pieces: list[str], data: st.DataObject) -> None:
    marks = data.draw(st.lists(st.sampled_from(["", "，", "。"]), min_size=len(pieces), max_size=len(pieces)))
    turn = spoken(pieces, marks)
    first = data.draw(st.integers(0, len(pieces) - 1))
    last = data.draw(st.integers(first, len(pieces) - 1))
    at = [sum(len(p) + len(m) for p, m in zip(pieces[:i], marks[:i], strict=True)) for i in range(len(pieces))]
    assert clock(turn).times(at[first], at[last] + len(pieces[last])) == pytest.approx((first, last + 0.5))
    probability = clock(turn).probability(at[first], at[last] + len(pieces[last]))
    votes = [turn.words[i].probability for i in range(first, last + 1) for _ in pieces[i]]
    assert probability == pytest.approx(sum(votes) / len(votes))


def test_words_that_are_not_in_the_text_are_left_out() -> None:
    turn = Turn(0, "customer", "我要投诉", 0.0, 4.0, (Word("我", 0.0, 1.0, 1.0), Word("啊啊", 1.0, 2.0, 1.0), Word("投诉", 2.0, 4.0, 0.5)))
    assert clock(turn).times(2, 4) == (2.0, 4.0)
    assert clock(turn).times(1, 2) == (1.0, 2.0)  # between its neighbours
    assert clock(turn).probability(1, 2) is None


def test_a_turn_without_words_is_spoken_evenly() -> None:
    turn = Turn(0, "customer", "我要，投诉", 10.0, 14.0)
    assert clock(turn).times(3, 5) == (12.0, 14.0)


def test_a_turn_without_times_has_none() -> None:
    assert clock(Turn(0, "customer", "我要投诉")).times(0, 2) is None
