"""What has been heard so far, outside the tables: one SQLite file, OUT/.futing/journal.db.

In: finished calls with their rows. Out: which recordings are known, which rows await publishing, which publish was under way.
Every finished call is one committed transaction (WAL, synchronous=FULL), so a process killed between any two bytes loses at
most the calls in flight. The surprising choice: the journal is no database of record. Once published, a call's rows live in
Parquet alone and the journal keeps a line about it; a lost journal is made again from the tables.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from flows.rows import CallRows, fingerprints, pack, unpack
from models.errors import FutingError

FOLDER = ".futing"
LAYOUT = 1
CHUNK = 256  # calls whose rows are read at a time
_TABLES = """
CREATE TABLE IF NOT EXISTS calls (
    call_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, date TEXT NOT NULL, source TEXT, sha256 TEXT, size INTEGER, mtime_s REAL, customer_ref TEXT,
    status TEXT NOT NULL, error_code TEXT, duration_s REAL, run_id TEXT NOT NULL,
    calls_rows BLOB, turns_rows BLOB, moments_rows BLOB
) STRICT;
CREATE INDEX IF NOT EXISTS calls_sha256 ON calls (sha256);
CREATE INDEX IF NOT EXISTS calls_size ON calls (size);
CREATE INDEX IF NOT EXISTS calls_source ON calls (source);
CREATE INDEX IF NOT EXISTS calls_customer ON calls (customer_ref);
CREATE INDEX IF NOT EXISTS calls_date ON calls (date);
CREATE INDEX IF NOT EXISTS calls_pending ON calls (date, call_id) WHERE calls_rows IS NOT NULL;
CREATE TABLE IF NOT EXISTS copies (source TEXT PRIMARY KEY, call_id TEXT NOT NULL, size INTEGER, mtime_s REAL) STRICT;
CREATE TABLE IF NOT EXISTS runs (run_id TEXT PRIMARY KEY, date TEXT NOT NULL, published INTEGER NOT NULL DEFAULT 0, record TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS publishes (publish_id INTEGER PRIMARY KEY, upto_seq INTEGER NOT NULL, dates TEXT NOT NULL, moves TEXT NOT NULL, runs TEXT NOT NULL)
    STRICT;
CREATE TABLE IF NOT EXISTS stale_customers (customer_ref TEXT PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS schemas (fingerprint TEXT PRIMARY KEY, encoded BLOB NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Known:
    """A call that the journal knows: what it was made from and how it ended."""

    call_id: str
    date: date
    source: str | None = field(repr=False)
    sha256: str | None
    size: int | None
    mtime_s: float | None
    status: str
    error_code: str | None
    run_id: str


@dataclass(frozen=True, slots=True)
class Publish:
    """A publish whose files were all written aside: renaming them is all that is left. moves: (from, to), relative to OUT."""

    publish_id: int
    upto_seq: int
    dates: tuple[date, ...]
    moves: tuple[tuple[str, str], ...]
    runs: tuple[str, ...]


class Journal:
    """The open journal of one output folder. Safe to use from several threads of the process that holds the lock."""

    def __init__(self, out: Path) -> None:
        self.path = out / FOLDER / "journal.db"
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._guard = threading.RLock()
        try:
            self._db = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=30)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA secure_delete = ON")  # what is purged must not linger in free pages
            (layout,) = self._db.execute("PRAGMA user_version").fetchone()
            if layout > LAYOUT:
                raise FutingError(f"{self.path}: written by a newer Futing (layout {layout}, this one knows {LAYOUT}); upgrade before going on")
            self._db.executescript(_TABLES)
            self._db.execute(f"PRAGMA user_version = {LAYOUT}")
        except sqlite3.OperationalError:  # a full disk, a lock: nothing is wrong with the file
            raise
        except sqlite3.DatabaseError as error:
            raise FutingError(f"{self.path}: the journal cannot be used ({error}); move it away and run again: it is made anew from the tables") from error

    def close(self) -> None:
        with self._guard:
            self._db.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def empty(self) -> bool:
        """Whether nothing was ever recorded here: then the tables, if there are any, are to be adopted."""
        return self._all("SELECT 1 FROM calls LIMIT 1") == [] and self._all("SELECT 1 FROM runs LIMIT 1") == []

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def record(self, rows: Sequence[CallRows]) -> None:
        """Write finished calls down, each replacing what was known under its id, in one transaction."""
        with self._guard, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR IGNORE INTO schemas VALUES (?, ?)", fingerprints())
            (seq,) = self._db.execute("SELECT coalesce(max(seq), 0) FROM calls").fetchone()
            for row in rows:
                seq += 1
                self._db.execute(
                    "INSERT OR REPLACE INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (row.call_id, seq, row.date.isoformat(), row.source, row.sha256, row.size, row.mtime_s, row.customer_ref,
                     row.status, row.error_code, row.duration_s, row.run_id, *(pack(row.batches.of(t)) for t in ("calls", "turns", "moments"))),
                )  # fmt: skip

    def adopt(self, known: Iterable[tuple[Known, str | None, float | None]]) -> None:
        """Lines about calls that stand in the tables already: (call, customer_ref, duration_s). Nothing of them is pending."""
        with self._guard, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for k, customer_ref, duration_s in known:
                self._db.execute(
                    "INSERT OR IGNORE INTO calls VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL)",
                    (k.call_id, k.date.isoformat(), k.source, k.sha256, k.size, k.mtime_s, customer_ref, k.status, k.error_code, duration_s, k.run_id),
                )

    def call(self, call_id: str) -> Known | None:
        return self._one("WHERE call_id = ?", call_id)

    def by_sha256(self, sha256: str) -> Known | None:
        return self._one("WHERE sha256 = ? ORDER BY seq LIMIT 1", sha256)

    def by_source(self, source: str) -> list[Known]:
        """Calls made from this address; several when the file was replaced by another one."""
        return self._known("WHERE source = ?", source)

    def sizes(self) -> tuple[frozenset[int], bool]:
        """Sizes in bytes of all known recordings, and whether some are unknown."""
        rows = self._all("SELECT DISTINCT size FROM calls WHERE sha256 IS NOT NULL")
        return frozenset(s for (s,) in rows if s is not None), any(s is None for (s,) in rows)

    def calls(self, *, first: date | None = None, last: date | None = None, failed: bool = False) -> list[Known]:
        """Known calls of a range of dates (both ends included), by id; `failed`: those that are not ok."""
        where, values = ["1"], []
        for condition, value in (("date >= ?", first), ("date <= ?", last)):
            if value is not None:
                where.append(condition)
                values.append(value.isoformat())
        if failed:
            where.append("status != 'ok'")
        return self._known(f"WHERE {' AND '.join(where)} ORDER BY date, call_id", *values)

    def note_copies(self, copies: Sequence[tuple[str, str, int | None, float | None]]) -> None:
        """Further addresses of the same bytes (source, call_id, size, mtime_s), so that the next run need not read them."""
        if copies:
            with self._guard, self._db:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany("INSERT OR REPLACE INTO copies VALUES (?, ?, ?, ?)", copies)

    def copy_of(self, source: str, size: int | None, mtime_s: float | None) -> str | None:
        """The call whose bytes this unchanged file is known to repeat."""
        rows = self._all("SELECT call_id FROM copies WHERE source = ? AND size IS ? AND mtime_s IS ?", source, size, mtime_s)
        return rows[0][0] if rows else None

    def calls_of_customers(self, refs: Iterable[str]) -> dict[str, list[tuple[date, str]]]:
        """For each customer (date, id) of every call that was heard and is published."""
        sql = "SELECT date, call_id FROM calls WHERE customer_ref = ? AND status = 'ok' AND calls_rows IS NULL ORDER BY date, call_id"
        return {ref: [(date.fromisoformat(d), i) for d, i in self._all(sql, ref)] for ref in refs}

    def stale_customers(self) -> list[str]:
        """Customers some of whose calls were published after their cases were last worked out."""
        return [r for (r,) in self._all("SELECT customer_ref FROM stale_customers ORDER BY customer_ref")]

    def cases_done(self, refs: Sequence[str]) -> None:
        """Their cases stand in the tables now."""
        with self._guard, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("DELETE FROM stale_customers WHERE customer_ref = ?", [(r,) for r in refs])

    # ── publishing ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def last_seq(self) -> int:
        return self._all("SELECT coalesce(max(seq), 0) FROM calls")[0][0]

    def pending_dates(self) -> list[date]:
        """Dates with rows that the tables do not have yet."""
        return [date.fromisoformat(d) for (d,) in self._all("SELECT DISTINCT date FROM calls WHERE calls_rows IS NOT NULL ORDER BY date")]

    def pending_ids(self, day: date, upto_seq: int) -> list[str]:
        sql = "SELECT call_id FROM calls WHERE date = ? AND calls_rows IS NOT NULL AND seq <= ? ORDER BY call_id"
        return [i for (i,) in self._all(sql, day.isoformat(), upto_seq)]

    def pending_rows(self, table: str, day: date, upto_seq: int) -> Iterator[pa.RecordBatch]:
        """The pending rows of one table and date, call by call in order of their ids."""
        schemas = dict(self._all("SELECT fingerprint, encoded FROM schemas"))
        sql = f"SELECT call_id, {table}_rows FROM calls WHERE date = ? AND calls_rows IS NOT NULL AND call_id > ? AND seq <= ? ORDER BY call_id LIMIT {CHUNK}"
        last = ""
        while chunk := self._all(sql, day.isoformat(), last, upto_seq):
            last = chunk[-1][0]
            for _, blob in chunk:
                yield unpack(table, blob, schemas)

    def start_publish(self, upto_seq: int, dates: Sequence[date], moves: Sequence[tuple[str, str]], runs: Sequence[str]) -> Publish:
        """From here on the publish will be finished, by this process or by the next."""
        with self._guard, self._db:
            cursor = self._db.execute(
                "INSERT INTO publishes (upto_seq, dates, moves, runs) VALUES (?, ?, ?, ?)",
                (upto_seq, json.dumps([d.isoformat() for d in dates]), json.dumps(moves), json.dumps(list(runs))),
            )
            return Publish(int(cursor.lastrowid or 0), upto_seq, tuple(dates), tuple(moves), tuple(runs))

    def open_publishes(self) -> list[Publish]:
        rows = self._all("SELECT publish_id, upto_seq, dates, moves, runs FROM publishes ORDER BY publish_id")
        return [
            Publish(i, upto, tuple(map(date.fromisoformat, json.loads(days))), tuple((a, b) for a, b in json.loads(moves)), tuple(json.loads(runs)))
            for i, upto, days, moves, runs in rows
        ]

    def finish_publish(self, publish: Publish) -> None:
        """The tables have these rows now: drop them here."""
        with self._guard, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for day in publish.dates:
                self._db.execute(
                    "INSERT OR IGNORE INTO stale_customers SELECT DISTINCT customer_ref FROM calls"
                    " WHERE date = ? AND calls_rows IS NOT NULL AND seq <= ? AND customer_ref IS NOT NULL",
                    (day.isoformat(), publish.upto_seq),
                )
                self._db.execute(
                    "UPDATE calls SET calls_rows = NULL, turns_rows = NULL, moments_rows = NULL WHERE date = ? AND calls_rows IS NOT NULL AND seq <= ?",
                    (day.isoformat(), publish.upto_seq),
                )
            for run_id in publish.runs:
                self._db.execute("UPDATE runs SET published = 1 WHERE run_id = ?", (run_id,))
            self._db.execute("DELETE FROM publishes WHERE publish_id = ?", (publish.publish_id,))

    # ── runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def save_run(self, run_id: str, day: date, record: dict[str, Any]) -> None:
        """A run's row as JSON, not yet published; written when it starts and again when it ends."""
        with self._guard, self._db:
            self._db.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, 0, ?)", (run_id, day.isoformat(), json.dumps(record)))

    def unpublished_runs(self) -> list[tuple[str, date, dict[str, Any]]]:
        rows = self._all("SELECT run_id, date, record FROM runs WHERE published = 0 ORDER BY run_id")
        return [(i, date.fromisoformat(d), json.loads(r)) for i, d, r in rows]

    def run_ids(self) -> set[str]:
        return {i for (i,) in self._all("SELECT run_id FROM runs")}

    # ── forgetting ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    def find_calls(self, *, before: date | None = None, call_ids: Sequence[str] = (), customer_ref: str | None = None) -> list[Known]:
        """Calls of earlier dates, calls by id and a customer's calls, whatever came of them; each once, by date and id."""
        found: dict[str, Known] = {}
        if before is not None:
            found |= {k.call_id: k for k in self._known("WHERE date < ?", before.isoformat())}
        for call_id in call_ids:
            found |= {k.call_id: k for k in self._known("WHERE call_id = ?", call_id)}
        if customer_ref is not None:
            found |= {k.call_id: k for k in self._known("WHERE customer_ref = ?", customer_ref)}
        return sorted(found.values(), key=lambda k: (k.date, k.call_id))

    def forget(self, call_ids: Sequence[str]) -> int:
        """Drop every trace of these calls, and write the log of changes through, so that no old page keeps them; lines dropped.

        Their customers' cases are to be worked out again; the records of runs lose what they say of these calls.
        """
        gone = set(call_ids)
        dropped = 0
        with self._guard:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                for call_id in call_ids:
                    self._db.execute(
                        "INSERT OR IGNORE INTO stale_customers SELECT customer_ref FROM calls WHERE call_id = ? AND customer_ref IS NOT NULL", (call_id,)
                    )
                    dropped += self._db.execute("DELETE FROM calls WHERE call_id = ?", (call_id,)).rowcount
                    dropped += self._db.execute("DELETE FROM copies WHERE call_id = ?", (call_id,)).rowcount
                for run_id, text in self._db.execute("SELECT run_id, record FROM runs").fetchall():
                    record = json.loads(text)
                    kept = {k: [x for x in record[k] if x["call_id"] not in gone] for k in ("failures", "duplicate_recordings")}
                    if any(len(kept[k]) < len(record[k]) for k in kept):
                        self._db.execute("UPDATE runs SET record = ?, published = 0 WHERE run_id = ?", (json.dumps(record | kept), run_id))
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return dropped

    def _all(self, sql: str, *values: object) -> list[Any]:
        with self._guard:
            return self._db.execute(sql, values).fetchall()

    def _known(self, where: str, *values: object) -> list[Known]:
        rows = self._all(f"SELECT call_id, date, source, sha256, size, mtime_s, status, error_code, run_id FROM calls {where}", *values)
        return [Known(i, date.fromisoformat(d), *rest) for i, d, *rest in rows]

    def _one(self, where: str, *values: object) -> Known | None:
        known = self._known(where, *values)
        return known[0] if known else None
