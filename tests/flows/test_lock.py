"""One run at a time: the second says who and since when; a dead one is taken over."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.lock import hold
from models.errors import FutingError

HOLD = (
    "import sys, time; from pathlib import Path; from flows.lock import hold\nwith hold(Path(sys.argv[1]), 'run'):\n print('held', flush=True)\n time.sleep(60)"
)


def holder(out: Path, root: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True, cwd=root)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_second_run_says_who_holds_it_since_when(tmp_path: Path, root: Path) -> None:
    process = holder(tmp_path, root)
    try:
        with (
            pytest.raises(FutingError, match=rf"another run holds it: `futing run`, process {process.pid} on .*, since {time.strftime('%Y')}-"),
            hold(tmp_path, "run"),
        ):
            pass
    finally:
        process.kill()
        process.wait()


def test_a_lock_left_by_a_dead_process_is_taken_over(tmp_path: Path, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    process = holder(tmp_path, root)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with hold(tmp_path, "rerun"):
        assert f"taken over from a run that died: `futing run`, process {process.pid}" in caplog.text
    caplog.clear()
    with hold(tmp_path, "run"):
        assert caplog.text == ""


def test_a_run_that_ended_with_an_error_did_not_die(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError), hold(tmp_path, "run"):
        raise ValueError
    with hold(tmp_path, "run"):
        assert caplog.text == ""


def test_a_full_disk_is_told_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(FutingError, match="the disk is full; make room"):
        patch.setattr(os, "write", full)
        with hold(tmp_path, "run"):
            pass
    with hold(tmp_path, "run"):
        pass


def test_an_output_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FutingError, match="cannot be written to"), hold(tmp_path / "file", "run"):
        pass
