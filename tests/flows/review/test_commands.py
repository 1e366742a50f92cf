"""`futing review` and `futing user` from the command line, with their examples in the documentation."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from flows.review import commands
from models.errors import ConfigError
from tests.flows.review.house import free_port, make_night

PASSWORD = "a password from stdin\n"


def app() -> typer.Typer:
    whole = typer.Typer(pretty_exceptions_enable=False)
    whole.command("review")(commands.review)
    whole.add_typer(commands.user_app, name="user")
    return whole


def test_add_list_remove(tmp_path: Path) -> None:
    run = CliRunner().invoke
    made = run(app(), ["user", "add", "zhang", "--role", "lead", "--team", "售后一组", "--out", str(tmp_path), "--password-stdin"], input=PASSWORD)
    assert made.exit_code == 0 and "zhang: lead, sees teams 售后一组" in made.output
    assert "zhang\tlead" in run(app(), ["user", "list", "--out", str(tmp_path)]).output
    assert run(app(), ["user", "remove", "zhang", "--out", str(tmp_path)]).exit_code == 0
    assert "zhang" not in run(app(), ["user", "list", "--out", str(tmp_path)]).output
    assert run(app(), ["user", "add", "zhang", "--out", str(tmp_path), "--password-stdin"], input=PASSWORD).exit_code == 0, "the name is free again"


@pytest.mark.parametrize(
    ("arguments", "typed", "message"),
    [
        (["user", "add", "a", "--password-stdin"], "short\n", "10 characters"),
        (["user", "add", "a", "--role", "agent", "--password-stdin"], PASSWORD, "--agent-id"),
        (["user", "remove", "nobody"], "", "no user"),
        (["user", "list", "--db", "nonsense"], "", "no database URL"),
        (["user", "list", "--db", "mysql://x/y"], "", "not supported"),
        (["review", "--host", "0.0.0.0"], "", "no accounts"),
        (["review", "--certificate", "x.pem"], "", "belong together"),
    ],
)
def test_what_cannot_be_done_says_so(tmp_path: Path, arguments: list[str], typed: str, message: str) -> None:
    answer = CliRunner().invoke(app(), [*arguments, "--out", str(tmp_path)], input=typed)
    assert isinstance(answer.exception, (ConfigError, Exception)) and message in str(answer.exception)


def test_it_serves(tmp_path: Path) -> None:
    make_night(tmp_path, calls=12, sound=False)
    port = free_port()
    code = "import typer; from flows.review.commands import review; typer.run(review)"
    child = subprocess.Popen(
        [sys.executable, "-c", code, "--out", str(tmp_path), "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        for _ in range(300):
            try:
                with socket.create_connection(("127.0.0.1", port), 0.2):
                    break
            except OSError:
                time.sleep(0.1)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/login", timeout=10) as answer:
            assert "复听" in answer.read().decode() and "server" not in {k.lower() for k in answer.headers}
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/login", headers={"Host": "rebound.example"}), timeout=10)
    finally:
        child.terminate()
        said = child.communicate(timeout=20)[0]
    assert f"http://127.0.0.1:{port}/" in said and "GET" not in said


def test_every_command_is_documented_with_its_example(root: Path) -> None:
    text = (root / "docs" / "review.md").read_text(encoding="utf-8")
    for command in ("futing review --out", "futing user add", "futing user list", "futing user remove"):
        assert command in text, command
