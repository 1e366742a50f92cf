"""Records ⇄ Arrow: one call as the rows that the tables hold of it, and back.

In: a recording, what was heard and read of it (or why not), and the run that did it. Out: `CallRows`, and from stored rows again
a `HeardCall`. The surprising choice: figures are rounded before a call is read, not after (times to 3 decimals, others to 6), so
that reading a call again from its stored turns finds exactly what it found the first night.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import pyarrow as pa

from flows.schemas import CALLS, MOMENTS, TABLES, TURNS
from models.records import Component, HeardCall, Moment, NotHeard, Reading, Reason, Recording, Redaction, Role, Turn, Word

NOTED = "heard; note: "
NOTES = ("no_speech", "cut", "truncated", "one_side")  # the first that applies stands in error_code


@dataclass(frozen=True, slots=True)
class Stamp:
    """Who made a row: the run, its configuration and the program's version."""

    run_id: str
    config_hash: str
    pipeline_version: str


@dataclass(frozen=True, slots=True)
class Batches:
    """One call's rows of the three tables that are about calls."""

    calls: pa.RecordBatch = field(repr=False)
    turns: pa.RecordBatch = field(repr=False)
    moments: pa.RecordBatch = field(repr=False)

    def of(self, table: str) -> pa.RecordBatch:
        return {"calls": self.calls, "turns": self.turns, "moments": self.moments}[table]


@dataclass(frozen=True, slots=True)
class CallRows:
    """A finished call: its rows, and what the journal keeps about it. size: bytes; mtime_s: seconds since 1970."""

    call_id: str
    date: date
    status: str
    error_code: str | None
    run_id: str
    batches: Batches
    source: str | None = field(default=None, repr=False)
    sha256: str | None = None
    size: int | None = None
    mtime_s: float | None = None
    customer_ref: str | None = field(default=None, repr=False)
    duration_s: float | None = None
    flag: str | None = None
    priority: float | None = None


def rounded(heard: HeardCall) -> HeardCall:
    """The call with its figures as they will be stored: times to 3 decimals, others to 6."""
    return replace(
        heard,
        duration_s=_time(heard.duration_s),
        role_confidence=_figure(heard.role_confidence),
        turns=tuple(
            replace(
                turn,
                start_s=_time(turn.start_s),
                end_s=_time(turn.end_s),
                words=tuple(Word(w.text, round(w.start_s, 3), round(w.end_s, 3), round(w.probability, 6)) for w in turn.words),
                role_confidence=_figure(turn.role_confidence),
                confidence=_figure(turn.confidence),
                loudness_db=_figure(turn.loudness_db),
                pitch_hz=_figure(turn.pitch_hz),
                chars_per_min=_figure(turn.chars_per_min),
                overlap_s=_time(turn.overlap_s),
            )
            for turn in heard.turns
        ),
    )


def ok_rows(
    recording: Recording,
    heard: HeardCall,
    reading: Reading,
    stamp: Stamp,
    redactions: Sequence[tuple[Redaction, ...]] = (),
    heard_roles: Sequence[Role] = (),
) -> CallRows:
    """The rows of a call that was rounded, read and masked. redactions: one tuple a turn, or none at all; heard_roles: before correction."""
    spans = redactions or [()] * len(heard.turns)
    before = [h if h != t.role else None for h, t in zip(heard_roles or [t.role for t in heard.turns], heard.turns, strict=True)]
    notes = sorted(heard.notes, key=lambda n: NOTES.index(n) if n in NOTES else len(NOTES))
    code = notes[0] if notes else None
    m = reading.measures
    call = _call_row(recording, stamp) | {
        "duration_s": _time(heard.duration_s),
        "channels": heard.channels,
        "sample_rate_hz": heard.sample_rate_hz,
        "layout": heard.layout,
        "status": "ok",
        "error_code": code,
        "error": NOTED + ", ".join(notes) if notes else None,
        "agent_talk_s": _time(m.agent_talk_s),
        "customer_talk_s": _time(m.customer_talk_s),
        "silence_s": _time(m.silence_s),
        "longest_silence_s": _time(m.longest_silence_s),
        "overlap_s": _time(m.overlap_s),
        "interruptions_agent": m.interruptions_agent,
        "interruptions_customer": m.interruptions_customer,
        "agent_chars_per_min": _figure(m.agent_chars_per_min),
        "customer_chars_per_min": _figure(m.customer_chars_per_min),
        "turns": len(heard.turns),
        "role_confidence": _figure(heard.role_confidence),
        "apology_formula": m.apology_formula,
        "apology_warm": m.apology_warm,
        "first_apology_s": _time(m.first_apology_s),
        "apology_effect": _figure(m.apology_effect),
        "heat_start": _figure(m.heat_start),
        "heat_peak": _figure(m.heat_peak),
        "heat_peak_s": _time(m.heat_peak_s),
        "heat_end": _figure(m.heat_end),
        "level": reading.level,
        "unresolved": reading.unresolved,
        "flag": reading.flag,
        "priority": _figure(reading.priority),
        "reasons": [_reason_row(r) for r in reading.reasons],
        "asr_model": heard.asr_model,
        "diarizer": heard.diarizer,
        "rules_version": reading.rules_version,
    }
    per_turn = zip(heard.turns, reading.heat, spans, before, strict=True)
    turn_rows = [_turn_row(heard.call_id, t, h, found, stamp) | {"heard_role": b} for t, h, found, b in per_turn]
    moment_rows = [_moment_row(heard.call_id, moment, stamp) for moment in reading.moments]
    return CallRows(
        call_id=heard.call_id,
        date=recording.date,
        status="ok",
        error_code=code,
        run_id=stamp.run_id,
        batches=_batches(call, turn_rows, moment_rows),
        source=recording.source,
        sha256=recording.audio_sha256,
        customer_ref=recording.customer_ref,
        duration_s=_time(heard.duration_s),
        flag=reading.flag,
        priority=_figure(reading.priority),
    )


def not_heard_rows(recording: Recording, not_heard: NotHeard, stamp: Stamp) -> CallRows:
    """The row of a call that could not be heard: failed, or skipped because it is still being written."""
    status = "skipped" if not_heard.code == "still_growing" else "failed"
    call = _call_row(recording, stamp) | {
        "duration_s": _time(not_heard.duration_s),
        "channels": not_heard.channels,
        "sample_rate_hz": not_heard.sample_rate_hz,
        "status": status,
        "error_code": not_heard.code,
        "error": not_heard.message,
    }
    return CallRows(
        call_id=recording.call_id,
        date=recording.date,
        status=status,
        error_code=not_heard.code,
        run_id=stamp.run_id,
        batches=_batches(call, [], []),
        source=recording.source,
        sha256=recording.audio_sha256,
        customer_ref=recording.customer_ref,
        duration_s=_time(not_heard.duration_s),
    )


def heard_from_rows(call: Mapping[str, Any], turns: Sequence[Mapping[str, Any]]) -> HeardCall:
    """A stored call as hearing gave it (masked where it was stored masked), before any correction of its roles."""
    corrected = any(row.get("heard_role") for row in turns)
    doubts = [row["role_confidence"] for row in turns if row["role_confidence"] is not None]
    return HeardCall(
        call_id=call["call_id"],
        turns=tuple(_turn(row) for row in turns),
        layout=call["layout"],
        duration_s=call["duration_s"],
        channels=call["channels"],
        sample_rate_hz=call["sample_rate_hz"],
        started_at=call["started_at"],
        agent_id=call["agent_id"],
        team=call["team"],
        queue=call["queue"],
        direction=call["direction"],
        customer_ref=call["customer_ref"],
        role_confidence=min(doubts, default=None) if corrected else call["role_confidence"],
        notes=tuple((call["error"] or "").removeprefix(NOTED).split(", ")) if call["error_code"] else (),
        asr_model=call["asr_model"],
        diarizer=call["diarizer"],
    )


def recording_from_row(call: Mapping[str, Any], day: date) -> Recording:
    """The recording that a stored call was made from, with the metadata that came with it then."""
    return Recording(
        call_id=call["call_id"],
        source=call["recording"] or "",
        date=day,
        started_at=call["started_at"],
        agent_id=call["agent_id"],
        team=call["team"],
        queue=call["queue"],
        direction=call["direction"],
        customer_ref=call["customer_ref"],
        agent_channel=call.get("agent_channel"),
        audio_sha256=call["audio_sha256"],
    )


def redactions_from_rows(turns: Sequence[Mapping[str, Any]]) -> list[tuple[Redaction, ...]]:
    """What is masked in stored turns, one tuple a turn."""
    return [tuple(Redaction(r["start"], r["end"], r["kind"]) for r in row["redactions"] or ()) for row in turns]


def moment_from_row(row: Mapping[str, Any]) -> Moment:
    """A stored moment; its components carry their quotes as stored."""
    return Moment(
        index=row["moment"],
        kind=row["kind"],
        type=row["type"],
        role=row["role"],
        turn=row["turn"],
        quote=row["quote"],
        char_start=row["char_start"],
        char_end=row["char_end"],
        rule_id=row["rule_id"],
        score=row["score"],
        match=row["match"],
        severity=row["severity"],
        start_s=row["start_s"],
        end_s=row["end_s"],
        meant=row["meant"],
        components=tuple(Component(c["name"], c["quote"]) for c in row["components"] or ()),
        due_at=row["due_at"],
    )


def reasons_from_rows(rows: Iterable[Mapping[str, Any]] | None) -> tuple[Reason, ...]:
    """Stored reasons as records."""
    return tuple(Reason(r["code"], r["moment"], tuple((p["key"], p["value"]) for p in r["params"] or ())) for r in rows or ())


# ── packing ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@functools.cache
def _fingerprint(schema: pa.Schema) -> str:
    return hashlib.sha256(schema.serialize().to_pybytes()).hexdigest()[:16]


def fingerprints() -> list[tuple[str, bytes]]:
    """(fingerprint, encoded schema) of the tables as they are now, to be kept beside packed rows."""
    return [(_fingerprint(s), s.serialize().to_pybytes()) for s in (CALLS, TURNS, MOMENTS)]


def pack(batch: pa.RecordBatch) -> bytes:
    """Rows as compressed bytes that name their schema by its fingerprint only, which saves 8 KB a call."""
    body = batch.serialize()
    packed: bytes = pa.compress(body, codec="zstd", asbytes=True)
    return _fingerprint(batch.schema).encode() + body.size.to_bytes(8, "little") + packed


def unpack(table: str, blob: bytes, schemas: Mapping[str, bytes]) -> pa.RecordBatch:
    """Rows packed by this or an earlier version, in today's schema (columns that were not known then are null)."""
    fingerprint, size = blob[:16].decode(), int.from_bytes(blob[16:24], "little")
    body = pa.decompress(blob[24:], decompressed_size=size, codec="zstd")
    now = TABLES[table]
    if fingerprint == _fingerprint(now):
        return pa.ipc.read_record_batch(body, now)
    return conform(pa.ipc.read_record_batch(body, pa.ipc.read_schema(pa.py_buffer(schemas[fingerprint]))), now)


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch in `schema`: columns it lacks are null, columns that are gone are dropped."""
    if batch.schema.equals(schema, check_metadata=True):
        return batch
    names = set(batch.schema.names)
    columns = [batch.column(f.name).cast(f.type) if f.name in names else pa.nulls(batch.num_rows, f.type) for f in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


# ── single rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _batches(call: dict[str, Any], turns: list[dict[str, Any]], moments: list[dict[str, Any]]) -> Batches:
    return Batches(
        pa.RecordBatch.from_pylist([call], schema=CALLS), pa.RecordBatch.from_pylist(turns, schema=TURNS), pa.RecordBatch.from_pylist(moments, schema=MOMENTS)
    )


def _call_row(recording: Recording, stamp: Stamp) -> dict[str, Any]:
    return {
        "call_id": recording.call_id,
        "recording": recording.source,
        "audio_sha256": recording.audio_sha256,
        "started_at": recording.started_at,
        "agent_id": recording.agent_id,
        "team": recording.team,
        "queue": recording.queue,
        "direction": recording.direction,
        "customer_ref": recording.customer_ref,
        "agent_channel": recording.agent_channel,
        "config_hash": stamp.config_hash,
        "pipeline_version": stamp.pipeline_version,
        "run_id": stamp.run_id,
    }


def _turn_row(call_id: str, turn: Turn, heat: float | None, spans: Sequence[Redaction], stamp: Stamp) -> dict[str, Any]:
    return {
        "call_id": call_id,
        "turn": turn.index,
        "role": turn.role,
        "role_confidence": turn.role_confidence,
        "speaker": turn.speaker,
        "start_s": turn.start_s,
        "end_s": turn.end_s,
        "text": turn.text,
        "words": [{"text": w.text, "start_s": w.start_s, "end_s": w.end_s, "probability": w.probability} for w in turn.words],
        "confidence": turn.confidence,
        "loudness_db": turn.loudness_db,
        "pitch_hz": turn.pitch_hz,
        "chars_per_min": turn.chars_per_min,
        "overlap_s": turn.overlap_s,
        "heat": _figure(heat),
        "redactions": [{"start": r.start, "end": r.end, "kind": r.kind} for r in spans],
        "run_id": stamp.run_id,
    }


def _turn(row: Mapping[str, Any]) -> Turn:
    return Turn(
        index=row["turn"],
        role=row.get("heard_role") or row["role"],
        text=row["text"],
        start_s=row["start_s"],
        end_s=row["end_s"],
        words=tuple(Word(w["text"], w["start_s"], w["end_s"], w["probability"]) for w in row["words"] or ()),
        role_confidence=row["role_confidence"],
        speaker=row["speaker"],
        confidence=row["confidence"],
        loudness_db=row["loudness_db"],
        pitch_hz=row["pitch_hz"],
        chars_per_min=row["chars_per_min"],
        overlap_s=row["overlap_s"],
    )


def _moment_row(call_id: str, moment: Moment, stamp: Stamp) -> dict[str, Any]:
    return {
        "call_id": call_id,
        "moment": moment.index,
        "kind": moment.kind,
        "type": moment.type,
        "role": moment.role,
        "turn": moment.turn,
        "start_s": _time(moment.start_s),
        "end_s": _time(moment.end_s),
        "quote": moment.quote,
        "char_start": moment.char_start,
        "char_end": moment.char_end,
        "rule_id": moment.rule_id,
        "score": _figure(moment.score),
        "match": moment.match,
        "meant": moment.meant,
        "components": [{"name": c.name, "quote": c.quote} for c in moment.components],
        "due_at": moment.due_at,
        "severity": moment.severity,
        "run_id": stamp.run_id,
    }


def _reason_row(reason: Reason) -> dict[str, Any]:
    return {"code": reason.code, "moment": reason.moment, "params": [{"key": k, "value": v} for k, v in reason.params]}


def _time(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 3) + 0.0


def _figure(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(float(value), 6) + 0.0
