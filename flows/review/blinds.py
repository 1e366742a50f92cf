"""Blind listening: a random sample of flagged and unflagged calls, heard without knowing which is which; recall is estimated from it.

In: a range of nights. Out: samples, the answers on them, and an estimate. Nobody who only hears what was flagged can know what was
missed; this is the one honest way to know. The answer on a call is a verdict on the call that carries the sample's number.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from flows.review import statistics, tables, verdicts
from flows.review.index import Index
from flows.review.users import User
from flows.review.verdicts import Anchor, VerdictError

MOST = 500


@dataclass(frozen=True, slots=True)
class Sample:
    """A drawn sample. flagged, unflagged: how many calls of each there were to draw from when it was drawn."""

    id: int
    first_date: str
    last_date: str
    flagged: int
    unflagged: int
    author: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Place:
    """One call of a sample and what was answered on it: `right` means that it deserves a flag, `wrong` that it does not."""

    place: int
    call_id: str
    flagged: bool
    answer: str | None = None
    author: int | None = None


def draw(engine: Engine, index: Index, user: User, first: str, last: str, each: int, seed: int | None = None) -> int:
    """Draw a sample within the user's scope: `each` flagged and as many unflagged calls, shuffled. Raises VerdictError where there are none."""
    scope, values = user.scope()
    where = f"c.status = 'ok' AND c.date BETWEEN ? AND ? AND {scope}"
    sql = f"SELECT c.call_id, c.flag IN ('urgent', 'review') AS flagged FROM calls c WHERE {where} ORDER BY c.call_id"
    rows = index.rows(sql, [first, last, *values]) if 1 <= each <= MOST else []
    sides = {side: [r["call_id"] for r in rows if bool(r["flagged"]) == side] for side in (True, False)}
    if not sides[True] or not sides[False]:
        raise VerdictError("draw", most=MOST)
    seed = random.SystemRandom().randrange(1 << 48) if seed is None else seed
    rng = random.Random(seed)
    drawn = [(call_id, side) for side, calls in sides.items() for call_id in rng.sample(calls, min(each, len(calls)))]
    rng.shuffle(drawn)
    with engine.begin() as connection:
        made = connection.execute(
            tables.samples.insert().values(
                first_date=first,
                last_date=last,
                flagged=len(sides[True]),
                unflagged=len(sides[False]),
                seed=seed,
                author=user.id,
                at_ms=int(time.time() * 1000),
            )
        )
        number = tables.new_id(made)
        connection.execute(
            tables.sample_calls.insert(), [{"sample": number, "place": i, "call_id": c, "flagged": side} for i, (c, side) in enumerate(drawn, 1)]
        )
    return number


def samples(engine: Engine) -> list[Sample]:
    """All samples, newest first."""
    t = tables.samples.c
    with engine.connect().execution_options(reads_only=True) as connection:
        rows = connection.execute(sa.select(t.id, t.first_date, t.last_date, t.flagged, t.unflagged, t.author, t.at_ms).order_by(t.id.desc()))
        return [Sample(*r) for r in rows]


def places(engine: Engine, sample: int) -> list[Place]:
    """The calls of a sample in the order they are to be heard, with the first standing answer on each."""
    c, v = tables.sample_calls, tables.verdicts
    with engine.connect().execution_options(reads_only=True) as connection:
        calls = list(connection.execute(sa.select(c.c.place, c.c.call_id, c.c.flagged).where(c.c.sample == sample).order_by(c.c.place)))
        said = list(connection.execute(sa.select(v).where(v.c.blind == sample, v.c.target == "call").order_by(v.c.id)))
    gone = {r.takes_back for r in said if r.takes_back is not None}
    answers: dict[str, tuple[str, int]] = {}
    for r in said:
        if r.answer != "taken_back" and r.id not in gone:
            answers.setdefault(r.call_id, (r.answer, r.author))
    return [Place(r.place, r.call_id, r.flagged, *answers.get(r.call_id, (None, None))) for r in calls]


def waiting(engine: Engine, call_id: str) -> tuple[int, int] | None:
    """(sample, place) of an unanswered blind listening of this call."""
    c = tables.sample_calls.c
    with engine.connect().execution_options(reads_only=True) as connection:
        rows = list(connection.execute(sa.select(c.sample, c.place).where(c.call_id == call_id).order_by(c.sample.desc())))
    for r in rows:
        if any(p.place == r.place and p.answer is None for p in places(engine, r.sample)):
            return r.sample, r.place
    return None


def answer(engine: Engine, user: User, sample: int, place: int, deserves: str, comment: str | None) -> Place:
    """Save the answer on one call of a sample: `right` (deserves a flag), `wrong` or `unsure`. The first answer counts: what follows is not blind."""
    found = next((p for p in places(engine, sample) if p.place == place), None)
    if found is None:
        raise VerdictError("no_such_place")
    if found.answer is not None:
        raise VerdictError("blind_again")
    verdicts.give(engine, user, found.call_id, "call", deserves, Anchor(), comment=comment, blind=sample)
    return found


def estimate(engine: Engine, sample: Sample) -> statistics.Recall:
    """Recall from the answers so far (unsure counts as not heard)."""
    done = [p for p in places(engine, sample.id) if p.answer in ("right", "wrong")]
    sides = [[p for p in done if p.flagged == side] for side in (True, False)]
    yes = [sum(p.answer == "right" for p in side) for side in sides]
    return statistics.recall(statistics.Stratum(sample.flagged, len(sides[0]), yes[0]), statistics.Stratum(sample.unflagged, len(sides[1]), yes[1]))
