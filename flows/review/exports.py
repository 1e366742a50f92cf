"""Tables for other tools: verdicts, moments and calls as CSV, XLSX or Parquet, within a user's scope.

In: rows of the index and of the verdict store. Out: bytes. The surprising choice: a cell that a spreadsheet would take for a formula gets an
apostrophe before it; what a caller said must not be able to run.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flows.review import masking, queue, standing
from flows.review.index import Index
from flows.review.states import States
from flows.review.users import User

Row = dict[str, Any]
FORMATS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "parquet": "application/vnd.apache.parquet",
}
WHATS = ("verdicts", "moments", "calls")
MOST = 1_000_000
RISKY = ("=", "+", "-", "@", "\t", "\r")
VERDICT_COLUMNS = {
    "verdict": pa.int64(),
    "call_id": pa.string(),
    "target": pa.string(),
    "answer": pa.string(),
    "why": pa.string(),
    "comment": pa.string(),
    "author": pa.string(),
    "at": pa.timestamp("ms", tz="UTC"),
    "standing": pa.bool_(),
    "settles": pa.bool_(),
    "takes_back": pa.int64(),
    "blind_sample": pa.int64(),
    "kind": pa.string(),
    "type": pa.string(),
    "side": pa.string(),
    "start_s": pa.float64(),
    "end_s": pa.float64(),
    "turn": pa.int32(),
    "rule_id": pa.string(),
    "rules_version": pa.string(),
    "score": pa.float64(),
    "run_id": pa.string(),
}
MOMENT_COLUMNS = (
    "c.date, m.call_id, m.moment, m.kind, m.type, m.role, m.turn, m.start_s, m.end_s, m.quote, m.rule_id, m.score, m.match, m.meant, m.severity, m.run_id"
)
CALL_COLUMNS = (
    "c.date, c.call_id, c.agent_id, c.team, c.queue, c.started_at, c.duration_s, c.flag, c.priority, c.level, c.unresolved, "
    "c.apology_formula, c.apology_warm, c.apology_effect, c.heat_peak, "
    "coalesce(s.reviewed, false) AS reviewed, coalesce(s.disputed, false) AS disputed, coalesce(s.judged, 0) AS judged, c.run_id"
)


def verdict_table(states: States, names: dict[int, str], seen: set[str] | None) -> pa.Table:
    """Every verdict ever given, in order of its number. seen: the calls this user may see (None: all)."""
    rows: list[Row] = []
    for call_id, said in states.all_calls().items():
        if seen is not None and call_id not in seen:
            continue
        alive = {v.id for v in standing.standing(said)}
        for v in said:
            a = v.anchor
            at = {n: getattr(a, n) for n in ("kind", "type", "side", "start_s", "end_s", "turn", "rule_id", "rules_version", "score", "run_id")}
            rows.append(
                {
                    "verdict": v.id,
                    "call_id": call_id,
                    "target": v.target,
                    "answer": v.answer,
                    "why": v.why,
                    "comment": v.comment,
                    "author": names.get(v.author, "?"),
                    "at": v.at_ms,
                    "standing": v.id in alive,
                    "settles": v.settles,
                    "takes_back": v.takes_back,
                    "blind_sample": v.blind,
                }
                | at
            )
    rows.sort(key=lambda r: r["verdict"])
    return pa.Table.from_pylist(rows, schema=pa.schema(list(VERDICT_COLUMNS.items())))


def view_table(index: Index, what: str, f: queue.Filters, user: User) -> pa.Table:
    """The moments, or the calls, of a view of the queue."""
    first, last = queue.days(index, f)
    where, values = queue.conditions(f, user, first, last)
    if what == "moments":
        source = "FROM moments m JOIN calls c USING (call_id) LEFT JOIN work.states s USING (call_id)"
        sql = f"SELECT {MOMENT_COLUMNS} {source} WHERE {where} ORDER BY m.call_id, m.moment LIMIT {MOST}"
    else:
        sql = f"SELECT {CALL_COLUMNS} {queue.SOURCE} WHERE {where} {queue.ORDER} LIMIT {MOST}"
    table = index.table(sql, values)
    if what == "moments":
        quotes = pa.array([masking.line(q) if q else q for q in table["quote"].to_pylist()], pa.string())
        table = table.set_column(table.schema.get_field_index("quote"), "quote", quotes)
    return table


def encode(table: pa.Table, form: str) -> bytes:
    """The table in one of FORMATS."""
    if form == "parquet":
        out = io.BytesIO()
        pq.write_table(table, out, compression="zstd")
        return out.getvalue()
    rows = [[_cell(x) for x in r.values()] for r in table.to_pylist()]
    return _csv(table.column_names, rows) if form == "csv" else _xlsx(table.column_names, rows)


def _cell(x: Any) -> Any:
    if isinstance(x, str):
        return "'" + x if x.startswith(RISKY) else x
    if hasattr(x, "isoformat"):
        return x.isoformat()
    return x


def _csv(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(names)
    writer.writerows(rows)
    return out.getvalue().encode("utf-8-sig")  # with its mark: spreadsheets otherwise take Chinese for Latin


def _xlsx(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    from openpyxl import Workbook
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook(write_only=True)
    sheet = book.create_sheet("futing")
    sheet.append(list(names))
    for row in rows:
        sheet.append([ILLEGAL_CHARACTERS_RE.sub("", x) if isinstance(x, str) else x for x in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
