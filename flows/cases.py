"""Stored calls of some customers → their cases as rows, by the date of each case's last call.

In: the output folder and which calls of which dates these customers have, all of them. Out: rows of `cases`. Only the columns that a
case needs are read, and customers are taken a few thousand calls at a time, so that a month read again fits in memory. The
surprising choice: a case is stored under the date of its last call, and moves when another call comes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from flows.rows import moment_from_row
from models.reading.cases import Contact, Matter, cases

TOGETHER = 10_000  # calls worked on at a time: about 200 MB with their turns

Read = Callable[[str, date, Sequence[str], Sequence[str] | None], pa.Table]
"""(table, date, call ids, columns) → rows; what `flows.store.read_rows` does."""


def cases_of(read: Read, calls: Mapping[str, Sequence[tuple[date, str]]]) -> dict[date, list[dict[str, Any]]]:
    """Rows of the `cases` table for these customers: `calls` has, for each, the (date, id) of every call that was heard."""
    rows: dict[date, list[dict[str, Any]]] = defaultdict(list)
    for some in _chunks(calls):
        days = {call_id: day for mine in some.values() for day, call_id in mine}
        runs: dict[str, str] = {}
        for matter in cases(_contacts(read, some, runs)):
            rows[days[matter.case.last_call]].append(_row(matter, runs))
    return dict(rows)


def _chunks(calls: Mapping[str, Sequence[tuple[date, str]]]) -> Iterator[dict[str, Sequence[tuple[date, str]]]]:
    chunk: dict[str, Sequence[tuple[date, str]]] = {}
    size = 0
    for ref, mine in calls.items():
        if chunk and size + len(mine) > TOGETHER:
            yield chunk
            chunk, size = {}, 0
        chunk[ref] = mine
        size += len(mine)
    if chunk:
        yield chunk


def _contacts(read: Read, calls: Mapping[str, Sequence[tuple[date, str]]], runs: dict[str, str]) -> Iterator[Contact]:
    """The calls as cases need them; `runs` learns which run made each."""
    by_day: dict[date, list[str]] = defaultdict(list)
    for mine in calls.values():
        for day, call_id in mine:
            by_day[day].append(call_id)
    for day, ids in by_day.items():
        turns, moments = defaultdict(list), defaultdict(list)
        for turn in read("turns", day, ids, ("call_id", "role", "text")).to_pylist():
            turns[turn["call_id"]].append((turn["role"], turn["text"]))
        for moment in read("moments", day, ids, None).to_pylist():
            moments[moment["call_id"]].append(moment_from_row(moment))
        columns = ("call_id", "customer_ref", "started_at", "agent_id", "unresolved", "heat_end", "run_id")
        for row in read("calls", day, ids, columns).to_pylist():
            call_id = row["call_id"]
            runs[call_id] = row["run_id"]
            yield Contact(
                call_id=call_id,
                customer_ref=row["customer_ref"] or "",
                started_at=row["started_at"],
                agent_id=row["agent_id"],
                turns=tuple(turns[call_id]),
                moments=tuple(moments[call_id]),
                unresolved=bool(row["unresolved"]),
                heat_end=row["heat_end"],
            )


def _row(matter: Matter, runs: Mapping[str, str]) -> dict[str, Any]:
    case = matter.case
    return {
        "case_id": case.case_id,
        "customer_ref": case.customer_ref,
        "first_call": case.first_call,
        "last_call": case.last_call,
        "contacts": case.contacts,
        "tier": case.tier,
        "open": case.open,
        "promises_kept": case.promises_kept,
        "promises_broken": case.promises_broken,
        "reasons": [{"code": r.code, "moment": r.moment, "params": [{"key": k, "value": v} for k, v in r.params]} for r in case.reasons],
        "run_id": max(runs[call_id] for call_id in matter.calls),
    }
