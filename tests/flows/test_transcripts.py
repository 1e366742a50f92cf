"""Transcripts made elsewhere: clean ones, dirty ones, and lines that cannot be used."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.transcripts import clean, read_transcripts
from models.errors import ConfigError
from models.records import HeardCall, NotHeard

TURNS = [{"role": "agent", "text": "您好", "start_s": 0.0, "end_s": 1.0}, {"role": "customer", "text": "我要投訴", "start_s": 1.5, "end_s": 3.0}]


def write(tmp_path, *lines: bytes):
    path = tmp_path / "night.jsonl"
    path.write_bytes(b"\n".join(lines))
    return str(path)


def as_line(**row) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode()


def test_a_call_with_metadata_beside_or_below(tmp_path):
    path = write(
        tmp_path,
        as_line(call_id="a", agent_id="A1", started_at="2026-11-21T09:00:00+08:00", turns=TURNS),
        as_line(dialogue_id="b", metadata={"customer_ref": "C7", "queue": "vip"}, turns=TURNS),
    )
    a, b = read_transcripts(path)
    assert isinstance(a, HeardCall) and isinstance(b, HeardCall)
    assert (a.call_id, a.agent_id, a.layout, a.duration_s) == ("a", "A1", "text", 3.0)
    assert a.started_at is not None and a.started_at.utcoffset() is not None
    assert (b.call_id, b.customer_ref, b.queue) == ("b", "C7", "vip")
    assert a.turns[1].text == "我要投诉"


def test_missing_times_are_absent(tmp_path):
    (call,) = read_transcripts(write(tmp_path, as_line(call_id="a", turns=[{"role": "客户", "text": "喂"}, {"role": "客服", "text": "您好"}])))
    assert isinstance(call, HeardCall)
    assert [(t.role, t.start_s, t.index) for t in call.turns] == [("customer", None, 0), ("agent", None, 1)]
    assert call.duration_s is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{broken", "not JSON"),
        (b"[1, 2]", "object"),
        (as_line(call_id="x"), "turns"),
        (as_line(call_id="x", turns=[{"text": "..."}]), "role"),
        (as_line(call_id="x", turns=["hello"]), "turn 0"),
        (as_line(call_id="x", turns=[{"role": "customer", "text": ["a"]}]), "text"),
    ],
    ids=["json", "array", "no-turns", "no-role", "turn-is-text", "text-is-list"],
)
def test_one_bad_line_is_told_and_the_rest_is_read(tmp_path, line, says):
    bad, good = read_transcripts(write(tmp_path, line, as_line(call_id="ok", turns=TURNS)))
    assert isinstance(bad, NotHeard) and says in bad.message and "line 1" in bad.message
    assert isinstance(good, HeardCall) and good.call_id == "ok"


def test_an_error_never_repeats_what_was_said(tmp_path):
    (bad,) = read_transcripts(write(tmp_path, '{"call_id": "a", "turns": [{"role": "customer", "text": "我的手机号13812345678"'.encode()))
    assert isinstance(bad, NotHeard) and "138" not in bad.message


def test_the_same_id_twice_keeps_both(tmp_path):
    first, second = read_transcripts(write(tmp_path, as_line(call_id="a", turns=TURNS), as_line(call_id="a", turns=TURNS[:1])))
    assert first.call_id == "a" and second.call_id.startswith("a-")


def test_gb18030_and_bom_lines(tmp_path):
    line = json.dumps({"call_id": "g", "turns": [{"role": "customer", "text": "我要投诉你们"}]}, ensure_ascii=False)
    a, b = read_transcripts(write(tmp_path, line.encode("gb18030"), b"\xef\xbb\xbf" + line.replace('"g"', '"h"').encode()))
    assert [c.turns[0].text for c in (a, b) if isinstance(c, HeardCall)] == ["我要投诉你们"] * 2


def test_impossible_times_count_as_unknown(tmp_path):
    turns = [{"role": "customer", "text": "喂", "start_s": 5, "end_s": 3}, {"role": "agent", "text": "您好", "start_s": "nan", "end_s": 3}]
    (call,) = read_transcripts(write(tmp_path, as_line(call_id="a", turns=turns)))
    assert isinstance(call, HeardCall) and all(t.start_s is None for t in call.turns)


def test_a_file_that_is_not_there_stops_with_one_line(tmp_path):
    with pytest.raises(ConfigError, match="cannot be opened"):
        list(read_transcripts(str(tmp_path / "none.jsonl")))


@pytest.mark.parametrize(
    ("dirty", "read"), [("我&nbsp;要&amp;投訴", "我 要&投诉"), ("１２３１５", "12315"), ("<b>退款</b>\u200b", "退款"), ("a\x00b\nc", "a b c")]
)
def test_clean(dirty, read):
    assert clean(dirty) == read


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_no_bytes_crash_the_reading(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("t") / "x.jsonl"
    path.write_bytes(b"\n".join(lines))
    assert all(isinstance(x, HeardCall | NotHeard) for x in read_transcripts(str(path)))
