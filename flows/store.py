"""The tables: pending rows of the journal → Parquet, and Parquet → records again.

In: an output folder and its journal. Out: `<table>/date=YYYY-MM-DD/part-0.parquet`, zstd, rows by call_id. A publish merges the
file that stands there with the pending rows as a stream (bounded memory), writes every new file aside in .futing/staging,
fsyncs, notes in the journal that all of them are whole, and only then renames. The surprising choice: a publish that was
killed between two renames is not undone but finished, by whoever opens the output next, so a date's tables never stay torn.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from flows.cases import cases_of
from flows.journal import FOLDER, Journal, Known, Publish
from flows.rows import conform
from flows.schemas import CASES, RUNS, TABLES
from models.errors import ConfigError

ROW_GROUP = 16_384  # rows: about 30 MB of turns with their words, and small enough to find one call's rows quickly
BATCH = 4_096  # rows read at a time while merging
MOST_SMALL = 256  # batches of a call each that are held before they are joined
CALL_TABLES = ("calls", "turns", "moments")


@dataclass(frozen=True, slots=True)
class StoredCall:
    """One call as it stands in the tables: plain rows, keyed by column."""

    date: date
    call: dict[str, Any] = field(repr=False)
    turns: tuple[dict[str, Any], ...] = field(repr=False)
    moments: tuple[dict[str, Any], ...] = field(repr=False)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def part(out: Path, table: str, day: date) -> Path:
    """Where a table's rows of one date stand."""
    return out / table / f"date={day.isoformat()}" / "part-0.parquet"


def dates(out: Path, table: str = "calls") -> list[date]:
    """The dates that the table has, in order."""
    found = (out / table).glob("date=*/part-0.parquet")
    return sorted(date.fromisoformat(p.parent.name.removeprefix("date=")) for p in found)


def read_rows(out: Path, table: str, day: date, call_ids: Sequence[str] | None = None, columns: Sequence[str] | None = None) -> pa.Table:
    """One table of one date, perhaps of some calls only; empty where nothing stands."""
    path = part(out, table, day)
    if not path.exists():
        schema = TABLES[table]
        return schema.empty_table().select(list(columns)) if columns else schema.empty_table()
    chosen = list(columns) if columns else None
    if call_ids is None:
        with pq.ParquetFile(path) as file:
            return file.read(columns=chosen)
    if not call_ids:
        return TABLES[table].empty_table()
    key = pc.field("call_id").isin(pa.array(list(call_ids), pa.string()))
    key &= (pc.field("call_id") >= min(call_ids)) & (pc.field("call_id") <= max(call_ids))  # row groups outside are not read
    return ds.dataset(path, format="parquet").to_table(columns=chosen, filter=key)


def stored_call(out: Path, call_id: str, day: date | None = None) -> StoredCall | None:
    """A call by its id, looked for on `day` or on every date, the newest first."""
    for at in [day] if day is not None else reversed(dates(out)):
        rows = read_rows(out, "calls", at, [call_id]).to_pylist()
        if rows:
            turns = sorted(read_rows(out, "turns", at, [call_id]).to_pylist(), key=lambda t: t["turn"])
            moments = sorted(read_rows(out, "moments", at, [call_id]).to_pylist(), key=lambda m: m["moment"])
            return StoredCall(at, rows[0], tuple(turns), tuple(moments))
    return None


def stored_calls(out: Path, day: date, call_ids: Sequence[str]) -> list[StoredCall]:
    """Several calls of one date, in the order asked for; those that do not stand there are left out."""
    calls = {r["call_id"]: r for r in read_rows(out, "calls", day, call_ids).to_pylist()}
    turns: dict[str, list[dict[str, Any]]] = {i: [] for i in calls}
    moments: dict[str, list[dict[str, Any]]] = {i: [] for i in calls}
    for table, into in (("turns", turns), ("moments", moments)):
        for row in read_rows(out, table, day, call_ids).to_pylist():
            into[row["call_id"]].append(row)
    return [StoredCall(day, calls[i], tuple(turns[i]), tuple(moments[i])) for i in call_ids if i in calls]


def known_calls(out: Path) -> Iterator[tuple[Known, str | None, float | None]]:
    """Every call in the tables, for a journal that is made anew: (call, customer_ref, duration_s)."""
    columns = ["call_id", "recording", "audio_sha256", "customer_ref", "status", "error_code", "duration_s", "run_id"]
    for day in dates(out):
        for r in read_rows(out, "calls", day, columns=columns).to_pylist():
            known = Known(r["call_id"], day, r["recording"], r["audio_sha256"], None, None, r["status"], r["error_code"], r["run_id"])
            yield known, r["customer_ref"], r["duration_s"]


# ── publishing ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def publish(out: Path, journal: Journal, *, with_cases: bool = True) -> list[date]:
    """Bring the tables up to the journal; the dates whose calls changed. Repeating it changes nothing.

    with_cases: whether the cases of the customers concerned are worked out now, or left to the publish that ends the night.
    """
    recover(out, journal)
    staging = out / FOLDER / "staging"
    changed = journal.pending_dates()
    for day in changed:
        upto = journal.last_seq()
        ids = journal.pending_ids(day, upto)
        moves = [_stage(out, staging, t, day, _merged(part(out, t, day), t, ids, journal.pending_rows(t, day, upto))) for t in CALL_TABLES]
        moves += [_stage(out, staging, t, day, iter(())) for t in ("cases", "runs") if not part(out, t, day).exists()]
        _finish(out, journal, journal.start_publish(upto, [day], moves, []))
    if with_cases:
        _publish_cases(out, journal, staging)
    _publish_runs(out, journal, staging)
    return changed


def recover(out: Path, journal: Journal) -> None:
    """Finish a publish that was interrupted; clear away files of one that never became whole."""
    for unfinished in journal.open_publishes():
        _finish(out, journal, unfinished)
    shutil.rmtree(out / FOLDER / "staging", ignore_errors=True)


def drop_calls(out: Path, journal: Journal, day: date, call_ids: Sequence[str]) -> None:
    """Take calls out of a date's tables, as one publish; their cases are worked out again."""
    recover(out, journal)
    staging = out / FOLDER / "staging"
    moves = [_stage(out, staging, t, day, _merged(part(out, t, day), t, call_ids, iter(()))) for t in CALL_TABLES if part(out, t, day).exists()]
    _finish(out, journal, journal.start_publish(0, [], moves, []))


def put_rows(out: Path, journal: Journal, table: str, day: date, rows: pa.Table) -> None:
    """Replace one table of one date, as one publish."""
    staging = out / FOLDER / "staging"
    moves = [_stage(out, staging, table, day, iter(rows.to_batches()))]
    _finish(out, journal, journal.start_publish(0, [], moves, []))


def _publish_cases(out: Path, journal: Journal, staging: Path) -> None:
    """Work out the cases of the customers whose calls changed; a case stands under the date of its last call.

    A file is written only where its rows differ in more than run_id, so that reading a day again leaves other dates alone.
    """
    customers = journal.stale_customers()
    if not customers:
        return
    fresh = cases_of(partial(read_rows, out), journal.calls_of_customers(customers))
    moves = []
    gone = pa.array(customers, pa.string())
    for day in sorted({*dates(out, "cases"), *fresh}):
        before = read_rows(out, "cases", day)
        kept = before.filter(~pc.field("customer_ref").isin(gone))
        after = pa.concat_tables([kept.cast(CASES), pa.Table.from_pylist(fresh.get(day, []), schema=CASES)]).sort_by([("case_id", "ascending")])
        if not after.drop_columns(["run_id"]).equals(before.drop_columns(["run_id"])):
            moves.append(_stage(out, staging, "cases", day, iter(after.to_batches())))
    _finish(out, journal, journal.start_publish(0, [], moves, []))
    journal.cases_done(customers)


def _publish_runs(out: Path, journal: Journal, staging: Path) -> None:
    """The rows of runs, each under the date of the last call it dealt with."""
    by_day: dict[date, list[dict[str, Any]]] = {}
    for _, day, record in journal.unpublished_runs():
        by_day.setdefault(day, []).append(record | {k: _instant(record[k]) for k in ("started_at", "finished_at")})
    for day, records in by_day.items():
        run_ids = [r["run_id"] for r in records]
        before = read_rows(out, "runs", day)
        kept = before.filter(~pc.field("run_id").isin(pa.array(run_ids, pa.string())))
        after = pa.concat_tables([kept.cast(RUNS), pa.Table.from_pylist(records, schema=RUNS)]).sort_by([("started_at", "ascending"), ("run_id", "ascending")])
        moves = [_stage(out, staging, "runs", day, iter(after.to_batches()))]
        moves += [_stage(out, staging, t, day, iter(())) for t in TABLES if t != "runs" and not part(out, t, day).exists()]
        _finish(out, journal, journal.start_publish(0, [], moves, run_ids))


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _merged(existing: Path, table: str, replaced: Sequence[str], incoming: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows of `existing` without the replaced calls, and the incoming ones (ordered by call_id), in order of call_id."""
    waiting = next(incoming, None)
    if existing.exists():
        gone = pa.array(replaced, pa.string())
        with pq.ParquetFile(existing) as file:
            for old in file.iter_batches(BATCH):
                batch = conform(old, TABLES[table])
                kept = batch.filter(~pc.field("call_id").isin(gone))
                if not kept.num_rows:
                    continue
                last = kept["call_id"][-1].as_py()
                fresh = []
                while waiting is not None and (not waiting.num_rows or waiting["call_id"][0].as_py() < last):
                    fresh.append(waiting)
                    waiting = next(incoming, None)
                if not fresh:
                    yield kept
                    continue
                both = pa.Table.from_batches([kept, *fresh])
                yield from both.sort_by("call_id").combine_chunks().to_batches()  # the sort is stable
    while waiting is not None:
        yield waiting
        waiting = next(incoming, None)


def _stage(out: Path, staging: Path, table: str, day: date, batches: Iterator[pa.RecordBatch]) -> tuple[str, str]:
    """Write a table aside, whole and on the disk; (from, to) of the rename that will put it in place, relative to `out`."""
    staging.mkdir(parents=True, exist_ok=True)
    aside = staging / f"{table}.{day.isoformat()}.aside"
    with aside.open("wb") as stream:
        with pq.ParquetWriter(stream, TABLES[table], compression="zstd") as writer:
            for group in _groups(batches, ROW_GROUP):
                writer.write_table(group, row_group_size=ROW_GROUP)
        stream.flush()
        os.fsync(stream.fileno())
    _sync_folder(staging)
    return str(aside.relative_to(out)), str(part(out, table, day).relative_to(out))


def _groups(batches: Iterable[pa.RecordBatch], size: int) -> Iterator[pa.Table]:
    """Tables of exactly `size` rows and a last smaller one, however the batches were cut."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in _joined(batches):
        held.append(batch)
        rows += batch.num_rows
        while rows >= size:
            table = pa.Table.from_batches(held)
            yield table.slice(0, size).combine_chunks()
            held = table.slice(size).to_batches()
            rows -= size
    if rows:
        yield pa.Table.from_batches(held).combine_chunks()


def _joined(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in fewer batches: one of a single call costs 40 KB whatever is in it, and a row group would hold thousands of them."""
    few: list[pa.RecordBatch] = []
    for batch in batches:
        if batch.num_rows >= BATCH // 4:
            if few:
                yield from pa.Table.from_batches(few).combine_chunks().to_batches()
                few = []
            yield batch
        elif batch.num_rows:
            few.append(batch)
            if len(few) >= MOST_SMALL:
                yield from pa.Table.from_batches(few).combine_chunks().to_batches()
                few = []
    if few:
        yield from pa.Table.from_batches(few).combine_chunks().to_batches()


def _finish(out: Path, journal: Journal, publish: Publish) -> None:
    """Rename what is not renamed yet, then tell the journal. Safe to repeat: a file that is gone has been renamed."""
    for source, target in publish.moves:
        aside, place = out / source, out / target
        if aside.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            aside.replace(place)
            for folder in (place.parent, place.parent.parent, out):
                _sync_folder(folder)
        elif not place.exists():
            raise ConfigError(f"{place}: an interrupted publish cannot be finished, its file was removed by hand; remove {journal.path} and run again")
    journal.finish_publish(publish)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
