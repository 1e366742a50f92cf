"""What reviewers have done, next to what the machine found: a small table in the index that the queue can join.

In: the verdict store. Out: `work.states` in the index's own DuckDB (memory only). The surprising choice: it follows the store by the ids
of its rows, re-reading the last few dozen each time, since two who write at once may be seen out of order.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy.engine import Engine

from flows.review import appeals, assignments, standing, verdicts
from flows.review.index import Index
from flows.review.verdicts import Verdict

AGAIN = 64  # ids read again at every look: more than can be in flight at once


@dataclass(frozen=True, slots=True)
class State:
    """A call's place in the day's work."""

    reviewed: bool
    disputed: bool
    judged: int
    appealed: bool
    holder: int | None
    until_ms: int


class States:
    """The followed store. `follow` is cheap and may be called at every request, from any thread."""

    def __init__(self, engine: Engine, index: Index) -> None:
        self._engine, self._index, self._lock = engine, index, threading.Lock()
        self._verdicts: dict[str, dict[int, Verdict]] = {}
        self._holders: dict[str, tuple[int | None, int]] = {}
        self._appealed: set[str] = set()
        self._last_verdict = self._last_assignment = 0
        index.execute("ATTACH IF NOT EXISTS ':memory:' AS work")
        index.execute(
            "CREATE OR REPLACE TABLE work.states (call_id VARCHAR PRIMARY KEY, reviewed BOOLEAN, "
            "disputed BOOLEAN, judged INTEGER, appealed BOOLEAN, holder BIGINT, until_ms BIGINT)"
        )

    def follow(self) -> None:
        """Take in what was written since the last time."""
        with self._lock:
            touched: set[str] = set()
            for v in verdicts.since(self._engine, max(0, self._last_verdict - AGAIN)):
                heap = self._verdicts.setdefault(v.call_id, {})
                if v.id not in heap:
                    heap[v.id] = v
                    touched.add(v.call_id)
                self._last_verdict = max(self._last_verdict, v.id)
            steps = assignments.since(self._engine, max(0, self._last_assignment - AGAIN))
            newest = {call_id: (holder, until_ms) for _, call_id, holder, until_ms in steps}  # of a call's steps the last one counts
            for call_id, held in newest.items():
                if self._holders.get(call_id) != held:
                    self._holders[call_id] = held
                    touched.add(call_id)
            self._last_assignment = max([self._last_assignment, *(s[0] for s in steps)])
            appealed = {a.call_id for a in appeals.read(self._engine, is_open=True)}
            touched |= appealed ^ self._appealed
            self._appealed = appealed
            if touched:
                self._write(sorted(touched))

    def _write(self, calls: list[str]) -> None:
        found = [self.state(c) for c in calls]
        block = pa.table(
            {
                "call_id": calls,
                "reviewed": [s.reviewed for s in found],
                "disputed": [s.disputed for s in found],
                "judged": pa.array([s.judged for s in found], pa.int32()),
                "appealed": [s.appealed for s in found],
                "holder": pa.array([s.holder for s in found], pa.int64()),
                "until_ms": pa.array([s.until_ms for s in found], pa.int64()),
            }
        )
        self._index.upsert("work.states", block)

    def state(self, call_id: str) -> State:
        """A call's state from what was followed so far."""
        said = list(self._verdicts.get(call_id, {}).values())
        whole, parts = standing.groups(said, "call"), standing.groups(said)
        holder, until_ms = self._holders.get(call_id, (None, 0))
        disputed = any(g.answer == "disputed" for g in (*whole, *parts))
        return State(bool(whole), disputed, len(parts), call_id in self._appealed, holder, until_ms)

    def of_call(self, call_id: str) -> list[Verdict]:
        return sorted(self._verdicts.get(call_id, {}).values(), key=lambda v: v.id)

    def all_calls(self) -> dict[str, list[Verdict]]:
        """Every call's verdicts, in order: what the rules' precision is counted from."""
        with self._lock:
            return {call_id: sorted(heap.values(), key=lambda v: v.id) for call_id, heap in self._verdicts.items()}
