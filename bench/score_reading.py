"""Read labelled written calls and write the tables that a scorer reads: no audio, no pipeline.

usage: python bench/score_reading.py TRUTH.jsonl OUT_DIR [--labels LABELS.jsonl] [--configs configs]

TRUTH.jsonl: one call a line with turns of role, text, start, end (or start_s, end_s). Writes calls/, turns/ and moments/ below
OUT_DIR with the product's schemas, prints seconds a call and moments found. With --labels (call_id, flag, turns with moments), also
writes OUT_DIR/truth.jsonl, calls and labels in one, for the scorer.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from flows.schemas import CALLS, MOMENTS, TURNS
from models.reading.read import read
from models.reading.rules import load_rulebook
from models.records import HeardCall, Reading, Turn, Word


def heard(row: dict) -> HeardCall:
    meta = {**row.get("metadata", {}), **row}
    turns = []
    for i, t in enumerate(row["turns"]):
        words = tuple(Word(w["text"], w["start_s"], w["end_s"], w.get("probability", 1.0)) for w in t.get("words") or ())
        known = {key: t.get(key) for key in ("loudness_db", "overlap_s", "confidence", "chars_per_min", "pitch_hz")}
        turns.append(Turn(i, t["role"], t["text"], t.get("start_s", t.get("start")), t.get("end_s", t.get("end")), words, **known))
    started = meta.get("started_at")
    return HeardCall(
        call_id=row.get("call_id") or row["dialogue_id"],
        turns=tuple(turns),
        layout="text",
        duration_s=row.get("duration_s", row.get("duration")),
        started_at=datetime.fromisoformat(started) if started else None,
        agent_id=meta.get("agent_id"),
        queue=meta.get("queue"),
        direction=meta.get("direction"),
        customer_ref=meta.get("customer_ref"),
    )


def tables(calls: list[tuple[HeardCall, Reading]], out: Path) -> None:
    c, t, m = [], [], []
    for call, r in calls:
        verdict = {"level": r.level, "unresolved": r.unresolved, "flag": r.flag, "priority": r.priority, "rules_version": r.rules_version}
        c.append(
            {"call_id": call.call_id, "status": "ok", "duration_s": call.duration_s, "layout": "text", "apology_effect": r.measures.apology_effect} | verdict
        )
        for turn, heat in zip(call.turns, r.heat, strict=True):
            times = {"start_s": turn.start_s, "end_s": turn.end_s}
            t.append({"call_id": call.call_id, "turn": turn.index, "role": turn.role, "text": turn.text, "heat": heat} | times)
        for x in r.moments:
            row = {field: getattr(x, field) for field in MOMENTS.names if field not in ("call_id", "moment", "components", "run_id")}
            m.append(row | {"call_id": call.call_id, "moment": x.index, "components": [{"name": k.name, "quote": k.quote} for k in x.components]})
    for name, rows, schema in (("calls", c, CALLS), ("turns", t, TURNS), ("moments", m, MOMENTS)):
        folder = out / name / "date=2026-11-22"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema), folder / "part-0.parquet")


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("truth", type=Path)
    ap.add_argument("out", type=Path)
    ap.add_argument("--labels", type=Path)
    ap.add_argument("--configs", type=Path, default=Path(__file__).resolve().parent.parent / "configs")
    a = ap.parse_args()
    rows = [json.loads(line) for line in a.truth.read_text(encoding="utf-8").splitlines() if line.strip()]
    book = load_rulebook(a.configs)
    began = time.perf_counter()
    done = [(call, read(call, book)) for call in map(heard, rows)]
    spent = time.perf_counter() - began
    tables(done, a.out)
    if a.labels:
        labels = {x["call_id"]: x for x in map(json.loads, a.labels.read_text(encoding="utf-8").splitlines())}
        with (a.out / "truth.jsonl").open("w", encoding="utf-8") as f:
            for row in rows:
                label = labels[row["call_id"]]
                found = {x["turn"]: x["moments"] for x in label["turns"]}
                turns = [{**t, "moments": found.get(i, [])} for i, t in enumerate(row["turns"])]
                f.write(json.dumps({**row, "flag": label["flag"], "turns": turns}, ensure_ascii=False) + "\n")
    found = sum(m.asserted for _, r in done for m in r.moments)
    print(f"calls {len(done)}\nturns {sum(len(c.turns) for c, _ in done)}\nmoments {found}\nms_a_call {1000 * spent / max(1, len(done)):.2f}")


if __name__ == "__main__":
    main()
