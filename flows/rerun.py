"""Calls that are in the tables already → made again, from their recordings or from their stored turns.

In: an open night and which calls. Out: their rows replaced under the same ids and dates, everything else left as it is. The
surprising choice: a rerun never makes a good row worse. A recording that cannot be fetched any more, or a machine that has no
memory tonight, leaves the row that stands; the summary says so.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from flows.call import read_rows_of
from flows.intake import Found, Meta, look_again
from flows.journal import Known
from flows.night import Night
from flows.plan import Plan, Todo
from flows.rows import heard_from_rows, recording_from_row, redactions_from_rows
from flows.store import stored_calls
from models.errors import ConfigError

log = logging.getLogger(__name__)
CHUNK = 256  # calls read back at a time: about 15 MB of turns


def select(night: Night, *, first: date | None, last: date | None, call_ids: Sequence[str], failed: bool) -> list[Known]:
    """The calls that the selectors name, all of which must hold; raises ConfigError for an id that is not there or no selector at all."""
    if first is None and not call_ids and not failed:
        raise ConfigError("say what to do again: --date D or D..D, --call ID or --failed")
    night.publish()  # what a killed run left in the journal belongs into the tables before they are read back
    known = night.journal.calls(first=first, last=last, failed=failed)
    if not call_ids:
        return known
    missing = sorted(set(call_ids) - {k.call_id for k in known})
    if missing:
        raise ConfigError(f"{night.out}: no such call{' on these dates' if first else ''}: {', '.join(missing)}")
    return [k for k in known if k.call_id in set(call_ids)]


def from_hearing(night: Night, known: Sequence[Known], jobs: int = 1) -> None:
    """Hear these calls again, from where their recordings lay then. Transcripts made elsewhere are read again."""
    texts, todo = [], []
    for day, chunk in _chunks(known):
        for stored in stored_calls(night.out, day, [k.call_id for k in chunk]):
            if stored.call["layout"] == "text":
                texts.append(stored.call["call_id"])
                continue
            before = next(k for k in chunk if k.call_id == stored.call["call_id"])
            recording = recording_from_row(on_the_clock(stored.call, night.settings.zone), day)
            now = look_again(Found(recording.source, recording.call_id, None, None, Meta()))
            todo.append(Todo(recording, now.size, now.mtime_s, keep_good=before.status == "ok"))
    night.plan(Plan(tuple(todo)))
    night.hear_all(jobs)
    if texts:
        _read_again(night, [k for k in known if k.call_id in set(texts)])


def from_reading(night: Night, known: Sequence[Known]) -> None:
    """Read these calls again from their stored turns; no model is touched. Calls that were never heard are left out."""
    night.plan(Plan((), expected=sum(k.status == "ok" for k in known), latest=max((k.date for k in known), default=None)))
    _read_again(night, known)


def _read_again(night: Night, known: Sequence[Known]) -> None:
    for day, chunk in _chunks([k for k in known if k.status == "ok"]):
        rows = []
        for stored in stored_calls(night.out, day, [k.call_id for k in chunk]):
            recording = recording_from_row(on_the_clock(stored.call, night.settings.zone), day)
            heard = heard_from_rows(on_the_clock(stored.call, night.settings.zone), stored.turns)
            rows.append(night.keep_file(read_rows_of(recording, heard, night.desk, redactions_from_rows(stored.turns))))
        night.write(rows)


def on_the_clock(call: Mapping[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    """A stored call's row, its start on the clock that its speakers mean when they name a time (六点半): tables hold UTC."""
    return dict(call) | {"started_at": call["started_at"] and call["started_at"].astimezone(zone)}


def _chunks(known: Sequence[Known]) -> list[tuple[date, list[Known]]]:
    """At most CHUNK calls of one date at a time, dates and ids in order."""
    chunks: list[tuple[date, list[Known]]] = []
    for call in sorted(known, key=lambda k: (k.date, k.call_id)):
        if not chunks or chunks[-1][0] != call.date or len(chunks[-1][1]) >= CHUNK:
            chunks.append((call.date, []))
        chunks[-1][1].append(call)
    return chunks
