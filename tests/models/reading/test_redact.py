"""Masking, measured on the labelled turns of tests/data/redaction, and its promises about length, words and quotes.

The labelled files hold one call a line: a list of turns, `a` agent or `c` customer, personal parts as 【kind|text】. A number counts as
found when every one of its digits is masked. Written by hand for this purpose; nobody in them exists.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.reading.personal_numbers import VALUE, luhn
from models.reading.redact import MASK, mask_call, mask_moment, mask_text, mask_turn, redact
from models.records import Component, HeardCall, Measures, Moment, Reading, Reason, Redaction, Turn, Word

MARK = re.compile(r"【(\w+)\|(.*?)】")
DATA = Path(__file__).resolve().parents[2] / "data" / "redaction"
NUMBERS = {"phone", "id", "card", "secret"}


@dataclass(frozen=True, slots=True)
class Labelled:
    turns: tuple[Turn, ...]
    labels: tuple[tuple[Redaction, ...], ...]


def labelled(line: str) -> Labelled:
    turns, labels = [], []
    for index, marked in enumerate(json.loads(line)):
        text, spans, at = "", [], 2
        for found in MARK.finditer(marked):
            text += marked[at : found.start()]
            spans.append(Redaction(len(text), len(text) + len(found[2]), found[1]))
            text, at = text + found[2], found.end()
        turns.append(Turn(index, "customer" if marked[0] == "c" else "agent", text + marked[at:]))
        labels.append(tuple(spans))
    return Labelled(tuple(turns), tuple(labels))


CALLS = [labelled(line) for path in sorted(DATA.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines() if line.strip()]


def covered(span: Redaction, got: tuple[Redaction, ...], text: str) -> bool:
    masked = {at for g in got for at in range(g.start, g.end)}
    wanted = {at for at in range(span.start, span.end) if text[at] in VALUE} if span.kind in NUMBERS else set(range(span.start, span.end))
    return wanted <= masked


def measure(kinds: set[str]) -> tuple[float, float, list[str]]:
    """Recall of the labelled spans of these kinds; share of the spans found that touch a label of any kind; and what went wrong."""
    n: Counter[str] = Counter()
    wrong = []
    for call in CALLS:
        for turn, want, got in zip(call.turns, call.labels, redact(call.turns), strict=True):
            for span in want:
                if span.kind in kinds:
                    n["labelled"] += 1
                    n["found"] += covered(span, got, turn.text)
                    if not covered(span, got, turn.text):
                        wrong.append(f"missed {span.kind}: {turn.text}")
            for span in got:
                if span.kind in kinds:
                    n["claimed"] += 1
                    right = any(w.start < span.end and span.start < w.end for w in want)
                    n["right"] += right
                    if not right:
                        wrong.append(f"false {span.kind} {turn.text[span.start : span.end]}: {turn.text}")
    return n["found"] / n["labelled"], n["right"] / n["claimed"], wrong


def test_the_labelled_set_is_large_enough() -> None:
    assert sum(len(c.turns) for c in CALLS) >= 120
    assert sum(s.kind in NUMBERS for c in CALLS for spans in c.labels for s in spans) >= 40


@pytest.mark.parametrize(
    ("kinds", "least_recall", "least_precision"),
    [(NUMBERS, 0.95, 0.90), ({"name"}, 0.80, 0.80), ({"address"}, 0.80, 0.80)],
    ids=["numbers", "names", "addresses"],
)
def test_recall_and_precision(kinds: set[str], least_recall: float, least_precision: float, record_property) -> None:
    recall, precision, wrong = measure(kinds)
    record_property("recall", recall)
    record_property("precision", precision)
    assert recall >= least_recall and precision >= least_precision, f"recall {recall:.3f}, precision {precision:.3f}\n" + "\n".join(wrong)


# --- promises ---------------------------------------------------------------------------------------------------------

PHONE = "我手机幺三八零零幺三八零零零，叫李雪梅"


def spoken(text: str) -> Turn:
    words = tuple(Word(part, k, k + 1.0, 0.9) for k, part in enumerate(re.findall(r"[^，。！？]{1,2}", text)))
    return Turn(0, "customer", text, 0.0, 10.0, words)


def test_masking_keeps_every_offset() -> None:
    turn = spoken(PHONE)
    (spans,) = redact([turn])
    masked = mask_turn(turn, spans)
    assert masked.text == "我手机***********，叫***" and len(masked.text) == len(turn.text)
    assert "".join(w.text for w in masked.words) == masked.text.replace("，", "")
    assert [len(w.text) for w in masked.words] == [len(w.text) for w in turn.words]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text("我手机号是幺三八零0123456789，。呃 的叫李雪梅住建设路十二号楼订单", max_size=40), max_size=5))
def test_spans_are_sorted_disjoint_and_inside_whatever_is_said(texts: list[str]) -> None:
    turns = [Turn(k, "customer" if k % 2 else "agent", text) for k, text in enumerate(texts)]
    for turn, spans in zip(turns, redact(turns), strict=True):
        edges = [edge for s in spans for edge in (s.start, s.end)]
        assert edges == sorted(edges) and all(s.start < s.end for s in spans) and (not edges or edges[-1] <= len(turn.text))
        masked = mask_text(turn.text, spans)
        assert len(masked) == len(turn.text)
        assert all(a == b or b == MASK for a, b in zip(turn.text, masked, strict=True))


@pytest.mark.parametrize("gap", ["", " ", "，", "呃", "，那个，", "。嗯，", "-"])
@pytest.mark.parametrize("digits", ["13800138000", "一三八零零一三八零零零", "幺三八〇〇幺三八〇〇〇"])
@pytest.mark.parametrize("cut", [(3, 7), (4, 8), (1, 5), (6, 9)])
def test_a_mobile_number_in_any_pieces_is_found(gap: str, digits: str, cut: tuple[int, int]) -> None:
    text = f"您记{digits[: cut[0]]}{gap}{digits[cut[0] : cut[1]]}{gap}{digits[cut[1] :]}谢谢"
    (spans,) = redact([Turn(0, "customer", text)])
    assert not [c for c in mask_text(text, spans) if c in VALUE], mask_text(text, spans)


@pytest.mark.parametrize(
    "hotline",
    [
        "110",
        "119",
        "12315",
        "幺二三一五",
        "12378",
        "一二三七八",
        "12345",
        "10086",
        "幺零零八六",
        "95588",
        "九五五八八",
        "96110",
        "4008108888",
        "400-810-8888",
        "800 820 8888",
        "01012315",
    ],
)
def test_public_hotlines_are_never_masked(hotline: str) -> None:
    for text in (f"我打了{hotline}，电话没人接", f"您拨打热线{hotline}", f"电话{hotline}，{hotline}"):
        assert redact([Turn(0, "customer", text)]) == ((),), text


@pytest.mark.parametrize(("digits", "right"), [("79927398713", True), ("79927398710", False), ("4111111111111111", True)])
def test_luhn(digits: str, right: bool) -> None:
    assert luhn(digits) is right


def moment(text: str, quote: str, components: tuple[Component, ...] = ()) -> Moment:
    start = text.find(quote)
    return Moment(0, "escalation", "complaint", "customer", 0, quote, start, start + len(quote), "r", 0.9, "exact", 3, components=components)


def test_quotes_are_masked_as_their_turn_is() -> None:
    text = "你打13800138000，我要投诉李雪梅女士"
    (spans,) = redact([Turn(0, "customer", text)])
    found = mask_moment(moment(text, "13800138000，我要投诉", (Component("naming", "投诉李雪梅"), Component("repair", "回 13800138000"))), text, spans)
    assert found.quote == "***********，我要投诉"
    assert [c.quote for c in found.components] == ["投诉***", "回 ***********"]


def test_a_whole_call_is_masked_and_a_clean_one_is_untouched() -> None:
    text = "你打13800138000，我要投诉"
    reading = Reading(
        (moment(text, "13800138000"),),
        (0.5,),
        Measures(),
        "angry",
        True,
        "urgent",
        0.9,
        (Reason("complaint", 0, (("words", "打13800138000"), ("n", "2"))),),
        "v",
    )
    call = HeardCall("c1", (Turn(0, "customer", text),), "mixed")
    masked = mask_call(call, reading)
    assert "13800138000" not in str(
        [t.text for t in masked.heard.turns] + [m.quote for m in masked.reading.moments] + [r.params for r in masked.reading.reasons]
    )
    assert masked.redactions == ((Redaction(2, 13, "phone"),),)
    assert masked.reading.reasons[0].params[1] == ("n", "2")
    clean = HeardCall("c2", (Turn(0, "customer", "我要投诉到12315"),), "mixed")
    nothing = Reading((), (None,), Measures(), "calm", False, "none", 0.1, (), "v")
    assert mask_call(clean, nothing).heard is clean


def test_words_that_do_not_fit_their_text_are_masked_whole() -> None:
    turn = Turn(0, "customer", "电话13800138000。", 0.0, 2.0, (Word("电话", 0.0, 1.0, 0.9), Word("幺三八", 1.0, 2.0, 0.9)))
    (spans,) = redact([turn])
    assert [w.text for w in mask_turn(turn, spans).words] == ["电话", "***"]


def test_a_masked_call_read_again_has_nothing_left_to_mask() -> None:
    for call in CALLS:
        masked = [mask_turn(turn, spans) for turn, spans in zip(call.turns, redact(call.turns), strict=True)]
        assert not any(redact(masked)), [t.text for t in masked]
