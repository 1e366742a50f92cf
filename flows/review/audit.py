"""The audit log: every hearing, every export, every unmasking, every sign-in. Ids and counts, never words. Only added to."""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from flows.review import tables
from flows.review.users import User


@dataclass(frozen=True, slots=True)
class Entry:
    at_ms: int
    name: str
    action: str
    call_id: str | None
    detail: str | None
    address: str | None


def note(engine: Engine, user: User | None, action: str, call_id: str | None = None, detail: str | None = None, address: str | None = None) -> None:
    """Write one line. It is on disk when this returns, before what it speaks of is handed out."""
    row = {
        "user_id": None if user is None else user.id,
        "name": "-" if user is None else user.name,
        "action": action,
        "call_id": call_id,
        "detail": detail,
        "address": address,
    }
    with engine.begin() as connection:
        connection.execute(tables.audit.insert().values(at_ms=int(time.time() * 1000), **row))


def read(
    engine: Engine, action: str | None = None, name: str | None = None, call_id: str | None = None, limit: int = 200, before_id: int | None = None
) -> list[tuple[int, Entry]]:
    """The newest lines first, with their ids for the next page."""
    t = tables.audit.c
    query = sa.select(t.id, t.at_ms, t.name, t.action, t.call_id, t.detail, t.address).order_by(t.id.desc()).limit(limit)
    for column, value in ((t.action, action), (t.name, name), (t.call_id, call_id)):
        if value:
            query = query.where(column == value)
    if before_id is not None:
        query = query.where(t.id < before_id)
    with engine.connect().execution_options(reads_only=True) as connection:
        return [(r[0], Entry(*r[1:])) for r in connection.execute(query)]
