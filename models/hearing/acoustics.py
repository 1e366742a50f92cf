"""How a turn sounded: loudness and pitch of a stretch of one (time,) channel."""

from __future__ import annotations

import numpy as np

from models.hearing.audio import SAMPLE_RATE_HZ, Samples, levels_db

ACTIVE_DB = 25.0  # frames this far below the loudest are pauses (ITU-T P.56 uses 15.9 dB below the active level)
PITCH_HZ = (70.0, 450.0)  # telephone voices, men's calm to women's raised
VOICED = 0.45  # normalised autocorrelation above which a frame is voiced
PITCH_FRAME_S = 0.04
MOST_PITCH_FRAMES = 200


def loudness_db(sound: Samples) -> float | None:
    """Active speech level in dBFS: the mean power of frames that are no pause. None without sound."""
    levels = levels_db(sound)
    if not len(levels) or levels.max() <= -100.0:
        return None
    active = levels[levels > levels.max() - ACTIVE_DB].astype(np.float64)
    return float(10 * np.log10(np.mean(10 ** (active / 10))))


def pitch_hz(sound: Samples) -> float | None:
    """Median fundamental frequency of the voiced frames, by autocorrelation (after Boersma 1993, without his path search).

    None when fewer than five frames are voiced. Long sounds are sampled at 200 frames.
    """
    size = int(PITCH_FRAME_S * SAMPLE_RATE_HZ)
    n = len(sound) // size
    if n < 5:
        return None
    frames = sound[: n * size].reshape(n, size)[:: max(1, n // MOST_PITCH_FRAMES)].astype(np.float64)
    frames = frames - frames.mean(1, keepdims=True)
    energy = (frames**2).sum(1)
    frames = frames[energy > 0.05 * energy.max()] * np.hanning(size)
    spectrum = np.abs(np.fft.rfft(frames, 2 * size, axis=1)) ** 2
    spectrum[:, : int(PITCH_HZ[0] * 2 * size / SAMPLE_RATE_HZ)] = 0.0  # hum
    auto = np.fft.irfft(spectrum, axis=1)[:, :size]
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(size), 2 * size)) ** 2)[:size]
    auto = auto / np.maximum(auto[:, :1], 1e-12) / np.maximum(window / window[0], 0.05)
    low, high = int(SAMPLE_RATE_HZ / PITCH_HZ[1]), int(SAMPLE_RATE_HZ / PITCH_HZ[0])
    best = auto[:, low:high].argmax(1)
    voiced = auto[np.arange(len(auto)), low + best] > VOICED
    return float(np.median(SAMPLE_RATE_HZ / (low + best[voiced]))) if voiced.sum() >= 5 else None
