"""Whole calls through the real models: layouts, roles, what is no call, and the same answer in any company."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import av
import numpy as np
import pytest

from models.hearing.audio import Samples, decode
from models.hearing.hear import HearingEars, load_ears
from models.hearing.settings import HearingSettings
from models.hearing.weights import EarsPaths
from models.records import HeardCall, NotHeard, Recording, Sound

pytestmark = [pytest.mark.weights, pytest.mark.timeout(900)]
DEMO = Path(__file__).parents[2] / "data" / "demo"
SECONDS = 36


@pytest.fixture(scope="module")
def ears(paths: EarsPaths) -> HearingEars:
    return load_ears(HearingSettings(device="cpu"), paths)


@pytest.fixture(scope="module")
def courier() -> Samples:
    """(2, time): the first 36 s of a stereo call; agent left, customer right."""
    return decode((DEMO / "courier.wav").read_bytes()).samples[:, : SECONDS * 16000]


@pytest.fixture(scope="module")
def baggage() -> Samples:
    """(1, time): the first 36 s of a mixed call between two voices."""
    return decode((DEMO / "baggage.wav").read_bytes()).samples[:, : SECONDS * 16000]


def wav(samples: Samples) -> bytes:
    buffer = io.BytesIO()
    layout = "mono" if len(samples) == 1 else "stereo"
    with av.open(buffer, "w", format="wav") as out:
        stream = out.add_stream("pcm_s16le", rate=16000)
        stream.layout = layout
        packed = (np.clip(samples, -1, 1).T.reshape(1, -1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(packed), format="s16", layout=layout)
        frame.sample_rate = 16000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return buffer.getvalue()


def sound(call_id: str, encoded: bytes) -> Sound:
    return Sound(Recording(call_id, f"{call_id}.wav", date(2026, 11, 20)), encoded)


def truth(name: str) -> Iterator[tuple[str, float, float]]:
    """(role, start, end) of the labelled turns that lie in the first 36 s."""
    for line in (DEMO / "truth.jsonl").read_text(encoding="utf-8").splitlines():
        call = json.loads(line)
        if call["file"] == name:
            yield from ((t["role"], t["start"], t["end"]) for t in call["turns"] if t["end"] <= SECONDS)


def right(call: HeardCall, name: str) -> float:
    """Share of the labelled speech that was given to the right side, and to it alone."""
    grid = (np.arange(SECONDS * 100) + 0.5) / 100
    want, have = np.zeros((2, len(grid)), bool), np.zeros((2, len(grid)), bool)
    for role, a, b in truth(name):
        want[int(role == "customer")] |= (grid > a) & (grid < b)
    for t in call.turns:
        have[int(t.by_customer)] |= (grid > (t.start_s or 0)) & (grid < (t.end_s or 0))
    return float((want & have).sum() - (want[::-1] & have & ~want).sum()) / float(want.sum())


def one(ears: HearingEars, samples: Samples) -> HeardCall:
    (answer,) = ears.hear([sound("call", wav(samples))])
    assert isinstance(answer, HeardCall), answer
    return answer


def test_stereo(ears: HearingEars, courier: Samples) -> None:
    call = one(ears, courier)
    assert call.layout == "stereo"
    assert right(call, "courier.wav") > 0.9
    assert call.role_confidence is not None and call.role_confidence > 0.7
    for t in call.turns:
        assert t.text == "" or t.text[-1] in "。？！"
        assert "".join(w.text for w in t.words) == "".join(c for c in t.text if c not in "，。？！、；：")
        assert t.start_s is not None and t.end_s is not None
        assert all(t.start_s - 0.2 <= w.start_s <= w.end_s <= t.end_s + 0.2 for w in t.words)
        assert t.loudness_db is not None and -60 < t.loudness_db < 0
        assert t.pitch_hz is None or 70 <= t.pitch_hz <= 450
    assert [t.start_s for t in call.turns] == sorted(t.start_s for t in call.turns if t.start_s is not None)
    assert [t.index for t in call.turns] == list(range(len(call.turns)))


def test_swapped_channels_keep_their_roles(ears: HearingEars, courier: Samples) -> None:
    assert right(one(ears, courier[::-1]), "courier.wav") > 0.9


def test_mixed_and_dual_mono_are_heard_alike(ears: HearingEars, baggage: Samples) -> None:
    mixed, dual = one(ears, baggage), one(ears, np.vstack([baggage, baggage]))
    assert (mixed.layout, dual.layout) == ("mixed", "dual_mono")
    assert right(mixed, "baggage.wav") > 0.85
    assert [(t.role, t.start_s, t.text) for t in mixed.turns] == [(t.role, t.start_s, t.text) for t in dual.turns]


def test_a_broken_file_among_good_ones_is_answered_and_the_company_changes_nothing(ears: HearingEars, courier: Samples, baggage: Samples) -> None:
    rng = np.random.default_rng(0)
    hum = (0.001 * rng.standard_normal((1, 6 * 16000))).astype(np.float32)
    group = [
        sound("good", wav(courier)),
        sound("broken", b"RIFF" + bytes(2000)),
        sound("empty", b""),
        sound("quiet", wav(hum)),
        sound("alone", wav(np.vstack([courier[1], hum[0].repeat(6)[: courier.shape[1]]]))),
    ]
    answers = {a.call_id: a for a in ears.hear(group)}
    assert set(answers) == {"good", "broken", "empty", "quiet", "alone"}
    assert isinstance(answers["broken"], NotHeard) and answers["broken"].code in {"not_audio", "undecodable"}
    assert isinstance(answers["empty"], NotHeard) and answers["empty"].code == "empty"
    quiet, alone, good = answers["quiet"], answers["alone"], answers["good"]
    assert isinstance(quiet, HeardCall) and quiet.notes == ("no_speech",) and not quiet.turns
    assert isinstance(alone, HeardCall) and "one_side" in alone.notes
    assert isinstance(good, HeardCall)
    assert good.turns == one(ears, courier).turns


def test_the_whisper_engine_hears_the_same_call(paths: EarsPaths, courier: Samples) -> None:
    theirs = load_ears(HearingSettings(engine="whisper", device="cpu", beam_size=1), paths)
    assert "whisper-fp32" in theirs.asr_model
    call = one(theirs, courier[:, : 20 * 16000])
    assert right(call, "courier.wav") > 0.35  # the first 20 s of the labelled 36
    assert {t.role for t in call.turns} == {"agent", "customer"}
    assert sum(len(t.words) for t in call.turns) > 20
