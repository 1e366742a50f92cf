"""Ears without models: what they hear is written in the recording. For tests, chaos and load, and as `--engine scripted`.

In: sounds. A recording may carry a script, one JSON object behind the marker `FUTING-SCRIPT`, anywhere in its bytes (behind the
samples of a WAV, or as a whole file): {"turns": [{"role", "start_s", "end_s", "text"}], "duration_s"}. Without one, turns are
drawn from the bytes' own hash: the same bytes always say the same. The surprising choice: misfortune is scripted too, so that
every bad night can be rehearsed through the command line: "take_s" (slow), "hang_s", "not_heard" (an error code), "raise"
("memory" or "bug"), "exit" (the process dies), "fits" (out of memory when heard with more than so many others; 0: always),
"chunk_mib" (memory taken while hearing). "log" names a file that gets a line for every call heard, so that repeats can be counted.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from models.errors import TERMINAL_CODES, TRANSIENT_CODES
from models.records import HeardCall, NotHeard, Progress, Role, Sound, Turn, Word

MARKER = b"FUTING-SCRIPT"
MEMORY_MIB = "FUTING_SCRIPTED_MIB"  # environment: the hearing process may take this much memory and no more
BYTES_PER_SECOND = 16_000  # 8 kHz, 16 bit, one channel: what a recording without a script is taken for
_LINES: tuple[tuple[Role, str], ...] = (
    ("agent", "您好，这里是客服中心，请问有什么可以帮您？"),
    ("customer", "我的订单到现在还没有到，帮我查一下。"),
    ("agent", "好的，请您报一下订单号。"),
    ("customer", "我上次就打过电话了，怎么还没处理？"),
    ("agent", "非常抱歉给您带来不便，我马上为您核实。"),
    ("customer", "你们再不解决我就去消协投诉你们。"),
    ("agent", "我今天下午五点前给您回电话。"),
    ("customer", "好的，那我等你电话，谢谢。"),
    ("agent", "感谢您的来电，再见。"),
)


class ScriptedEars:
    """Answers at once and always the same. One answer a sound; raises only where a script demands it."""

    asr_model = "scripted"
    diarizer = "scripted"

    def hear(self, sounds: Sequence[Sound], progress: Progress | None = None) -> Iterator[HeardCall | NotHeard]:
        scripts = [(sound, script_in(sound.encoded)) for sound in sounds]
        for _, script in scripts:
            if script is not None and len(sounds) > script.get("fits", len(sounds)):
                raise MemoryError("scripted")
        total = sum(duration_of(sound) for sound in sounds)
        done = 0.0
        for sound, script in scripts:
            yield _answer(sound, script)
            done += duration_of(sound)
            if progress is not None:
                progress("hearing", done, total)


def script_in(encoded: bytes) -> dict[str, Any] | None:
    """The script that a recording carries, or None; one that is not JSON counts as none."""
    at = encoded.rfind(MARKER)
    if at < 0:
        return None
    try:
        script, _ = json.JSONDecoder().raw_decode(encoded[at + len(MARKER) :].decode("utf-8", "ignore").lstrip())
    except ValueError:
        return None
    return script if isinstance(script, dict) else None


def duration_of(sound: Sound) -> float:
    """Seconds: what the script says, else what its bytes would last as telephone sound."""
    return float((script_in(sound.encoded) or {}).get("duration_s", round(len(sound.encoded) / BYTES_PER_SECOND, 3)))


def _answer(sound: Sound, script: dict[str, Any] | None) -> HeardCall | NotHeard:
    call_id, script = sound.recording.call_id, script or {}
    if "log" in script:
        with Path(script["log"]).open("a", encoding="utf-8") as log:
            log.write(call_id + "\n")
    if limit_mib := os.environ.get(MEMORY_MIB):
        resource.setrlimit(resource.RLIMIT_AS, (int(limit_mib) << 20, resource.getrlimit(resource.RLIMIT_AS)[1]))
    ballast = bytearray(int(script.get("chunk_mib", 0)) << 20)
    time.sleep(float(script.get("take_s", 0)) + float(script.get("hang_s", 0)))
    del ballast
    if "exit" in script:
        os._exit(int(script["exit"]))
    if script.get("raise") == "memory":
        raise MemoryError("scripted")
    if script.get("raise") == "bug":
        raise RuntimeError("scripted")
    code = script.get("not_heard")
    if code is not None:
        if code not in TERMINAL_CODES | TRANSIENT_CODES:
            raise ValueError(f"a script asks for the unknown error code {code!r}")
        return NotHeard(call_id, code, "as its script says")
    turns = [_turn(i, t) for i, t in enumerate(script["turns"])] if "turns" in script else _drawn(sound.encoded)
    return HeardCall(
        call_id=call_id,
        turns=tuple(turns),
        layout="mixed",
        duration_s=max([duration_of(sound), *(t.end_s or 0.0 for t in turns)]),
        channels=1,
        sample_rate_hz=8000,
        role_confidence=1.0,
        notes=tuple(script.get("notes", ())) or (() if turns else ("no_speech",)),
        asr_model=ScriptedEars.asr_model,
        diarizer=ScriptedEars.diarizer,
    )


def _turn(index: int, row: dict[str, Any]) -> Turn:
    start, end, text = float(row["start_s"]), float(row["end_s"]), str(row["text"])
    letters = [c for c in text if c.isalnum()]
    step = (end - start) / max(len(letters), 1)
    words = tuple(Word(c, round(start + i * step, 3), round(start + (i + 1) * step, 3), 0.9) for i, c in enumerate(letters))
    return Turn(
        index=index,
        role=row["role"],
        text=text,
        start_s=start,
        end_s=end,
        words=words,
        role_confidence=1.0,
        speaker=str(row.get("speaker", row["role"])),
        confidence=0.9,
        loudness_db=float(row.get("loudness_db", -26.0)),
        pitch_hz=float(row.get("pitch_hz", 180.0)),
        chars_per_min=round(len(letters) / (end - start) * 60, 1) if end > start else None,
        overlap_s=0.0,
    )


def _drawn(encoded: bytes) -> list[Turn]:
    """Nine stock turns, each kept or dropped and spread in time as the hash of the bytes says."""
    digest = hashlib.sha256(encoded).digest()
    turns, at = [], 0.5
    for i, (role, text) in enumerate(_LINES):
        if i in (0, 1) or digest[i] % 3:
            end = at + 2.0 + digest[i + 9] / 128
            turns.append(_turn(len(turns), {"role": role, "start_s": round(at, 3), "end_s": round(end, 3), "text": text}))
            at = end + 0.3 + digest[i + 18] / 256
    return turns
