"""What lies there + what is known → what is to be heard, under which ids and dates.

In: found recordings in order of their address, and the journal. Out: `Plan`. Same bytes are one call; the same id with other bytes
gets a hash behind it; a call once stored keeps its id and its date. The surprising choice: a file is read for its hash only
where the answer could matter, which is when another recording has its size or its id. Everything else is hashed when heard.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

from flows.intake import Found, look_again, read_bytes
from flows.journal import Journal, Known
from models.errors import TRANSIENT_CODES
from models.records import NotHeard, Recording

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Todo:
    """A recording to be heard, or (not_heard) one that is known beforehand not to be. size: bytes; mtime_s: since 1970."""

    recording: Recording
    size: int | None = None
    mtime_s: float | None = None
    not_heard: NotHeard | None = None
    keep_good: bool = False  # a good row stands already: one that failed this time must not replace it


@dataclass(frozen=True, slots=True)
class Copy:
    """A further address of bytes that are a call already."""

    call_id: str
    source: str = field(repr=False)
    size: int | None = None
    mtime_s: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run has to do. done: calls of this input that earlier runs finished, whatever came of them.

    expected: how many calls it comes to, where not all are in `todo`; latest: the last date it deals with, where known otherwise.
    """

    todo: tuple[Todo, ...]
    copies: tuple[Copy, ...] = ()
    done: tuple[Known, ...] = ()
    expected: int = 0
    latest: date | None = None

    @property
    def last_date(self) -> date | None:
        days = [t.recording.date for t in self.todo] + [k.date for k in self.done]
        return max(days, default=self.latest)


def plan_input(
    found: Sequence[Found],
    journal: Journal,
    *,
    zone: ZoneInfo,
    given: date | None = None,
    settle_s: float = 5.0,
    fetch: Callable[[str], bytes] = read_bytes,
    sleep: Callable[[float], None] = time.sleep,
) -> Plan:
    """Decide for each recording whether it is new, known, a copy, or not whole yet. Deterministic in the order of `found`."""
    copies: list[Copy] = []
    done: list[Known] = []
    fresh: list[tuple[Found, Known | None]] = []  # with the call it was before, if it was to be tried again
    for recording in found:
        call_id = journal.copy_of(recording.source, recording.size, recording.mtime_s)
        original = journal.call(call_id) if call_id is not None else None
        if original is not None and not _again(original):  # one that was never heard may be gone: then its copy is all there is
            copies.append(Copy(original.call_id, recording.source, recording.size, recording.mtime_s))
            continue
        before = journal.by_source(recording.source)
        same = next((k for k in before if k.size is not None and (k.size, k.mtime_s) == (recording.size, recording.mtime_s)), None)
        if same is not None and not _again(same):
            done.append(same)
            continue
        fresh.append((recording, same or next((k for k in before if k.status != "ok"), None)))
    settled, growing = _settle([f for f, _ in fresh], settle_s, sleep)
    fresh = [(settled.get(f.source, f), before) for f, before in fresh]

    sizes = Counter(f.size for f, _ in fresh)
    names = Counter(f.name for f, _ in fresh)
    known_sizes, some_unknown = journal.sizes()
    todo: list[Todo] = []
    taken: dict[str, str] = {}  # call id → source, within this plan
    by_hash: dict[str, str] = {}  # hash → call id, within this plan
    for now, before in fresh:
        sha256 = None
        ambiguous = now.size is None or sizes[now.size] > 1 or now.size in known_sizes or some_unknown or names[now.name] > 1
        ambiguous = ambiguous or (before is None and journal.call(now.name) is not None)
        if ambiguous and not now.missing and now.source not in growing:
            try:
                sha256 = hashlib.sha256(fetch(now.source)).hexdigest()
            except Exception:  # whatever the storage raises; hearing meets it again and says so in the call's row
                log.warning("call %s cannot be fetched now", now.name)
        known = journal.by_sha256(sha256) if sha256 else None
        if known is not None and not _again(known):
            if known.source == now.source:
                done.append(known)
            else:
                copies.append(Copy(known.call_id, now.source, now.size, now.mtime_s))
            continue
        if sha256 in by_hash:
            copies.append(Copy(by_hash[sha256], now.source, now.size, now.mtime_s))
            continue
        keep = known or before
        call_id = keep.call_id if keep is not None and keep.call_id not in taken else _free_id(now, sha256, journal, taken)
        taken[call_id] = now.source
        if sha256:
            by_hash[sha256] = call_id
        day = keep.date if keep is not None else now.call_date(given, zone)
        todo.append(_todo(now, call_id, day, growing=now.source in growing))
    return Plan(tuple(todo), tuple(copies), tuple(done))


def _again(known: Known) -> bool:
    """Whether a resume tries this call again."""
    return known.status != "ok" and known.error_code in TRANSIENT_CODES


def _settle(fresh: Sequence[Found], settle_s: float, sleep: Callable[[float], None]) -> tuple[dict[str, Found], frozenset[str]]:
    """Watch what was young when it was listed: (it as it is now, by source; the sources of those still being written, or gone).

    Young is told by the listing's own clock: between a long listing and this look a file that grows would else have come of age.
    """
    young = [f for f in fresh if not f.missing and f.mtime_s is not None and f.seen_s - f.mtime_s < settle_s]
    if not young:
        return {}, frozenset()
    now = time.time()
    longest_wait = max(settle_s - max(0.0, now - f.mtime_s) for f in young if f.mtime_s is not None)
    if longest_wait > 0:
        sleep(min(settle_s, longest_wait))
    after = {f.source: look_again(f) for f in young}
    changed = [after[f.source] for f in young if (after[f.source].size, after[f.source].mtime_s) != (f.size, f.mtime_s)]
    return after, frozenset(f.source for f in changed if f.size is None or f.mtime_s is None or f.seen_s - f.mtime_s < settle_s)


def _free_id(found: Found, sha256: str | None, journal: Journal, taken: dict[str, str]) -> str:
    """The recording's own id, or with a short hash of its content behind it where other bytes have that id."""
    if found.name not in taken and journal.call(found.name) is None:
        return found.name
    call_id = f"{found.name}-{(sha256 or hashlib.sha256(found.source.encode()).hexdigest())[:8]}"
    log.warning("two recordings are called %s and differ; the second is stored as %s", found.name, call_id)
    return call_id


def _todo(found: Found, call_id: str, day: date, *, growing: bool) -> Todo:
    m = found.meta
    recording = Recording(
        call_id=call_id,
        source=found.source,
        date=day,
        started_at=m.started_at,
        agent_id=m.agent_id,
        team=m.team,
        queue=m.queue,
        direction=m.direction,
        customer_ref=m.customer_ref,
        agent_channel=m.agent_channel,
    )
    not_heard = None
    if found.missing:
        not_heard = NotHeard(call_id, "io", "the manifest names it and nothing lies there; the next run looks again")
    elif growing:
        not_heard = NotHeard(call_id, "still_growing", "it changed while it was looked at; the next run hears it")
    return Todo(recording, found.size, found.mtime_s, not_heard)
