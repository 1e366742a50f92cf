"""Sounds that are no conversation, and conversations that a line has damaged; made here, so that nothing need be stored.

In: a seed. Out: (time,) float32 at 16 kHz, band-limited as a telephone line leaves them. No recording of anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfilt

RATE_HZ = 16_000
Sound = npt.NDArray[np.float32]


def line(x: npt.NDArray[np.floating], noise: float = 0.001, seed: int = 0) -> Sound:
    """300–3,400 Hz and a little line noise."""
    band = butter(4, [300, 3400], "bandpass", fs=RATE_HZ, output="sos")
    return (sosfilt(band, x) + noise * np.random.default_rng(seed).standard_normal(len(x))).astype(np.float32)


def clock(seconds: float) -> npt.NDArray[np.float64]:
    return np.arange(int(seconds * RATE_HZ)) / RATE_HZ


def tone(seconds: float, *hz: float, on_s: float = 1.0, off_s: float = 0.0) -> Sound:
    """A call-progress tone: 450 Hz, 1 s on and 4 s off, is the Chinese ringing tone; 0.35 and 0.35 s is busy."""
    t = clock(seconds)
    return line(0.2 * sum(np.sin(2 * np.pi * f * t) for f in hz) * ((t % (on_s + off_s)) < on_s))


def dial(seconds: float, seed: int) -> Sound:
    """DTMF digits."""
    rng, t = np.random.default_rng(seed), clock(seconds)
    low, high = rng.choice([697, 770, 852, 941], len(t) // 8000 + 1), rng.choice([1209, 1336, 1477], len(t) // 8000 + 1)
    k = (t * 2).astype(int)
    return line(0.15 * (np.sin(2 * np.pi * low[k] * t) + np.sin(2 * np.pi * high[k] * t)) * ((t * 2) % 1 < 0.4))


def hold_music(seconds: float, seed: int) -> Sound:
    """Chords and a melody on plucked strings, a new bar every two seconds."""
    rng, t = np.random.default_rng(seed), clock(seconds)
    out = np.zeros(len(t))
    scale = 220 * 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16]) / 12)
    for beat in np.arange(0, seconds, rng.choice([0.25, 0.33, 0.5])):
        for f in rng.choice(scale, rng.integers(1, 4)):
            on = t >= beat
            out += on * np.exp(-(t - beat) * on * rng.uniform(2, 5)) * sum(np.sin(2 * np.pi * f * h * (t - beat)) / h**1.5 for h in range(1, 6))
    return line(0.05 * out, seed=seed)


def noise(seconds: float, seed: int, kind: str) -> Sound:
    """Static, hum, a crowded room without words, wind, or clicks."""
    rng, t = np.random.default_rng(seed), clock(seconds)
    if kind == "static":
        return line(0.05 * rng.standard_normal(len(t)))
    if kind == "hum":
        return line(0.2 * sum(np.sin(2 * np.pi * 50 * h * t) / h for h in range(6, 14)))
    if kind == "room":
        return line(0.05 * rng.standard_normal(len(t)) * (1 + 0.6 * np.sin(2 * np.pi * 0.7 * t + rng.uniform(0, 6))))
    if kind == "wind":
        return line(np.cumsum(rng.standard_normal(len(t))) * 0.002, seed=seed)
    return line(0.5 * (rng.random(len(t)) < 2e-4))


def speechless() -> Iterator[tuple[str, Callable[[], Sound]]]:
    """Twenty sounds in which nobody says a word."""
    for seed in range(8):
        yield f"hold music {seed}", lambda seed=seed: hold_music(20.0, seed)
    for seed, kind in enumerate(("static", "hum", "room", "wind", "clicks")):
        yield kind, lambda seed=seed, kind=kind: noise(20.0, seed, kind)
    yield "ringing", lambda: tone(20.0, 450, on_s=1.0, off_s=4.0)
    yield "busy", lambda: tone(20.0, 450, on_s=0.35, off_s=0.35)
    yield "fax", lambda: tone(20.0, 1100, on_s=0.5, off_s=3.0)
    yield "voice-mail beep", lambda: np.concatenate([tone(1.0, 1000), line(np.zeros(15 * RATE_HZ))])
    yield "dialling", lambda: dial(20.0, 1)
    yield "digital silence", lambda: np.zeros(20 * RATE_HZ, np.float32)
    yield "a melody of one tone", lambda: line(0.1 * np.sin(2 * np.pi * 440 * clock(20.0)) * (np.sin(2 * np.pi * clock(20.0)) > 0))


def clipped(x: Sound, gain: float = 20.0) -> Sound:
    """A recorder driven too hard."""
    return np.clip(x * gain, -0.99, 0.99).astype(np.float32)


def packets_lost(x: Sound, share: float = 0.05, seed: int = 0) -> Sound:
    """20 ms packets that never came, in bursts, left silent."""
    out, rng, size = x.copy(), np.random.default_rng(seed), RATE_HZ // 50
    lost = np.repeat(rng.random(len(x) // (2 * size) + 1) < share, 2)
    for i in np.flatnonzero(lost):
        out[i * size : (i + 1) * size] = 0.0
    return out
