"""Nothing leaves: no packet beyond loopback during whole nights, and no word, name or number of a caller in anything but the tables."""

from __future__ import annotations

import dataclasses
import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import flows
import flows.quiet
import models
from tests.factories import folder_of, recording, script
from tests.outbound import can_isolate, reached_in, watch

CANARY_NUMBER = "幺五八三六九二七七零四"
CANARY_NAME = "司马相如"
CANARY_WORDS = "蓝鲸骑着自行车过桥"
CANARIES = (CANARY_NUMBER, CANARY_NAME, CANARY_WORDS)


@pytest.fixture
def env(tmp_path: Path, root: Path) -> dict[str, str]:
    """As an operator would have it: no switch of ours set beforehand."""
    own = {k: v for k, v in os.environ.items() if k not in flows.quiet.SWITCHES and k != "CI"}  # CI alone quietens some libraries
    return own | {"PYTHONPATH": str(root), "PREFECT_HOME": str(tmp_path / "prefect"), "HOME": str(tmp_path)}


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    said = script([("agent", "请问怎么称呼您"), ("customer", f"我叫{CANARY_NAME}，电话{CANARY_NUMBER}，{CANARY_WORDS}，我要投诉你们！")])
    files = {f"c{k}.wav": recording(script(), k) for k in range(4)}
    files |= {"canary.wav": recording(said, 50), "bug.wav": recording(said | {"raise": "bug"}, 51), "exit.wav": recording(said | {"exit": 9}, 52)}
    files |= {"empty.wav": b"", "broken.wav": recording({"not_heard": "undecodable"}, 53)}
    return folder_of(tmp_path / "rec", files)


def futing(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "flows.cli", *map(str, arguments)]


# --- the watch itself ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "port"),
    [
        ("import socket; s = socket.socket(); s.settimeout(1); s.connect_ex(('192.0.2.7', 443))", 443),
        ("import socket; s = socket.socket(socket.AF_INET6); s.settimeout(1); s.connect_ex(('2001:db8::7', 443))", 443),
        ("import socket; s = socket.socket(type=socket.SOCK_DGRAM)\ntry: s.sendto(b'x', ('192.0.2.7', 4318))\nexcept OSError: pass", 4318),
        ("import subprocess, sys; subprocess.run([sys.executable, '-c', 'import socket; socket.socket().connect_ex((\"192.0.2.7\", 80))'])", 80),
    ],
    ids=["tcp", "tcp6", "udp", "grandchild"],
)
def test_the_control_is_caught(program: str, port: int, env: dict[str, str], tmp_path: Path) -> None:
    assert [p for _, p in watch([sys.executable, "-c", program], env, tmp_path / "trace").reached] == [port]


def test_a_name_look_up_is_caught() -> None:
    line = '77 connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}, 16) = 0'
    assert reached_in(line) == (("127.0.0.53", 53),)


def test_loopback_is_allowed(env: dict[str, str], tmp_path: Path) -> None:
    program = "import socket; a = socket.create_server(('127.0.0.1', 0)); b = socket.create_connection(a.getsockname()); print('met')"
    watched = watch([sys.executable, "-c", program], env, tmp_path / "trace")
    assert (watched.code, watched.reached) == (0, ()) and "met" in watched.said


def test_outside_is_out_of_reach_while_watched(env: dict[str, str], tmp_path: Path) -> None:
    if not can_isolate():
        pytest.skip("the kernel forbids network namespaces here; strace alone watches")
    program = "import socket, errno; assert socket.socket().connect_ex(('192.0.2.7', 443)) == errno.ENETUNREACH"
    assert watch([sys.executable, "-c", program], env, tmp_path / "trace").code == 0


# --- nights ----------------------------------------------------------------------------------------------------------------


def test_a_night_with_run_reaches_nowhere(recordings: Path, tmp_path: Path, env: dict[str, str]) -> None:
    out = tmp_path / "out"
    night = watch(futing("-v", "run", recordings, "--out", out, "--engine", "scripted"), env, tmp_path / "trace")
    assert (night.code, night.reached) == (3, ()), night.said
    for command in (("show", "c0", "--out", out), ("rerun", "--out", out, "--failed", "--engine", "scripted"), ("purge", "--call", "c1", "--out", out)):
        later = watch(futing(*command), env, tmp_path / "trace")
        assert later.reached == () and later.code in {0, 3}, later.said


@pytest.mark.server
@pytest.mark.timeout(300)
def test_a_night_with_prefect_reaches_nowhere_but_loopback(recordings: Path, tmp_path: Path, env: dict[str, str]) -> None:
    config = tmp_path / "configs"
    config.mkdir()
    (config / "futing.yaml").write_text("night:\n  retry_delays_s: []\n", encoding="utf-8")
    night = watch(futing("nightly", recordings, "--out", tmp_path / "out", "--engine", "scripted", "--config", config), env, tmp_path / "trace")
    assert (night.code, night.reached) == (3, ()), night.said
    assert 'sin_addr=inet_addr("127.0.0.1")' in (tmp_path / "trace").read_text("utf-8", "replace")  # the trace has seen the server on loopback


@pytest.mark.weights
@pytest.mark.timeout(600)
def test_a_night_with_real_models_reaches_nowhere(tmp_path: Path, env: dict[str, str]) -> None:
    from flows.demo import demo_folder
    from flows.download import cache_folder

    shortest = min((p for p in demo_folder().iterdir() if p.suffix in {".wav", ".mp3", ".m4a", ".flac"}), key=lambda p: p.stat().st_size)
    folder = folder_of(tmp_path / "rec", {shortest.name: shortest.read_bytes()})
    night = watch(futing("run", folder, "--out", tmp_path / "out"), env | {"FUTING_CACHE": str(cache_folder())}, tmp_path / "trace", limit_s=550)
    assert (night.code, night.reached) == (0, ()), night.said


def test_the_review_page_names_no_other_host(root: Path) -> None:
    files = [p for folder in ("templates", "static") for p in (root / "flows/review" / folder).rglob("*") if p.suffix in {".html", ".css", ".js", ".svg"}]
    assert len(files) > 5
    named = [f"{p.name}: {url}" for p in files for url in re.findall(r"(?:https?:)?//[a-zA-Z0-9][a-zA-Z0-9.-]*\.[a-z]{2,}[^\s\"')]*", p.read_text("utf-8"))]
    assert [n for n in named if "www.w3.org/2000/svg" not in n] == []  # the name of a namespace, which nobody fetches


# --- words -----------------------------------------------------------------------------------------------------------------


def spoken_of(text: str) -> list[str]:
    return [c for c in CANARIES if c in text or c.encode("unicode_escape").decode() in text]


def test_no_log_and_no_crash_repeats_a_caller(recordings: Path, tmp_path: Path, env: dict[str, str]) -> None:
    out = tmp_path / "out"
    done = subprocess.run(futing("-v", "run", recordings, "--out", out, "--engine", "scripted"), env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 3, done.stderr
    assert spoken_of(done.stdout + done.stderr) == []
    assert spoken_of((out / ".futing/last_night.json").read_text("utf-8")) == []


BREAKS = """
import sys
import flows.call
def breaks(heard, book):
    raise ValueError("cannot read: " + heard.turns[-1].text)
flows.call.read = breaks
from flows.cli import main
sys.argv = ["futing", "-v", *sys.argv[1:]]
main()
"""
CRASHES = BREAKS.replace("flows.call.read = breaks", "flows.call.rows_of = lambda recording, answer, desk: 1 / 0")


@pytest.mark.parametrize(("program", "code"), [(BREAKS, 3), (CRASHES, 1)], ids=["reading-fails", "the-night-crashes"])
def test_a_failure_of_ours_does_not_repeat_a_caller(program: str, code: int, recordings: Path, tmp_path: Path, env: dict[str, str]) -> None:
    run = [sys.executable, "-c", program, "run", str(recordings), "--out", str(tmp_path / "out"), "--engine", "scripted"]
    done = subprocess.run(run, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    assert spoken_of(done.stdout + done.stderr) == []


def test_masked_tables_hold_no_number_and_no_name(recordings: Path, tmp_path: Path, env: dict[str, str]) -> None:
    from tests.factories import tables_of

    run = futing("run", recordings, "--out", tmp_path / "out", "--engine", "scripted")
    assert subprocess.run(run, env=env, capture_output=True, timeout=120).returncode == 3
    stored = str(tables_of(tmp_path / "out"))
    assert spoken_of(stored) == [CANARY_WORDS]  # the words are what the tables are for; who said them and from where is not
    assert spoken_of(str([p.read_bytes().decode("utf-8", "ignore") for p in (tmp_path / "out/.futing").rglob("*") if p.is_file()])) == []


PERSONAL = {"text", "quote", "meant", "customer_ref", "source", "words", "encoded", "comment", "grounds"}


def every_dataclass() -> list[type]:
    found: dict[str, type] = {}
    for package in (models, flows):
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if "migrations" in info.name:
                continue
            for value in vars(importlib.import_module(info.name)).values():
                if isinstance(value, type) and dataclasses.is_dataclass(value) and value.__module__ == info.name:
                    found[f"{value.__module__}.{value.__name__}"] = value
    return list(found.values())


def test_no_repr_shows_what_a_caller_said_or_who_they_are() -> None:
    shown = [
        f"{c.__module__}.{c.__name__}.{f.name}"
        for c in every_dataclass()
        if c.__dataclass_params__.repr and c.__module__ != "models.reading.rule"  # a rule's quote is its own pattern
        for f in dataclasses.fields(c)
        if f.name in PERSONAL and f.repr and any(kind in str(f.type) for kind in ("str", "bytes", "Word"))
    ]
    assert shown == []


# --- switches --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["flows.cli", "flows.nightly", "flows.worker", "flows.store"])
def test_every_way_in_switches_telemetry_off_first(module: str, env: dict[str, str]) -> None:
    program = (
        f"import {module}, os, resource, flows.quiet as q\n"
        "assert all(os.environ[k] == v for k, v in q.SWITCHES.items())\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.strip() == "0", done.stderr


def test_the_libraries_heed_the_switches() -> None:
    from prefect._internal.analytics.enabled import is_telemetry_enabled
    from prefect.settings import get_current_settings
    from pyannote.audio.telemetry.metrics import is_metrics_enabled

    assert not is_telemetry_enabled() and not is_metrics_enabled() and not get_current_settings().server.analytics_enabled


def test_duckdb_fetches_no_extension() -> None:
    import duckdb

    with duckdb.connect(config=flows.quiet.DUCKDB) as db, pytest.raises(duckdb.Error):
        db.execute("INSTALL httpfs FROM 'http://127.0.0.1:1'; LOAD httpfs; SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')")
    with duckdb.connect(config=flows.quiet.DUCKDB) as db:
        settings = dict(db.execute("SELECT name, value FROM duckdb_settings() WHERE name LIKE 'auto%known_extensions'").fetchall())
    assert settings == {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
