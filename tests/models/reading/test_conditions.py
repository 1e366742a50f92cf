"""Every operator of the rule language, by example and against a slow oracle."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.reading.text import normalise
from models.records import HeardCall, Turn
from tests.models.reading.rulekit import call, one, quotes

HERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
SAID = st.text("投诉举报你们没，。！ ", max_size=16).map(lambda said: normalise(said).norm)
LOOSE = "unless: {part_of_word: false, name: false}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rules")


def sentences(said: str) -> list[str]:
    return [s for s in re.split("[。！？；]", said.strip()) if re.sub(r"\W", "", s)]


# ---- phrases: any, all, none, n of ----


@HERE
@given(SAID)
def test_any(folder: Path, said: str) -> None:
    book = one(folder, f"{LOOSE}\nany: [投诉, 举报]")
    assert bool(quotes(book, call(said))) == ("投诉" in said or "举报" in said)


@HERE
@given(SAID)
def test_all_and_none(folder: Path, said: str) -> None:
    book = one(folder, f"{LOOSE}\nall: [投诉, 举报, none: [没]]")
    assert bool(quotes(book, call(said))) == ("投诉" in said and "举报" in said and "没" not in said)


@HERE
@given(SAID)
def test_all_within_a_sentence(folder: Path, said: str) -> None:
    book = one(folder, f"{LOOSE}\nwithin: sentence\nall: [投诉, 举报, none: [没]]")
    expected = any("投诉" in s and "举报" in s and "没" not in s for s in sentences(said))
    assert bool(quotes(book, call(said))) == expected


@HERE
@given(SAID, st.integers(1, 3))
def test_n_of(folder: Path, said: str, n: int) -> None:
    book = one(folder, f"{LOOSE}\nn_of: {{n: {n}, of: [投诉, 举报, 没]}}")
    assert bool(quotes(book, call(said))) == (sum(w in said for w in ("投诉", "举报", "没")) >= n)


def test_all_quotes_its_first_part_and_n_of_all_its_parts(folder: Path) -> None:
    heard = call("你们没人管，拖了三天，我要投诉")
    assert quotes(one(folder, "all: [投诉, 没人管]"), heard) == [(0, "投诉")]
    assert quotes(one(folder, "n_of: {n: 2, of: [没人管, 投诉, 报警]}"), heard) == [(0, "没人管，拖了三天，我要投诉")]


@HERE
@given(SAID)
def test_a_rule_of_absence_quotes_the_whole_turn(folder: Path, said: str) -> None:
    book = one(folder, f"{LOOSE}\nnone: [投诉]")
    found = quotes(book, call(said))
    assert bool(found) == ("投诉" not in said and bool(re.sub(r"\W", "", said)))


# ---- regex ----


@HERE
@given(st.text("打找过没三次1，。", max_size=16))
def test_regex_and_not_regex(folder: Path, said: str) -> None:
    pattern, exclusion = "(打|找)过?.{0,3}(三|1)次?", "没打"
    book = one(folder, f"regex: '{pattern}'\nnot_regex: '{exclusion}'\n{LOOSE}")
    said = normalise(said).norm  # 三三三 is 333
    expected = []
    for m in re.finditer(pattern, said):
        low = max((said.rfind(c, 0, m.start()) for c in "。！？；"), default=-1) + 1
        high = min((i for i in (said.find(c, m.end()) for c in "。！？；") if i >= 0), default=len(said))
        if not re.search(exclusion, said[low:high]):
            expected.append(m.span())
    clusters = 0
    edge = -1
    for start, end in expected:
        clusters += start >= edge
        edge = max(edge, end)
    assert len(quotes(book, call(said))) == clusters


# ---- near ----


@HERE
@given(st.text("发抖音好，。", max_size=16), st.integers(1, 6), st.booleans())
def test_near(folder: Path, said: str, within: int, ordered: bool) -> None:
    book = one(folder, f"near: {{a: [发], b: [抖音], within: {within}, ordered: {str(ordered).lower()}}}\n{LOOSE}")
    expected = False
    for sentence in sentences(said):
        bare = re.sub(r"\W", "|", sentence)
        solid, stops = "", set()
        for c in bare:
            if c == "|":
                stops.add(len(solid))
            else:
                solid += c
        a = [i for i, c in enumerate(solid) if c == "发"]
        b = [i for i in range(len(solid) - 1) if solid[i : i + 2] == "抖音" and i + 1 not in stops]
        for i, k in itertools.product(a, b):
            if 0 <= k - (i + 1) <= within or (not ordered and 0 <= i - (k + 2) <= within):
                expected = True
    assert bool(quotes(book, call(said))) == expected


# ---- similar ----


def test_similar_by_text_scales_the_score(folder: Path) -> None:
    book = one(folder, "similar: {to: [你们除了道歉还会干什么], at_least: 0.55}\nscore: 0.8")
    same, close = call("你们除了道歉还会干什么"), call("除了道歉你们还会什么")
    from models.reading.rules import find

    assert find(same, book)[0].score == pytest.approx(0.8) and find(same, book)[0].match == "similar"
    assert 0.4 < find(close, book)[0].score < 0.8
    assert not find(call("我的快递到哪了"), book)


def test_similar_by_embedding(folder: Path) -> None:
    body = "similar: {to: [我很生气], at_least: 0.9, by: embedding}"

    def embed(said: object) -> list[list[float]]:
        return [[1.0, 0.1] if "气" in s else [0.0, 1.0] for s in said]  # type: ignore[attr-defined]

    assert quotes(one(folder, body, embed=embed), call("气死了，好的")) == [(0, "气死了，好的")]
    assert quotes(one(folder, body, embed=embed), call("好的")) == []
    assert quotes(one(folder, body), call("气死了")) == []


# ---- entities ----


def test_entities_with_bounds(folder: Path) -> None:
    heard = call("赔我三千块，再加五十块")
    assert quotes(one(folder, "entity: amount"), heard) == [(0, "三千块"), (0, "五十块")]
    assert quotes(one(folder, "entity: {is: amount, at_least: 1000}"), heard) == [(0, "三千块")]
    assert quotes(one(folder, "entity: [deadline, phone]"), call("明天下午之前，打13812345678")) == [(0, "明天下午之前"), (0, "13812345678")]


# ---- repetition ----


@HERE
@given(
    st.lists(
        st.tuples(st.sampled_from(["customer", "agent"]), st.sampled_from(["你们到底什么时候送到", "你们到底啥时候送到", "好的", "我查一下您的订单号"])),
        max_size=6,
    ),
    st.integers(0, 3),
    st.integers(1, 2),
)
def test_repetition_against_a_slow_oracle(folder: Path, said: list[tuple[str, str]], back: int, times: int) -> None:
    from rapidfuzz.distance import Indel

    book = one(folder, f"repeats: {{by: self, back: {back}, similarity: 0.7, min_chars: 4, times: {times}}}\n{LOOSE}")
    expected = []
    for i, (role, text) in enumerate(said):
        low = 0 if back == 0 else max(0, i - back)
        earlier = [t for r, t in said[low:i] if r == role and len(t) >= 4]
        if len(text) >= 4 and sum(Indel.normalized_similarity(text, t) >= 0.7 for t in earlier) >= times:
            expected.append(i)
    assert [i for i, _ in quotes(book, call(*(f"{r}: {t}" for r, t in said)))] == expected


def test_repetition_by_the_other_side(folder: Path) -> None:
    book = one(folder, "repeats: {by: other, back: 2, similarity: 0.9, min_chars: 4}")
    assert quotes(book, call("agent: 请您耐心等待", "请您耐心等待")) == [(1, "请您耐心等待")]
    assert quotes(book, call("请您耐心等待", "请您耐心等待")) == []


# ---- the turn ----


@pytest.mark.parametrize(("said", "hit"), [("投诉", True), ("投诉投诉投诉", False), ("投诉吗？", True)])
def test_turn_length(folder: Path, said: str, hit: bool) -> None:
    assert bool(quotes(one(folder, f"phrases: [投诉]\nwhen: {{turn: {{chars: {{at_most: 4}}}}}}\n{LOOSE}"), call(said))) is hit


def test_turn_question(folder: Path) -> None:
    book = one(folder, "all: [投诉, turn: {question: true}]")
    assert quotes(book, call("可以投诉吗？")) and not quotes(book, call("我要投诉"))


# ---- when ----


def timed(*at_s: float, text: str = "我要投诉", **more: object) -> HeardCall:
    turns = tuple(Turn(i, "customer", text, s, s + 2.0) for i, s in enumerate(at_s))
    return HeardCall("c", turns, "stereo", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ("first: {seconds: 30}", [0, 1]),
        ("first: {turns: 1}", [0]),
        ("first: {percent: 50}", [0, 1]),
        ("last: {seconds: 10}", [3]),
        ("last: {turns: 2}", [2, 3]),
        ("last: {percent: 40}", [2, 3]),
        ("call: {queue: [complaints, vip], direction: inbound}", [0, 1, 2, 3]),
        ("call: {queue: sales}", []),
    ],
)
def test_windows(folder: Path, window: str, expected: list[int]) -> None:
    heard = timed(0.0, 20.0, 70.0, 95.0, duration_s=100.0, queue="vip", direction="inbound")
    assert [i for i, _ in quotes(one(folder, f"phrases: [投诉]\nwhen: {{{window}}}"), heard)] == expected


def test_windows_are_measured_where_the_quote_is_said(folder: Path) -> None:
    """The words at the end of a long turn are late, though the turn began early."""
    heard = HeardCall("c", (Turn(0, "customer", "好" * 18 + "投诉", 0.0, 20.0),), "stereo", duration_s=100.0)
    assert quotes(one(folder, f"phrases: [投诉]\nwhen: {{first: {{seconds: 10}}}}\n{LOOSE}"), heard) == []
    assert quotes(one(folder, f"phrases: [投诉]\nwhen: {{first: {{seconds: 18.5}}}}\n{LOOSE}"), heard)


def test_without_times_seconds_are_not_met_and_percent_counts_turns(folder: Path) -> None:
    heard = call("我要投诉", "好", "好", "我要投诉")
    assert quotes(one(folder, "phrases: [投诉]\nwhen: {first: {seconds: 1000}}"), heard) == []
    assert [i for i, _ in quotes(one(folder, "phrases: [投诉]\nwhen: {first: {percent: 50}}"), heard)] == [0]


ANCHORED = """
kind: escalation
defaults: {examples: {hit: [x], miss: [y]}, unless: {part_of_word: false, name: false}}
rules:
  - id: escalation.churn.a
    phrases: [退订]
    examples: {hit: [x], miss: [y]}
  - id: escalation.complaint.x
    phrases: [投诉]
    when: {WHERE: {rule: 'escalation.churn.*', TURNS}}
    examples: {hit: [x], miss: [y]}
"""


@HERE
@given(
    st.lists(st.sampled_from(["退订", "投诉", "好", "退订，投诉", "投诉，退订"]), max_size=7),
    st.sampled_from(["after", "before", "around"]),
    st.integers(0, 3),
    st.sampled_from(["any", "1", "2", "-1"]),
)
def test_anchors_against_a_slow_oracle(folder: Path, said: list[str], where: str, turns: int, nth: str) -> None:
    from tests.models.reading.rulekit import compiled

    rules = (
        ANCHORED.replace("defaults: {examples: {hit: [x], miss: [y]}, unless", "defaults: {unless")
        .replace("WHERE", where)
        .replace("TURNS", f"turns: {turns}, nth: {nth}")
    )
    book = compiled(folder, rules)
    anchors = [(i, t.index("退订")) for i, t in enumerate(said) if "退订" in t]
    if nth != "any":
        k = int(nth) - 1 if int(nth) > 0 else len(anchors) + int(nth)
        anchors = anchors[k : k + 1] if 0 <= k < len(anchors) else []
    expected = []
    for i, text in enumerate(said):
        if "投诉" not in text:
            continue
        here = (i, text.index("投诉"))
        near = [a for a in anchors if abs(a[0] - i) <= turns]
        if where == "after":
            near = [a for a in near if a < here]
        elif where == "before":
            near = [a for a in near if a > here]
        if near:
            expected.append(i)
    assert [i for i, _ in quotes(book, call(*said))] == expected


# ---- how it sounded ----


def sounding() -> HeardCall:
    turns = [
        Turn(
            i,
            "customer",
            "我跟你说了半天了",
            i * 10.0,
            i * 10.0 + 4.0,
            loudness_db=-30.0 + 8 * (i == 4),
            pitch_hz=200.0 * (1.5 if i == 4 else 1.0),
            overlap_s=2.5 if i == 4 else 0.0,
        )
        for i in range(5)
    ]
    turns[4] = replace(turns[4], end_s=42.0)
    return HeardCall("c", tuple(turns), "stereo", duration_s=60.0)


def value(measure: str, heard: HeardCall, i: int) -> float:
    """Each measure once more, in the plainest way."""
    t, others = heard.turns[i], [u for u in heard.turns if u is not heard.turns[i]]

    def rate(u: Turn) -> float:
        return 60 * len(u.text) / ((u.end_s or 0) - (u.start_s or 0))

    return {
        "overlap_s": t.overlap_s or 0.0,
        "silence_before_s": (t.start_s or 0) - max((u.end_s or 0) for u in heard.turns[:i]),
        "chars_per_min": rate(t),
        "rate_rise": rate(t) / median(rate(u) for u in others),
        "loudness_rise_db": (t.loudness_db or 0) - median(u.loudness_db or 0 for u in others),
        "pitch_rise_st": 12 * math.log2((t.pitch_hz or 1) / median(u.pitch_hz or 1 for u in others)),
    }[measure]


@pytest.mark.parametrize("measure", ["overlap_s", "silence_before_s", "chars_per_min", "rate_rise", "loudness_rise_db", "pitch_rise_st"])
def test_sound_bounds(folder: Path, measure: str) -> None:
    heard = sounding()
    expected = value(measure, heard, 4)
    for low, hit in ((expected - 0.01, True), (expected + 0.01, False)):
        found = quotes(one(folder, f"phrases: [说了半天]\nwhen: {{sound: {{{measure}: {{at_least: {low}}}}}, last: {{turns: 1}}}}\n{LOOSE}"), heard)
        assert bool(found) is hit, (measure, low)


def test_interruption_and_the_silence_that_follows(folder: Path) -> None:
    heard = HeardCall(
        "c", (Turn(0, "agent", "我们的规定是", 0.0, 5.0), Turn(1, "customer", "你别说了", 4.0, 6.0), Turn(2, "agent", "好的", 20.0, 21.0)), "stereo"
    )
    assert [i for i, _ in quotes(one(folder, "sound: {interrupts_s: {at_least: 0.9}}"), heard)] == [1]
    assert [i for i, _ in quotes(one(folder, "sound: {silence_after_s: {at_least: 13}}"), heard)] == [1]


def test_what_was_not_measured_is_absent_evidence(folder: Path) -> None:
    for measure in ("overlap_s", "interrupts_s", "silence_before_s", "silence_after_s", "chars_per_min", "rate_rise", "loudness_rise_db", "pitch_rise_st"):
        assert quotes(
            one(folder, f"phrases: [投诉]\nwhen: {{sound: {{{measure}: {{at_least: -1000}}}}}}"), call("我要投诉", "我要投诉")
        ) == [] or measure.startswith("x")


def test_a_baseline_needs_three_other_turns(folder: Path) -> None:
    heard = sounding()
    short = replace(heard, turns=heard.turns[2:])
    body = "sound: {loudness_rise_db: {at_least: 6}}"
    assert [i for i, _ in quotes(one(folder, body), heard)] == [4]
    assert quotes(one(folder, body), short) == []


def test_heat_is_asked_only_when_it_is_there(folder: Path) -> None:
    book = one(folder, "phrases: [投诉]\nwhen: {sound: {heat: {at_least: 0.6}}}")
    heard = call("我要投诉", "agent: 好的", "我要投诉")
    assert quotes(book, heard) == []
    assert [i for i, _ in quotes(book, heard, heat=[0.3, None, 0.8])] == [2]
    latest = one(folder, "phrases: [好的]\nwhen: {sound: {customer_heat: {at_least: 0.6}}}")
    assert [i for i, _ in quotes(latest, call("啊", "agent: 好的", "啊", "agent: 好的"), heat=[0.3, None, 0.8, None])] == [3]
