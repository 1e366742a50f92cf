"""Nights of synthetic calls: scenes, seeded chance and the tables' schemas in; a folder of Parquet as the pipeline writes it out.

The surprising choice: everything follows from a seed, so that two machines measure the same calls. Recordings are rendered only
where asked (`record`): voiced noise that follows the turns, one side a channel, so a browser has something to play.
"""

from __future__ import annotations

import hashlib
import random
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.scenes import FILLERS, PUNCTUATION, SCENES, SEVERITY, SLOTS, Scene
from flows.schemas import TABLES
from flows.store import ROW_GROUP

SHANGHAI = timezone(timedelta(hours=8))
TEAMS = {"售后一组": ("投诉", "退款"), "售后二组": ("投诉", "物流"), "会员组": ("会员", "账单"), "夜班组": ("投诉", "账单")}
MISHEARD = {
    "经理": "经历",
    "投诉": "头数",
    "忽悠": "胡优",
    "举报": "局报",
    "不便": "不变",
    "曝光": "报光",
    "起诉": "起数",
    "责任": "则任",
    "领导": "领到",
    "第四次": "第思次",
    "规定": "归定",
    "评价": "平价",
}
WEIGHTS = {"none": 20, "review": 3, "urgent": 2}  # of ten calls a little under two are flagged, as on a busy complaints line
REASON = {
    "agent-contempt": "agent_abuse",
    "threat": "customer_threat",
    "refund-furious": "regulator_open",
    "courier-warm": "repeat_settled",
    "churn-soft": "churn_settled",
    "repeat-only": "repeat_lone",
}


@dataclass(frozen=True, slots=True)
class Made:
    """One call's rows, by table."""

    call: dict[str, object]
    turns: list[dict[str, object]]
    moments: list[dict[str, object]]


def make_call(number: int, day: date, rng: random.Random, run_id: str, scene: Scene | None = None, recording: str | None = None) -> Made:
    """One call of a random scene (or of the given one). Times as the tables want them: seconds, three decimals."""
    if scene is None:
        flag = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        scene = rng.choice([s for s in SCENES if s.flag == flag])
    call_id = f"{day:%Y%m%d}-{number:05d}"
    slots = {name: rng.choice(values) for name, values in SLOTS.items()}
    team = rng.choice(list(TEAMS))
    pace = rng.uniform(0.16, 0.24)  # seconds a character
    clock, turns, moments = rng.uniform(0.3, 1.5), [], []
    middle = [t for f in rng.sample(FILLERS, rng.randrange(2, len(FILLERS) + 1)) for t in f.turns]
    for index, turn in enumerate([*scene.turns[:2], *middle, *scene.turns[2:]]):
        start = clock + (rng.uniform(-0.3, 1.2) if index else 0.0)
        start, t, text, words, found = max(start, 0.0), max(start, 0.0), "", [], {}
        redactions, meant = [], {}
        for token in turn.tokens:
            said = slots[token.text.strip("{}")] if token.text.startswith("{") else token.text
            if token.moment is not None and said in MISHEARD and rng.random() < 0.3:
                meant[token.moment] = (said, MISHEARD[said])
                said = MISHEARD[said]
            if token.text == "{phone}":
                redactions.append({"start": len(text), "end": len(text) + len(said), "kind": "phone"})
            if said not in PUNCTUATION:
                length = pace * len(said)
                words.append(
                    {"text": said, "start_s": round(t, 3), "end_s": round(t + length, 3), "probability": round(min(0.99, max(0.2, rng.gauss(0.88, 0.12))), 3)}
                )
                t += length
            else:
                t += 0.12
            if token.moment is not None:
                first = found.setdefault(token.moment, [len(text), len(text), round(t - pace * len(said), 3), 0.0])
                first[1], first[3] = len(text) + len(said), round(t, 3)
            text += said
        heat = None if turn.heat is None else round(min(1.0, max(0.0, turn.heat + rng.gauss(0, 0.03))), 3)
        for k, (kind, kind_type) in enumerate(turn.moments):
            a, b, at, to = found[k]
            possible = rng.random() < 0.12
            match = "sounds_like" if k in meant else rng.choice(["exact", "pattern"])
            components = (
                [{"name": "naming", "quote": text[a : a + 4]}, {"name": "responsibility", "quote": text[max(a, b - 4) : b]}] if kind_type == "warm" else []
            )
            moments.append(
                {
                    "call_id": call_id,
                    "moment": len(moments),
                    "kind": kind,
                    "type": kind_type,
                    "role": turn.role,
                    "turn": index,
                    "start_s": at,
                    "end_s": to,
                    "quote": text[a:b],
                    "char_start": a,
                    "char_end": b,
                    "rule_id": f"{kind}.{kind_type}.{1 + rng.randrange(2)}",
                    "score": round(rng.uniform(0.3, 0.49) if possible else rng.uniform(0.55, 0.98), 3),
                    "match": match,
                    "meant": text[a:b].replace(meant[k][1], meant[k][0]) if k in meant else None,
                    "components": components,
                    "due_at": None,
                    "severity": SEVERITY.get(kind_type, 1),
                    "run_id": run_id,
                }
            )
        turns.append(
            {
                "call_id": call_id,
                "turn": index,
                "role": turn.role,
                "role_confidence": round(rng.uniform(0.8, 0.99), 3),
                "speaker": f"ch{0 if turn.role != 'customer' else 1}",
                "start_s": round(start, 3),
                "end_s": round(t, 3),
                "text": text,
                "words": words,
                "confidence": round(float(np.mean([w["probability"] for w in words])), 3),
                "loudness_db": round(-24 + 8 * (turn.heat or 0) + rng.gauss(0, 1), 3),
                "pitch_hz": round(rng.gauss(190, 30), 3),
                "chars_per_min": round(60 / pace, 3),
                "overlap_s": round(max(0.0, clock - start), 3),
                "heat": heat,
                "redactions": redactions,
                "run_id": run_id,
            }
        )
        clock = t
    return Made(_call_row(call_id, number, day, scene, team, rng, turns, moments, clock, run_id, recording), turns, moments)


def _call_row(
    call_id: str,
    number: int,
    day: date,
    scene: Scene,
    team: str,
    rng: random.Random,
    turns: list,
    moments: list,
    clock: float,
    run_id: str,
    recording: str | None,
) -> dict:
    heats = [(t["heat"], t["start_s"]) for t in turns if t["heat"] is not None]
    peak = max(heats)
    base = {"urgent": 0.67, "review": 0.34, "none": 0.0}[scene.flag]
    worst = next((m["moment"] for m in moments if m["severity"] >= 3), moments[0]["moment"] if moments else None)
    started = datetime(day.year, day.month, day.day, 8, tzinfo=SHANGHAI) + timedelta(seconds=rng.randrange(13 * 3600))
    asserted = [m for m in moments if m["score"] >= 0.5]
    return {
        "call_id": call_id,
        "recording": recording or f"/recordings/{day:%Y/%m/%d}/{call_id}.wav",
        "audio_sha256": hashlib.sha256(call_id.encode()).hexdigest(),
        "started_at": started.astimezone(UTC),
        "duration_s": round(clock + 1.0, 3),
        "channels": 2,
        "sample_rate_hz": 8000,
        "layout": "stereo",
        "agent_id": f"A{1000 + rng.randrange(120)}",
        "team": team,
        "queue": rng.choice(TEAMS[team]),
        "direction": "inbound",
        "customer_ref": f"C{rng.randrange(60000):05d}",
        "status": "ok",
        "error_code": None,
        "error": None,
        "agent_talk_s": round(sum(t["end_s"] - t["start_s"] for t in turns if t["role"] != "customer"), 3),
        "customer_talk_s": round(sum(t["end_s"] - t["start_s"] for t in turns if t["role"] == "customer"), 3),
        "silence_s": round(clock * 0.12, 3),
        "longest_silence_s": round(rng.uniform(1, 6), 3),
        "overlap_s": round(sum(t["overlap_s"] for t in turns), 3),
        "interruptions_agent": rng.randrange(3),
        "interruptions_customer": rng.randrange(4),
        "agent_chars_per_min": 268.0,
        "customer_chars_per_min": 301.0,
        "turns": len(turns),
        "role_confidence": round(rng.uniform(0.7, 0.99), 3),
        "apology_formula": sum(m["type"] == "formula" for m in asserted),
        "apology_warm": sum(m["type"] == "warm" for m in asserted),
        "first_apology_s": next((m["start_s"] for m in asserted if m["kind"] == "apology"), None),
        "apology_effect": round(rng.uniform(-0.3, 0.2), 3) if any(m["kind"] == "apology" for m in asserted) else None,
        "heat_start": heats[0][0],
        "heat_peak": peak[0],
        "heat_peak_s": peak[1],
        "heat_end": heats[-1][0],
        "level": "threatening" if scene.name == "threat" else "angry" if scene.flag == "urgent" else "frustrated" if scene.flag == "review" else "calm",
        "unresolved": scene.flag == "urgent" and scene.name != "threat",
        "flag": scene.flag,
        "priority": round(min(0.999, base + 0.32 * peak[0] * rng.uniform(0.8, 1.0)), 4),
        "reasons": [{"code": REASON[scene.name], "moment": worst, "params": []}] if scene.name in REASON else [],
        "asr_model": "synthetic",
        "diarizer": "channels",
        "rules_version": "bench",
        "config_hash": "bench",
        "pipeline_version": "0",
        "run_id": run_id,
    }


def failed_call(number: int, day: date, code: str, run_id: str) -> dict[str, object]:
    """The row of a recording that could not be heard."""
    row: dict[str, object] = {}
    row.update(dict.fromkeys(TABLES["calls"].names))
    message = {
        "not_audio": "no audio stream in the file; check what the recorder wrote",
        "empty": "the file is empty; fetch it again",
        "timeout": "decoding took longer than its limit",
    }
    return row | {
        "call_id": f"{day:%Y%m%d}-x{number:03d}",
        "recording": f"/recordings/{day:%Y/%m/%d}/x{number:03d}.wav",
        "status": "failed",
        "error_code": code,
        "error": message.get(code, code),
        "team": "售后一组",
        "queue": "complaints",
        "run_id": run_id,
        "pipeline_version": "0",
    }


def write_table(out: Path, table: str, day: date, rows: list[dict[str, object]]) -> Path:
    """One date of one table, whole or not at all."""
    folder = out / table / f"date={day:%Y-%m-%d}"
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / ".part-0.parquet.tmp"
    pq.write_table(pa.Table.from_pylist(rows, schema=TABLES[table]), aside, compression="zstd", row_group_size=ROW_GROUP)
    aside.rename(folder / "part-0.parquet")
    return folder / "part-0.parquet"


def write_night(out: Path, day: date, made: list[Made], failed: list[dict[str, object]] | None = None, run_id: str = "run-bench") -> None:
    """All five tables of a night."""
    calls = sorted([m.call for m in made] + (failed or []), key=lambda c: str(c["call_id"]))
    write_table(out, "turns", day, [t for m in made for t in m.turns])
    write_table(out, "moments", day, [x for m in made for x in m.moments])
    write_table(out, "cases", day, [])
    run = {
        "run_id": run_id,
        "started_at": datetime(day.year, day.month, day.day, 22, tzinfo=UTC),
        "finished_at": datetime(day.year, day.month, day.day, 23, tzinfo=UTC),
        "calls": len(calls),
        "ok": len(made),
        "failed": len(failed or []),
        "skipped": 0,
        "duplicates": 0,
        "audio_s": 0.0,
        "failures": [],
        "duplicate_recordings": [],
        "versions": [],
        "machine": [],
        "seconds": [],
    }
    write_table(out, "runs", day, [run])
    write_table(out, "calls", day, calls)


def nights(out: Path, calls: int, days: int, seed: int = 7, last: date = date(2026, 11, 20)) -> Iterator[tuple[date, int]]:
    """Write `calls` calls over `days` nights ending at `last`; yields each night and its number of calls as it is written."""
    for d in range(days):
        day = last - timedelta(days=days - 1 - d)
        rng = random.Random(f"{seed}-{day}")
        count = calls // days + (d < calls % days)
        write_night(out, day, [make_call(i, day, rng, f"run-{day:%Y%m%d}") for i in range(count)], [failed_call(0, day, "not_audio", f"run-{day:%Y%m%d}")])
        yield day, count


def record(made: Made, path: Path, rate_hz: int = 8000, seed: int = 0) -> None:
    """Render a call's turns as voiced noise, agent left and customer right, into a 16-bit WAV at `path`."""
    rng = np.random.default_rng(seed)
    total = int(float(str(made.call["duration_s"])) * rate_hz)
    sound = rng.normal(0, 12, (total, 2))
    for turn in made.turns:
        side = 1 if turn["role"] == "customer" else 0
        for word in turn["words"]:  # type: ignore[attr-defined]
            a, b = int(word["start_s"] * rate_hz), min(total, int(word["end_s"] * rate_hz))
            if b <= a:
                continue
            t = np.arange(b - a) / rate_hz
            pitch = (210.0 if side else 150.0) * (1 + 0.04 * rng.standard_normal())
            tone = sum(np.sin(2 * np.pi * pitch * h * t) / h for h in (1, 2, 3, 4, 5))
            level = 2600 * (1 + 1.2 * float(turn["heat"] or 0))  # type: ignore[arg-type]
            sound[a:b, side] += level * np.asarray(tone) * np.hanning(b - a) ** 0.5 * rng.uniform(0.6, 1.1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(np.clip(sound, -32000, 32000).astype("<i2").tobytes())
