"""Runs, clusters and blocks on made-up embeddings whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.hearing.speakers import clearness, constant_runs, middle, new_voice, split_in_two

RNG = np.random.default_rng(5)
LINE = RNG.standard_normal(192)  # what every voice of one line has in common


def voices(labels: list[int], apart: float = 0.8, noise: float = 0.5, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    speaker = rng.standard_normal((4, 192))
    x = LINE + apart * speaker[labels] + noise * rng.standard_normal((len(labels), 192))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


@given(st.lists(st.integers(-2, 3), max_size=40), st.lists(st.integers(0, 1), max_size=40))
def test_constant_runs_against_a_slow_oracle(a: list[int], b: list[int]) -> None:
    n = min(len(a), len(b))
    x, y = np.array(a[:n], int), np.array(b[:n], int)
    runs = constant_runs(x, y)
    assert [i for s, e in runs for i in range(s, e)] == list(range(n))
    assert all(len({(x[i], y[i]) for i in range(s, e)}) == 1 for s, e in runs)
    assert all((x[e], y[e]) != (x[e - 1], y[e - 1]) for _, e in runs[:-1])


@given(st.integers(0, 10_000), st.floats(0.3, 0.7))
def test_two_voices_fall_apart_whatever_their_share(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    labels = (rng.random(24) < share).astype(int)
    labels[:2] = (0, 1)
    side, sure = split_in_two(voices(labels.tolist(), noise=0.35, seed=seed), rng.uniform(0.5, 5, 24), np.zeros((24, 24)))
    assert (side != labels).sum() <= 1
    assert side[0] == 0
    assert sure > 0.5


def test_segmentation_breaks_a_tie() -> None:
    labels = [0, 1, 0, 1, 0, 1]
    x = voices(labels)
    x[4] = (x[0] + x[1]) / np.linalg.norm(x[0] + x[1])  # says nothing
    same = np.zeros((6, 6))
    same[4, 3] = same[3, 4] = 60.0
    assert split_in_two(x, np.full(6, 2.0), same)[0][4] == 1
    assert split_in_two(x, np.full(6, 2.0), -same)[0][4] == 0


@pytest.mark.parametrize("n", [0, 1])
def test_too_little_to_split(n: int) -> None:
    side, sure = split_in_two(voices([0] * n).reshape(n, 192), np.ones(n), np.zeros((n, n)))
    assert list(side) == [0] * n
    assert sure == 0.0


def test_clearness_of_one_voice_is_low() -> None:
    x = voices([0] * 20)
    _, sure = split_in_two(x, np.ones(20), np.zeros((20, 20)))
    assert sure < 0.45
    assert clearness(x, np.ones(20), np.arange(20) % 2) < 0.2


@pytest.mark.parametrize(("labels", "block"), [([0] * 6 + [1] * 4, {6}), ([1] + [0] * 8, {1}), ([0, 0, 1, 1, 1, 0, 0], {2})])
def test_new_voice_is_found(labels: list[int], block: set[int]) -> None:
    first, end, gap = new_voice(voices(labels, noise=0.3))
    inside = {i for i in range(len(labels)) if first <= i < end}
    assert inside in ({i for i, k in enumerate(labels) if k == 1}, {i for i, k in enumerate(labels) if k == 0})
    assert gap > 0.1
    assert block


def test_one_voice_has_no_new_voice() -> None:
    assert new_voice(voices([0] * 10, noise=0.3))[2] < 0.06
    assert new_voice(voices([0]))[2] == 0.0


@given(st.floats(0, 100), st.floats(0, 20))
def test_middle_lies_inside(start: float, length: float) -> None:
    a, b = middle(start, start + length, 121.0)
    assert 0 <= a < b <= 121.0
    assert b - a <= 4.0 + 1e-9
