"""The demo night without its models: six recordings that carry what tests/data/demo/truth.jsonl says, heard by scripted ears.

In: an empty folder. Out: the tables that `futing run` wrote there, read with the shipped rules. The surprising choice: the program itself
makes them, in a process of its own, so that whoever reads these tables reads what a night leaves behind and nothing tidier.
"""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.factories import folder_of, recording

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "tests" / "data" / "demo"
NOT_AUDIO = "broken"  # a seventh call, which cannot be heard


def scripted_demo_night(folder: Path) -> Path:
    """Make the night below `folder` (about three seconds); the folder of its tables."""
    with (DEMO / "truth.jsonl").open(encoding="utf-8") as file:
        truth = [json.loads(line) for line in file]
    calls = {
        f"{call['call_id']}.wav": recording(
            {
                "turns": [{"role": t["role"], "start_s": t["start"], "end_s": t["end"], "text": t["text"]} for t in call["turns"]],
                "duration_s": call["duration"],
            },
            seed=number,
        )
        for number, call in enumerate(truth)
    }
    calls[f"{NOT_AUDIO}.wav"] = recording({"not_heard": "not_audio"}, seed=len(calls))
    folder_of(folder / "in", calls)

    manifest = list(csv.DictReader(io.StringIO((DEMO / "manifest.csv").read_text("utf-8"))))
    manifest.append({**manifest[0], "call_id": NOT_AUDIO})
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(manifest[0]))
        writer.writeheader()
        writer.writerows({**row, "path": f"{row['call_id']}.wav"} for row in manifest)

    out = folder / "nights"
    program = [sys.executable, "-m", "flows.cli", "run", "in", "--manifest", "manifest.csv", "--engine", "scripted", "--out", out, "--config", ROOT / "configs"]
    environment = {k: v for k, v in os.environ.items() if k != "FUTING_CONFIG"} | {"PYTHONPATH": str(ROOT)}
    ran = subprocess.run(list(map(str, program)), cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 3, ran.stderr[-2000:] or ran.stdout  # six heard, one not
    return out
