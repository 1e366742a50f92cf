"""The zoo: what is no conversation brings no words, and what a line has damaged is heard all the same."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from pathlib import Path

import av
import numpy as np
import pytest

from models.hearing.audio import decode
from models.hearing.hear import HearingEars, load_ears
from models.hearing.settings import HearingSettings
from models.hearing.weights import EarsPaths
from models.records import HeardCall, NotHeard, Recording, Sound
from tests import zoo

pytestmark = [pytest.mark.weights, pytest.mark.timeout(900)]
DEMO = Path(__file__).parents[2] / "data" / "demo"


@pytest.fixture(scope="module")
def ears(paths: EarsPaths) -> HearingEars:
    return load_ears(HearingSettings(device="cpu"), paths)


@pytest.fixture(scope="module")
def baggage() -> zoo.Sound:
    return decode((DEMO / "baggage.wav").read_bytes()).samples[0, : 30 * zoo.RATE_HZ]


def heard(ears: HearingEars, *channels: zoo.Sound, codec: str = "pcm_s16le") -> HeardCall:
    buffer = io.BytesIO()
    layout = "mono" if len(channels) == 1 else "stereo"
    with av.open(buffer, "w", format="wav") as out:
        stream = out.add_stream(codec, rate=zoo.RATE_HZ)
        stream.layout = layout
        packed = (np.clip(np.stack(channels), -1, 1).T.reshape(1, -1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(packed), format="s16", layout=layout)
        frame.sample_rate = zoo.RATE_HZ
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    (answer,) = ears.hear([Sound(Recording("zoo", "zoo.wav", date(2026, 11, 20)), buffer.getvalue())])
    assert isinstance(answer, HeardCall), answer
    return answer


@pytest.mark.parametrize(("name", "make"), [pytest.param(n, m, id=n) for n, m in zoo.speechless()])
def test_no_words_where_nobody_speaks(ears: HearingEars, name: str, make: Callable[[], zoo.Sound]) -> None:
    call = heard(ears, make())
    assert [t.text for t in call.turns] == []
    assert call.notes == ("no_speech",)


def words(call: HeardCall) -> str:
    return "".join(w.text for t in call.turns for w in t.words)


def test_damage_costs_words_but_not_the_call(ears: HearingEars, baggage: zoo.Sound) -> None:
    whole = set(words(heard(ears, baggage)))
    assert len(whole) > 40
    for damaged, share in ((zoo.clipped(baggage), 0.5), (zoo.packets_lost(baggage), 0.5)):
        call = heard(ears, damaged)
        assert {t.by_customer for t in call.turns} == {True, False}
        assert len(whole & set(words(call))) > share * len(whole)


def test_music_before_a_call_stays_wordless(ears: HearingEars, baggage: zoo.Sound) -> None:
    call = heard(ears, np.concatenate([zoo.hold_music(12.0, 3), baggage]))
    assert words(call)
    early = [t for t in call.turns if t.end_s is not None and t.end_s < 11.5]
    assert sum(len(t.words) for t in early) == 0, [t.text for t in early]


def test_three_hours_of_silence_are_heard_as_such(ears: HearingEars) -> None:
    flac = io.BytesIO()
    with av.open(flac, "w", format="flac") as out:
        stream = out.add_stream("flac", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000 * 60), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        for minute in range(180):
            frame.pts = minute * 8000 * 60
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    (answer,) = ears.hear([Sound(Recording("silence", "silence.flac", date(2026, 11, 20)), flac.getvalue())])
    assert isinstance(answer, HeardCall) and answer.notes == ("no_speech",) and answer.duration_s == pytest.approx(3 * 3600, abs=1)


def test_not_a_recording_among_the_animals(ears: HearingEars) -> None:
    (answer,) = ears.hear([Sound(Recording("x", "x.wav", date(2026, 11, 20)), b"RIFF" + bytes(100))])
    assert isinstance(answer, NotHeard)
