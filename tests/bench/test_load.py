"""A small version of bench/load.py: what a night costs beside its models, and that its memory does not grow with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.timeout(300)
def test_a_night_costs_little_beside_its_models_and_its_memory_is_bounded(root: Path) -> None:
    command = [sys.executable, str(root / "bench" / "load.py"), "--calls", "600", "--turns", "12"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(root)}, cwd=root, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "600 ok, 0 failed, 1 dates" in done.stdout
    figures = {m[1]: float(m[2]) for m in re.finditer(r"^(\w+) +([\d.]+) ", done.stdout, re.M)}
    most, half = (float(n) for n in re.findall(r"(\d+) MiB", done.stdout))
    assert figures["processor"] < 20, done.stdout  # ms a call, the start of the worker among them; whole nights: bench/README.md
    assert most - half < 150, done.stdout
