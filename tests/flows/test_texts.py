"""Transcripts made elsewhere go into the same tables, once, and resume like recordings."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from flows.night import Night, Summary
from flows.rerun import from_hearing, select
from flows.settings import Settings, load_settings
from flows.store import dates, read_rows, stored_call
from flows.texts import read_texts
from flows.transcripts import read_transcripts
from tests.factories import book, configs_of, tables_of

DAY = date(2026, 11, 21)


def chat(call_id: str, *said: str, **more: object) -> dict[str, object]:
    turns = [{"role": "agent" if i % 2 == 0 else "customer", "text": text} for i, text in enumerate(said)]
    return {"call_id": call_id, "turns": turns, **more}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(configs_of(tmp_path / "configs"))


def read(path: Path, out: Path, settings: Settings, *chats: dict[str, object] | str, given: date = DAY) -> Summary:
    path.write_text("\n".join(c if isinstance(c, str) else json.dumps(c, ensure_ascii=False) for c in chats), encoding="utf-8")
    with Night(out, settings, book(), command="read") as night:
        read_texts(night, read_transcripts(str(path)), str(path), given)
        return night.finish()


def test_chats_become_rows_with_their_findings_and_a_bad_line_costs_only_itself(tmp_path: Path, settings: Settings) -> None:
    angry = chat("a", "您好", "我就去消协投诉你们", started_at="2026-11-20T23:30:00+08:00", customer_ref="C1")
    summary = read(tmp_path / "t.jsonl", tmp_path / "out", settings, angry, "{broken", chat("b", "您好", "谢谢"))
    assert (summary.ok, summary.failed, summary.exit_code) == (2, 1, 3)
    found = stored_call(tmp_path / "out", "a")
    assert found is not None and found.date == date(2026, 11, 20)
    assert (found.call["layout"], found.call["flag"], found.call["duration_s"], found.turns[0]["start_s"]) == ("text", "urgent", None, None)
    assert {r["call_id"]: str(r["date"]) for r in tables_of(tmp_path / "out")["calls"] if r["call_id"] == "b"} == {"b": "2026-11-21"}


def test_reading_a_file_again_does_nothing_and_changed_words_are_another_call(tmp_path: Path, settings: Settings) -> None:
    first = read(tmp_path / "t.jsonl", tmp_path / "out", settings, chat("a", "您好", "在吗"), chat("b", "您好", "在吗"))
    assert first.ok == 2
    before = tables_of(tmp_path / "out", without=())
    again = read(tmp_path / "t.jsonl", tmp_path / "out", settings, chat("a", "您好", "在吗"), chat("b", "您好", "在吗"), given=date(2026, 11, 22))
    assert (again.ok, again.done_before) == (2, 2)
    assert tables_of(tmp_path / "out", without=()) == before
    read(tmp_path / "t.jsonl", tmp_path / "out", settings, chat("a", "您好", "还在吗"))
    ids = [r["call_id"] for r in tables_of(tmp_path / "out")["calls"]]
    assert len(ids) == 3 and ids[0] == "a" and ids[1].startswith("a-")


def test_a_rerun_reads_transcripts_again(tmp_path: Path, settings: Settings) -> None:
    read(tmp_path / "t.jsonl", tmp_path / "out", settings, chat("a", "您好", "我上次就打过电话"))
    before = tables_of(tmp_path / "out")
    with Night(tmp_path / "out", settings, book()) as night:
        from_hearing(night, select(night, first=DAY, last=DAY, call_ids=[], failed=False))
        assert night.finish().ok == 1
    assert tables_of(tmp_path / "out") == before


def test_a_run_stands_once_whatever_it_learns_about_its_dates_on_the_way(tmp_path: Path, settings: Settings) -> None:
    often = replace(settings, night=replace(settings.night, publish_every_s=0.0))
    read(tmp_path / "t.jsonl", tmp_path / "out", often, chat("a", "您好", "在吗"))
    summary = read(tmp_path / "t.jsonl", tmp_path / "out", often, chat("a", "您好", "在吗"), chat("b", "您好"), given=date(2026, 11, 22))
    rows = [r for day in dates(tmp_path / "out", "runs") for r in read_rows(tmp_path / "out", "runs", day).to_pylist() if r["run_id"] == summary.run_id]
    assert [r["finished_at"] is not None for r in rows] == [True]
