"""The webhook: success, partial and failure told apart, counts only, and never in the way of a night."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.factories import folder_of, recording, script

Told = list[dict[str, Any]]


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[tuple[Told, Path]]:
    """A listener on loopback, what it was told, and a configuration that names it."""
    told: Told = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if len(told) > 1 else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    config = tmp_path / "configs"
    config.mkdir()
    (config / "futing.yaml").write_text(f"night:\n  webhook: http://127.0.0.1:{server.server_port}/night\n", encoding="utf-8")
    yield told, config
    server.shutdown()
    server.server_close()


def run(root: Path, folder: Path, out: Path, config: Path) -> int:
    night = [sys.executable, "-m", "flows.cli", "run", str(folder), "--out", str(out), "--engine", "scripted", "--config", str(config)]
    return subprocess.run(night, cwd=root, capture_output=True, timeout=120).returncode


def test_success_partial_and_failure(hook: tuple[Told, Path], root: Path, tmp_path: Path) -> None:
    told, config = hook
    folder = folder_of(tmp_path / "rec", {"13800138000.wav": recording(script(), 1)})
    assert run(root, folder, tmp_path / "out", config) == 0
    folder_of(folder, {"broken.wav": recording({"not_heard": "undecodable"}, 2)})
    assert run(root, folder, tmp_path / "out", config) == 3
    (tmp_path / "empty").mkdir()
    assert run(root, tmp_path / "empty", tmp_path / "other", config) == 1  # a hook that answers 500 changes nothing
    assert [t["state"] for t in told] == ["success", "partial", "failure"]
    assert (told[1]["ok"], told[1]["failed"]) == (1, 1)
    assert told[2] == {"run_id": None, "state": "failure"}
    assert "13800138000" not in str(told)


def test_a_hook_that_nobody_answers_changes_nothing(root: Path, tmp_path: Path) -> None:
    config = tmp_path / "configs"
    config.mkdir()
    (config / "futing.yaml").write_text("night:\n  webhook: http://127.0.0.1:9/nobody\n", encoding="utf-8")
    assert run(root, folder_of(tmp_path / "rec", {"a.wav": recording(script(), 1)}), tmp_path / "out", config) == 0
