"""Swapped roles: a person says that agent and customer stand the wrong way round. Kept, and told to the pipeline.

In: who, which call. Out: a row in the verdict store and a line in OUT/.futing/corrections.jsonl, which every later run applies. The
surprising choice: the tables are not touched. Until the night is read again, the page and its index show the call as it would be read.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from flows.corrections import FILE, RoleCorrection
from flows.review import tables
from flows.review.index import Index
from flows.review.users import User

if TYPE_CHECKING:
    from models.reading.rules import RuleBook

Row = dict[str, Any]


def of_call(engine: Engine, call_id: str) -> bool | None:
    """What people last said: True: hearing's roles are to be swapped; False: they are right after all; None: nothing."""
    t = tables.corrections
    with engine.connect().execution_options(reads_only=True) as connection:
        last = connection.execute(sa.select(t.c.swapped).where(t.c.call_id == call_id).order_by(t.c.id.desc()).limit(1)).first()
    return None if last is None else last.swapped


def latest(engine: Engine) -> dict[str, bool]:
    """What people last said, of every call that anybody ever swapped."""
    t = tables.corrections
    with engine.connect().execution_options(reads_only=True) as connection:
        return {r.call_id: r.swapped for r in connection.execute(sa.select(t.c.call_id, t.c.swapped).order_by(t.c.id))}


def show(engine: Engine, index: Index, zone: ZoneInfo) -> int:
    """Let queue, rules, appeals and exports see every corrected call as it reads now; returns how many had to be read. Cheap when none had."""
    said = latest(engine)
    sql = "SELECT call_id, date, corrected, swapped FROM calls WHERE status = 'ok' AND (swapped <> corrected OR call_id IN (SELECT unnest(?::VARCHAR[])))"
    shown = 0
    for r in index.rows(sql, [list(said)]):
        wanted = bool(said.get(r["call_id"], r["corrected"]))
        if wanted != r["swapped"]:
            call, turns, moments = (index.stored(t, r["date"], r["call_id"]) for t in ("calls", "turns", "moments"))
            if not call:
                continue  # its night is being replaced: the next look sees it whole
            row = call[0]
            if wanted != r["corrected"]:
                row, turns, moments = reading(row, turns, wanted, zone)
            index.put(r["date"], row, turns, moments, wanted)
            shown += 1
    return shown


def pending(correction: bool | None, turns: Sequence[Mapping[str, Any]]) -> bool:
    """Whether these rows do not show the correction yet. A run that applied one says so in its turns (`heard_role`)."""
    return correction is not None and correction != any(t.get("heard_role") for t in turns)


def swap(engine: Engine, out: Path, user: User, call_id: str, run_id: str | None) -> bool:
    """Swap, or swap back: returns whether hearing's roles are now to be swapped."""
    wanted = not of_call(engine, call_id)
    with engine.begin() as connection:
        connection.execute(tables.corrections.insert().values(call_id=call_id, swapped=wanted, run_id=run_id, author=user.id, at_ms=int(time.time() * 1000)))
    line = json.dumps({"call_id": call_id, "swap": wanted, "at_ms": int(time.time() * 1000)}, ensure_ascii=False) + "\n"
    path = out / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:  # one write, appended: two at once do not mix
        file.write(line.encode())
        os.fsync(file.fileno())
    return wanted


def reading(row: Row, turns: Sequence[Mapping[str, Any]], swapped: bool, zone: ZoneInfo) -> tuple[Row, list[Row], list[Row]]:
    """The call's row, turns and moments as they read with this correction (from the stored text, masked where it is).

    zone: of the clock that callers and agents mean when they name a time (六点半).
    """
    from flows.rows import heard_from_rows
    from models.reading.read import read

    started = row["started_at"]  # UTC, said so (the tables) or not (the index)
    local = started and (started if started.tzinfo else started.replace(tzinfo=UTC)).astimezone(zone)
    heard = heard_from_rows({"error": None, "error_code": None, **row, "started_at": local}, turns)
    right = RoleCorrection(row["call_id"], swap=swapped).apply(heard)
    reading = read(right, _book())
    turned = [dict(t) | {"role": r.role, "role_confidence": 1.0, "heat": h} for t, r, h in zip(turns, right.turns, reading.heat, strict=True)]
    moments = [
        {
            "call_id": row["call_id"],
            "moment": m.index,
            "kind": m.kind,
            "type": m.type,
            "role": m.role,
            "turn": m.turn,
            "start_s": m.start_s,
            "end_s": m.end_s,
            "quote": m.quote,
            "char_start": m.char_start,
            "char_end": m.char_end,
            "rule_id": m.rule_id,
            "score": m.score,
            "match": m.match,
            "meant": m.meant,
            "severity": m.severity,
            "due_at": m.due_at and m.due_at.astimezone(UTC),
            "components": [{"name": c.name, "quote": c.quote} for c in m.components],
            "run_id": row["run_id"],
        }
        for m in reading.moments
    ]
    measures = {n: getattr(reading.measures, n) for n in reading.measures.__dataclass_fields__}
    reasons = [{"code": r.code, "moment": r.moment, "params": [{"key": k, "value": v} for k, v in r.params]} for r in reading.reasons]
    fresh = (
        row
        | measures
        | {
            "flag": reading.flag,
            "priority": reading.priority,
            "level": reading.level,
            "unresolved": reading.unresolved,
            "reasons": reasons,
            "role_confidence": 1.0,
            "rules_version": reading.rules_version,
        }
    )
    return fresh, turned, moments


@lru_cache(maxsize=1)
def _book() -> RuleBook:
    """The rules of the configuration in use, compiled once."""
    from flows.settings import load_settings
    from models.reading.rules import load_rulebook

    return load_rulebook(load_settings().path("rules"))
