"""What a browser gets to hear and to draw: decoding, silenced spans, peaks, lanes; and a turn cut into words and marks."""

from __future__ import annotations

import io
import random
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.synthetic_nights import make_call, record
from flows import peaks
from flows.review import audio, call, masking
from tests.flows.review.house import DAY, scene

WORDS = [
    {"text": "电话", "start_s": 1.0, "end_s": 1.4, "probability": 0.9},
    {"text": "***", "start_s": 1.4, "end_s": 2.0, "probability": 0.9},
    {"text": "谢谢", "start_s": 2.2, "end_s": 2.6, "probability": 0.3},
]
TURN = {
    "turn": 0,
    "role": "customer",
    "start_s": 1.0,
    "end_s": 2.6,
    "text": "电话***，谢谢",
    "words": WORDS,
    "redactions": [{"start": 2, "end": 5, "kind": "phone"}],
}


def test_silenced_is_what_was_redacted_and_a_little_around_it() -> None:
    assert audio.silent_spans([TURN]) == [(pytest.approx(1.4 - audio.MARGIN_S), pytest.approx(2.0 + audio.MARGIN_S))]


@pytest.mark.parametrize("words", [[], [{"text": "别的", "start_s": 1.0, "end_s": 2.0, "probability": 1.0}]])
def test_where_words_cannot_be_placed_the_whole_turn_is_silent(words: list) -> None:
    [(a, b)] = audio.silent_spans([TURN | {"words": words}])
    assert a <= 1.0 and b >= 2.6


def test_the_wav_is_the_recording_but_for_the_silence(tmp_path: Path) -> None:
    made = make_call(1, DAY, random.Random(2), "r", scene("threat"))
    path = tmp_path / "a.wav"
    record(made, path)
    spans = audio.silent_spans(made.turns)
    assert spans
    served = audio.browser_file(tmp_path, "x/y", str(path), "r", made.turns)
    assert audio.browser_file(tmp_path, "x/y", str(path), "r", made.turns) == served
    with wave.open(str(path)) as a, wave.open(str(served)) as b:
        assert (a.getnchannels(), a.getframerate(), a.getnframes()) == (b.getnchannels(), b.getframerate(), b.getnframes())
        before, after = (np.frombuffer(w.readframes(w.getnframes()), "<i2").reshape(-1, 2) for w in (a, b))
    silent = np.zeros(len(before), bool)
    for s, e in spans:
        silent[int(s * 8000) : int(e * 8000)] = True
    assert not after[silent].any() and np.array_equal(after[~silent], before[~silent]) and before[silent].any()


def test_other_redactions_make_another_file(tmp_path: Path) -> None:
    made = make_call(1, DAY, random.Random(2), "r", scene("threat"))
    record(made, tmp_path / "a.wav")
    one = audio.browser_file(tmp_path, "c", str(tmp_path / "a.wav"), "r", made.turns)
    two = audio.browser_file(tmp_path, "c", str(tmp_path / "a.wav"), "r", [t | {"redactions": []} for t in made.turns])
    assert one != two and not one.exists() and two.exists()


@pytest.mark.parametrize("content", [b"", b"no sound at all", b"RIFF\x00\x00\x00\x00WAVE"])
def test_what_is_no_sound_is_an_error_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    with pytest.raises(audio.AudioError):
        audio.decode(str(path))
    with pytest.raises(audio.AudioError):
        audio.decode(str(tmp_path / "nowhere.wav"))


@pytest.mark.parametrize(("name", "channels"), [("airline.mp3", 1), ("bank.flac", 1), ("courier.wav", 2), ("furniture.m4a", 2), ("shop.mp3", None)])
def test_what_recorders_write_becomes_what_browsers_play(root: Path, tmp_path: Path, name: str, channels: int | None) -> None:
    source = root / "tests" / "data" / "demo" / name
    with av.open(str(source)) as container:
        promised_s = float(container.streams.audio[0].duration * container.streams.audio[0].time_base)
    with wave.open(str(audio.browser_file(tmp_path, name, str(source), "r", []))) as w:
        assert w.getnframes() / w.getframerate() == pytest.approx(promised_s, abs=0.3) and w.getframerate() <= 16_000
        assert channels is None or w.getnchannels() == channels
    found = peaks.load(tmp_path, name)
    assert found is not None and found.max() > 40 and abs(found.shape[1] / peaks.PER_S - promised_s) < 0.4


def test_peaks_are_the_largest_swing_of_each_fiftieth() -> None:
    rng = np.random.default_rng(1)
    sound = rng.uniform(-1, 1, (2, 16_000 + 37)).astype(np.float32)
    found = peaks.peaks(sound)
    for channel in range(2):
        slow = [max(abs(float(x)) for x in sound[channel, i : i + 320]) for i in range(0, sound.shape[1], 320)]
        assert found[channel].tolist() == [round(255 * x) for x in slow]


def test_peaks_come_back_as_they_were_kept(tmp_path: Path) -> None:
    found = np.arange(10, dtype=np.uint8).reshape(2, 5)
    path = peaks.save(tmp_path, "../a/b", found)
    assert path.parent == peaks.folder(tmp_path) and np.array_equal(peaks.load(tmp_path, "../a/b"), found)
    path.write_bytes(b"damaged")
    assert peaks.load(tmp_path, "../a/b") is None and peaks.load(tmp_path, "other") is None


def test_lanes_put_the_customer_below_whichever_channel_it_is() -> None:
    left, right = np.zeros(100, np.uint8), np.zeros(100, np.uint8)
    left[:50], right[50:] = 200, 100
    spans = [(0.0, 1.0, True), (1.0, 2.0, False)]
    for order in ((left, right), (right, left)):
        both = peaks.lanes(np.stack(order), spans, 1000)
        assert np.array_equal(both[1], left) and np.array_equal(both[0], right)
    mixed = peaks.lanes((left + right)[None], spans, 1000)
    assert mixed[1, :50].min() == 200 and mixed[1, 50:].max() == 0 and mixed[0, 50:].min() == 100
    assert peaks.lanes(np.stack([left, right]), spans, 10).shape == (2, 10)


def test_what_is_silenced_is_drawn_flat() -> None:
    found = np.full((2, 100), 9, np.uint8)
    flat = peaks.silenced(found, [(-0.1, 0.1), (0.49, 0.51), (1.9, 5.0)])
    assert found.min() == 9 and np.flatnonzero(flat[0] == 0).tolist() == [*range(5), 24, 25, *range(95, 100)] and np.array_equal(flat[0], flat[1])


@st.composite
def marked_turns(draw: st.DrawFn) -> tuple[dict, list[dict]]:
    words, text, t = [], "", 0.0
    for _ in range(draw(st.integers(0, 8))):
        said = draw(st.sampled_from(["我", "要", "投诉", "你们", "一二三", "a"]))
        words.append({"text": said, "start_s": t, "end_s": t + 0.3, "probability": draw(st.floats(0, 1))})
        t += 0.4
        text += said + draw(st.sampled_from(["", "，", "。", ""]))
    moments = []
    for number in range(draw(st.integers(0, 4)) if text else 0):
        a = draw(st.integers(0, len(text) - 1))
        moments.append(
            {
                "char_start": a,
                "char_end": draw(st.integers(a + 1, len(text))),
                "score": draw(st.floats(0, 1)),
                "severity": draw(st.integers(1, 5)),
                "number": number,
            }
        )
    return {"text": text, "words": words, "redactions": []}, moments


@given(marked_turns())
def test_pieces_join_to_the_text_and_carry_exactly_the_moments_that_cover_them(made: tuple[dict, list[dict]]) -> None:
    turn, moments = made
    cut = call.pieces(turn, moments)
    assert "".join(p.text for p in cut) == turn["text"]
    for p in cut:
        for i in range(p.start, p.start + len(p.text)):
            assert set(p.moments) == {m["number"] for m in moments if m["char_start"] <= i < m["char_end"]}
    times = [(p.s, p.e) for p in cut if p.s is not None and p.e is not None]
    assert all(a <= b for a, b in times) and times == sorted(times)
    assert [p for _, ps in call.runs(cut) for p in ps] == cut


@pytest.mark.parametrize(
    ("heard", "meant", "shown"),
    [
        ("叫你们经历来", "叫你们经理来", "经理"),
        ("胡优人", "忽悠人", "忽悠"),
        ("给您带来不变", "给您带来不便", "不便"),
        ("经历", "经理", "经理"),
        ("那你到底想怎么样吗", "你到底想怎么样嘛", "样嘛"),
    ],
)
def test_difference(heard: str, meant: str, shown: str) -> None:
    assert call.difference(heard, meant) == shown


def test_a_night_that_kept_its_originals_is_masked_on_the_page() -> None:
    turn = {"turn": 0, "role": "customer", "start_s": 0.0, "end_s": 3.0, "text": "我的手机号是13812345678", "words": [], "redactions": []}
    moment = {"turn": 0, "quote": "13812345678", "char_start": 6, "char_end": 17, "components": []}
    turns, moments = masking.masked([turn], [moment])
    assert "13812345678" not in turns[0]["text"] and len(turns[0]["text"]) == len(turn["text"]) and turns[0]["has_original"]
    assert "138" not in moments[0]["quote"] and audio.silent_spans(turns)


def test_silences_and_overlaps() -> None:
    def turn(a: float, b: float, role: str) -> dict:
        return {"start_s": a, "end_s": b, "role": role}

    turns = [turn(3.0, 5.0, "agent"), turn(4.5, 6.0, "customer"), turn(6.5, 7.0, "agent"), turn(9.5, 10.0, "customer")]
    assert call.silences(turns) == ((0.0, 3.0), (7.0, 9.5)) and call.overlaps(turns) == ((4.5, 5.0),)


def test_wav_header() -> None:
    with wave.open(io.BytesIO(audio.wav(np.zeros((80, 2), np.int16), 8000))) as w:
        assert (w.getnchannels(), w.getframerate(), w.getnframes(), w.getsampwidth()) == (2, 8000, 80, 2)
