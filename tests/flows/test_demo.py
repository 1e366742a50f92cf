"""The demo night lies in the installation, whole, and runs end to end."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.demo import demo_folder
from flows.evaluate import evaluate


def test_the_manifest_the_recordings_and_the_truth_name_the_same_six_calls() -> None:
    folder = demo_folder()
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    truth = [json.loads(line) for line in (folder / "truth.jsonl").read_text(encoding="utf-8").splitlines()]
    recordings = {p.name for p in folder.iterdir() if p.suffix in {".wav", ".mp3", ".m4a", ".flac"}}
    assert {r["path"] for r in rows} == {t["file"] for t in truth} == recordings and len(recordings) == 6
    assert {r["call_id"] for r in rows} == {t["call_id"] for t in truth}
    assert {t["flag"] for t in truth} == {"none", "review", "urgent"} and {t["channels"] for t in truth} == {"mono", "stereo"}


@pytest.mark.weights
@pytest.mark.timeout(900)
def test_the_demo_hears_all_six_and_puts_an_urgent_call_first(root: Path, tmp_path: Path) -> None:
    asked = subprocess.run(
        [sys.executable, "-m", "flows.cli", "demo", "--out", str(tmp_path / "night")],
        capture_output=True,
        text=True,
        cwd=root,
        env=os.environ | {"COLUMNS": "160"},
    )
    assert asked.returncode == 0, asked.stderr[-2000:]
    assert "6 / 0 / 0" in asked.stdout and "futing show " in asked.stdout and "客户 customer" in asked.stdout
    figures = evaluate(demo_folder() / "truth.jsonl", tmp_path / "night")
    assert figures["calls_ok"] == 6
    assert figures["cer"] < 0.45 and figures["urgent_recall"] == 1.0
