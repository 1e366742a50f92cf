"""Figures of the calls table: against slow oracles, and at the edges."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.reading.measures import interrupts, is_backchannel, measure, said, shared_s, union
from models.records import HeardCall, Turn

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda p: (float(min(p)), float(max(p)))), max_size=12)


def ticks(spans):
    """Slow oracle: the whole seconds covered."""
    return {i for a, b in spans for i in range(int(a), int(b))}


@given(SPANS)
def test_union_covers_the_same_seconds_and_is_disjoint(spans):
    merged = union(spans)
    assert ticks(merged) == ticks(spans)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(merged))
    assert sum(b - a for a, b in merged) == len(ticks(spans))


@given(SPANS, SPANS)
def test_shared_seconds_against_sets(a, b):
    assert shared_s(union(a), union(b)) == len(ticks(a) & ticks(b))


def call(*turns, duration=None):
    return HeardCall("c", tuple(Turn(i, r, t, s, e) for i, (r, t, s, e) in enumerate(turns)), "mixed", duration)


def test_silence_is_what_nobody_speaks_in():
    talk = measure(call(("agent", "您好请讲", 1.0, 3.0), ("customer", "我的包裹呢", 5.0, 9.0), duration=12.0))
    assert talk.agent_talk_s == 2.0 and talk.customer_talk_s == 4.0
    assert talk.silence_s == 6.0 and talk.longest_silence_s == 3.0
    assert talk.customer_chars_per_min == pytest.approx(75.0)


def test_turns_without_times_measure_nothing():
    assert measure(call(("agent", "您好", None, None))).silence_s is None


def test_an_ivr_is_nobodys_talk_and_no_silence():
    talk = measure(call(("ivr", "请按一", 0.0, 4.0), ("agent", "您好", 4.0, 5.0), duration=5.0))
    assert talk.agent_talk_s == 1.0 and talk.silence_s == 0.0


@pytest.mark.parametrize("text", ["嗯", "好的", "对对对", "嗯，好的。", "哦", "行吧"])
def test_signs_of_listening_interrupt_nobody(text):
    assert is_backchannel(text)
    assert measure(call(("agent", "您的包裹已经在路上了", 0.0, 5.0), ("customer", text, 3.0, 6.0))).interruptions_customer == 0


def test_taking_the_floor_is_an_interruption():
    talk = measure(call(("agent", "您的包裹已经在路上了", 0.0, 5.0), ("customer", "你别跟我说这个", 3.0, 7.0)))
    assert (talk.interruptions_customer, talk.interruptions_agent) == (1, 0)
    assert talk.overlap_s == 2.0


def test_a_remark_inside_the_others_turn_takes_no_floor():
    assert not interrupts(Turn(1, "customer", "我知道这个事", 2.0, 3.0), [Turn(0, "agent", "您的包裹已经在路上了", 0.0, 5.0)])


def test_overlap_on_mixed_mono_comes_from_segmentation():
    turns = (Turn(0, "agent", "您的包裹", 0.0, 4.0), Turn(1, "customer", "什么时候到", 4.0, 6.0, overlap_s=0.8))
    assert measure(HeardCall("c", turns, "mixed")).overlap_s == 0.8


def test_said_counts_what_is_spoken():
    assert said("好的，12 OK。") == 6
