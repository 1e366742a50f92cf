"""Encoded bytes to sound: float32 samples (channel, time) at 16 kHz, and how many voices the file can hold apart.

In: the bytes of any container and codec that FFmpeg knows (PyAV carries it). Out: `Audio` with its measured layout.
Surprising: channels are never trusted. Two channels that carry the same sound (dual mono) are one mixed recording, and a
dead channel is no side; both are measured on the samples, not read from the header.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field

import av
import av.container
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from scipy.signal import fftconvolve

from models.errors import CallError
from models.records import Layout

Samples = npt.NDArray[np.float32]  # (channel, time) or (time,), full scale = ±1

SAMPLE_RATE_HZ = 16_000
FRAME_S = 0.01
FRAME = int(SAMPLE_RATE_HZ * FRAME_S)  # 160 samples
SHORTEST_S = 0.5
LONGEST_S = 4 * 3600.0
SILENT_DBFS = -75.0  # a channel never louder than this carries nothing (µ-law idle noise is about -72)
TRUNCATED_S = 1.0  # a file this much shorter than its header promises was cut off
SAME_SOUND = 0.9  # peak correlation above which two channels are one sound; telephone cross-talk of -35 dB gives < 0.1
LAG_S = 0.02  # recorders that write one sound twice may shift a channel by a codec frame


@dataclass(frozen=True, slots=True)
class Audio:
    """A decoded recording.

    samples: (channel, time) float32 at 16 kHz, only channels that carry something of their own. source_channels: for each
    of them its number in the file. channels, sample_rate_hz: as the file has them. notes: `truncated`, `cut`.
    """

    samples: Samples = field(repr=False)
    source_channels: tuple[int, ...]
    layout: Layout
    channels: int
    sample_rate_hz: int
    duration_s: float
    notes: tuple[str, ...] = ()


def decode(encoded: bytes, longest_s: float = LONGEST_S) -> Audio:
    """Decode a recording of any format once.

    Raises CallError: `empty` (no bytes), `not_audio` (nothing FFmpeg can read, or no audio in it), `undecodable` (a known
    container whose sound cannot be decoded), `too_short` (< 0.5 s). Sound beyond `longest_s` is cut, with the note `cut`.
    """
    if not encoded:
        raise CallError("empty", "the file is empty (0 bytes); check the recorder or the transfer that delivered it")
    try:
        container = av.open(io.BytesIO(encoded), mode="r", metadata_errors="ignore")
    except (av.error.FFmpegError, ValueError) as error:
        raise CallError("not_audio", f"no audio format recognised ({_plain(error)}); is this file a recording?") from error
    with container:
        if not container.streams.audio:
            raise CallError("not_audio", "the file holds no audio stream; is this file a recording?")
        stream = container.streams.audio[0]
        promised_s = _promised_s(container, stream, encoded)
        parts, broken = _samples(container, stream, longest_s)
        rate_hz, channels = stream.codec_context.sample_rate, stream.codec_context.channels
    if not parts:
        raise CallError("undecodable", f"a {stream.codec_context.name} stream that does not decode{f' ({broken})' if broken else ''}; ask for the file again")
    samples = np.concatenate(parts, axis=1)
    longest = int(longest_s * SAMPLE_RATE_HZ)
    notes: list[str] = []
    if samples.shape[1] >= longest:
        samples, notes = samples[:, :longest], ["cut"]
    elif broken or (promised_s is not None and samples.shape[1] / SAMPLE_RATE_HZ < promised_s - TRUNCATED_S):
        notes = ["truncated"]
    duration_s = samples.shape[1] / SAMPLE_RATE_HZ
    if duration_s < SHORTEST_S:
        raise CallError("too_short", f"{duration_s:.2f} s of sound; a call has at least {SHORTEST_S} s")
    np.nan_to_num(samples, copy=False)
    kept, layout = measure_layout(samples)
    return Audio(
        samples=np.ascontiguousarray(_mono(samples, kept) if layout != "stereo" else samples[list(kept)]),
        source_channels=kept if layout == "stereo" else kept[:1],
        layout=layout,
        channels=channels,
        sample_rate_hz=rate_hz,
        duration_s=duration_s,
        notes=tuple(notes),
    )


def measure_layout(samples: Samples) -> tuple[tuple[int, ...], Layout]:
    """Which channels of (channel, time) carry a sound of their own, and what that makes the recording.

    `mixed`: one channel, or one alone that is not dead. `dual_mono`: several, all the same sound. `stereo`: else.
    """
    alive = [c for c in range(len(samples)) if loudest_db(samples[c]) > SILENT_DBFS]
    distinct: list[int] = []
    for c in alive:
        if not any(correlation(samples[c], samples[d]) >= SAME_SOUND for d in distinct):
            distinct.append(c)
    if len(distinct) >= 2:
        return tuple(distinct), "stereo"
    return tuple(distinct or [0]), "dual_mono" if len(alive) >= 2 else "mixed"


def correlation(a: Samples, b: Samples, seconds: float = 20.0) -> float:
    """Peak of the normalised cross-correlation of two (time,) signals within ±20 ms, on their loudest stretch; 0–1."""
    n = min(len(a), len(b), int(seconds * SAMPLE_RATE_HZ))
    starts = range(0, max(1, min(len(a), len(b)) - n + 1), max(1, n // 4))
    at = max(starts, key=lambda s: float(np.dot(a[s : s + n], a[s : s + n])))  # the loudest stretch, by a coarse scan
    x, y = a[at : at + n].astype(np.float64), b[at : at + n].astype(np.float64)
    x, y = x - x.mean(), y - y.mean()
    norm = float(np.sqrt((x**2).sum() * (y**2).sum()))
    if norm == 0.0:
        return 0.0
    lag = int(LAG_S * SAMPLE_RATE_HZ)
    inner = fftconvolve(x, y[lag : len(y) - lag][::-1], mode="valid") if len(y) > 4 * lag else np.array([float((x * y).sum())])
    return float(np.abs(inner).max() / norm)


def levels_db(samples: Samples) -> npt.NDArray[np.float32]:
    """(time,) to (frame,): RMS level of each 10 ms frame in dBFS, never below -120."""
    n = len(samples) // FRAME
    power = np.einsum("ij,ij->i", samples[: n * FRAME].reshape(n, FRAME), samples[: n * FRAME].reshape(n, FRAME), dtype=np.float64) / FRAME
    return (10.0 * np.log10(np.maximum(power, 1e-12))).astype(np.float32)


def loudest_db(samples: Samples) -> float:
    """95th percentile of the frame levels, dBFS: what the channel reaches when something is on it."""
    levels = levels_db(samples)
    return float(np.percentile(levels, 95)) if len(levels) else -120.0


def _samples(container: av.container.InputContainer, stream: AudioStream, longest_s: float) -> tuple[list[Samples], str]:
    """All decodable sound as float32 (channel, time) at 16 kHz, and the error that ended it early ('' if none did).

    A damaged packet is dropped and decoding goes on; only an error of the container ends it.
    """
    parts: list[Samples] = []
    have, want, broken = 0, int(longest_s * SAMPLE_RATE_HZ), ""
    resampler = AudioResampler(format="fltp", layout=stream.codec_context.layout, rate=SAMPLE_RATE_HZ)
    try:
        for frame in _frames(container, stream):
            frame.pts = None  # broken time stamps of telephone recorders must not tear holes
            for out in resampler.resample(frame):
                parts.append(out.to_ndarray().astype(np.float32, copy=False))
                have += parts[-1].shape[1]
            if have >= want:
                break
        parts += [out.to_ndarray().astype(np.float32, copy=False) for out in resampler.resample(None)]
    except (av.error.FFmpegError, ValueError) as error:
        broken = _plain(error)
    return [p for p in parts if p.size], broken


def _frames(container: av.container.InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """All frames; a packet that does not decode is dropped. AMR is decoded by opencore, because FFmpeg's own decoder knows
    no comfort noise, and every recorder that saves silence writes it."""
    opencore = AudioCodecContext.create("libopencore_amrnb", "r") if stream.codec_context.name == "amrnb" else None
    if opencore is not None:
        opencore.sample_rate, opencore.layout = stream.codec_context.sample_rate, "mono"
    for packet in container.demux(stream):
        try:
            if opencore is None:
                yield from packet.decode()
            elif packet.size:
                yield from opencore.decode(packet)
        except (av.error.InvalidDataError, av.error.PatchWelcomeError):
            continue


def _promised_s(container: av.container.InputContainer, stream: AudioStream, encoded: bytes) -> float | None:
    """Duration by the header, where the header knows it; MP3 and AMR only guess theirs from the bit rate.

    A WAV's is read here: FFmpeg believes the file's size rather than the header's.
    """
    if container.format.name in {"mp3", "amr", "aac", "gsm"}:
        return None
    if container.format.name == "wav":
        at = encoded.find(b"data", 12, 4096)
        if at < 0:
            return None
        size, rate = int.from_bytes(encoded[at + 4 : at + 8], "little"), stream.codec_context.bit_rate
        return size * 8 / rate if 0 < size < 0x7FFFFFFF and rate else None  # recorders that stream write 0 or the maximum
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _mono(samples: Samples, kept: tuple[int, ...]) -> Samples:
    return samples[kept[0]][None]


def _plain(error: BaseException) -> str:
    """FFmpeg's reason without its path argument (file names may be personal data)."""
    return getattr(error, "strerror", None) or type(error).__name__
