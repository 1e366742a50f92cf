"""Anybody's tools read the tables, in one line each: DuckDB, Polars, pandas. Dates come from the folders' names, types as the contract says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest

from flows.schemas import TABLES
from tests.demo_night import DEMO, NOT_AUDIO

HEARD = sorted(json.loads(line)["call_id"] for line in (DEMO / "truth.jsonl").read_text("utf-8").splitlines())
CALLS = sorted([*HEARD, NOT_AUDIO])


@pytest.fixture
def night(demo_tables: Path) -> Path:
    return demo_tables


def test_duckdb_reads_a_table_in_one_line(night: Path) -> None:
    rows = duckdb.sql(f"SELECT call_id, date::VARCHAR, flag FROM '{night}/calls/*/*.parquet' ORDER BY call_id").fetchall()
    assert [(call, day) for call, day, _ in rows] == [(call, "2026-11-20") for call in CALLS]
    assert {call for call, _, flag in rows if flag is None} == {NOT_AUDIO}


def test_polars_reads_a_table_in_one_line(night: Path) -> None:
    calls = pl.read_parquet(f"{night}/calls/*/*.parquet", hive_partitioning=True)
    assert sorted(calls["call_id"].to_list()) == CALLS
    assert set(map(str, calls["date"].to_list())) == {"2026-11-20"}


def test_pandas_reads_a_table_in_one_line(night: Path) -> None:
    calls = pd.read_parquet(night / "calls")
    assert sorted(calls["call_id"]) == CALLS
    assert set(map(str, calls["date"])) == {"2026-11-20"}


@pytest.mark.parametrize("table", sorted(TABLES))
def test_all_three_see_the_same_columns_and_rows(table: str, night: Path) -> None:
    """Strays beside the tables would show here: DuckDB and Polars read what a pattern finds, pandas reads the whole folder."""
    by_duckdb = duckdb.sql(f"SELECT * FROM '{night}/{table}/*/*.parquet'").pl()
    by_polars = pl.read_parquet(f"{night}/{table}/*/*.parquet", hive_partitioning=True)
    by_pandas = pd.read_parquet(night / table)
    expected = [*TABLES[table].names, "date"]
    assert list(by_duckdb.columns) == list(by_polars.columns) == list(by_pandas.columns) == expected
    assert by_duckdb.height == by_polars.height == len(by_pandas) > 0


def test_nested_columns_open_in_each_reader(night: Path) -> None:
    """Words of turns and reasons of calls are lists of structs: each reader must reach into them."""
    by_duckdb = duckdb.sql(f"SELECT count(*) FROM (SELECT unnest(words) AS w FROM '{night}/turns/*/*.parquet') WHERE w.end_s >= w.start_s").fetchall()[0][0]
    words = pl.read_parquet(f"{night}/turns/*/*.parquet").explode("words").drop_nulls("words").unnest("words", separator=".")
    by_polars = words.filter(pl.col("words.end_s") >= pl.col("words.start_s")).height
    by_pandas = sum(word["end_s"] >= word["start_s"] for words in pd.read_parquet(night / "turns")["words"] for word in words)
    assert by_duckdb == by_polars == by_pandas > 1000


def test_times_carry_their_zone(night: Path) -> None:
    """09:12:40 in Shanghai is 01:12:40 UTC, whoever reads it and wherever."""
    at = pd.read_parquet(night / "calls").set_index("call_id")["started_at"]["courier"]
    assert at.isoformat() == "2026-11-20T01:12:40+00:00"
    assert pl.read_parquet(f"{night}/calls/*/*.parquet").schema["started_at"] == pl.Datetime("ms", "UTC")


def test_a_night_copied_elsewhere_reads_the_same(night: Path, tmp_path: Path) -> None:
    """Nothing in the tables points at where they were written."""
    shutil.copytree(night / "moments", tmp_path / "moments")
    assert pd.read_parquet(tmp_path / "moments").equals(pd.read_parquet(night / "moments"))
