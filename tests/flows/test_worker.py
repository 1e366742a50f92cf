"""Ears behind a process border: whatever one recording does to them, the others are heard and the one is named."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psutil
import pytest

from flows.worker import SLOWEST_BYTES_PER_S, GuardedEars, Limits, length_s
from models.errors import FutingError
from models.hearing.settings import HearingSettings
from models.records import HeardCall, NotHeard, Recording, Sound
from tests.factories import recording, script

LIMITS = Limits(base_s=1.5, per_audio_s=0.01, load_s=60.0)


@pytest.fixture
def ears() -> Iterator[GuardedEars]:
    ears = GuardedEars(HearingSettings(engine="scripted"), LIMITS)
    yield ears
    ears.close()


def sound(call_id: str, **misfortune: object) -> Sound:
    return Sound(Recording(call_id, f"/in/{call_id}", date(2026, 11, 21)), recording(script(**misfortune), seed=hash(call_id) % 1000))


def outcome(ears: GuardedEars, *sounds: Sound) -> dict[str, str]:
    """`ok` or the error code, by call; a call answered twice fails the test."""
    found: dict[str, str] = {}
    for answer in ears.hear(sounds):
        assert answer.call_id not in found
        found[answer.call_id] = answer.code if isinstance(answer, NotHeard) else "ok"
    return found


def test_good_calls_are_heard_and_the_models_are_named(ears: GuardedEars) -> None:
    (answer,) = ears.hear([sound("a")])
    assert isinstance(answer, HeardCall) and len(answer.turns) == 4
    assert (ears.asr_model, ears.diarizer) == ("scripted", "scripted")


@pytest.mark.parametrize(
    ("misfortune", "code"),
    [
        ({"hang_s": 60}, "timeout"),
        ({"exit": 3}, "undecodable"),
        ({"raise": "bug"}, "undecodable"),
        ({"raise": "memory"}, "out_of_memory"),
        ({"fits": 0}, "out_of_memory"),
    ],
    ids=["hangs", "dies", "breaks", "memory", "never fits"],
)
def test_the_one_bad_call_is_marked_and_the_others_are_heard(misfortune: dict[str, object], code: str, ears: GuardedEars) -> None:
    sounds = [sound(f"good-{i}") for i in range(4)]
    sounds.insert(2, sound("bad", **misfortune))
    assert outcome(ears, *sounds) == {"bad": code} | {f"good-{i}": "ok" for i in range(4)}


def test_memory_that_runs_out_halves_the_shard_until_it_fits(ears: GuardedEars) -> None:
    assert set(outcome(ears, *(sound(f"c{i}", fits=2) for i in range(7))).values()) == {"ok"}


def test_a_slow_call_that_shows_progress_is_not_killed(ears: GuardedEars) -> None:
    assert set(outcome(ears, *(sound(f"c{i}", take_s=0.8) for i in range(4))).values()) == {"ok"}


def test_the_time_limit_grows_with_the_length_of_the_recording(ears: GuardedEars) -> None:
    assert outcome(ears, sound("short", take_s=2.2, duration_s=10)) == {"short": "timeout"}
    assert outcome(ears, sound("long", take_s=2.2, duration_s=200)) == {"long": "ok"}


def test_a_process_killed_from_outside_counts_as_memory_and_a_new_one_goes_on(ears: GuardedEars) -> None:
    outcome(ears, sound("warm-up"))
    assert ears._process is not None
    pid = ears._process.pid
    answers = ears.hear([sound("a", take_s=1.0)])
    time.sleep(0.0)
    os.kill(pid, signal.SIGKILL)
    (answer,) = answers
    assert isinstance(answer, NotHeard) and answer.code == "out_of_memory"
    assert outcome(ears, sound("b")) == {"b": "ok"}
    assert ears._process is not None and ears._process.pid != pid


def test_closing_ends_the_process(ears: GuardedEars) -> None:
    outcome(ears, sound("a"))
    assert ears._process is not None
    pid = ears._process.pid
    ears.close()
    assert not psutil.pid_exists(pid)


def test_an_orphan_ends_by_itself(tmp_path: Path) -> None:
    """The night is killed with -9 while its worker hangs: the worker must not keep the GPU."""
    child = os.fork()
    if child == 0:
        ears = GuardedEars(HearingSettings(engine="scripted"), Limits(60, 1, 60))
        ears._start()
        assert ears._process is not None
        (tmp_path / "pid").write_text(str(ears._process.pid))
        list(ears.hear([sound("a", hang_s=300)]))
        os._exit(0)
    until = time.monotonic() + 30
    while not (tmp_path / "pid").exists() and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.3)
    worker = int((tmp_path / "pid").read_text())
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    until = time.monotonic() + 10
    while psutil.pid_exists(worker) and psutil.Process(worker).status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
        time.sleep(0.1)
    assert not psutil.pid_exists(worker) or psutil.Process(worker).status() == psutil.STATUS_ZOMBIE


def test_models_that_cannot_be_loaded_stop_the_run_with_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONSTARTUP", "")
    broken = GuardedEars(HearingSettings(engine="scripted"), Limits(1, 1, 0.001))
    with pytest.raises(FutingError, match="did not load within"):
        list(broken.hear([sound("a")]))


def test_lengths_come_from_the_header_and_else_from_the_size() -> None:
    wav = recording(seed=3)
    call = Recording("a", "a", date(2026, 11, 21))
    assert length_s(Sound(call, wav)) == pytest.approx(0.1, abs=0.01)
    assert length_s(Sound(call, b"noise" * 600)) == 3000 / SLOWEST_BYTES_PER_S
