"""The command line: help with an example everywhere, one clear line and exit 1 for what cannot be done, 3 for what was not heard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from flows.cli import app
from flows.commands import ELSEWHERE, ORDER, Command, load
from tests.factories import configs_of, folder_of, recording, script, tables_of


def futing(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real program in a process of its own."""
    root = str(Path(__file__).resolve().parents[2])
    variables = {k: v for k, v in os.environ.items() if k != "FUTING_CONFIG"} | {"PYTHONPATH": root, "COLUMNS": "200", **environment}
    return subprocess.run([sys.executable, "-m", "flows.cli", *map(str, arguments)], capture_output=True, text=True, cwd=cwd, env=variables, timeout=120)


@pytest.fixture
def night(tmp_path: Path) -> Path:
    configs_of(tmp_path / "configs")
    folder_of(tmp_path / "in", {"worst.wav": recording(script()), "plain.wav": recording(script([("agent", "您好"), ("customer", "谢谢")]), seed=5)})
    return tmp_path


def commands(command: Command, name: str) -> list[tuple[str, Command]]:
    """A command, or all that stand under it, with their full names."""
    if not isinstance(command, TyperGroup):
        return [(name, command)]
    return [found for child, one in command.commands.items() for found in commands(one, f"{name} {child}")]  # type: ignore[arg-type]


def test_the_overview_names_every_command_and_imports_none_of_them(tmp_path: Path) -> None:
    began = time.monotonic()
    asked = futing("--help", cwd=tmp_path)
    assert asked.returncode == 0
    assert all(f"\n  {name} " in asked.stdout for name in ORDER)
    assert time.monotonic() - began < 5
    program = """
import sys
sys.argv = ['futing', '--help']
from flows.cli import main
try:
    main()
except SystemExit:
    print([m for m in ('torch', 'pyarrow', 'prefect', 'yaml') if m in sys.modules])
"""
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).resolve().parents[2])
    assert loaded.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", sorted(ORDER))
def test_every_command_has_help_with_an_example(name: str) -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    command = load(name, ELSEWHERE[name]) if name in ELSEWHERE else group.commands[name]
    for full, one in commands(command, f"futing {name}"):
        _, example, line = " ".join((one.help or "").split()).partition("Example: ")
        assert example and full in line, f"{full} --help shows no example"
        unexplained = [p.name for p in one.params if p.param_type_name == "option" and not getattr(p, "help", None)]
        assert not unexplained, f"options of {full} that are not explained: {unexplained}"


def test_a_run_prints_a_summary_and_the_command_that_shows_the_worst_call(night: Path) -> None:
    ran = futing("run", "in", "--out", "out", cwd=night)
    assert ran.returncode == 0, ran.stderr
    assert "2 / 0 / 0" in ran.stdout and "urgent" in ran.stdout
    assert "futing show worst --out out" in ran.stdout
    shown = futing("show", "worst", "--out", "out", cwd=night)
    assert shown.returncode == 0
    for part in ("urgent", "客户 customer", "0:10", "escalation/regulator", "「去消协」", "未平息"):
        assert part in shown.stdout, part
    assert futing("rerun", "--from", "reading", "--call", "worst", "--out", "out", cwd=night).returncode == 0


def test_some_failed_is_exit_3(night: Path) -> None:
    folder_of(night / "in", {"empty.wav": b""})
    ran = futing("run", "in", "--out", "out", cwd=night)
    assert ran.returncode == 3
    assert "not heard" in ran.stdout and "empty" in ran.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "nowhere"), "nowhere: no such folder or file"),
        (("run", "void"), "void: no recordings there"),
        (("run", "in", "--date", "yesterday"), "'yesterday' is no date"),
        (("run", "in", "--manifest", "gone.csv"), "gone.csv: the manifest cannot be read"),
        (("run", "in", "--config", "nowhere"), "--config nowhere: no futing.yaml there"),
        (("show", "nobody", "--out", "void"), "no call 'nobody'"),
        (("rerun", "--out", "void"), "--date D or D..D, --call ID or --failed"),
        (("rerun", "--out", "void", "--date", "2026-11-21"), "no calls there on 2026-11-21"),
        (("rerun", "--out", "void", "--date", "2026-11-21..2026-11-20"), "ends before it begins"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_done_is_one_line_and_exit_1(arguments: tuple[str, ...], said: str, night: Path) -> None:
    (night / "void").mkdir()
    ran = futing(*arguments, cwd=night)
    assert ran.returncode == 1
    last = ran.stderr.strip().splitlines()[-1]
    assert last.startswith("futing: ") and said in last
    assert "Traceback" not in ran.stderr


def test_a_second_run_on_the_same_output_stops_and_a_killed_one_is_taken_over(night: Path) -> None:
    folder_of(night / "in", {"slow.wav": recording(script(take_s=30), seed=9)})
    root = str(Path(__file__).resolve().parents[2])
    first = subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "run", "in", "--out", "out"], cwd=night, env=os.environ | {"PYTHONPATH": root}, stderr=subprocess.PIPE
    )
    try:
        until = time.monotonic() + 60
        while not (night / "out" / ".futing" / "journal.db").exists() and time.monotonic() < until:
            time.sleep(0.05)
        second = futing("run", "in", "--out", "out", cwd=night)
        assert second.returncode == 1
        assert f"another run holds it: `futing run`, process {first.pid}" in second.stderr
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
    folder_of(night / "in", {"slow.wav": recording(script(), seed=9)})
    third = futing("run", "in", "--out", "out", cwd=night)
    assert third.returncode == 0 and "taken over from a run that died" in third.stderr
    assert [r["call_id"] for r in tables_of(night / "out")["calls"]] == ["plain", "slow", "worst"]
