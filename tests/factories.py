"""Recordings and nights made on the spot, for tests and for bench: small, real files that `--engine scripted` can hear.

In: what is to be said, or only a seed. Out: WAV bytes (silence, 8 kHz, 16 bit) with the script behind the samples, folders of them,
and tables read back in a form that two runs can be compared by.
"""

from __future__ import annotations

import functools
import io
import json
import tempfile
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from flows.schemas import TABLES
from flows.store import dates, read_rows
from models.hearing.scripted import MARKER
from models.reading.rulebook import RuleBook
from models.reading.rules import load_rulebook

LINES = (
    ("agent", "您好，这里是客服中心，请问有什么可以帮您？"),
    ("customer", "我的快递到现在还没有到，我上次就打过电话了。"),
    ("agent", "非常抱歉给您带来不便，请您稍等。"),
    ("customer", "你们再不处理我就去消协投诉你们。"),
)


def script(lines: Sequence[tuple[str, str]] = LINES, seconds: float = 3.0, **more: Any) -> dict[str, Any]:
    """A script of turns that follow each other, `seconds` apiece with half a second between; `more`: its misfortunes."""
    turns = [
        {"role": role, "text": text, "start_s": round(i * (seconds + 0.5), 3), "end_s": round(i * (seconds + 0.5) + seconds, 3)}
        for i, (role, text) in enumerate(lines)
    ]
    return {"turns": turns, **more}


def recording(said: Mapping[str, Any] | None = None, seed: int = 0) -> bytes:
    """A WAV of a tenth of a second whose samples depend on the seed, with a script behind them where one is given."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(seed.to_bytes(8, "little") * 200)
    return buffer.getvalue() + (MARKER + json.dumps(said, ensure_ascii=False).encode() if said is not None else b"")


RULES = """
kind: escalation
defaults: {role: customer, severity: 3}
rules:
  - id: escalation.regulator.demand
    score: 0.9
    phrases: [去消协]
    examples: {hit: [我就去消协投诉你们], miss: [好的谢谢]}
  - id: escalation.repeat.before
    score: 0.8
    phrases: [上次就打过电话]
    examples: {hit: [我上次就打过电话了], miss: [好的谢谢]}
"""


def configs_of(folder: Path, text: str = "", rules: str = RULES) -> Path:
    """A configuration of its own: scripted ears, no waiting, and two rules that the standing lines trip over."""
    (folder / "rules").mkdir(parents=True, exist_ok=True)
    (folder / "lexicons").mkdir(exist_ok=True)
    (folder / "rules" / "escalation.yaml").write_text(rules, encoding="utf-8")
    (folder / "futing.yaml").write_text(text or "hearing: {engine: scripted}\nintake: {settle_s: 0.2}\nnight: {limit_base_s: 20.0}\n", encoding="utf-8")
    return folder


@functools.cache
def book() -> RuleBook:
    """RULES, compiled."""
    with tempfile.TemporaryDirectory() as folder:
        return load_rulebook(configs_of(Path(folder)))


def folder_of(folder: Path, recordings: Mapping[str, bytes], age_s: float = 3600.0) -> Path:
    """Write recordings by file name; they look `age_s` seconds old, so that nothing waits for them to settle."""
    import os
    import time

    folder.mkdir(parents=True, exist_ok=True)
    at = time.time() - age_s
    for name, encoded in recordings.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded)
        os.utime(path, (at, at))
    return folder


def tables_of(out: Path, without: Sequence[str] = ("run_id",)) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table but `runs`, with its date, in the order it stands: equal for two runs that found the same."""
    found: dict[str, list[dict[str, Any]]] = {}
    for table in TABLES:
        if table == "runs":
            continue
        rows: list[dict[str, Any]] = []
        for day in dates(out, table):
            stored: pa.Table = read_rows(out, table, day)
            rows += [{"date": day.isoformat()} | {k: v for k, v in row.items() if k not in without} for row in stored.to_pylist()]
        found[table] = rows
    return found
