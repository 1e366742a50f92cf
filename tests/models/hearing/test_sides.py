"""Spans: joining and intersecting against slow oracles; own speech against what was really put on each channel."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.hearing import sides
from models.hearing.audio import SAMPLE_RATE_HZ
from models.hearing.segmentation import FRAME_STEP_S, FRAMES, WINDOW_S, Activity, window_starts
from models.hearing.sides import intersect_s, join, own_speech

span_lists = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=12).map(lambda p: [(a / 10, (a + n) / 10) for a, n in p])


@given(span_lists, st.sampled_from([0.0, 0.3, 0.8]))
def test_join_covers_the_same_frames_and_closes_only_short_gaps(spans: list[tuple[float, float]], gap: float) -> None:
    joined = join(spans, gap)
    assert all(b[0] - a[1] >= gap - 1e-9 for a, b in itertools.pairwise(joined))
    grid = (np.arange(3700) + 0.5) / 100
    covered = np.zeros(len(grid), bool)
    for a, b in spans:
        covered |= (grid > a) & (grid < b)
    ours = np.zeros(len(grid), bool)
    for a, b in joined:
        ours |= (grid > a) & (grid < b)
    assert (ours >= covered).all()
    filled = np.flatnonzero(ours & ~covered)
    runs = np.split(filled, np.flatnonzero(np.diff(filled) > 1) + 1) if len(filled) else []
    assert all(len(r) / 100 <= gap + 0.02 for r in runs)


@given(span_lists, span_lists)
def test_intersect_against_counting_frames(a: list[tuple[float, float]], b: list[tuple[float, float]]) -> None:
    a, b = join(a, 0.0), join(b, 0.0)
    grid = (np.arange(3700) + 0.5) / 100
    inside = [np.any([(grid > x) & (grid < y) for x, y in s] or [np.zeros(len(grid), bool)], axis=0) for s in (a, b)]
    assert abs(intersect_s(a, b) - (inside[0] & inside[1]).sum() / 100) < 0.02


def heard(speaks: np.ndarray) -> Activity:
    """An Activity in which the network is sure of (time at 100 Hz) speech."""
    seconds = len(speaks) / 100
    starts = np.array([s / SAMPLE_RATE_HZ for s in window_starts(int(seconds * SAMPLE_RATE_HZ), 5.0)])
    voices = np.zeros((len(starts), FRAMES, 3), np.float32)
    for w, start in enumerate(starts):
        at = np.minimum(((start + (np.arange(FRAMES) + 1) * FRAME_STEP_S) * 100).astype(int), len(speaks) - 1)
        voices[w, :, 0] = speaks[at]
    assert WINDOW_S == 10.0
    return Activity(voices, starts, seconds)


def test_cross_talk_and_line_noise_are_nobodys_speech() -> None:
    rng = np.random.default_rng(3)
    n = 40 * SAMPLE_RATE_HZ
    t = np.arange(n) / SAMPLE_RATE_HZ
    on = [((t % 12) > 1) & ((t % 12) < 5), ((t % 12) > 6) & ((t % 12) < 10.5)]
    voice = [0.1 * rng.standard_normal(n) * o for o in on]
    leak = 10 ** (-35 / 20)
    channels = [(voice[k] + leak * voice[1 - k] + 0.0004 * rng.standard_normal(n)).astype(np.float32) for k in (0, 1)]
    anybody = (on[0] | on[1])[:: SAMPLE_RATE_HZ // 100]  # the network hears the other side's leak as speech
    for k, spans in enumerate(own_speech(channels, [heard(anybody.astype(np.float32))] * 2)):
        truth = [(12 * i + (1, 6)[k], min(40.0, 12 * i + (5, 10.5)[k])) for i in range(4) if 12 * i + (1, 6)[k] < 40]
        assert len(spans) == len(truth)
        assert all(abs(a - x) < 0.25 and abs(b - y) < 0.25 for (a, b), (x, y) in zip(spans, truth, strict=True)), (spans, truth)


def test_two_who_speak_at_once_both_have_the_floor() -> None:
    rng = np.random.default_rng(4)
    n = 30 * SAMPLE_RATE_HZ
    t = np.arange(n) / SAMPLE_RATE_HZ
    on = [(t > 2) & (t < 10), (t > 8) & (t < 16)]
    channels = [(0.1 * rng.standard_normal(n) * o + 0.0004 * rng.standard_normal(n)).astype(np.float32) for o in on]
    spans = own_speech(channels, [heard(o[::160].astype(np.float32)) for o in on])
    assert abs(intersect_s(spans[0], spans[1]) - 2.0) < 0.3


def test_a_noisy_line_hides_quiet_edges_but_not_the_rooms_low_frequencies() -> None:
    """Each turn begins and ends in room rumble below the line's noise; on a quiet line the same rumble is no speech of its own accord."""
    rng = np.random.default_rng(5)
    n = 40 * SAMPLE_RATE_HZ
    t = np.arange(n) / SAMPLE_RATE_HZ
    speaks, there = (t > 5) & (t < 12), (t > 4.5) & (t < 12.5)
    rumble = 0.0025 * sum(np.sin(2 * np.pi * hz * t + hz) for hz in (80, 110, 150))
    loud = 0.05 * rng.standard_normal(n) * speaks
    channels = [(loud + rumble * there + 0.008 * rng.standard_normal(n)).astype(np.float32), (0.0004 * rng.standard_normal(n)).astype(np.float32)]
    heard_by_network = [heard(x[::160].astype(np.float32)) for x in (speaks, np.zeros(n))]
    ((start, end),), other = own_speech(channels, heard_by_network)
    assert abs(start - 4.5) < 0.2 and abs(end - 12.5) < 0.2 and other == []


def test_a_band_is_the_same_however_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = np.random.default_rng(6).standard_normal(5 * SAMPLE_RATE_HZ).astype(np.float32)
    whole = sides._band(sound, 60.0, 200.0)
    monkeypatch.setattr(sides, "BLOCK", 2 * SAMPLE_RATE_HZ)
    cut = sides._band(sound, 60.0, 200.0)
    assert np.abs(whole - cut)[SAMPLE_RATE_HZ // 4 : -SAMPLE_RATE_HZ // 4].max() < 0.05 * np.abs(whole).max()
