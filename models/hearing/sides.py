"""Stereo: each channel is a side. When does its speaker speak, and when is it only the other one leaking through?

In: two or more (time,) channels and their `Activity`. Out: spans of speech a channel. Surprising: the network alone is not
trusted here. It hears cross-talk of -35 dB as speech wherever the line is quiet, so a span must also stand above its own
channel's noise floor and not far below the other channel.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.hearing.audio import FRAME_S, SAMPLE_RATE_HZ, Samples, levels_db
from models.hearing.segmentation import FRAME_STEP_S, Activity
from models.hearing.speakers import constant_runs, edge_s

Spans = list[tuple[float, float]]  # (start_s, end_s), in order, disjoint

SPEECH = 0.3  # the network's probability of speech; levels below do the rest
ABOVE_FLOOR_DB = 6.0
LEAK_DB = 25.0  # a channel this much quieter than another at that moment carries its cross-talk
FLOOR_PERCENTILE = 20  # somebody is silent for a fifth of any call
SMOOTH_S = 0.11
TAIL_DB = 1.0  # breath and room sound around speech belong to the turn while they lift the channel's noise by this
TAIL_SMOOTH_S = 0.21
TAIL_S = 0.7
NOISY_DB = 20.0  # where speech stands out less than this, its quiet edges are below the line's noise
ROOM_HZ = (60.0, 200.0)  # there a room is louder than a line, whose noise is white
ROOM_DB, ROOM_SMOOTH_S = 2.5, 0.31
BLOCK = 1 << 20  # samples filtered at a time
JOIN_S = 0.6
SHORTEST_S = 0.15


def speech_probability(activity: Activity) -> npt.NDArray[np.float32]:
    """(frames,) probability that anybody speaks."""
    return activity.mean(activity.voices.max(2, keepdims=True))[:, 0]


def own_speech(channels: Sequence[Samples], activities: Sequence[Activity], join_s: float = JOIN_S) -> list[Spans]:
    """Spans of each channel's own speech, cross-talk and line noise left out; pauses below `join_s` closed."""
    quick = [smooth_db(levels_db(c), SMOOTH_S) for c in channels]
    slow = [smooth_db(levels_db(c), TAIL_SMOOTH_S) for c in channels]
    out = []
    for k, activity in enumerate(activities):
        p = speech_probability(activity)
        at = np.minimum((np.array([edge_s(i) for i in range(len(p))]) / FRAME_S).astype(int), len(quick[k]) - 1)
        others = np.max([q[at] for j, q in enumerate(quick) if j != k], axis=0) if len(channels) > 1 else np.full(len(p), -200.0)
        own = quick[k][at] > others - LEAK_DB
        speaks = (p > SPEECH) & (quick[k][at] > np.percentile(quick[k], FLOOR_PERCENTILE) + ABOVE_FLOOR_DB) & own
        sounds = slow[k][at] > np.percentile(slow[k], FLOOR_PERCENTILE) + TAIL_DB
        if np.percentile(quick[k], 95) - np.percentile(quick[k], FLOOR_PERCENTILE) < NOISY_DB:
            room = smooth_db(levels_db(_band(channels[k], *ROOM_HZ)), ROOM_SMOOTH_S)
            sounds |= room[at] > np.percentile(room, FLOOR_PERCENTILE) + ROOM_DB
        out.append(join([s for s in _spans(speaks, sounds & own) if s[1] - s[0] >= SHORTEST_S], join_s))
    return out


def _band(sound: Samples, low_hz: float, high_hz: float) -> Samples:
    """The part of a (time,) sound between two frequencies, block by block, so that memory does not grow with hours."""
    out = np.empty_like(sound)
    margin = SAMPLE_RATE_HZ
    for start in range(0, len(sound), BLOCK):
        end = min(len(sound), start + BLOCK)
        a, b = max(0, start - margin), min(len(sound), end + margin)
        spectrum = np.fft.rfft(sound[a:b])
        hz = np.fft.rfftfreq(b - a, 1.0 / SAMPLE_RATE_HZ)
        spectrum[(hz < low_hz) | (hz > high_hz)] = 0.0
        out[start:end] = np.fft.irfft(spectrum, b - a)[start - a : end - a]
    return out


def smooth_db(levels: npt.NDArray[np.float32], seconds: float) -> npt.NDArray[np.float64]:
    """Levels of 10 ms frames averaged in power over `seconds`."""
    n = max(1, round(seconds / FRAME_S))
    return 10 * np.log10(np.convolve(10 ** (levels.astype(np.float64) / 10), np.ones(n) / n, "same") + 1e-12)


def _spans(speaks: npt.NDArray[np.bool_], sounds: npt.NDArray[np.bool_]) -> Spans:
    """Runs of `speaks`, first joined over short pauses, then stretched outwards while the channel still sounds."""
    runs = [(a, b) for a, b in constant_runs(speaks.astype(int)) if speaks[a]]
    joined: list[list[int]] = []
    for a, b in runs:
        if joined and (a - joined[-1][1]) * FRAME_STEP_S < JOIN_S:
            joined[-1][1] = b
        else:
            joined.append([a, b])
    reach = round(TAIL_S / FRAME_STEP_S)
    out = []
    for a, b in joined:
        if (b - a) * FRAME_STEP_S < SHORTEST_S:
            continue
        first, last = a, b
        while first > max(0, a - reach) and sounds[first - 1]:
            first -= 1
        while last < min(len(sounds), b + reach) and sounds[last]:
            last += 1
        out.append((edge_s(first), edge_s(last)))
    return out


def join(spans: Spans, gap_s: float) -> Spans:
    """Spans in order with gaps below `gap_s` (and overlaps) closed."""
    out: Spans = []
    for a, b in sorted(spans):
        if out and a - out[-1][1] < gap_s:
            out[-1] = (out[-1][0], max(out[-1][1], b))
        else:
            out.append((a, b))
    return out


def intersect_s(a: Spans, b: Spans) -> float:
    """Seconds that two lists of disjoint, ordered spans share."""
    total, i, j = 0.0, 0, 0
    while i < len(a) and j < len(b):
        total += max(0.0, min(a[i][1], b[j][1]) - max(a[i][0], b[j][0]))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return total
