"""Ears in a process of their own, which may hang, crash or eat the memory without taking the night along.

In: how to load the ears, and limits. Out: `GuardedEars`, an `Ears` like any other: a process that falls silent is killed, one that
dies is started again, and the shard that did it is cut up until the one call that did it stands alone and is answered as not
heard. The surprising choice: silence, not slowness, is what is limited; every answer and every sign of progress starts the
clock again, for the audio that is still unanswered.
"""

from __future__ import annotations

import copyreg
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import flows.quiet  # noqa: F401 - before any model library is imported
from models.errors import FutingError, WeightsError
from models.hearing.scripted import ScriptedEars, duration_of
from models.hearing.settings import HearingSettings
from models.records import Ears, HeardCall, NotHeard, Progress, Sound, Word

LONGEST_S = 4 * 3600.0  # longer recordings are cut, so none is waited for as if it were longer
SLOWEST_BYTES_PER_S = 600  # AMR 4.75 kbit/s: what a file is taken for whose length cannot be read from its header


@dataclass(frozen=True, slots=True)
class Limits:
    """How long silence is borne: base_s + per_audio_s × the seconds of audio still unanswered; load_s while models load."""

    base_s: float
    per_audio_s: float
    load_s: float


# A frozen, slotted dataclass is pickled by way of its list of fields, six times as slowly; a call has hundreds of words.
copyreg.pickle(Word, lambda word: (Word, (word.text, word.start_s, word.end_s, word.probability)))


class _Lost(Exception):
    """The worker is gone or useless; `code` says how its calls would be marked, `why` in words."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code, self.why = code, why


class GuardedEars:
    """Ears behind a process border. Loads on first use; `close` ends the process."""

    def __init__(self, hearing: HearingSettings, limits: Limits, threads: int | None = None) -> None:
        self._hearing, self._limits, self._threads = hearing, limits, threads
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None
        self._names = ("", "")
        self.load_s = 0.0

    @property
    def asr_model(self) -> str:
        return self._names[0]

    @property
    def diarizer(self) -> str:
        return self._names[1]

    def hear(self, sounds: Sequence[Sound], progress: Progress | None = None) -> Iterator[HeardCall | NotHeard]:
        """One answer a sound. Raises WeightsError or FutingError only when the models cannot be loaded at all."""
        groups = [list(sounds)] if sounds else []
        if not sounds:
            self._start()
        while groups:
            group = groups.pop(0)
            waiting = {s.recording.call_id: s for s in group}
            lost = _Lost("undecodable", "the models gave no answer about it")
            try:
                for answer in self._ask(group, progress):
                    if isinstance(answer, NotHeard) and answer.code == "out_of_memory" and len(group) > 1:
                        continue  # once more, alone
                    if waiting.pop(answer.call_id, None) is not None:
                        yield answer
            except _Lost as error:
                lost = error
                self.close()
            left = list(waiting.values())
            if len(group) == 1:
                for sound in left:
                    yield NotHeard(sound.recording.call_id, lost.code, lost.why)
            elif left:
                alone = lost.code == "timeout" or len(left) == 1
                middle = len(left) // 2
                groups[:0] = [[s] for s in left] if alone else [left[:middle], left[middle:]]

    def close(self) -> None:
        """End the process, and whatever it started."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = self._pipe = None

    def _ask(self, sounds: Sequence[Sound], progress: Progress | None) -> Iterator[HeardCall | NotHeard]:
        pipe = self._start()
        left = {s.recording.call_id: LONGEST_S for s in sounds}
        try:
            pipe.send([(s.recording, s.encoded) for s in sounds])
            limit = self._limits.base_s
            while True:
                kind, value = self._receive(limit)
                if kind == "lengths":
                    left.update(value)
                elif kind == "answer":
                    left.pop(value.call_id, None)
                    yield value
                elif kind == "progress" and progress is not None:
                    progress(*value)
                elif kind == "done":
                    return
                elif kind == "memory":
                    raise _Lost("out_of_memory", "out of memory, also when heard alone; give the machine more, or lower hearing's batch size")
                elif kind == "bug":
                    raise _Lost("undecodable", f"hearing it failed ({value}); `futing rerun --call` tries again")
                limit = self._limits.base_s + self._limits.per_audio_s * sum(left.values())
        except (BrokenPipeError, ConnectionResetError, EOFError) as error:
            raise self._death() from error

    def _receive(self, limit_s: float) -> tuple[str, Any]:
        assert self._pipe is not None
        if not self._pipe.poll(limit_s):
            raise _Lost("timeout", f"nothing was heard of it for {limit_s:.0f} s, its time limit; the next run tries again")
        return self._pipe.recv()

    def _death(self) -> _Lost:
        """What became of a process that closed its pipe."""
        assert self._process is not None
        try:
            code = self._process.wait(10)
        except subprocess.TimeoutExpired:
            return _Lost("undecodable", "the hearing process closed its pipe")
        if code == -signal.SIGKILL:  # by nobody here: the kernel's out-of-memory killer
            return _Lost("out_of_memory", "the system killed hearing, most likely out of memory; the next run tries again")
        return _Lost("undecodable", f"hearing it crashed the process (status {code}); `futing rerun --call` tries again")

    def _start(self) -> Connection:
        if self._pipe is not None:
            return self._pipe
        began = time.monotonic()
        ours, theirs = socket.socketpair()
        # The child finds our packages where we found them, whatever folder it is started in (-P: never in that folder itself).
        paths = os.pathsep.join(p or str(Path.cwd()) for p in sys.path)
        program = f"from flows.worker import main; main({theirs.fileno()})"
        environment = {**os.environ, "PYTHONPATH": paths}
        loud = None if os.environ.get("FUTING_DEBUG") else subprocess.DEVNULL  # model libraries print what they hear
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", program],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=loud,
            stderr=loud,
            env=environment,
            start_new_session=True,
        )
        theirs.close()
        self._pipe = Connection(ours.detach())
        try:
            self._pipe.send((self._hearing, self._threads))
            kind, value = self._receive(self._limits.load_s)
        except (BrokenPipeError, ConnectionResetError, EOFError) as error:
            why = self._death().why
            self.close()
            raise FutingError(f"the models cannot be loaded: {why}; `FUTING_DEBUG=1 futing doctor` shows more") from error
        except _Lost as error:
            self.close()
            raise FutingError(f"the models did not load within {self._limits.load_s:.0f} s (night.load_limit_s)") from error
        if kind != "ready":
            self.close()
            raise WeightsError(value)
        self._names = value
        self.load_s += time.monotonic() - began
        return self._pipe


# ── inside the process ───────────────────────────────────────────────────────────────────────────────────────────────────────


def load(hearing: HearingSettings, threads: int | None = None) -> Ears:
    """The ears that the settings ask for; raises WeightsError when a model file is missing or damaged."""
    if hearing.engine == "scripted":
        return ScriptedEars()
    from flows.download import ears_paths
    from models.hearing.hear import load_ears

    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    return load_ears(hearing, ears_paths(hearing))


def main(handle: int) -> None:
    """Load ears, then answer shard after shard until the pipe closes."""
    pipe = Connection(handle)
    threading.Thread(target=_die_with, args=(os.getppid(),), daemon=True).start()
    with suppress(OSError):  # should memory run out, the kernel is to take this process and not the night
        Path("/proc/self/oom_score_adj").write_text("500")
    hearing, threads = pipe.recv()
    try:
        ears = load(hearing, threads)
    except FutingError as error:
        pipe.send(("unusable", str(error)))
        return
    except Exception as error:
        pipe.send(("unusable", f"the models cannot be loaded ({type(error).__name__}: {error})"))
        return
    pipe.send(("ready", (ears.asr_model, ears.diarizer)))
    told = 0.0

    def progress(stage: str, done_s: float, total_s: float) -> None:
        nonlocal told
        if time.monotonic() - told > 0.2:
            told = time.monotonic()
            pipe.send(("progress", (stage, done_s, total_s)))

    while True:
        try:
            sounds = [Sound(recording, encoded) for recording, encoded in pipe.recv()]
        except EOFError:
            return
        measure = duration_of if isinstance(ears, ScriptedEars) else length_s
        pipe.send(("lengths", {s.recording.call_id: min(LONGEST_S, measure(s)) for s in sounds}))
        try:
            for answer in ears.hear(sounds, progress):
                pipe.send(("answer", answer))
            pipe.send(("done", None))
        except Exception as error:
            memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "out of memory" in str(error)
            pipe.send(("memory" if memory else "bug", type(error).__name__))


def length_s(sound: Sound) -> float:
    """Seconds of audio as the container's header says, else what the slowest codec would make of its bytes."""
    import av

    try:
        with av.open(BytesIO(sound.encoded), "r", metadata_errors="ignore") as container:
            if container.duration:
                return container.duration / av.time_base
    except Exception:  # whatever is wrong with it, hearing will say so
        pass
    return len(sound.encoded) / SLOWEST_BYTES_PER_S


def _die_with(parent: int) -> None:
    """End when the night that started us is gone, even in the middle of a long decode."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
