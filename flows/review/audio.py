"""A call's sound for a browser: the recording in, a WAV with redacted spans silenced out, kept beside the tables.

The surprising choice: plain 16-bit WAV, not MP3. A reviewer jumps to a tenth of a second a hundred times an hour; in a WAV every
place is a byte offset. Rates above 16 kHz are brought down to 16: nothing that is heard on a telephone is lost.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import av.error
import fsspec
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from flows import peaks
from models.errors import FutingError

HIGHEST_RATE_HZ = 16_000
MARGIN_S = 0.12  # silenced on either side of a redacted word: recognisers' word times are that exact at best
CACHE_BYTES = 2 << 30
_LOCKS = tuple(threading.Lock() for _ in range(32))
Samples = npt.NDArray[np.int16]  # (time, channel)


class AudioError(FutingError):
    """A recording that cannot be played: it is gone, or cannot be decoded."""


def silent_spans(turns: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """The stretches to silence: of every redaction the words it touches; the whole turn where a word cannot be placed."""
    out: list[tuple[float, float]] = []
    for turn in turns:
        marks = turn.get("redactions") or ()
        if not marks or turn["start_s"] is None or turn["end_s"] is None:
            continue
        words, text, at, placed, lost = turn.get("words") or (), turn["text"] or "", 0, [], False
        for word in words:
            found = text.find(word["text"], at)
            if found < 0:
                lost = True
                continue
            at = found + len(word["text"])
            placed.append((found, at, word["start_s"], word["end_s"]))
        for mark in marks:
            hit = [(s, e) for a, b, s, e in placed if a < mark["end"] and b > mark["start"]]
            if lost or not hit:
                out.append((turn["start_s"] - MARGIN_S, turn["end_s"] + MARGIN_S))
            else:
                out.append((min(s for s, _ in hit) - MARGIN_S, max(e for _, e in hit) + MARGIN_S))
    return sorted(out)


def decode(source: str) -> tuple[Samples, int]:
    """(samples, rate in Hz) of a recording at a path or fsspec URL, one or two channels. Raises AudioError."""
    try:
        with fsspec.open(source, "rb") as file:
            encoded = file.read()  # type: ignore[union-attr]
    except Exception as error:  # every storage has its own exceptions
        raise AudioError("the recording is not where it was") from error
    try:
        with av.open(io.BytesIO(encoded), mode="r") as container:
            if not container.streams.audio:
                raise AudioError("the recording holds no sound")
            stream = container.streams.audio[0]
            rate = min(stream.rate or HIGHEST_RATE_HZ, HIGHEST_RATE_HZ)
            layout = "mono" if stream.channels == 1 else "stereo"
            resampler = AudioResampler(format="s16", layout=layout, rate=rate)
            width = 1 if layout == "mono" else 2
            parts: list[Samples] = []
            try:
                for frame in container.decode(stream):
                    parts.extend(_array(f, width) for f in resampler.resample(frame))
            except av.error.FFmpegError:
                if not parts:
                    raise
            parts.extend(_array(f, width) for f in resampler.resample(None))
    except av.error.FFmpegError as error:
        raise AudioError("the recording cannot be decoded") from error
    return (np.concatenate(parts) if parts else np.zeros((0, width), np.int16)), rate


def _array(frame: AudioFrame, width: int) -> Samples:
    return frame.to_ndarray().astype(np.int16, copy=False).reshape(-1, width)


def wav(samples: Samples, rate_hz: int) -> bytes:
    """A RIFF WAVE of 16-bit PCM."""
    channels, data = samples.shape[1], samples.astype("<i2").tobytes()
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, channels, rate_hz, rate_hz * channels * 2, channels * 2, 16, b"data", len(data)
    )
    return head + data


def folder(out: Path) -> Path:
    return out / ".futing" / "review" / "audio"


def browser_file(out: Path, call_id: str, source: str, run_id: str | None, turns: Sequence[Mapping[str, Any]]) -> Path:
    """The WAV that the page plays, made when first asked for. Its name says what is silenced: other redactions make another file."""
    spans = silent_spans(turns)
    version = hashlib.sha256(repr((spans, run_id, source)).encode()).hexdigest()[:16]
    path = folder(out) / f"{peaks.key(call_id)}-{version}.wav"
    with _LOCKS[hash(call_id) % len(_LOCKS)]:  # the page, its wave and its sound ask at once: decoded once
        if not path.exists():
            _make(out, call_id, source, spans, path)
    os.utime(path)
    return path


def _make(out: Path, call_id: str, source: str, spans: Sequence[tuple[float, float]], path: Path) -> None:
    samples, rate = decode(source)
    samples = samples.copy()
    for start_s, end_s in spans:
        samples[max(0, int(start_s * rate)) : max(0, int(end_s * rate))] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    if peaks.load(out, call_id) is None:
        peaks.save(out, call_id, peaks.peaks((samples.T / 32768).astype(np.float32), rate))
    for old in path.parent.glob(f"{peaks.key(call_id)}-*.wav"):
        old.unlink(missing_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.{os.urandom(4).hex()}.tmp")
    aside.write_bytes(wav(samples, rate))
    aside.replace(path)
    _trim(path.parent)


def _trim(where: Path) -> None:
    """Keep the cache under its size, the longest unheard going first."""
    files = sorted(((f.stat().st_mtime, f.stat().st_size, f) for f in where.glob("*.wav")), reverse=True)
    total = 0
    for _, size, file in files:
        total += size
        if total > CACHE_BYTES:
            file.unlink(missing_ok=True)
