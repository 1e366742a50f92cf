"""One call from turns to flag, with the shipped rules."""

import functools
import json
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.reading.read import effects, read
from models.reading.rules import load_rulebook
from models.records import HeardCall, Turn, Word

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "tests" / "data" / "reading"


@functools.cache
def book():
    return load_rulebook(ROOT / "configs")


def dialogue(*said, started_at=None):
    turns = []
    for i, line in enumerate(said):
        role, text = line.split(": ", 1)
        turns.append(Turn(i, role, text, i * 6.0, i * 6.0 + 5.0))
    return HeardCall("c", tuple(turns), "text", started_at=datetime.fromisoformat(started_at) if started_at else None)


def kinds(reading):
    return {(m.kind, m.type) for m in reading.moments if m.asserted}


def test_an_empty_call_reads_as_empty():
    reading = read(HeardCall("c", (), "mixed"), book())
    assert (reading.flag, reading.priority, reading.moments, reading.heat) == ("none", 0.0, (), ())


def test_an_angry_call_that_stays_open():
    reading = read(dialogue("customer: 我上周就打过电话，到现在没人管！", "agent: 公司规定就是这样，我也没办法。", "customer: 那我去消协投诉你们！"), book())
    assert {("escalation", "repeat"), ("conduct", "deflect"), ("escalation", "regulator")} <= kinds(reading)
    assert (reading.flag, reading.unresolved, reading.level) == ("urgent", True, "threatening")
    assert reading.reasons[0].code == "regulator_open" and reading.rules_version == book().version


def test_a_dispute_that_was_settled():
    reading = read(
        dialogue(
            "customer: 我的快递三天了还没到，你说了不算，叫你们经理来跟我讲！",
            "agent: 您稍等，我请我们经理接听。",
            "supervisor: 您好，是我们漏扫了，这件事怪我们。",
            "customer: 那你说怎么办？",
            "supervisor: 今天下午三点前我亲自给您送过去。",
            "customer: 行，那就按你说的办，谢谢。",
            started_at="2026-11-21T09:00:00+08:00",
        ),
        book(),
    )
    assert ("resolution", "accepted") in kinds(reading) and reading.flag == "review"
    (promise,) = [m for m in reading.moments if m.type == "commit"]
    assert promise.due_at == datetime.fromisoformat("2026-11-21T15:00:00+08:00")


def test_giving_in_counts_only_after_a_dispute_and_once():
    calm = read(dialogue("customer: 我想改个地址", "agent: 好的", "customer: 行，那就按你说的办，谢谢"), book())
    assert ("resolution", "accepted") not in kinds(calm)


def test_asking_again_needs_an_answer_given_before():
    said = ["agent: 请问您的订单号是多少？", "customer: 七七四六零一", "agent: 好的，请问订单号是多少？"]
    assert [m.turn for m in read(dialogue(*said), book()).moments if m.type == "ask_again"] == [2]
    assert not [m for m in read(dialogue(*said[:1]), book()).moments if m.type == "ask_again"]


@pytest.mark.parametrize(
    "said",
    [
        "我操作了好几遍",
        "滚筒洗衣机的滚筒坏了",
        "我真是猪脑子，又记错了",
        "昨天邻居骂我王八蛋",
        "家里冰箱一直报警",
        "12315是吧，记下来了",
        "我不是来投诉的",
        "多媒体音箱没声音",
        "法院旁边那个小区",
        "工商银行的卡",
    ],
)
def test_look_alikes_are_nothing(said):
    assert not [m for m in read(dialogue(f"customer: {said}"), book()).moments if m.asserted and m.kind in ("abuse", "escalation")]


def test_words_bound_the_quote_in_time():
    words = tuple(Word(t, s, s + 0.5, 0.9) for t, s in (("我", 10.0), ("要", 10.5), ("投诉", 11.0), ("你们", 11.5)))
    reading = read(HeardCall("c", (Turn(0, "customer", "我要投诉你们！", 10.0, 12.0, words),), "mixed"), book())
    (moment,) = reading.moments
    assert (moment.start_s, moment.end_s) == (10.0, 12.0)


def test_effect_is_heat_after_less_heat_before():
    call = dialogue("customer: 一", "agent: 对不起", "customer: 二", "customer: 三")
    reading = read(call, book())
    assert effects(reading.moments, call.turns, (0.8, None, 0.4, 0.2)) == tuple(pytest.approx(-0.5) if m.kind == "apology" else None for m in reading.moments)
    assert effects(reading.moments, call.turns[:2], (0.8, None)) == (None,)


SAID = st.text(alphabet="我你们要投诉他妈的滚12315退款！？，。 不是经理叫来抱歉对不起给您今天三点前处理", max_size=30)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["agent", "customer", "supervisor", "ivr"]), SAID), max_size=8))
def test_any_call_reads_and_every_quote_stands_in_its_turn(said):
    call = HeardCall("c", tuple(Turn(i, r, t, i * 3.0, i * 3.0 + 2.5) for i, (r, t) in enumerate(said)), "mixed")
    reading = read(call, book())
    for i, m in enumerate(reading.moments):
        turn = call.turns[m.turn]
        assert m.index == i and turn.text[m.char_start : m.char_end] == m.quote != ""
        assert turn.start_s - 1e-6 <= m.start_s <= m.end_s <= turn.end_s + 1e-6 and m.role == turn.role
    assert read(call, book()) == reading


def test_look_alike_turns_of_the_written_calls():
    """No abuse or escalation in turns that only look like it; a few may slip, most must not."""
    wrong = total = 0
    calls = {row["call_id"]: row for row in map(json.loads, (DATA / "calls.jsonl").read_text(encoding="utf-8").splitlines())}
    labelled = {(x["call_id"], t["turn"]) for x in map(json.loads, (DATA / "labels-a.jsonl").read_text(encoding="utf-8").splitlines()) for t in x["turns"]}
    for line in (DATA / "lookalikes.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        if one["call_id"] not in calls or (one["call_id"], one["turn"]) in labelled:
            continue
        turns = tuple(Turn(i, t["role"], t["text"], t["start"], t["end"]) for i, t in enumerate(calls[one["call_id"]]["turns"]))
        found = read(HeardCall(one["call_id"], turns, "text"), book()).moments
        wrong += any(m.asserted and m.turn == one["turn"] and m.kind in ("abuse", "escalation") for m in found)
        total += 1
    assert total > 20 and wrong <= 0.15 * total
