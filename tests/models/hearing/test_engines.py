"""Both engines on real audio: the same weights give the same words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from rapidfuzz.distance import Levenshtein

from models.hearing.audio import SAMPLE_RATE_HZ, Audio
from models.hearing.ctranslate_engine import CtranslateEngine
from models.hearing.transcriber import Attempt, clean
from models.hearing.weights import EarsPaths
from models.hearing.whisper_engine import WhisperEngine

pytestmark = pytest.mark.weights
PROMPT = "以下是普通话客服通话。"


@pytest.fixture(scope="module")
def chunks(courier: Audio) -> list[np.ndarray]:
    size = 20 * SAMPLE_RATE_HZ
    return [x[a : a + size] for x in courier.samples for a in range(0, 4 * size, size)]


def test_greedy_fp32_the_engines_say_the_same(paths: EarsPaths, chunks: list[np.ndarray]) -> None:
    ours = CtranslateEngine(paths.whisper, "cpu", "float32", 1, PROMPT)
    theirs = WhisperEngine(paths.whisper, torch.device("cpu"), 1, PROMPT)
    a, b = ([clean(t) for e in [engine] for t in [*e.decode(chunks[:4], Attempt()), *e.decode(chunks[4:], Attempt())]] for engine in (ours, theirs))
    wrong = sum(Levenshtein.distance(x.chars, y.chars) for x, y in zip(a, b, strict=True))
    total = sum(len(y.chars) for y in b)
    assert total > 150, "the call was not heard"
    assert wrong / total <= 0.005, [(x.text, y.text) for x, y in zip(a, b, strict=True)]
    # alignment heads are set: words stand within a fifth of a second of each other in both engines
    apart = [abs(p.start_s - q.start_s) for x, y in zip(a, b, strict=True) if x.chars == y.chars for p, q in zip(x.spoken, y.spoken, strict=False)]
    assert np.median(apart) <= 0.1
    assert np.percentile(apart, 90) <= 0.3


def test_words_have_times_inside_the_chunk_and_probabilities(paths: EarsPaths, chunks: list[np.ndarray]) -> None:
    engine = CtranslateEngine(paths.whisper, "cpu", "int8", 5, PROMPT)
    for t, chunk in zip(engine.decode(chunks[:2], Attempt()), chunks, strict=False):
        assert t.spoken
        assert all(0 <= s.start_s <= s.end_s <= len(chunk) / SAMPLE_RATE_HZ for s in t.spoken)
        assert all(x.start_s <= y.start_s for x, y in zip(t.spoken, t.spoken[1:], strict=False))
        assert all(0 < s.probability <= 1 for s in t.spoken)
        assert any(s.mark for s in t.spoken), "no punctuation"


def test_a_row_does_not_depend_on_the_row_beside_it(paths: EarsPaths, chunks: list[np.ndarray]) -> None:
    engine = WhisperEngine(paths.whisper, torch.device("cpu"), 1, PROMPT)
    alone = engine.decode([chunks[0]], Attempt())[0]
    loud = engine.decode([chunks[0], np.clip(chunks[1] * 30, -1, 1)], Attempt())[0]
    assert alone.chars == loud.chars


def test_silence_and_hum_bring_no_phantoms(paths: EarsPaths) -> None:
    from models.hearing.transcriber import Chunk, transcribe

    t = np.arange(20 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    rng = np.random.default_rng(0)
    sounds = [np.zeros_like(t), 0.003 * rng.standard_normal(len(t)), 0.1 * np.sin(2 * np.pi * 440 * t) * (np.sin(np.pi * t) > 0)]
    engine = CtranslateEngine(paths.whisper, "cpu", "int8", 5, PROMPT)
    for x in transcribe(engine, [Chunk(s.astype(np.float32), 0.0) for s in sounds]):
        assert len(x.chars) <= 12, x.text
