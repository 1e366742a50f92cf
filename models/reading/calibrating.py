"""Whole labelled calls → the scales of weighing.py.

In: the labelled examples (configs/examples), of which those of at least ten turns are whole calls, and the rule book. Out: for each kind a logistic
regression of FEATURES. Its likelihoods must be those of calls not learned from: the calls are dealt to five folds by who wrote them, and each fold is read
with a model fitted on all the rest. Every call is read three times, as it was said and twice as a recogniser might have misheard it, with the doubt it
would have shown. The surprising choice: Newton's method by hand, since twenty features need no library.
"""

from __future__ import annotations

import random
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.reading.heat import feel
from models.reading.learned import Learned
from models.reading.mishearing import Mishearing, confidence
from models.reading.read import unweighed
from models.reading.rulebook import RuleBook
from models.reading.weighing import BAR, Scale, by_type, features
from models.records import HeardCall, Turn

FOLDS = 5
WHOLE_CALL = 10  # turns
MISHEARD = ((0.0, 1.0), (0.12, 0.7), (0.25, 0.7))  # share of characters misheard, and what such a copy weighs
FREE = 1.0  # how freely weights may grow (C of a logistic regression); 0.3 to 3 differ by less than chance
STEPS = 30


@dataclass(frozen=True, slots=True)
class Judged:
    """A moment that would be weighed: what is known of it, its type, whether it is true, and what it counts."""

    features: np.ndarray
    type: str
    right: bool
    weight: float = 1.0


def whole_calls(snippets: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [s for s in snippets if len(s["turns"]) >= WHOLE_CALL]


def folds(snippets: Sequence[dict[str, Any]]) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """(whole calls of some writers, everything else) for each fold; a writer is what stands before the last `-` of a call_id."""
    calls = whole_calls(snippets)
    writers = sorted({_writer(s) for s in calls})
    of = {writer: i % FOLDS for i, writer in enumerate(writers)}
    for fold in range(min(FOLDS, len(writers))):
        held = [s for s in calls if of[_writer(s)] == fold]
        mine = {id(s) for s in held}
        yield held, [s for s in snippets if id(s) not in mine]


def _writer(snippet: dict[str, Any]) -> str:
    return str(snippet["call_id"]).rpartition("-")[0]


def calibrate(
    snippets: Sequence[dict[str, Any]],
    book: RuleBook,
    fitted: Callable[[Sequence[dict[str, Any]]], Learned],
    tell: Callable[[str], None] = lambda _: None,
) -> dict[str, Scale]:
    """The scale of each kind of BAR. fitted: snippets → a model with the types of `book.learned`."""
    ear = ear_of(snippets)
    table: dict[str, list[Judged]] = defaultdict(list)
    for number, (held, rest) in enumerate(folds(snippets), 1):
        tell(f"reading calls that were not learned from, fold {number} of {FOLDS}")
        blind = replace(book, learned=fitted(rest))
        for snippet in held:
            truth = {(m["turn"], m["kind"], m["type"]) for m in snippet["moments"]}
            for rate, weight in MISHEARD:
                for kind, row, key in judged_moments(misheard(snippet, rate, ear), blind):
                    table[kind].append(Judged(row, key[2], key in truth, weight))
    return {kind: scale_of(rows) for kind, rows in sorted(table.items()) if len({row.right for row in rows}) == 2}


def judged_moments(call: HeardCall, book: RuleBook) -> Iterator[tuple[str, np.ndarray, tuple[int, str, str]]]:
    """Kind, features and place (turn, kind, type) of every moment that would be weighed."""
    felt = feel(call)
    said = unweighed(call, book, tuple(None if h is None else h.value for h in felt))
    types = book.learned.types if book.learned else ()
    mine = [m for m in said.moments if m.kind in BAR and f"{m.kind}/{m.type}" in types]
    if mine:
        for m, row in zip(mine, features(mine, said.moments, said.looking, said.hits), strict=True):
            yield m.kind, row, (m.turn, m.kind, m.type)


def scale_of(rows: Sequence[Judged]) -> Scale:
    """The logistic regression of one kind's moments."""
    types = tuple(sorted({row.type for row in rows}))
    x = by_type(np.array([row.features for row in rows]), [row.type for row in rows], types)
    y, w = np.array([float(row.right) for row in rows]), np.array([row.weight for row in rows])
    mean, spread = x.mean(0), x.std(0)
    spread[spread < 1e-6] = 1.0
    z = np.c_[(x - mean) / spread, np.ones(len(x))]
    ridge = np.diag([1.0 / FREE] * x.shape[1] + [1e-6])
    beta = np.zeros(z.shape[1])
    for _ in range(STEPS):
        p = 1.0 / (1.0 + np.exp(-(z @ beta)))
        beta -= np.linalg.solve((z * (w * p * (1 - p))[:, None]).T @ z + ridge, z.T @ (w * (p - y)) + ridge @ beta)
    return Scale(types, mean, spread, beta[:-1], float(beta[-1]))


def misheard(snippet: dict[str, Any], rate: float, ear: Mishearing) -> HeardCall:
    """The call as it was said (rate 0), or misheard at this mean share of characters with confidences to match. Equal for equal call_ids and rates."""
    rng = random.Random(zlib.crc32(f"{snippet['call_id']} {rate}".encode()))
    turns = []
    for i, t in enumerate(snippet["turns"]):
        here = rng.uniform(0, 2 * rate)
        times = (t.get("start_s", t.get("start")), t.get("end_s", t.get("end")))
        sure = round(confidence(here, rng), 3) if rate else None
        turns.append(Turn(i, t["role"], ear.text(t["text"], here, rng), *times, confidence=sure))
    return HeardCall(str(snippet["call_id"]), tuple(turns), "text")


def ear_of(snippets: Sequence[dict[str, Any]]) -> Mishearing:
    return Mishearing(t["text"] for s in snippets for t in s["turns"])
