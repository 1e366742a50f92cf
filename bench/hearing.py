"""Hearing against a peer on the same recordings, weights and machine, in turn: × real time of each, and their ratio.

In: a folder of recordings with a truth.jsonl (call_id and file a line), and optionally a peer script that prints
`xrt N` (× real time, model loading apart). Out: one line a run and the median of the pairwise ratios. Surprising: only the
ratio is worth quoting. Machines are shared and drift; runs of ours and the peer's alternate so that both drift alike.

    python -m bench.hearing --eval DIR
    python -m bench.hearing --eval DIR --peer SCRIPT --peer-python PYTHON --peer-args "--diarizer senko --models DIR"

The peer is called as `PYTHON SCRIPT DIR OUT --whisper WHISPER_FOLDER ARGS`; bench/README.md has a recipe for its environment.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shlex
import statistics
import subprocess
import tempfile
import time
from datetime import date
from pathlib import Path

import flows.quiet  # noqa: F401 - before any model library
from flows.download import ears_paths
from models.hearing.hear import HearingEars, load_ears
from models.hearing.settings import HearingSettings
from models.records import HeardCall, Recording, Sound


def ours(ears: HearingEars, folder: Path, calls: list[dict[str, str]]) -> float:
    """× real time of one pass, from the first decode to the last turn."""
    started, audio_s = time.perf_counter(), 0.0
    sounds = [Sound(Recording(c["call_id"], c["file"], date(2000, 1, 1)), (folder / c["file"]).read_bytes()) for c in calls]
    for heard in ears.hear(sounds):
        if not isinstance(heard, HeardCall):
            raise SystemExit(f"{heard.call_id}: {heard.code}: {heard.message}")
        audio_s += heard.duration_s or 0.0
    return audio_s / (time.perf_counter() - started)


def peer(python: str, script: Path, folder: Path, whisper: Path, args: str) -> float:
    """× real time that the peer prints of itself."""
    with tempfile.TemporaryDirectory() as out:
        command = [python, str(script), str(folder), out, "--whisper", str(whisper), *shlex.split(args)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"^xrt ([\d.]+)", done.stdout, re.M)
    if done.returncode or not found:
        raise SystemExit(f"the peer failed ({done.returncode}): {done.stderr.strip().splitlines()[-1:] or done.stdout[-200:]}")
    return float(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--eval", type=Path, required=True, help="folder with recordings and truth.jsonl")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--limit", type=int, help="only the first so many calls")
    parser.add_argument("--peer", type=Path, help="peer script")
    parser.add_argument("--peer-python", default="python3")
    parser.add_argument("--peer-args", default="")
    a = parser.parse_args()
    calls = [json.loads(line) for line in (a.eval / "truth.jsonl").read_text(encoding="utf-8").splitlines()][: a.limit]
    settings = HearingSettings()
    paths = ears_paths(settings)
    started = time.perf_counter()
    ears = load_ears(settings, paths)
    print(f"load_s {time.perf_counter() - started:.1f}  {ears.asr_model} on {ears.device.name} ({ears.device.reason}), {ears.streams} calls at a time")
    ours(ears, a.eval, calls[:1])  # warm
    ratios = []
    for run in range(a.runs):
        mine = ours(ears, a.eval, calls)
        line = f"run {run + 1}: ours {mine:.1f} x"
        if a.peer:
            limit = f" --limit {a.limit}" if a.limit else ""
            theirs = peer(a.peer_python, a.peer, a.eval, paths.whisper, a.peer_args + limit)
            ratios.append(mine / theirs)
            line += f"  peer {theirs:.1f} x  ratio {ratios[-1]:.2f}"
        print(line, flush=True)
    if ratios:
        print(f"ratio_median {statistics.median(ratios):.2f}")
    print(f"peak_memory_mib {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f}")


if __name__ == "__main__":
    main()
