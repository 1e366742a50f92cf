"""The flag rule to the letter, and the order of priority."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reading.reasons import TEXTS, render
from models.reading.triage import triage
from models.records import Moment, Reason, Turn

ROLES = ("agent", "customer") * 5
TURNS = tuple(Turn(i, r, "话", i * 2.0, i * 2.0 + 1.5) for i, r in enumerate(ROLES))
CALM = (None, 0.1) * 5


def moment(kind, type_, turn, score=0.9, role=None):
    return Moment(0, kind, type_, role or TURNS[turn].role, turn, "话", 0, 1, "x", score, "exact", 3)


def judged(*moments, heat=CALM):
    return triage(moments, TURNS, heat)


@pytest.mark.parametrize("type_", ["insult", "profanity", "threat", "harassment"])
@pytest.mark.parametrize("turn", [2, 3], ids=["agent", "customer"])
def test_any_abuse_is_urgent(type_, turn):
    assert judged(moment("abuse", type_, turn)).flag == "urgent"


@pytest.mark.parametrize("type_", ["supervisor", "regulator", "media", "legal", "complaint", "ultimatum", "accusation", "churn", "rejects_apology"])
def test_escalation_is_urgent_until_accepted(type_):
    open_, settled = judged(moment("escalation", type_, 3)), judged(moment("escalation", type_, 3), moment("resolution", "accepted", 7))
    assert (open_.flag, open_.unresolved) == ("urgent", True)
    assert (settled.flag, settled.unresolved) == ("review", False)
    assert judged(moment("resolution", "accepted", 1), moment("escalation", type_, 3)).flag == "urgent"


def test_a_lone_repeat_is_for_review():
    assert judged(moment("escalation", "repeat", 1)).flag == "review"
    assert not judged(moment("escalation", "repeat", 1)).unresolved


def test_taboo_is_for_review_and_courtesy_is_nothing():
    assert judged(moment("conduct", "taboo", 2)).flag == "review"
    assert judged(moment("apology", "formula", 2)).flag == "none"
    assert judged(moment("conduct", "ask_again", 2)).flag == "none"


@pytest.mark.parametrize("type_", ["deflect", "stall"])
def test_brushing_off_counts_only_with_a_customer_already_angry(type_):
    brush = moment("conduct", type_, 4)
    assert judged(brush).flag == "none"
    assert judged(brush, heat=(None, 0.1, None, 0.6, *CALM[4:])).flag == "review"
    assert judged(brush, heat=(None, 0.9, None, 0.1, *CALM[4:])).flag == "none"  # only the last turn before counts
    assert judged(brush, moment("escalation", "repeat", 3)).flag == "review"
    assert judged(brush, moment("escalation", "repeat", 5), heat=CALM).reasons[0].code == "repeat_lone"


def test_what_is_only_possible_never_flags():
    verdict = judged(moment("abuse", "threat", 3, score=0.49), moment("escalation", "legal", 5, score=0.3))
    assert verdict.flag == "none" and verdict.reasons == () and verdict.level == "calm"
    assert verdict.priority > judged().priority


def test_the_order_of_what_is_listened_to_first():
    worst_first = [
        judged(moment("abuse", "insult", 2)),
        judged(moment("abuse", "threat", 3)),
        judged(moment("escalation", "legal", 3)),
        judged(moment("escalation", "complaint", 3)),
        judged(moment("escalation", "complaint", 3), moment("resolution", "accepted", 5)),
        judged(moment("escalation", "repeat", 3)),
        judged(),
    ]
    assert all(a.priority > b.priority for a, b in itertools.pairwise(worst_first))


def test_doubt_lowers():
    assert judged(moment("abuse", "threat", 3, score=0.55)).priority < judged(moment("abuse", "threat", 3, score=0.95)).priority


KINDS = [
    ("abuse", "threat"),
    ("abuse", "insult"),
    ("escalation", "repeat"),
    ("escalation", "media"),
    ("conduct", "taboo"),
    ("conduct", "stall"),
    ("resolution", "accepted"),
]


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 9), st.floats(0, 1)), max_size=8), st.floats(0, 1))
def test_bands_never_cross_and_every_reason_has_words(found, heat):
    moments = [moment(k, t, turn, score) for (k, t), turn, score in found]
    verdict = triage(moments, TURNS, (None, heat) * 5)
    low, high = {"none": (0.0, 0.3), "review": (0.35, 0.65), "urgent": (0.7, 1.0)}[verdict.flag]
    assert low <= verdict.priority <= high
    assert (verdict.flag == "none") == (not verdict.reasons)
    assert all(r.code in TEXTS for r in verdict.reasons)


def test_reasons_read_in_both_languages():
    sentence = render(Reason("customer_threat", 3, (("count", "2"),)))
    assert "威胁" in sentence.zh and "2" in sentence.zh and "harm" in sentence.en
    assert render(Reason("from_a_later_version")).zh == "from_a_later_version"


def test_every_reason_renders():
    for code in TEXTS:
        sentence = render(Reason(code, None, (("count", "3"),)))
        assert "{" not in sentence.zh + sentence.en
