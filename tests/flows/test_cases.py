"""Cases follow their customers over days: one row a matter, under the date of its last call, moving when another call comes."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from flows.night import Night
from flows.rerun import from_reading, select
from flows.settings import Settings, load_settings
from flows.store import dates, read_rows
from flows.texts import read_texts
from flows.transcripts import read_transcripts
from tests.factories import book, configs_of, tables_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(configs_of(tmp_path / "configs"))


def night(out: Path, settings: Settings, calls: list[tuple[str, str, str, str]]) -> None:
    """One night of (call id, start, customer, what the customer says)."""
    lines = [
        {"call_id": i, "started_at": s, "customer_ref": ref, "agent_id": "A1", "turns": [{"role": "agent", "text": "您好"}, {"role": "customer", "text": said}]}
        for i, s, ref, said in calls
    ]
    path = out.parent / "t.jsonl"
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    with Night(out, settings, book()) as opened:
        read_texts(opened, read_transcripts(str(path)), str(path), date(2026, 11, 20))
        opened.finish()


def cases(out: Path) -> dict[str, list[tuple[str, str, str, int]]]:
    """By date: (customer, first call, last call, contacts)."""
    found = {}
    for day in dates(out, "cases"):
        rows = read_rows(out, "cases", day).to_pylist()
        found[day.isoformat()] = sorted((r["customer_ref"], r["first_call"], r["last_call"], r["contacts"]) for r in rows)
    return found


def test_a_case_moves_to_the_date_of_its_newest_call(tmp_path: Path, settings: Settings) -> None:
    out = tmp_path / "out"
    night(out, settings, [("a1", "2026-11-20T09:00:00+08:00", "CA", "订单六六零八没到"), ("b1", "2026-11-20T10:00:00+08:00", "CB", "谢谢")])
    assert cases(out) == {"2026-11-20": [("CA", "a1", "a1", 1), ("CB", "b1", "b1", 1)]}
    night(out, settings, [("a2", "2026-11-21T09:00:00+08:00", "CA", "我上次就打过电话，订单六六零八还没到")])
    assert cases(out) == {"2026-11-20": [("CB", "b1", "b1", 1)], "2026-11-21": [("CA", "a1", "a2", 2)]}


def test_reading_a_day_again_leaves_the_cases_of_other_dates_byte_for_byte(tmp_path: Path, settings: Settings) -> None:
    out = tmp_path / "out"
    night(out, settings, [("a1", "2026-11-20T09:00:00+08:00", "CA", "订单六六零八没到"), ("b1", "2026-11-20T10:00:00+08:00", "CB", "谢谢")])
    night(out, settings, [("a2", "2026-11-21T09:00:00+08:00", "CA", "我上次就打过电话，订单六六零八还没到")])
    before, files = tables_of(out), {p: p.read_bytes() for p in (out / "cases").rglob("*.parquet")}
    with Night(out, settings, book()) as opened:
        from_reading(opened, select(opened, first=date(2026, 11, 20), last=date(2026, 11, 20), call_ids=[], failed=False))
        opened.finish()
    assert tables_of(out) == before
    assert {p: p.read_bytes() for p in (out / "cases").rglob("*.parquet")} == files


def test_customers_taken_in_small_chunks_give_the_same_cases(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [(f"c{i}", f"2026-11-{20 + i % 3}T09:00:0{i % 10}+08:00", f"C{i % 4}", "订单没到") for i in range(12)]
    night(tmp_path / "one", settings, calls)
    monkeypatch.setattr("flows.cases.TOGETHER", 2)
    night(tmp_path / "few", settings, calls)
    assert tables_of(tmp_path / "one")["cases"] == tables_of(tmp_path / "few")["cases"] != []
