"""Forgetting calls: peaks, cached sound and the index go; verdicts stay as figures that lead to nobody.

In: a folder of nights and the ids that a purge took out of its tables. Out: what was removed, in counts. The surprising choice: this is the
one place that changes rows of the verdict store. A verdict keeps its type, rule and answer, so that precision stays what it was; the call's
id becomes a random one, comments and grounds are emptied, and times and places in the call are dropped.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from flows.review import audio, database, peaks, tables

EMPTIED = {"start_s": None, "end_s": None, "turn": None, "char_start": None, "char_end": None, "run_id": None}


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Counts of what was removed or made anonymous."""

    files: int
    verdicts: int
    appeals: int
    audit_lines: int


def forget(out: Path, call_ids: Sequence[str], db: str | None = None) -> Forgotten:
    """Forget these calls. Safe to repeat. `db`: the verdict store's URL where it is not beside the nights.

    The index is removed where no page holds it open (it is built again); a running page drops the calls by itself when it
    sees the night's new files.
    """
    files = 0
    for call_id in call_ids:
        key = peaks.key(call_id)
        for path in [peaks.folder(out) / f"{key}.peaks", *audio.folder(out).glob(f"{key}-*")]:
            if path.exists():
                path.unlink(missing_ok=True)
                files += 1
    index = out / ".futing" / "review" / "index.duckdb"
    if call_ids and index.exists():
        for path in (index, index.with_name(index.name + ".wal")):
            path.unlink(missing_ok=True)
        files += 1
    url = db or database.default_url(out)
    if db is None and not Path(url.removeprefix("sqlite:///")).exists():
        return Forgotten(files, 0, 0, 0)
    engine = database.connect(url)
    counts = {"verdicts": 0, "appeals": 0, "audit": 0}
    try:
        with engine.begin() as connection:
            for call_id in call_ids:
                nobody = f"purged-{secrets.token_hex(8)}"
                for table, more in ((tables.verdicts, EMPTIED | {"comment": None}), (tables.appeals, EMPTIED | {"grounds": "–"}), (tables.audit, {})):
                    changed = connection.execute(sa.update(table).where(table.c.call_id == call_id).values(call_id=nobody, **more))
                    counts[table.name] += changed.rowcount
                appealed = sa.select(tables.appeals.c.id).where(tables.appeals.c.call_id == nobody)
                connection.execute(sa.update(tables.decisions).where(tables.decisions.c.appeal.in_(appealed)).values(comment=None))
                for table in (tables.assignments, tables.corrections, tables.sample_calls):
                    connection.execute(sa.update(table).where(table.c.call_id == call_id).values(call_id=nobody))
    finally:
        engine.dispose()
    return Forgotten(files, counts["verdicts"], counts["appeals"], counts["audit"])
