"""Spans of speech into chunks for the recogniser, and its words back into the spans.

In: spans of one voice. Out: `Packed` chunks of at most 30 s. Surprising: silence between a speaker's turns is replaced by a
short fixed pause, and turns of different speakers never share a chunk. So Whisper has context (its errors fall by a tenth
from 15 s to 28 s of it), every word belongs to its speaker by construction, and the way back is a subtraction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.hearing.audio import FRAME_S, SAMPLE_RATE_HZ, Samples, levels_db
from models.hearing.transcriber import Chunk, Spoken

FULL_S = 28.0  # of Whisper's 30; the rest is room for the pauses
PAUSE_S = 0.5
MARGIN_S = 0.1  # taken along on both sides of a span
CUT_SEARCH_S = 3.0  # a span that is too long is cut at its quietest moment within so much of the limit


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a chunk. span: index of the span it came from. start_s, end_s: in the recording. offset_s: in the chunk."""

    span: int
    start_s: float
    end_s: float
    offset_s: float

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class Packed:
    """A chunk and where its pieces came from."""

    chunk: Chunk = field(repr=False)
    pieces: tuple[Piece, ...]


def pack(sound: Samples, spans: Sequence[tuple[float, float]]) -> list[Packed]:
    """Pack a voice's spans (start_s, end_s), in order, into as few chunks as keep their order."""
    duration_s = len(sound) / SAMPLE_RATE_HZ
    out: list[Packed] = []
    pieces: list[Piece] = []
    filled = 0.0
    for i, (start, end) in enumerate(spans):
        for a, b in cut(sound, max(0.0, start - MARGIN_S), min(duration_s, end + MARGIN_S)):
            if pieces and filled + (b - a) > FULL_S:
                out.append(_chunk(sound, pieces))
                pieces, filled = [], 0.0
            pieces.append(Piece(i, a, b, filled))
            filled += b - a + PAUSE_S
    if pieces:
        out.append(_chunk(sound, pieces))
    return out


def cut(sound: Samples, start_s: float, end_s: float) -> list[tuple[float, float]]:
    """A span in parts of at most 28 s, cut where it is quietest in the last 3 s before the limit."""
    out = []
    while end_s - start_s > FULL_S:
        a, b = start_s + FULL_S - CUT_SEARCH_S, start_s + FULL_S
        levels = levels_db(sound[int(a * SAMPLE_RATE_HZ) : int(b * SAMPLE_RATE_HZ)])
        quiet = np.convolve(levels, np.ones(15) / 15, "valid")
        at = a + (int(quiet.argmin()) + 7) * FRAME_S if len(quiet) else b
        out.append((start_s, at))
        start_s = at
    if end_s > start_s:
        out.append((start_s, end_s))
    return out


def _chunk(sound: Samples, pieces: Sequence[Piece]) -> Packed:
    total = round((pieces[-1].offset_s + pieces[-1].duration_s + PAUSE_S) * SAMPLE_RATE_HZ)
    samples = np.zeros(min(total, 30 * SAMPLE_RATE_HZ), np.float32)
    for p in pieces:
        at = round(p.offset_s * SAMPLE_RATE_HZ)
        part = sound[int(p.start_s * SAMPLE_RATE_HZ) : int(p.end_s * SAMPLE_RATE_HZ)][: len(samples) - at]
        samples[at : at + len(part)] = part
    return Packed(Chunk(samples, sum(p.duration_s for p in pieces)), tuple(pieces))


def unpack(packed: Packed, spoken: Sequence[Spoken]) -> dict[int, list[Spoken]]:
    """Words by span, with times in the recording. A word that fell into a pause goes to the nearer piece."""
    out: dict[int, list[Spoken]] = {}
    for s in spoken:
        middle = (s.start_s + s.end_s) / 2
        piece = min(packed.pieces, key=lambda p: max(p.offset_s - middle, middle - p.offset_s - p.duration_s, 0.0))
        a = min(max(s.start_s - piece.offset_s, 0.0), piece.duration_s) + piece.start_s
        b = min(max(s.end_s - piece.offset_s, 0.0), piece.duration_s) + piece.start_s
        out.setdefault(piece.span, []).append(Spoken(s.text, a, max(a, b), s.probability, s.mark))
    return out
