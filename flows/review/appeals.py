"""Appeals: an agent's objection to a moment of an own call, with grounds; a lead upholds or dismisses it.

A decision is a lead's last word on the moment and is written with it: upheld means the machine was wrong, dismissed that it was right.
The machine's own answer is never touched.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Engine, Row

from flows.review import tables, verdicts
from flows.review.users import User
from flows.review.verdicts import ANCHOR_FIELDS, LONGEST_COMMENT, Anchor, VerdictError


@dataclass(frozen=True, slots=True)
class Appeal:
    """One objection. `upheld` is None while it is open."""

    id: int
    call_id: str
    grounds: str = field(repr=False)
    author: int
    at_ms: int
    anchor: Anchor
    upheld: bool | None = None
    comment: str | None = field(default=None, repr=False)
    decided_by: int | None = None
    decided_ms: int | None = None


def make(engine: Engine, user: User, call_id: str, anchor: Anchor, grounds: str) -> int:
    """Object to a moment. Whose call it is, the caller has checked. Raises VerdictError without grounds, or where one is open already."""
    grounds = grounds.strip()
    if not grounds or len(grounds) > LONGEST_COMMENT:
        raise VerdictError("appeal", most=LONGEST_COMMENT)
    from flows.review.standing import same

    if any(a.upheld is None and same(a.anchor, anchor) for a in read(engine, call_id=call_id)):
        raise VerdictError("appeal_again")
    place = {name: getattr(anchor, name) for name in ANCHOR_FIELDS}
    with engine.begin() as connection:
        made = connection.execute(tables.appeals.insert().values(call_id=call_id, grounds=grounds, author=user.id, at_ms=int(time.time() * 1000), **place))
        return tables.new_id(made)


def decide(engine: Engine, user: User, appeal_id: int, upheld: bool, comment: str | None = None) -> Appeal:
    """A lead's decision, and with it the verdict that settles the moment. Raises VerdictError where it is decided already."""
    if not user.may("lead"):
        raise VerdictError("decide")
    found = [a for a in read(engine) if a.id == appeal_id]
    if not found:
        raise VerdictError("no_such_appeal", number=appeal_id)
    appeal = found[0]
    try:
        with engine.begin() as connection:
            connection.execute(
                tables.decisions.insert().values(appeal=appeal_id, upheld=upheld, comment=comment or None, author=user.id, at_ms=int(time.time() * 1000))
            )
            answer = "wrong" if upheld else "right"
            verdicts.give(engine, user, appeal.call_id, "moment", answer, appeal.anchor, comment=comment, settles=True, connection=connection)
    except exc.IntegrityError as error:
        raise VerdictError("decide_again") from error
    return next(a for a in read(engine, call_id=appeal.call_id) if a.id == appeal_id)


def _appeal(r: Row) -> Appeal:
    return Appeal(r.id, r.call_id, r.grounds, r.author, r.at_ms, verdicts.anchor_of(r), r.upheld, r.decision_comment, r.decided_by, r.decided_ms)


def read(engine: Engine, call_id: str | None = None, is_open: bool | None = None) -> list[Appeal]:
    """Appeals, newest first."""
    a, d = tables.appeals, tables.decisions
    columns = [d.c.upheld, d.c.comment.label("decision_comment"), d.c.author.label("decided_by"), d.c.at_ms.label("decided_ms")]
    query = sa.select(a, *columns).select_from(a.outerjoin(d, d.c.appeal == a.c.id)).order_by(a.c.id.desc())
    if call_id is not None:
        query = query.where(a.c.call_id == call_id)
    if is_open is not None:
        query = query.where(d.c.appeal.is_(None) if is_open else d.c.appeal.is_not(None))
    with engine.connect().execution_options(reads_only=True) as connection:
        return [_appeal(r) for r in connection.execute(query)]
