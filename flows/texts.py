"""`futing read`: transcripts and chats made elsewhere → the same tables, through the same journal.

In: a JSON Lines file. Out: rows as a night writes them, layout `text`. The surprising choice: here a call is known by its id and its
words together, never by its words alone: two chats that both say 你好 and 在吗 are two chats.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from flows.call import read_rows_of
from flows.night import Night
from flows.plan import Copy, Plan
from flows.rows import CallRows, not_heard_rows, rounded
from models.records import HeardCall, NotHeard, Recording

TOGETHER = 64  # calls written down in one transaction


def command(
    transcripts: Annotated[str, typer.Argument(help="JSON Lines, one call or chat a line, a path or fsspec URL.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the tables; made if it is not there.")] = Path("nights"),
    day: Annotated[str | None, typer.Option("--date", help="Date of calls whose start is not known (YYYY-MM-DD); else the file's own.")] = None,
    keep_original: Annotated[bool, typer.Option("--keep-original", help="Store text as written, numbers and names unmasked.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="futing.yaml, or the folder that holds it.")] = None,
) -> None:
    """Read transcripts and chats made elsewhere into the same tables. Started again after a crash, it goes on.

    Example: futing read chats.jsonl --out nights --date 2026-11-21
    """
    from flows.cli import night, parse_days, settings_of
    from flows.transcripts import read_transcripts

    settings = settings_of(config, keep_original=keep_original)
    given = parse_days(day)[0] if day else changed_on(transcripts, settings.zone)
    calls = read_transcripts(transcripts)
    night(out, settings, "read", lambda night: read_texts(night, calls, transcripts, given))


def changed_on(source: str, zone: object) -> date:
    """The day a file was last changed, in the configured zone; today where its store does not say."""
    from flows.intake import Found, Meta, look_again

    return look_again(Found(source, source, None, None, Meta())).call_date(None, zone)  # type: ignore[arg-type]


def read_texts(night: Night, calls: Iterable[HeardCall | NotHeard], source: str, given: date) -> None:
    """Read calls one by one and write them down; what the journal knows with the same words is left as it is."""
    address = source if "://" in source else str(Path(source).absolute())
    done, copies = [], []
    night.plan(Plan((), latest=given))
    waiting: list[CallRows] = []
    for call in calls:
        sha256 = digest(call)
        known = night.journal.call(call.call_id)
        if known is not None and known.sha256 != sha256 and known.status == "ok":
            call = dataclasses.replace(call, call_id=f"{call.call_id}-{sha256[:8]}")
            known = night.journal.call(call.call_id)
        if known is not None and known.sha256 == sha256:
            (copies if known.source != address else done).append(known)
            continue
        waiting.append(_rows(night, call, sha256, address, known.date if known is not None else given))
        if len(waiting) >= TOGETHER:
            night.write(waiting)
            waiting = []
    night.write(waiting)
    further = tuple(Copy(k.call_id, address) for k in copies)
    night.work = dataclasses.replace(night.work, done=tuple(done), copies=further)


def digest(call: HeardCall | NotHeard) -> str:
    """A hash over a call's id, words, times and metadata."""
    values = dataclasses.asdict(call)
    return hashlib.sha256(json.dumps(values, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


def _rows(night: Night, call: HeardCall | NotHeard, sha256: str, address: str, given: date) -> CallRows:
    started = call.started_at if isinstance(call, HeardCall) else None
    day = started.astimezone(night.settings.zone).date() if isinstance(started, datetime) else given
    recording = Recording(call.call_id, address, day, audio_sha256=sha256)
    if isinstance(call, NotHeard):
        return not_heard_rows(recording, call, night.desk.stamp)
    recording = dataclasses.replace(
        recording,
        started_at=call.started_at,
        agent_id=call.agent_id,
        team=call.team,
        queue=call.queue,
        direction=call.direction,
        customer_ref=call.customer_ref,
    )
    return read_rows_of(recording, rounded(call), night.desk)
