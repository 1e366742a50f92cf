"""Who is hearing what: a call taken by one reviewer is not offered to another. A lease by opening it, a standing order by a lead.

The surprising choice: no lock is held. Each step of a call's history has a number that only one row can have; of two who take a call at
the same instant, one insert fails, and that reviewer is told who has it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Engine

from flows.review import tables
from flows.review.users import User

LEASE_S = 1800.0  # of a call opened from the queue; every visit renews it
STANDING_S = 7 * 86400.0  # of a call given by a lead
FREE_AGAIN = 0


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a call (None: nobody) and until when."""

    user_id: int | None
    until_ms: int
    step: int


def holder(connection: sa.Connection, call_id: str) -> Holder:
    t = tables.assignments.c
    row = connection.execute(sa.select(t.user_id, t.until_ms, t.step).where(t.call_id == call_id).order_by(t.step.desc()).limit(1)).first()
    return Holder(None, 0, 0) if row is None else Holder(row.user_id, row.until_ms, row.step)


def take(engine: Engine, user: User, call_id: str, now_s: float | None = None) -> int | None:
    """Take a call for oneself if it is free (or one's own already); returns who holds it now."""
    now = int((now_s or time.time()) * 1000)
    with engine.connect().execution_options(reads_only=True) as connection:
        held = holder(connection, call_id)
    if held.user_id is not None and held.until_ms > now:
        if held.user_id != user.id:
            return held.user_id
        if held.until_ms - now > LEASE_S * 500:
            return user.id  # renewed when half of it is gone, not at every visit
    return _step(engine, call_id, held.step + 1, user.id, user.id, now, now + int(LEASE_S * 1000))


def give(engine: Engine, by: User, call_id: str, to: int | None, now_s: float | None = None) -> int | None:
    """A lead gives a call to somebody, or (None) frees it; a reviewer may free an own one. Returns who holds it now."""
    now = int((now_s or time.time()) * 1000)
    with engine.connect().execution_options(reads_only=True) as connection:
        held = holder(connection, call_id)
    if not by.may("lead") and not (to is None and held.user_id == by.id):
        return held.user_id
    return _step(engine, call_id, held.step + 1, to, by.id, now, now + int(STANDING_S * 1000) if to is not None else FREE_AGAIN)


def _step(engine: Engine, call_id: str, step: int, to: int | None, author: int, now: int, until: int) -> int | None:
    try:
        with engine.begin() as connection:
            connection.execute(tables.assignments.insert().values(call_id=call_id, step=step, user_id=to, author=author, at_ms=now, until_ms=until))
        return to
    except exc.IntegrityError:
        with engine.connect().execution_options(reads_only=True) as connection:
            return holder(connection, call_id).user_id


def since(engine: Engine, assignment_id: int) -> list[tuple[int, str, int | None, int]]:
    """(id, call, holder, until_ms) of every step with a greater id, in order."""
    t = tables.assignments.c
    with engine.connect().execution_options(reads_only=True) as connection:
        return [tuple(r) for r in connection.execute(sa.select(t.id, t.call_id, t.user_id, t.until_ms).where(t.id > assignment_id).order_by(t.id))]  # type: ignore[misc]
