"""Verdicts grouped, resolved and found again after a rerun; the clever functions against slow oracles."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.review import standing
from flows.review.verdicts import Anchor, Verdict

AT = Anchor("escalation", "media", "customer", 10.0, 12.0, 3, 4, 9, "escalation.media.1", "v1", 0.8, "run-1")


def said(id_: int, author: int, answer: str, at: Anchor = AT, **more) -> Verdict:
    return Verdict(id_, "c", more.pop("target", "moment"), answer, author, id_, anchor=at, **more)


@pytest.mark.parametrize(
    ("start_s", "end_s", "expected"), [(10, 12, True), (11, 13, True), (11.1, 13.1, False), (10, 14, True), (10, 14.1, False), (5, 9, False)]
)
def test_same_means_half_of_the_longer(start_s: float, end_s: float, expected: bool) -> None:
    assert standing.same(AT, replace(AT, start_s=start_s, end_s=end_s)) is expected


@pytest.mark.parametrize("changed", [{"kind": "abuse"}, {"type": "legal"}, {"side": "agent"}])
def test_another_type_or_side_is_another_moment(changed: dict[str, str]) -> None:
    assert not standing.same(AT, replace(AT, **changed))


def test_without_times_characters_decide() -> None:
    at = replace(AT, start_s=None, end_s=None)
    assert standing.same(at, replace(at, char_start=5)) and not standing.same(at, replace(at, turn=4)) and not standing.same(at, replace(at, char_start=8))


@given(st.tuples(*[st.floats(0, 100, allow_nan=False)] * 4))
def test_overlap_is_symmetric_and_bounded(times: tuple[float, float, float, float]) -> None:
    a = replace(AT, start_s=min(times[:2]), end_s=max(times[:2]))
    b = replace(AT, start_s=min(times[2:]), end_s=max(times[2:]))
    assert standing.overlap(a, b) == standing.overlap(b, a)
    assert 0.0 <= standing.overlap(a, b) <= 1.0 and standing.overlap(a, a) == 1.0


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([(1, "right")], "right"),
        ([(1, "right"), (2, "wrong")], "disputed"),
        ([(1, "right"), (2, "unsure")], "right"),
        ([(1, "wrong"), (1, "right")], "right"),
        ([(1, "unsure")], "unsure"),
    ],
)
def test_what_stands(answers: list[tuple[int, str]], expected: str) -> None:
    groups = standing.groups([said(i, who, a) for i, (who, a) in enumerate(answers, 1)])
    assert [g.answer for g in groups] == [expected]


def test_a_lead_has_the_last_word_and_taking_back_reopens() -> None:
    all_of_them = [said(1, 1, "right"), said(2, 2, "wrong"), said(3, 9, "wrong", settles=True)]
    assert standing.groups(all_of_them)[0].answer == "wrong" and standing.groups(all_of_them)[0].settled
    back = [*all_of_them[:2], said(4, 2, "taken_back", takes_back=2)]
    assert standing.groups(back)[0].answer == "right"
    assert standing.groups([said(1, 1, "right"), said(2, 1, "taken_back", takes_back=1)]) == []


def test_attach_agrees_with_trying_everything() -> None:
    """Greedy by overlap, one to one: no free pair is left that would fit; nothing is attached that does not."""
    rng = random.Random(3)
    for _ in range(200):
        spans = [(s := rng.uniform(0, 20), s + rng.uniform(0.5, 4)) for _ in range(12)]
        anchors = [replace(AT, start_s=a, end_s=b, type=rng.choice(["media", "legal"])) for a, b in spans]
        groups = [standing.Group(a, (), "right", False, False) for a in anchors[:6]]
        moments = anchors[6:]
        taken, orphans = standing.attach(groups, moments)
        assert len(taken) + len(orphans) == len(groups) and len({id(g) for g in taken.values()}) == len(taken)
        assert all(standing.same(g.at, moments[j]) for j, g in taken.items())
        free = [m for j, m in enumerate(moments) if j not in taken]
        assert not any(standing.same(g.at, m) for g, m in itertools.product(orphans, free))


def test_a_rerun_moves_orphans_and_drops_nothing() -> None:
    groups = standing.groups([said(1, 1, "right"), said(2, 1, "wrong", replace(AT, start_s=30.0, end_s=31.0))])
    moved = [replace(AT, start_s=10.4, end_s=12.3, turn=4, char_start=0, run_id="run-2")]
    taken, orphans = standing.attach(groups, moved)
    assert taken[0].answer == "right" and [g.answer for g in orphans] == ["wrong"]
