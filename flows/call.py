"""One shard of recordings → heard → read → rows.

In: recordings, loaded ears, the rule book and who is asking. Out: for each recording its `CallRows`, as soon as they are known,
in any order. The surprising choice: nothing here raises for one recording. Whatever goes wrong with it becomes its row, and
the others never notice.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flows.corrections import Corrections
from flows.rows import CallRows, Stamp, not_heard_rows, ok_rows, rounded
from models.errors import CallError
from models.reading.read import read
from models.reading.redact import mask_call
from models.records import Ears, HeardCall, NotHeard, Progress, Recording, Redaction, Role, Sound

if TYPE_CHECKING:
    from models.reading.rules import RuleBook

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Desk:
    """What a heard call meets on its way into rows: rules, corrections, masking, and whose stamp it gets."""

    book: RuleBook
    stamp: Stamp
    corrections: Corrections = lambda call_id: None
    mask: bool = True


def hear_and_read(
    recordings: Sequence[Recording], ears: Ears, desk: Desk, fetch: Callable[[str], bytes], progress: Progress | None = None
) -> Iterator[CallRows]:
    """Hear and read one shard; one answer a recording, whatever happens. `fetch` gives the encoded bytes of a source."""
    awaited: dict[str, Recording] = {}
    sounds: list[Sound] = []
    for recording in recordings:
        try:
            encoded = fetch(recording.source)
        except CallError as error:
            yield not_heard_rows(recording, NotHeard(recording.call_id, error.code, str(error)), desk.stamp)
            continue
        except Exception as error:  # every storage has its own exceptions
            why = f"the recording cannot be fetched ({type(error).__name__}); it is tried again by the next run"
            yield not_heard_rows(recording, NotHeard(recording.call_id, "io", why), desk.stamp)
            continue
        recording = replace(recording, audio_sha256=hashlib.sha256(encoded).hexdigest())
        if not encoded:
            yield not_heard_rows(recording, NotHeard(recording.call_id, "empty", "the file is empty; look at the recorder"), desk.stamp)
            continue
        awaited[recording.call_id] = recording
        sounds.append(Sound(recording, encoded))
    for answer in ears.hear(sounds, progress) if sounds else ():
        recording = awaited.pop(answer.call_id, None)
        if recording is None:
            log.warning("an answer about call %s, which was not asked for or is answered already; ignored", answer.call_id)
            continue
        yield rows_of(recording, answer, desk)
    for recording in awaited.values():
        why = "the models gave no answer about it; try again with `futing rerun --failed`"
        yield not_heard_rows(recording, NotHeard(recording.call_id, "undecodable", why), desk.stamp)


def read_rows_of(recording: Recording, heard: HeardCall, desk: Desk, redactions: Sequence[tuple[Redaction, ...]] = ()) -> CallRows:
    """A heard call, figures rounded, as rows: roles corrected, read, masked. redactions: where a stored text is masked already."""
    heard_roles: list[Role] = [turn.role for turn in heard.turns]
    correction = desk.corrections(heard.call_id)
    if correction is not None:
        heard = correction.apply(heard)
    reading = read(heard, desk.book)
    if desk.mask:
        masked = mask_call(heard, reading)
        heard, reading = masked.heard, masked.reading
        redactions = [joined(a, b) for a, b in zip(masked.redactions, redactions or [()] * len(heard.turns), strict=True)]
    return ok_rows(recording, heard, reading, desk.stamp, redactions, heard_roles)


def joined(new: Sequence[Redaction], old: Sequence[Redaction]) -> tuple[Redaction, ...]:
    """Both lists of spans in order; a new one that meets an old one gives way."""
    free = [n for n in new if all(n.end <= o.start or o.end <= n.start for o in old)]
    return tuple(sorted([*old, *free], key=lambda r: r.start))


def rows_of(recording: Recording, answer: HeardCall | NotHeard, desk: Desk) -> CallRows:
    """One call's rows: metadata and corrections applied, figures rounded, read, masked."""
    if isinstance(answer, NotHeard):
        return not_heard_rows(recording, answer, desk.stamp)
    heard = rounded(
        replace(
            answer,
            started_at=recording.started_at,
            agent_id=recording.agent_id,
            team=recording.team,
            queue=recording.queue,
            direction=recording.direction,
            customer_ref=recording.customer_ref,
        )
    )
    try:
        return read_rows_of(recording, heard, desk)
    except Exception as error:  # a rule that breaks on one call must not stop the night; no text of it in the message
        log.error("call %s was heard but cannot be read: %s", heard.call_id, type(error).__name__)
        why = f"heard, but reading it failed ({type(error).__name__}); report this, then `futing rerun --call` it"
        return not_heard_rows(recording, NotHeard(heard.call_id, "undecodable", why, heard.duration_s, heard.channels, heard.sample_rate_hz), desk.stamp)
