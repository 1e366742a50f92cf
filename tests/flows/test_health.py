"""Health: before the first night, while one runs, after it, too long after it, and when one died."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.health import health
from flows.lock import hold


def ended(out: Path, hours_ago: float) -> None:
    (out / ".futing").mkdir(parents=True, exist_ok=True)
    at = (datetime.now(UTC) - timedelta(hours=hours_ago)).isoformat()
    record = {"run_id": "r", "finished_at": at, "state": "partial", "ok": 3, "failed": 1, "skipped": 0}
    (out / ".futing" / "last_night.json").write_text(json.dumps(record), encoding="utf-8")


def test_before_the_first_night(tmp_path: Path) -> None:
    assert health(tmp_path, 26) == (True, f"no night in {tmp_path} yet")


@pytest.mark.parametrize(("hours_ago", "good"), [(1, True), (25.9, True), (26.1, False)])
def test_the_age_of_the_last_night_decides(tmp_path: Path, hours_ago: float, good: bool) -> None:
    ended(tmp_path, hours_ago)
    assert health(tmp_path, 26)[0] is good


def test_a_running_night_is_healthy_and_asking_does_not_disturb_it(tmp_path: Path) -> None:
    ended(tmp_path, 99)
    with hold(tmp_path, "run"):
        assert health(tmp_path, 26) == (True, "a night is under way")
    assert health(tmp_path, 26)[0] is False


def test_a_night_that_died_is_not_healthy(tmp_path: Path) -> None:
    (tmp_path / ".futing").mkdir()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    lock = {"pid": gone.pid, "host": socket.gethostname(), "since": "x", "command": "run"}
    (tmp_path / ".futing" / "lock").write_text(json.dumps(lock), encoding="utf-8")
    good, says = health(tmp_path, 26)
    assert not good and "start it again" in says


def test_as_a_module(tmp_path: Path, root: Path) -> None:
    ended(tmp_path, 99)
    done = subprocess.run([sys.executable, "-m", "flows.health", str(tmp_path), "26"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 1 and "a night was missed" in done.stdout
