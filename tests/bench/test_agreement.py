"""Agreement of two labellings, against figures worked by hand and against a slow oracle."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.agreement import Mark, Match, cohen_kappa, compare, lone_marks, observed_agreement, only, read_labelling, table

ROLES = {"a": ["agent", "customer", "supervisor"], "b": ["agent"]}
VALUES = st.sampled_from(["none", "review", "urgent"])
MARKS = st.lists(st.builds(Mark, st.sampled_from("ab"), st.integers(0, 2), st.just("company"), st.just("conduct"), st.sampled_from(["stall", "deflect"])))


def written(path: Path, *calls: dict[str, object]) -> Path:
    path.write_text("\n".join(json.dumps(call) for call in calls), encoding="utf-8")
    return path


def labelled(call_id: str, flag: str, *moments: tuple[int, str, str]) -> dict[str, object]:
    turns = [{"turn": turn, "moments": [{"kind": kind, "type": type_, "quote": "x"}]} for turn, kind, type_ in moments]
    return {"call_id": call_id, "flag": flag, "turns": turns}


def test_kappa_is_cohens_by_hand() -> None:
    pairs = [("yes", "yes")] * 20 + [("yes", "no")] * 5 + [("no", "yes")] * 10 + [("no", "no")] * 15
    assert observed_agreement(pairs) == 0.7
    assert cohen_kappa(pairs) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("pairs", "kappa"),
    [
        pytest.param([], 1.0, id="nothing"),
        pytest.param([("none", "none")] * 3, 1.0, id="one value throughout"),
        pytest.param([("none", "urgent"), ("urgent", "none")], -1.0, id="never agreed"),
    ],
)
def test_kappa_at_its_edges(pairs: list[tuple[str, str]], kappa: float) -> None:
    assert cohen_kappa(pairs) == kappa


@given(st.lists(st.tuples(VALUES, VALUES)))
def test_kappa_is_symmetric_and_at_most_one(pairs: list[tuple[str, str]]) -> None:
    assert cohen_kappa(pairs) == pytest.approx(cohen_kappa([(b, a) for a, b in pairs]))
    assert cohen_kappa(pairs) <= 1.0


@given(MARKS, MARKS)
def test_matches_are_those_of_pairing_one_by_one(first: list[Mark], second: list[Mark]) -> None:
    left = list(second)
    both = 0
    for mark in first:
        if mark in left:
            left.remove(mark)
            both += 1
    assert compare(Counter(first), Counter(second)) == Match(both, len(first), len(second))


def test_sides_types_and_turns_must_agree_but_quotes_need_not(tmp_path: Path) -> None:
    one = read_labelling(written(tmp_path / "one.jsonl", labelled("a", "urgent", (0, "abuse", "insult"), (1, "abuse", "insult")), labelled("b", "none")), ROLES)
    two = read_labelling(
        written(tmp_path / "two.jsonl", labelled("a", "urgent", (1, "abuse", "insult"), (2, "abuse", "threat")), labelled("b", "review")), ROLES
    )
    assert {mark.side for mark in two.marks} == {"customer", "company"}
    assert compare(one.marks, two.marks) == Match(1, 2, 2)
    assert compare(only(one.marks, kind="abuse", type_="threat"), only(two.marks, kind="abuse", type_="threat")) == Match(0, 0, 1)
    assert lone_marks(one, two) == ["< a turn 0 company abuse/insult", "> a turn 2 company abuse/threat"]
    assert "flags: 1 of 2 calls agree (0.500), Cohen's kappa 0.333" in table(one, two)
    assert "  b: none / review" in table(one, two)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        pytest.param(labelled("z", "none"), "z is none of the labelled calls", id="unknown call"),
        pytest.param(labelled("b", "none", (1, "abuse", "insult")), "b has no turn 1", id="unknown turn"),
    ],
)
def test_labels_of_other_calls_are_refused(tmp_path: Path, call: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_labelling(written(tmp_path / "labels.jsonl", call), ROLES)
