"""Packing spans into chunks and words back into spans, against slow oracles."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.hearing.audio import SAMPLE_RATE_HZ
from models.hearing.packing import FULL_S, MARGIN_S, PAUSE_S, cut, pack, unpack
from models.hearing.transcriber import Spoken

NOISE = np.random.default_rng(0).standard_normal(400 * SAMPLE_RATE_HZ).astype(np.float32) * 0.1


@st.composite
def spans(draw: st.DrawFn) -> list[tuple[float, float]]:
    """Disjoint spans in order, with pauses of at least 0.8 s, up to 50 s long."""
    out, at = [], draw(st.floats(0, 3))
    for _ in range(draw(st.integers(0, 8))):
        length = draw(st.one_of(st.floats(0.2, 6), st.floats(20, 50)))
        if at + length > 390:
            break
        out.append((round(at, 3), round(at + length, 3)))
        at += length + draw(st.floats(0.8, 4))
    return out


@given(spans())
def test_every_span_lies_in_the_chunks_once_and_no_chunk_is_too_long(given_spans: list[tuple[float, float]]) -> None:
    packed = pack(NOISE, given_spans)
    for p in packed:
        assert p.chunk.duration_s <= 30.0 + 1e-6
        assert p.chunk.speech_s == sum(x.duration_s for x in p.pieces)
        for x in p.pieces:  # what the chunk holds is what the recording holds there, sample by sample
            at, n = round(x.offset_s * SAMPLE_RATE_HZ), int(x.end_s * SAMPLE_RATE_HZ) - int(x.start_s * SAMPLE_RATE_HZ)
            n = min(n, len(p.chunk.samples) - at)
            start = int(x.start_s * SAMPLE_RATE_HZ)
            assert np.array_equal(p.chunk.samples[at : at + n], NOISE[start : start + n])
    pieces = [x for p in packed for x in p.pieces]
    assert [x.span for x in pieces] == sorted(x.span for x in pieces)
    for i, (a, b) in enumerate(given_spans):
        mine = [x for x in pieces if x.span == i]
        assert mine[0].start_s == max(0.0, a - MARGIN_S)
        assert mine[-1].end_s == b + MARGIN_S
        assert all(x.end_s == y.start_s for x, y in itertools.pairwise(mine))


@given(st.floats(0, 100), st.floats(0.1, 250))
def test_a_cut_span_is_covered_and_each_part_fits(start: float, length: float) -> None:
    parts = cut(NOISE, start, start + length)
    assert parts[0][0] == start
    assert parts[-1][1] == start + length
    assert all(a[1] == b[0] for a, b in itertools.pairwise(parts))
    assert all(0 < b - a <= FULL_S + 1e-9 for a, b in parts)


def test_a_long_span_is_cut_where_it_is_quiet() -> None:
    sound = NOISE.copy()
    quiet = slice(int(26.4 * SAMPLE_RATE_HZ), int(26.8 * SAMPLE_RATE_HZ))
    sound[quiet] *= 0.001
    (_, at), *_ = cut(sound, 0.0, 40.0)
    assert 26.4 <= at <= 26.8


@given(spans(), st.lists(st.tuples(st.floats(0, 30), st.floats(0, 1)), max_size=30))
def test_words_come_back_to_the_span_they_were_said_in(given_spans: list[tuple[float, float]], times: list[tuple[float, float]]) -> None:
    for p in pack(NOISE, given_spans):
        words = [Spoken(str(i), a, a + d, 0.5) for i, (a, d) in enumerate(sorted(times))]
        back = unpack(p, words)
        assert sorted(s.text for w in back.values() for s in w) == sorted(s.text for s in words)
        for span, mine in back.items():
            for s in mine:
                middle = (words[int(s.text)].start_s + words[int(s.text)].end_s) / 2
                # the slow oracle: distance of the word's middle to every piece, sampled
                distance = {
                    x: 0.0 if x.offset_s <= middle <= x.offset_s + x.duration_s else min(abs(middle - x.offset_s), abs(middle - x.offset_s - x.duration_s))
                    for x in p.pieces
                }
                nearest = min(distance.values())
                assert any(x.span == span and distance[x] <= nearest + 1e-9 for x in p.pieces)
                assert any(x.span == span and x.start_s - 1e-6 <= s.start_s <= s.end_s <= x.end_s + 1e-6 for x in p.pieces)


def test_a_chunk_holds_a_pause_between_turns() -> None:
    (p,) = pack(NOISE, [(1.0, 3.0), (10.0, 12.0)])
    first, second = p.pieces
    gap = p.chunk.samples[round((first.offset_s + first.duration_s) * SAMPLE_RATE_HZ) + 1 : round(second.offset_s * SAMPLE_RATE_HZ) - 1]
    assert len(gap) > (PAUSE_S - 0.01) * SAMPLE_RATE_HZ
    assert not gap.any()
