"""Rows in, tables out: merged by call, whole or not at all, and equal however often and in how many pieces they were published."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows import quiet, store
from flows.call import Desk, rows_of
from flows.journal import Journal
from flows.rows import CallRows, Stamp
from flows.schemas import CALLS, TABLES, TURNS
from models.hearing.scripted import ScriptedEars
from models.records import Recording, Sound
from tests.factories import book, recording, script, tables_of

DAY = date(2026, 11, 21)


def rows(call_id: str, run_id: str = "r1", day: date = DAY, turns: int = 3, **more: object) -> CallRows:
    said = script([("agent", "您好"), ("customer", "我的订单没到")] * turns, **more)
    call = Recording(call_id, f"/in/{call_id}.wav", day, customer_ref=None)
    (heard,) = ScriptedEars().hear([Sound(call, recording(said))])
    return rows_of(call, heard, Desk(book(), Stamp(run_id, "c", "v")))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path) as journal:
        yield journal


def test_every_table_stands_for_every_date_with_its_schema(tmp_path: Path, journal: Journal) -> None:
    journal.record([rows("a"), rows("b", day=DAY + timedelta(1))])
    store.publish(tmp_path, journal)
    for table, schema in TABLES.items():
        assert store.dates(tmp_path, table) == [DAY, DAY + timedelta(1)]
        for day in store.dates(tmp_path, table):
            folder = store.part(tmp_path, table, day).parent
            assert [p.name for p in folder.iterdir()] == ["part-0.parquet"]
            file = pq.ParquetFile(store.part(tmp_path, table, day))
            assert file.schema_arrow.equals(schema, check_metadata=True)
            assert "date" not in file.schema_arrow.names
            if file.num_row_groups:
                assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_duckdb_polars_and_pandas_each_read_a_table_in_one_line(tmp_path: Path, journal: Journal) -> None:
    journal.record([rows("a"), rows("b", day=DAY + timedelta(1))])
    store.publish(tmp_path, journal)
    with duckdb.connect(config=quiet.DUCKDB) as db:
        assert db.sql(f"SELECT call_id, date FROM '{tmp_path}/calls/**/*.parquet' ORDER BY 1").fetchall() == [("a", DAY), ("b", DAY + timedelta(1))]
    assert pl.read_parquet(tmp_path / "turns", hive_partitioning=True).height == 12
    assert sorted(pd.read_parquet(tmp_path / "calls")["call_id"]) == ["a", "b"]


def test_publishing_again_replaces_a_call_and_leaves_the_others(tmp_path: Path, journal: Journal) -> None:
    journal.record([rows("a"), rows("b"), rows("c")])
    store.publish(tmp_path, journal)
    journal.record([rows("b", "r2", turns=1), rows("d", "r2")])
    store.publish(tmp_path, journal)
    calls = store.read_rows(tmp_path, "calls", DAY).to_pylist()
    assert [(c["call_id"], c["run_id"], c["turns"]) for c in calls] == [("a", "r1", 6), ("b", "r2", 2), ("c", "r1", 6), ("d", "r2", 6)]
    turns = store.read_rows(tmp_path, "turns", DAY).to_pylist()
    assert [(t["call_id"], t["turn"]) for t in turns] == [(i, n) for i, most in (("a", 6), ("b", 2), ("c", 6), ("d", 6)) for n in range(most)]


def test_a_publish_without_news_touches_no_file(tmp_path: Path, journal: Journal) -> None:
    journal.record([rows("a")])
    store.publish(tmp_path, journal)
    before = {p: (p.stat().st_ino, p.read_bytes()) for p in tmp_path.rglob("*.parquet")}
    assert store.publish(tmp_path, journal) == []
    assert {p: (p.stat().st_ino, p.read_bytes()) for p in tmp_path.rglob("*.parquet")} == before


class Killed(BaseException):
    """Stands for kill -9 at this point."""


@pytest.mark.parametrize("at", range(12))
def test_a_publish_killed_at_any_step_is_finished_by_the_next_start(at: int, tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.record([rows("a"), rows("b")])
    store.publish(tmp_path, journal)
    journal.record([rows("b", "r2", turns=1), rows("c", "r2")])
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps > at:
            raise Killed

    real_replace, real_start, real_finish, real_stage = Path.replace, Journal.start_publish, Journal.finish_publish, store._stage

    def replace(self: Path, target: Path) -> Path:
        step()
        return real_replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        patch.setattr(Journal, "start_publish", lambda *a: (step(), real_start(*a))[1])
        patch.setattr(Journal, "finish_publish", lambda *a: (step(), real_finish(*a))[1])
        patch.setattr(store, "_stage", lambda *a: (step(), real_stage(*a))[1])
        with suppress(Killed):
            store.publish(tmp_path, journal)
    store.recover(tmp_path, journal)
    calls = {c["call_id"]: c["turns"] for c in store.read_rows(tmp_path, "calls", DAY).to_pylist()}
    turns = [t["call_id"] for t in store.read_rows(tmp_path, "turns", DAY).to_pylist()]
    assert {i: turns.count(i) for i in set(turns)} == calls, "the tables of one date are torn"
    store.publish(tmp_path, journal)
    assert [(c["call_id"], c["turns"]) for c in tables_of(tmp_path)["calls"]] == [("a", 6), ("b", 2), ("c", 6)]
    assert not list((tmp_path / ".futing").glob("staging/*"))


def test_tables_are_adopted_when_the_journal_is_lost(tmp_path: Path, journal: Journal) -> None:
    journal.record([rows("a"), rows("b")])
    store.publish(tmp_path, journal)
    known = list(store.known_calls(tmp_path))
    assert [(k.call_id, k.date, k.status) for k, _, _ in known] == [("a", DAY, "ok"), ("b", DAY, "ok")]


def test_calls_are_dropped_from_every_table(tmp_path: Path, journal: Journal) -> None:
    journal.record([rows("a"), rows("b"), rows("c")])
    store.publish(tmp_path, journal)
    store.drop_calls(tmp_path, journal, DAY, ["b"])
    left = tables_of(tmp_path)
    assert {r["call_id"] for table in ("calls", "turns", "moments") for r in left[table]} == {"a", "c"}


def test_one_call_and_several_are_read_back(tmp_path: Path, journal: Journal) -> None:
    journal.record([rows("a"), rows("b", day=DAY + timedelta(1))])
    store.publish(tmp_path, journal)
    found = store.stored_call(tmp_path, "b")
    assert found is not None and (found.date, len(found.turns), found.turns[1]["text"]) == (DAY + timedelta(1), 6, "我的订单没到")
    assert store.stored_call(tmp_path, "zzz") is None
    assert [s.call["call_id"] for s in store.stored_calls(tmp_path, DAY, ["zzz", "a"])] == ["a"]


def test_a_file_of_an_older_version_is_carried_over(tmp_path: Path, journal: Journal) -> None:
    """A column that did not exist then is null in its rows, and nothing else of them changes."""
    journal.record([rows("a"), rows("b")])
    store.publish(tmp_path, journal)
    path = store.part(tmp_path, "calls", DAY)
    old = pq.read_table(path, partitioning=None).drop_columns(["agent_channel", "heat_peak_s"])
    pq.write_table(old.replace_schema_metadata({"futing.schema": "calls/0"}), path)
    journal.record([rows("b", "r2")])
    store.publish(tmp_path, journal)
    merged = store.read_rows(tmp_path, "calls", DAY)
    assert merged.schema.equals(CALLS, check_metadata=True)
    first = merged.to_pylist()[0]
    assert (first["call_id"], first["heat_peak_s"]) == ("a", None)


def batches(ids: list[str], tag: str) -> list[pa.RecordBatch]:
    """Two turns a call, a batch a call."""
    return [pa.RecordBatch.from_pylist([{"call_id": i, "turn": n, "text": tag} for n in range(2)], schema=TURNS) for i in ids]


NAMES = st.lists(st.text("abc", min_size=1, max_size=3), unique=True, max_size=8).map(sorted)


@settings(max_examples=60, deadline=None)
@given(old=NAMES, new=NAMES, size=st.integers(1, 5), group=st.integers(1, 7))
def test_merging_as_a_stream_equals_merging_in_memory(old: list[str], new: list[str], size: int, group: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "BATCH", size)
        path = Path(folder) / "part-0.parquet"
        if old:
            pq.write_table(pa.Table.from_batches(batches(old, "old")), path)
        merged = list(store._groups(store._merged(path, "turns", new, iter(batches(new, "new"))), group))
        rows = [(r["call_id"], r["turn"], r["text"]) for table in merged for r in table.to_pylist()]
        want = sorted([(i, n, "new") for i in new for n in range(2)] + [(i, n, "old") for i in old if i not in new for n in range(2)])
        assert rows == want
        assert all(t.num_rows == group for t in merged[:-1])
