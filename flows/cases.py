"""Stored calls of some customers → their cases as rows, by the date of each case's last call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from models.reading.cases import Contact, cases
from models.records import Moment

if TYPE_CHECKING:
    from flows.store import StoredCall


def cases_of(calls: Sequence[StoredCall]) -> dict[date, list[dict[str, Any]]]:
    """Rows of the `cases` table for every customer among `calls` (all of whose calls must be there)."""
    heard = {c.call["call_id"]: c for c in calls if c.call["status"] == "ok" and c.call["customer_ref"]}
    rows: dict[date, list[dict[str, Any]]] = {}
    for matter in cases(_contact(c) for c in heard.values()):
        case, last = matter.case, heard[matter.case.last_call]
        rows.setdefault(last.date, []).append(
            {
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
                "run_id": last.call["run_id"],
            }
        )
    return rows


def _contact(stored: StoredCall) -> Contact:
    call = stored.call
    return Contact(
        call_id=call["call_id"],
        customer_ref=call["customer_ref"],
        started_at=call["started_at"],
        agent_id=call["agent_id"],
        turns=tuple((t["role"], t["text"] or "") for t in sorted(stored.turns, key=lambda t: t["turn"])),
        moments=tuple(_moment(m) for m in stored.moments),
        unresolved=bool(call["unresolved"]),
        heat_end=call["heat_end"],
    )


def _moment(row: dict[str, Any]) -> Moment:
    """What cases need of a stored moment."""
    return Moment(row["moment"], row["kind"], row["type"], row["role"], row["turn"], row["quote"], row["char_start"], row["char_end"], row["rule_id"],
                  row["score"], row["match"], row["severity"], due_at=row["due_at"])  # fmt: skip
