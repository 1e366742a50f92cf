"""Figures by hand, and against slow oracles written the long way round."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.figures import (
    SEVERAL,
    SILENCE,
    Found,
    Label,
    Queued,
    SaidTurn,
    found_by_share,
    match,
    one_claim,
    outside_collar,
    read_aloud,
    role_frames,
    speech_errors,
    speech_frames,
    spoken_form,
    text_errors,
)

SMALL = settings(max_examples=60, deadline=None)


def turn(role: str, start_s: float, end_s: float, text: str = "") -> SaidTurn:
    return SaidTurn(role, start_s, end_s, text)


# --- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("您好，请讲。", "您好请讲"),
        ("200块", "二百块"),
        ("拨打12315", "拨打一二三一五"),
        ("10点15分", "十点十五分"),
        ("1010", "一千零一十"),
        ("3.5%", "百分之三点五"),
        ("2024年", "二零二四年"),
        ("尾号0608", "尾号零六零八"),
        ("兩個臺灣", "二个台湾"),
        ("幺三八〇", "一三八零"),
        ("ＵＳＢ ２．０", "usb二点零"),
        ("a_b", "ab"),
        (None, ""),
    ],
)
def test_numbers_stand_as_they_are_read(text: str | None, said: str) -> None:
    assert spoken_form(text) == said


@pytest.mark.parametrize(("number", "said"), [("0", "零"), ("7", "七"), ("10", "十"), ("12", "十二"), ("20", "二十"), ("105", "一百零五"), ("110", "一百一十")])
def test_quantities(number: str, said: str) -> None:
    assert read_aloud(number) == said


def test_every_quantity_can_be_counted_back() -> None:
    digits, units = {c: k for k, c in enumerate("零一二三四五六七八九")}, {"十": 10, "百": 100, "千": 1000}
    for number in range(1, 10_000):
        total, last = 0, 1 if read_aloud(str(number)).startswith("十") else 0
        for char in read_aloud(str(number)):
            if char in units:
                total, last = total + last * units[char], 0
            else:
                last = digits[char]
        assert total + last == number


def slow_edits(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        new = [i]
        for j, y in enumerate(b, 1):
            new.append(min(row[j] + 1, new[j - 1] + 1, row[j - 1] + (x != y)))
        row = new
    return row[-1]


def test_text_errors_by_hand() -> None:
    truth = [turn("agent", 0, 1, "您好"), turn("customer", 1, 2, "我要退货")]
    heard = [turn("agent", 0, 1, "你好"), turn("customer", 1, 2, "我要退火")]
    errors = text_errors(truth, heard)
    assert (errors.spoken, errors.best, errors.by_side) == (6, 2, 2)
    swapped = [turn("customer", 0, 1, "您好"), turn("agent", 1, 2, "我要退货")]
    assert text_errors(truth, swapped).best == 0
    assert text_errors(truth, swapped).by_side == 8  # 您好 → 我要退货 costs four, and back again four


TURNS = st.lists(st.tuples(st.sampled_from(["agent", "customer", "supervisor"]), st.text("甲乙丙丁", max_size=6)), max_size=5)


@SMALL
@given(TURNS, TURNS)
def test_text_errors_agree_with_a_slow_distance(truth: list[tuple[str, str]], heard: list[tuple[str, str]]) -> None:
    a, b = ([turn(role, 0, 1, text) for role, text in rows] for rows in (truth, heard))

    def said(rows: list[tuple[str, str]], customer: bool) -> str:
        return "".join(text for role, text in rows if (role == "customer") == customer)

    by_side = sum(slow_edits(said(truth, side), said(heard, side)) for side in (False, True))
    swapped = sum(slow_edits(said(truth, side), said(heard, not side)) for side in (False, True))
    whole = slow_edits("".join(t for _, t in truth), "".join(t for _, t in heard))
    assert text_errors(a, b).by_side == by_side
    assert text_errors(a, b).best == min(by_side, swapped, whole)


# --- time -------------------------------------------------------------------------------------------------------------


def test_speech_errors_by_hand() -> None:
    truth = speech_frames([turn("agent", 0.0, 2.0), turn("customer", 2.0, 4.0)], 600)
    late = speech_frames([turn("agent", 0.0, 2.5), turn("customer", 2.5, 4.0)], 600)
    strict = speech_errors(truth, late, 0)
    assert (strict.spoken, strict.wrong) == (400, 50)
    assert speech_errors(truth, late, 25).wrong == 26  # the collar forgives 24 of the 50
    swapped = speech_errors(truth, truth[:, ::-1], 0)
    assert (swapped.wrong, swapped.best) == (400, 0)


SPANS = st.lists(st.tuples(st.sampled_from(["agent", "customer", "ivr", "robot"]), st.integers(0, 40), st.integers(0, 20)), max_size=6)


@SMALL
@given(SPANS, SPANS, st.sampled_from([0, 3]))
def test_speech_errors_agree_with_counting_frame_by_frame(truth: list[tuple[str, int, int]], heard: list[tuple[str, int, int]], collar: int) -> None:
    n = 80

    def voices(rows: list[tuple[str, int, int]], frame: int) -> set[str]:
        return {"customer" if role == "customer" else "company" for role, start, length in rows if start <= frame < start + length}

    wrong = spoken = 0
    borders = {f for f in range(n - 1) if voices(truth, f) != voices(truth, f + 1)}
    for frame in range(n):
        if any(border - collar <= frame < border + collar for border in borders) and collar:
            continue
        ref, hyp = voices(truth, frame), voices(heard, frame)
        spoken += len(ref)
        wrong += max(len(ref), len(hyp)) - len(ref & hyp)
    a, b = (speech_frames([turn(r, s / 100 + 0.001, (s + k) / 100 + 0.001) for r, s, k in rows], n) for rows in (truth, heard))
    errors = speech_errors(a, b, collar)
    assert (errors.spoken, errors.wrong) == (spoken, wrong)


@SMALL
@given(SPANS)
def test_a_role_stands_only_where_one_turn_does(rows: list[tuple[str, int, int]]) -> None:
    frames = role_frames([turn(r, s / 100 + 0.001, (s + k) / 100 + 0.001) for r, s, k in rows], 80)
    for frame, got in enumerate(frames):
        here = [r for r, s, k in rows if s <= frame < s + k]
        if not here:
            assert got == SILENCE
        elif len(here) > 1 or here[0] == "robot":
            assert got == SEVERAL
        else:
            assert ("agent", "customer", "supervisor", "ivr")[got] == here[0]


def test_no_collar_keeps_every_frame() -> None:
    assert outside_collar(np.zeros((10, 2), bool), 0).all()


# --- findings ---------------------------------------------------------------------------------------------------------

SAID = turn("customer", 10.0, 14.0, "你们就是骗子我要投诉")


def found(name: str, start_s: float | None, end_s: float | None, quote: str = "", customer: bool = True, number: int | None = 1) -> Found:
    return Found(name, customer, number, start_s, end_s, quote)


def test_a_quote_begins_at_its_share_of_the_turn() -> None:
    assert Label("x", 1, SAID, "我要投诉").quote_start_s == pytest.approx(10.0 + 4.0 * 6 / 10)
    assert Label("x", 1, SAID, "没有这句").quote_start_s == 10.0


def test_matching_by_hand() -> None:
    labels = [Label("a", 1, SAID, "骗子"), Label("b", 1, SAID, "投诉")]
    right, beside, wrong_side, other = found("a", 11, 12), found("b", 20, 21), found("b", 13, 14, customer=False), found("c", 11, 12)
    matched = match(labels, [right, beside, wrong_side, other])
    assert [(lab.name, f) for lab, f in matched.right] == [("a", right)]
    assert [lab.name for lab in matched.missed] == ["b"]
    assert set(matched.false) == {beside, wrong_side, other}


def test_two_labels_of_one_turn_may_be_one_finding_and_one_label_two_findings() -> None:
    twice = [Label("a", 1, SAID, "骗子"), Label("a", 1, SAID, "投诉")]
    assert match(twice, [found("a", 10, 14)]).missed == ()
    assert match(twice[:1], [found("a", 10, 11), found("a", 12, 13)]).false == ()


def test_the_nearest_finding_is_taken_and_the_same_words_count_a_second() -> None:
    label = Label("a", 1, SAID, "骗子")  # begins at 11.6
    near, same_words = found("a", 11.5, 12.0), found("a", 12.4, 13.0, "骗子")
    assert match([label], [near, same_words]).right[0][1] == same_words
    far = found("a", 13.5, 14.0, "骗子")
    assert match([label], [near, far]).right[0][1] == near


def test_half_of_a_finding_must_lie_in_the_turn_with_a_second_of_slack() -> None:
    label = Label("a", 1, SAID, "骗子")
    assert match([label], [found("a", 14.0, 16.0)]).right  # 1 of 2 seconds
    assert not match([label], [found("a", 14.1, 16.1)]).right


def test_without_times_the_turn_decides() -> None:
    label = Label("a", 1, SaidTurn("customer", None, None, "骗子"), "骗子")
    assert match([label], [found("a", None, None)]).right
    assert not match([label], [found("a", None, None, number=2)]).right


def test_overlapping_findings_are_one_claim() -> None:
    assert one_claim([found("a", 1, 3), found("a", 2, 3.5), found("a", 2, 3, customer=False), found("b", 1, 3)]) == [
        found("a", 2, 3, customer=False),
        found("a", 1, 3.5),
        found("b", 1, 3),
    ]
    assert len(one_claim([found("a", 1, 3), found("a", 2, 4)])) == 2  # exactly half is not more than half
    assert len(one_claim([found("a", None, None, "x"), found("a", None, None, "x"), found("a", None, None, "y")])) == 2


# --- the queue --------------------------------------------------------------------------------------------------------


def test_the_queue_without_ties_by_hand() -> None:
    calls = [Queued(0.9, True, 1), Queued(0.5, False, 1), Queued(0.4, True, 1), *(Queued(0.1 - k / 100, False, 1) for k in range(7))]
    assert found_by_share(calls) == pytest.approx((0.5, 0.5, 1.0))


def test_ties_average_over_orders() -> None:
    calls = [Queued(0.5, True, 1.0), Queued(0.5, False, 1.1), Queued(0.5, False, 1.2)]
    exact = np.zeros(3)
    for order in permutations(calls):
        spent = np.concatenate([[0.0], np.cumsum([c.minutes for c in order])]) / 3.3
        exact += np.interp((0.1, 0.2, 0.3), spent, np.concatenate([[0], np.cumsum([c.urgent for c in order])])) / 6
    assert found_by_share(calls) == pytest.approx(exact, abs=0.08)  # 200 draws of a share: standard error 0.035
    assert found_by_share(calls) == found_by_share(calls[::-1])


def test_an_empty_queue_finds_nothing() -> None:
    assert found_by_share([]) == (0.0, 0.0, 0.0)
