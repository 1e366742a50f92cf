"""Swapped roles: a person says that agent and customer stand the wrong way round. Kept, and told to the pipeline.

In: who, which call. Out: a row in the verdict store and a line in OUT/.futing/corrections.jsonl, which every later run applies. The
surprising choice: the tables are not touched. Until the night is read again, the page shows the call as it would be read.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from flows.corrections import FILE, RoleCorrection
from flows.review import tables
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


def reading(row: Row, turns: Sequence[Mapping[str, Any]], swapped: bool) -> tuple[Row, list[Row], list[Row]]:
    """The call's row, turns and moments as they read with this correction (from the stored text, masked where it is)."""
    from flows.rows import heard_from_rows
    from models.reading.read import read

    heard = heard_from_rows({"error": None, "error_code": None, **row}, turns)
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
            "due_at": m.due_at,
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
        }
    )
    return fresh, turned, moments


@lru_cache(maxsize=1)
def _book() -> RuleBook:
    """The rules of the configuration in use, compiled once."""
    from flows.settings import load_settings
    from models.reading.rules import load_rulebook

    return load_rulebook(load_settings().path("rules"))
