"""Decoding and layout: every container, what is no recording, and channels measured instead of believed."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import CallError
from models.hearing.audio import SAMPLE_RATE_HZ, correlation, decode, levels_db, measure_layout

DATA = Path(__file__).parents[2] / "data"


def speechlike(seconds: float, seed: int = 0, rate_hz: int = 8000) -> np.ndarray:
    """(time,) float32: noise bursts at syllable rate, band-limited like a telephone line."""
    rng = np.random.default_rng(seed)
    n = int(seconds * rate_hz)
    t = np.arange(n) / rate_hz
    voice = sum(np.sin(2 * np.pi * (120 + 7 * seed) * k * t + rng.uniform(0, 6)) / k for k in range(3, 20))
    gate = (np.sin(2 * np.pi * 4 * t + seed) > 0) & (np.sin(2 * np.pi * 0.21 * t + seed) > -0.3)
    return (0.1 * voice * gate + 0.0005 * rng.standard_normal(n)).astype(np.float32)


def encoded(samples: np.ndarray, container: str, codec: str, rate_hz: int = 8000) -> bytes:
    """(channel, time) float32 in a container and codec, by FFmpeg."""
    buffer = io.BytesIO()
    layout = "mono" if len(samples) == 1 else "stereo"
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate_hz)
        stream.layout = layout
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples, np.float32), format="fltp", layout=layout)
        frame.sample_rate = 8000
        resampler = av.AudioResampler(format=stream.codec_context.format, layout=layout, rate=rate_hz, frame_size=stream.codec_context.frame_size or 0)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    return buffer.getvalue()


FORMATS = [
    ("wav", "pcm_s16le", 8000), ("wav", "pcm_mulaw", 8000), ("wav", "pcm_alaw", 8000), ("wav", "pcm_s24le", 16000), ("wav", "pcm_f32le", 44100),
    ("wav", "adpcm_ima_wav", 8000), ("mp3", "libmp3lame", 8000), ("mp3", "libmp3lame", 44100), ("adts", "aac", 16000), ("ipod", "aac", 16000),
    ("ogg", "libopus", 48000), ("flac", "flac", 8000), ("amr", "libopencore_amrnb", 8000), ("webm", "libopus", 48000),
]  # fmt: skip


@pytest.mark.parametrize(("container", "codec", "rate_hz"), FORMATS, ids=lambda v: str(v))
def test_every_format_gives_the_sound_back(container: str, codec: str, rate_hz: int) -> None:
    sound = speechlike(4.0)
    audio = decode(encoded(sound[None], container, codec, rate_hz))
    assert audio.samples.dtype == np.float32
    assert audio.samples.shape[0] == 1
    assert audio.layout == "mixed"
    assert audio.channels == 1
    assert audio.sample_rate_hz == rate_hz
    assert audio.duration_s == pytest.approx(4.0, abs=0.15)
    assert audio.notes == ()
    ours, theirs = levels_db(audio.samples[0])[20:380], levels_db(np.repeat(sound, 2))[20:380]
    lagged = [np.corrcoef(ours[lag : lag + 330], theirs[10:340])[0, 1] for lag in range(30)]
    assert max(lagged) > 0.85, "the envelope of the sound is not the one that was encoded"


@pytest.mark.parametrize("name", ["gsm.wav", "line.amr"])
def test_recorders_formats_without_an_encoder_here(name: str) -> None:
    audio = decode((DATA / "formats" / name).read_bytes())
    assert audio.duration_s == pytest.approx(4.0, abs=0.1)
    assert levels_db(audio.samples[0]).max() > -40


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"call_id,path\n1,2\n" * 200, "not_audio"),
        (bytes(np.random.default_rng(0).integers(0, 256, 20000, dtype=np.uint8)), "not_audio"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 500, "not_audio"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "not_audio"),
    ],
    ids=["empty", "a table", "noise", "a picture", "a header alone"],
)
def test_what_is_no_recording_says_so(content: bytes, code: str) -> None:
    with pytest.raises(CallError) as error:
        decode(content)
    assert error.value.code in ({code, "undecodable"} if code == "not_audio" else {code})
    assert not error.value.transient


def test_too_short() -> None:
    with pytest.raises(CallError, match=r"0\.30 s") as error:
        decode(encoded(speechlike(0.3)[None], "wav", "pcm_s16le"))
    assert error.value.code == "too_short"


def test_truncated_is_heard_as_far_as_it_goes() -> None:
    whole = encoded(speechlike(10.0)[None], "wav", "pcm_s16le")
    audio = decode(whole[: len(whole) // 2])
    assert audio.notes == ("truncated",)
    assert audio.duration_s == pytest.approx(5.0, abs=0.2)


def test_longer_than_the_limit_is_cut() -> None:
    audio = decode(encoded(speechlike(6.0)[None], "wav", "pcm_alaw"), longest_s=4.0)
    assert audio.notes == ("cut",)
    assert audio.duration_s == 4.0


def test_damaged_packets_in_the_middle_lose_only_themselves() -> None:
    data = bytearray(encoded(speechlike(10.0)[None], "mp3", "libmp3lame"))
    middle = len(data) // 2
    data[middle : middle + 600] = b"\xaa" * 600
    audio = decode(bytes(data))
    assert audio.duration_s > 8.5


def test_true_stereo_with_cross_talk_is_stereo() -> None:
    a, b = speechlike(8.0, 1), speechlike(8.0, 5)
    leak = 10 ** (-35 / 20)
    audio = decode(encoded(np.stack([a + leak * b, b + leak * a]), "wav", "pcm_mulaw"))
    assert audio.layout == "stereo"
    assert audio.source_channels == (0, 1)


@pytest.mark.parametrize("lag", [0, 60], ids=["in step", "7.5 ms apart"])
@pytest.mark.parametrize("gain", [1.0, 0.5, -0.8])
def test_the_same_sound_twice_is_dual_mono(lag: int, gain: float) -> None:
    a = speechlike(8.0)
    audio = decode(encoded(np.stack([a, gain * np.roll(a, lag)]), "wav", "pcm_alaw"))
    assert audio.layout == "dual_mono"
    assert len(audio.samples) == 1


def test_a_dead_channel_is_no_side() -> None:
    audio = decode(encoded(np.stack([np.zeros(64000, np.float32), speechlike(8.0)]), "wav", "pcm_s16le"))
    assert audio.layout == "mixed"
    assert levels_db(audio.samples[0]).max() > -40


@given(st.integers(0, 5), st.floats(-1.0, 1.0).filter(lambda g: abs(g) > 0.05), st.integers(-200, 200))
def test_correlation_knows_a_scaled_and_shifted_copy(seed: int, gain: float, lag: int) -> None:
    x = np.random.default_rng(seed).standard_normal(3 * SAMPLE_RATE_HZ).astype(np.float32)
    assert correlation(x, (gain * np.roll(x, lag)).astype(np.float32)) > 0.95


def test_unrelated_channels_do_not_correlate() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 5 * SAMPLE_RATE_HZ)).astype(np.float32)
    assert correlation(x, y) < 0.1
    assert measure_layout(np.stack([x, y, np.zeros_like(x)])) == ((0, 1), "stereo")
