"""Verdicts: what people said about moments and calls. Only ever added to; a change of mind and a taking back are rows too.

In: answers. Out: `Verdict` values in the order they were given. What they add up to is standing.py's question.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields

import sqlalchemy as sa
from sqlalchemy.engine import Engine, Row

from flows.review import tables
from flows.review.language import word
from flows.review.users import User
from models.errors import FutingError

ANSWERS = ("right", "wrong", "unsure", "missed", "taken_back")
TARGETS = ("moment", "call", "missed")
WHYS = ("misheard", "wrong_speaker", "wrong_sense", "quoted", "other")
LONGEST_COMMENT = 3000


class VerdictError(FutingError):
    """An answer that cannot be taken: what is wrong with it, in an English sentence. The page says it in the reader's language.

    key: its name in language.WORDS, without the `cannot_`; values: what stands in its gaps.
    """

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(word(f"cannot_{key}", "en", **values))
        self.key, self.values = f"cannot_{key}", values


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where in a call a verdict stands, as the machine had it at the time. All None: the call as a whole."""

    kind: str | None = None
    type: str | None = None
    side: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    turn: int | None = None
    char_start: int | None = None
    char_end: int | None = None
    rule_id: str | None = None
    rules_version: str | None = None
    score: float | None = None
    run_id: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that one person said. `takes_back`: the verdict it withdraws. `settles`: a lead's last word. `blind`: the sample it was heard in."""

    id: int
    call_id: str
    target: str
    answer: str
    author: int
    at_ms: int
    why: str | None = None
    comment: str | None = field(default=None, repr=False)
    takes_back: int | None = None
    settles: bool = False
    blind: int | None = None
    anchor: Anchor = Anchor()


ANCHOR_FIELDS = tuple(f.name for f in fields(Anchor))


def anchor_of(row: Row) -> Anchor:
    return Anchor(*(getattr(row, name) for name in ANCHOR_FIELDS))


def _verdict(r: Row) -> Verdict:
    return Verdict(r.id, r.call_id, r.target, r.answer, r.author, r.at_ms, r.why, r.comment, r.takes_back, r.settles, r.blind, anchor_of(r))


def give(
    engine: Engine,
    user: User,
    call_id: str,
    target: str,
    answer: str,
    anchor: Anchor = Anchor(),
    why: str | None = None,
    comment: str | None = None,
    settles: bool = False,
    blind: int | None = None,
    connection: sa.Connection | None = None,
) -> int:
    """Add a verdict; its id. It is on the disk when this returns. Raises VerdictError for an answer that makes no sense."""
    if target not in TARGETS or answer not in ANSWERS or answer == "taken_back" or (target == "missed") != (answer == "missed"):
        raise VerdictError("no_verdict", given=f"{target}/{answer}")
    if why is not None and (answer != "wrong" or why not in WHYS):
        raise VerdictError("reason")
    if settles and not user.may("lead"):
        raise VerdictError("settle")
    if comment is not None and len(comment) > LONGEST_COMMENT:
        raise VerdictError("long_comment", most=LONGEST_COMMENT)
    place = {name: getattr(anchor, name) for name in ANCHOR_FIELDS}
    row = {
        "call_id": call_id,
        "target": target,
        "answer": answer,
        "why": why,
        "comment": comment or None,
        "author": user.id,
        "settles": settles,
        "blind": blind,
        **place,
    }
    insert = tables.verdicts.insert().values(at_ms=int(time.time() * 1000), **row)
    if connection is not None:
        return tables.new_id(connection.execute(insert))
    with engine.begin() as own:
        return tables.new_id(own.execute(insert))


def take_back(engine: Engine, user: User, verdict_id: int) -> Verdict:
    """Withdraw one's own verdict: a further row. Returns the verdict withdrawn; raises VerdictError for somebody else's, or none."""
    t = tables.verdicts
    with engine.begin() as connection:
        row = connection.execute(sa.select(t).where(t.c.id == verdict_id)).first()
        if row is None or row.answer == "taken_back":
            raise VerdictError("no_such_verdict", number=verdict_id)
        if row.author != user.id:
            raise VerdictError("take_back")
        if connection.execute(sa.select(t.c.id).where(t.c.takes_back == verdict_id)).first() is None:
            place = {name: getattr(row, name) for name in ANCHOR_FIELDS}
            connection.execute(
                t.insert().values(
                    call_id=row.call_id,
                    target=row.target,
                    answer="taken_back",
                    author=user.id,
                    at_ms=int(time.time() * 1000),
                    takes_back=verdict_id,
                    settles=False,
                    blind=row.blind,
                    **place,
                )
            )
        return _verdict(row)


def of_call(engine: Engine, call_id: str) -> list[Verdict]:
    t = tables.verdicts
    with engine.connect().execution_options(reads_only=True) as connection:
        return [_verdict(r) for r in connection.execute(sa.select(t).where(t.c.call_id == call_id).order_by(t.c.id))]


def since(engine: Engine, verdict_id: int) -> list[Verdict]:
    """All verdicts with a greater id, in order."""
    t = tables.verdicts
    with engine.connect().execution_options(reads_only=True) as connection:
        return [_verdict(r) for r in connection.execute(sa.select(t).where(t.c.id > verdict_id).order_by(t.c.id))]
