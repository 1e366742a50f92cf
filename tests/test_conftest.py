"""CI turns skips into failures; a laptop reports them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SKIPS = """
import pytest

def test_a():
    pytest.skip("no such machine")

@pytest.mark.skipif(True, reason="never")
def test_b():
    pass

@pytest.mark.xfail
def test_c():
    raise AssertionError
"""
WHOLE = """
import pytest

pytest.importorskip("no_such_library")

def test_a():
    pass
"""


def outcome(root: Path, folder: Path, source: str, ci: str) -> tuple[int, str]:
    (folder / "test_x.py").write_text(source, encoding="utf-8")
    ours = (root / "tests/conftest.py").read_text("utf-8").replace("Path(__file__).resolve().parent.parent", f"Path({str(root)!r})")
    (folder / "conftest.py").write_text(ours, encoding="utf-8")
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(folder), str(folder)]
    done = subprocess.run(pytest, env=os.environ | {"CI": ci}, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout


def test_skips_fail_in_ci(root: Path, tmp_path: Path) -> None:
    code, said = outcome(root, tmp_path, SKIPS, "true")
    assert code == 1 and "1 failed" in said and "1 error" in said and "1 xfailed" in said, said


def test_a_module_skipped_whole_fails_in_ci(root: Path, tmp_path: Path) -> None:
    code, said = outcome(root, tmp_path, WHOLE, "true")
    assert code != 0 and "skipped whole" in said, said


def test_skips_are_reported_on_a_laptop(root: Path, tmp_path: Path) -> None:
    code, said = outcome(root, tmp_path, SKIPS, "")
    assert code == 0 and "2 skipped" in said, said
