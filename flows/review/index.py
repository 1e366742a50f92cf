"""An index of the nights for the page: Parquet in, one DuckDB file beside it, refreshed whenever a night is rewritten.

In: the folder that holds `calls/date=…`, `turns/…`, `moments/…`. Out: `Index.rows(sql, …)` over the tables `calls` (one row a call, with
its heat curve and marks), `moments`, `cases` and `said` (what was said, and how it sounds). The surprising choice: everything in it can
be thrown away; it only spares the page from opening thirty nights of Parquet for one row. People's work lives in the verdict store.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from flows.review import sounds
from flows.schemas import TABLES

LOG = logging.getLogger(__name__)
LAYOUT = "5"  # of the index's own layout: another one in the file means: build again
INDEXED = ("calls", "turns", "moments", "cases")
CHECK_EVERY_S = 5.0  # how often the folders are looked at for rewritten nights; a look costs one stat a file
MEMORY = "1GB"
DOUBTFUL_ROLE, DOUBTFUL_WORDS, DOUBTFUL_SCORE = 0.8, 0.6, 0.6  # below: the call counts as one of low confidence
TYPES = {"string": "VARCHAR", "double": "DOUBLE", "int32": "INTEGER", "bool": "BOOLEAN", "timestamp[ms, tz=UTC]": "TIMESTAMP"}
REASONS = "STRUCT(code VARCHAR, moment INTEGER, params STRUCT(key VARCHAR, value VARCHAR)[])[]"
COMPONENTS = "STRUCT(name VARCHAR, quote VARCHAR)[]"


def _columns(table: str) -> dict[str, str]:
    """Column → SQL type of what the index keeps of a table, from its Arrow schema (words and redactions stay in the Parquet)."""
    special = {"reasons": REASONS, "components": COMPONENTS}
    kinds = {f.name: special.get(f.name) or TYPES.get(str(f.type)) for f in TABLES[table]}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def _ddl(table: str) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in _columns(table).items())


def _select(table: str, names: list[str], prefix: str = "") -> str:
    """The columns as the index wants them: timestamps become plain UTC ones, which need no time zone extension."""
    kinds = _columns(table)
    return ", ".join(f"make_timestamp(epoch_us({prefix}{n}))" if kinds[n] == "TIMESTAMP" else f"{prefix}{n}" for n in names)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a part file looked like when it was indexed."""

    table: str
    date: str
    mtime_ns: int
    size: int


class Index:
    """An open index. `rows` may be called from any thread; one refresh runs at a time."""

    def __init__(self, out: Path, path: Path | None = None, then: Callable[[Index], object] = lambda _: None) -> None:
        """`path`: where the index is kept; default OUT/.futing/review/index.duckdb, or memory where that cannot be written or is held.

        then: called after every refresh that changed something, before anybody else may refresh.
        """
        self.out = out
        self._lock, self._then = threading.RLock(), then
        self._looked = 0.0
        self.version = 0  # grows with every refresh that changed something: a key for caches
        self._connection = self._open(path or out / ".futing" / "review" / "index.duckdb")

    def _open(self, path: Path) -> duckdb.DuckDBPyConnection:
        settings: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false", "memory_limit": MEMORY}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = duckdb.connect(str(path), config=settings)
        except (OSError, duckdb.Error):
            LOG.warning("the index cannot be kept on disk (held by another page, or not writable): it is built in memory")
            connection = duckdb.connect(":memory:", config=settings)
        connection.execute("CREATE TABLE IF NOT EXISTS layout (version VARCHAR)")
        version = f"{LAYOUT}-{sounds.version()}"
        found = connection.execute("SELECT version FROM layout").fetchone()
        if found is None or found[0] != version:
            for table in ("stamps", "calls", "moments", "cases", "said"):
                connection.execute(f"DROP TABLE IF EXISTS {table}")
            connection.execute("DELETE FROM layout")
            connection.execute("INSERT INTO layout VALUES (?)", [version])
        connection.execute("CREATE TABLE IF NOT EXISTS stamps (table_name VARCHAR, date VARCHAR, mtime_ns BIGINT, size BIGINT)")
        marks = "STRUCT(s FLOAT, kind VARCHAR, type VARCHAR, role VARCHAR, score FLOAT, severity INTEGER)[]"
        extra = f"curve FLOAT[][], marks {marks}, types VARCHAR[], doubtful BOOLEAN, corrected BOOLEAN, swapped BOOLEAN"
        connection.execute(f"CREATE TABLE IF NOT EXISTS calls (date VARCHAR, {_ddl('calls')}, {extra})")
        connection.execute(f"CREATE TABLE IF NOT EXISTS moments (date VARCHAR, {_ddl('moments')})")
        connection.execute(f"CREATE TABLE IF NOT EXISTS cases (date VARCHAR, {_ddl('cases')})")
        connection.execute("CREATE TABLE IF NOT EXISTS said (date VARCHAR, call_id VARCHAR, text VARCHAR, sound VARCHAR)")
        for table, column in (("calls", "call_id"), ("calls", "customer_ref"), ("moments", "call_id"), ("said", "call_id"), ("cases", "customer_ref")):
            connection.execute(f"CREATE INDEX IF NOT EXISTS {table}_{column} ON {table} ({column})")
        return connection

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[dict[str, Any]]:
        """The answer of a query, a dict a row."""
        cursor = self._connection.cursor()
        answer = cursor.execute(sql, list(parameters))
        names = [d[0] for d in answer.description or ()]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]

    def table(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """The answer of a query as an Arrow table."""
        return self._connection.cursor().sql(sql, params=list(parameters)).to_arrow_table()

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> None:
        self._connection.cursor().execute(sql, list(parameters))

    def upsert(self, table: str, block: pa.Table) -> None:
        """Replace the rows of `table` that have the block's call ids with the block's."""
        cursor = self._connection.cursor()
        cursor.register("block", block)
        cursor.execute("BEGIN")
        cursor.execute(f"DELETE FROM {table} WHERE call_id IN (SELECT call_id FROM block)")
        cursor.execute("COMMIT")  # DuckDB checks a key against rows deleted in the same transaction: hence two
        cursor.execute(f"INSERT INTO {table} SELECT * FROM block")
        cursor.unregister("block")

    def part(self, table: str, date: str) -> Path:
        """Where a table's part of a date lies. `date` is one that the index knows, never a user's text."""
        return self.out / table / f"date={date}" / "part-0.parquet"

    def look(self) -> list[Stamp]:
        """The part files as they are now."""
        found = []
        for table in INDEXED:
            for path in sorted((self.out / table).glob("date=*/part-0.parquet")):
                try:
                    status = path.stat()
                except OSError:
                    continue
                found.append(Stamp(table, path.parent.name.removeprefix("date="), status.st_mtime_ns, status.st_size))
        return found

    def refresh(self, force: bool = False) -> int:
        """Index again the nights whose files changed; returns how many. Cheap when nothing did, or when it was just done."""
        if not force and time.monotonic() - self._looked < CHECK_EVERY_S:
            return 0
        if not self._lock.acquire(blocking=force or self.version == 0):
            return 0  # another request is at it: this one reads what there is
        try:
            now = set(self.look())
            known = {Stamp(r["table_name"], r["date"], r["mtime_ns"], r["size"]) for r in self.rows("SELECT * FROM stamps")}
            dates = sorted({s.date for s in now ^ known})
            for date in dates:
                try:
                    self._night(date, {s for s in now if s.date == date})
                except duckdb.Error as error:  # a night being replaced under our hands: the next look reads it whole
                    LOG.warning("night %s was not indexed: %s", date, type(error).__name__)
            if dates or self.version == 0:
                self._then(self)
            self._looked = time.monotonic()
            self.version += bool(dates) or self.version == 0
            return len(dates)
        finally:
            self._lock.release()

    def _night(self, date: str, stamps: set[Stamp]) -> None:
        """Replace one night in the index, in one transaction."""
        cursor = self._connection.cursor()
        have = {s.table for s in stamps}
        cursor.execute("BEGIN")
        try:
            for table in ("calls", "moments", "cases", "said", "stamps"):
                cursor.execute(f"DELETE FROM {table} WHERE date = ?", [date])
            if "calls" in have:
                self._calls(cursor, date, have)
            for table in ("moments", "cases"):
                if table in have:
                    names = [n for n in self._present(cursor, table, date) if n in _columns(table)]
                    cursor.execute(
                        f"INSERT INTO {table} (date, {', '.join(names)}) SELECT ?, {_select(table, names)} FROM read_parquet(?, hive_partitioning=false)",
                        [date, str(self.part(table, date))],
                    )
            if "turns" in have:
                said = cursor.execute(
                    "SELECT call_id, string_agg(text, chr(10) ORDER BY turn) FROM read_parquet(?, hive_partitioning=false) GROUP BY call_id",
                    [str(self.part("turns", date))],
                ).fetchall()
                if said:
                    block = pa.table(
                        {
                            "date": [date] * len(said),
                            "call_id": [s[0] for s in said],
                            "text": [s[1] or "" for s in said],
                            "sound": [sounds.sound_of(s[1] or "") for s in said],
                        }
                    )
                    cursor.register("block", block)
                    cursor.execute("INSERT INTO said SELECT * FROM block")
                    cursor.unregister("block")
            for stamp in stamps:
                cursor.execute("INSERT INTO stamps VALUES (?, ?, ?, ?)", [stamp.table, stamp.date, stamp.mtime_ns, stamp.size])
            cursor.execute("COMMIT")
        except BaseException:
            cursor.execute("ROLLBACK")
            raise

    def _present(self, cursor: duckdb.DuckDBPyConnection, table: str, date: str) -> list[str]:
        """The schema's columns that this part has: an older night may lack newer ones."""
        has = {r[0] for r in cursor.execute("SELECT name FROM parquet_schema(?)", [str(self.part(table, date))]).fetchall()}
        return [f.name for f in TABLES[table] if f.name in has]

    def _calls(self, cursor: duckdb.DuckDBPyConnection, date: str, have: set[str]) -> None:
        """A night's calls from its Parquet. A table that is missing counts as empty, a column as null."""
        sources = {}
        for table in ("calls", "turns", "moments"):
            names = self._present(cursor, table, date) if table in have else []
            place = f"read_parquet('{_quoted(self.part(table, date))}', hive_partitioning=false)" if table in have else "(SELECT 1 LIMIT 0)"
            kinds = _columns(table)
            wanted = [n if n in names else f"NULL::{kinds[n]} AS {n}" for n in kinds]
            sources[table] = f"(SELECT {', '.join(wanted)} FROM {place})"
        self._insert(cursor, date, sources, "coalesce(v.corrected, false)")

    def _insert(self, cursor: duckdb.DuckDBPyConnection, date: str, sources: Mapping[str, str], swapped: str) -> None:
        """Rows of `calls`, put together from a source each for calls, turns and moments. swapped: whether they show the roles swapped."""
        names = list(_columns("calls"))
        cursor.execute(
            f"""
            INSERT INTO calls (date, {", ".join(names)}, curve, marks, types, doubtful, corrected, swapped)
            WITH curves AS (
                SELECT call_id, list([coalesce(start_s, turn)::FLOAT, heat::FLOAT] ORDER BY turn) FILTER (heat IS NOT NULL) AS curve,
                    avg(confidence) AS sure, bool_or(heard_role IS NOT NULL) AS corrected
                FROM {sources["turns"]} GROUP BY call_id),
            marked AS (
                SELECT call_id, min(score) FILTER (score >= 0.5) AS least, list_distinct(list(kind || '/' || type) FILTER (score >= 0.5)) AS types,
                    list({{'s': start_s::FLOAT, 'kind': kind, 'type': type, 'role': role, 'score': score::FLOAT, 'severity': severity::INTEGER}}
                         ORDER BY start_s) AS marks
                FROM {sources["moments"]} GROUP BY call_id)
            SELECT ?, {_select("calls", names, "c.")}, v.curve, m.marks, coalesce(m.types, []),
                coalesce(c.role_confidence < {DOUBTFUL_ROLE}, false) OR coalesce(v.sure < {DOUBTFUL_WORDS}, false)
                    OR coalesce(m.least < {DOUBTFUL_SCORE}, false),
                coalesce(v.corrected, false), {swapped}
            FROM {sources["calls"]} c LEFT JOIN curves v USING (call_id) LEFT JOIN marked m USING (call_id)
            """,
            [date],
        )

    def stored(self, table: str, date: str, call_id: str) -> list[dict[str, Any]]:
        """A call's rows as the night's Parquet has them, times with their zone; null where an older night lacks a column."""
        path = self.part(table, date)
        rows = ds.dataset(path, format="parquet").to_table(filter=ds.field("call_id") == call_id).to_pylist() if path.exists() else []
        return [dict.fromkeys(TABLES[table].names) | r for r in rows]

    def put(self, date: str, call: Mapping[str, Any], turns: Sequence[Mapping[str, Any]], moments: Sequence[Mapping[str, Any]], swapped: bool) -> None:
        """Let the index show this call with these rows, until its night is indexed again."""
        with self._lock:
            cursor = self._connection.cursor()
            given = {"calls": [call], "turns": turns, "moments": moments}
            for table, rows in given.items():
                cursor.register(f"put_{table}", pa.Table.from_pylist([{n: r.get(n) for n in TABLES[table].names} for r in rows], schema=TABLES[table]))
            cursor.execute("BEGIN")
            try:
                for table in ("calls", "moments"):
                    cursor.execute(f"DELETE FROM {table} WHERE date = ? AND call_id = ?", [date, call["call_id"]])
                self._insert(cursor, date, {t: f"put_{t}" for t in given}, str(swapped).lower())
                names = list(_columns("moments"))
                cursor.execute(f"INSERT INTO moments (date, {', '.join(names)}) SELECT ?, {_select('moments', names)} FROM put_moments", [date])
                cursor.execute("COMMIT")
            except BaseException:
                cursor.execute("ROLLBACK")
                raise
            finally:
                for table in given:
                    cursor.unregister(f"put_{table}")

    def close(self) -> None:
        self._connection.close()
