"""Peaks of a recording, for drawing: sound in, how far it swings fifty times a second out. Made once it is heard, or when first asked for.

In: float32 samples (channel, time), full scale ±1. Out: uint8 (channel, bucket), 0–255. The surprising choice: the two coloured lanes are
made when the page is shown, from the peaks and the turns: a correction of roles must not need the audio again.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

log = logging.getLogger(__name__)
PER_S = 50
SAMPLE_RATE_HZ = 16_000
MAGIC = b"FTPK1"

Peaks = npt.NDArray[np.uint8]


def peaks(samples: npt.NDArray[np.float32], sample_rate_hz: int = SAMPLE_RATE_HZ) -> Peaks:
    """The largest absolute sample of each fiftieth of a second; shape (channel, ceil(time · 50 / rate))."""
    step = sample_rate_hz // PER_S
    samples = np.atleast_2d(samples)
    pad = -samples.shape[1] % step
    if pad:
        samples = np.pad(samples, ((0, 0), (0, pad)))
    swing = np.abs(samples).reshape(samples.shape[0], -1, step).max(axis=2) if samples.shape[1] else np.zeros((samples.shape[0], 0))
    return np.round(255 * np.clip(swing, 0, 1)).astype(np.uint8)


def keep(out: Path, call_id: str, encoded: bytes) -> None:
    """Make and keep the peaks of a recording. Never raises: a wave that cannot be drawn by night is drawn when somebody asks for it."""
    from models.hearing.audio import decode  # FFmpeg and scipy, which drawing alone does without

    try:
        save(out, call_id, peaks(decode(encoded).samples))
    except Exception as error:
        log.warning("call %s was heard, but its wave was not drawn (%s); the page draws it when asked", call_id, type(error).__name__)


def folder(out: Path) -> Path:
    return out / ".futing" / "review" / "peaks"


def key(call_id: str) -> str:
    """The file name of a call's peaks and audio: its id may hold anything, a file name may not."""
    return hashlib.sha256(call_id.encode()).hexdigest()[:32]


def save(out: Path, call_id: str, found: Peaks) -> Path:
    """Keep a call's peaks; written aside and renamed."""
    path = folder(out) / f"{key(call_id)}.peaks"
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.tmp")
    aside.write_bytes(MAGIC + bytes([found.shape[0]]) + found.tobytes())
    aside.replace(path)
    return path


def load(out: Path, call_id: str) -> Peaks | None:
    """A call's peaks as kept, or None."""
    try:
        raw = (folder(out) / f"{key(call_id)}.peaks").read_bytes()
    except OSError:
        return None
    head = len(MAGIC) + 1
    if len(raw) < head or not raw.startswith(MAGIC) or raw[len(MAGIC)] == 0 or (len(raw) - head) % raw[len(MAGIC)]:
        return None
    return np.frombuffer(raw[head:], dtype=np.uint8).reshape(raw[len(MAGIC)], -1)


def silenced(found: Peaks, spans: Sequence[tuple[float, float]]) -> Peaks:
    """The same peaks, flat within the spans (start_s, end_s): what must not be heard is not drawn either."""
    found = found.copy()
    for start_s, end_s in spans:
        found[:, max(0, int(start_s * PER_S)) : max(0, int(np.ceil(end_s * PER_S)))] = 0
    return found


def lanes(found: Peaks, spans: Sequence[tuple[float, float, bool]], width: int) -> Peaks:
    """Two lanes, agent over customer, at most `width` buckets each; shape (2, bucket).

    spans: (start_s, end_s, by_customer) of the turns. Of two channels, the one that swings more while the customer speaks is the
    customer's; one channel is shared out by who speaks when, and what nobody speaks over goes to both, faintly.
    """
    n = found.shape[1]
    customer, agent = np.zeros(n, bool), np.zeros(n, bool)
    for start_s, end_s, by_customer in spans:
        (customer if by_customer else agent)[max(0, int(start_s * PER_S)) : int(np.ceil(end_s * PER_S))] = True
    if found.shape[0] >= 2:
        lean = [
            float(channel[customer & ~agent].sum()) / max(1, (customer & ~agent).sum())
            - float(channel[agent & ~customer].sum()) / max(1, (agent & ~customer).sum())
            for channel in found[:2]
        ]
        both = found[:2] if lean[1] >= lean[0] else found[1::-1]
    else:
        quiet = found[0] // 4
        both = np.stack([np.where(agent, found[0], np.where(customer, 0, quiet)), np.where(customer, found[0], np.where(agent, 0, quiet))])
    if n > width > 0:
        step = -(-n // width)
        both = np.pad(both, ((0, 0), (0, -n % step))).reshape(2, -1, step).max(axis=2)
    return np.ascontiguousarray(both, dtype=np.uint8)
