"""The flow against a real Prefect server on loopback: deployed, triggered, read back through the API, killed, and tried again."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from flows.nightly import slot_name
from tests.factories import folder_of, recording, script, tables_of

pytestmark = [pytest.mark.server, pytest.mark.timeout(420)]

ROOT = Path(__file__).resolve().parents[2]
CANARY = "幺三九二七四六八八零五"
NAME = "欧阳翠花"
CONFIG = "time_zone: Asia/Shanghai\nnight:\n  shard_calls: 4\n  retry_delays_s: [0.2]\n"


@dataclass(frozen=True, slots=True)
class Server:
    """A Prefect server and the environment that reaches it."""

    api: str
    env: dict[str, str]

    def get(self, path: str) -> Any:
        return httpx.get(f"{self.api}{path}", timeout=30).raise_for_status().json()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return httpx.post(f"{self.api}{path}", json=body, timeout=30).raise_for_status().json()

    def until(self, run_id: str, done: Callable[[dict[str, Any]], bool], limit_s: float = 240) -> dict[str, Any]:
        return wait_for(lambda: (run := self.get(f"/flow_runs/{run_id}")) and done(run) and run, limit_s)


def wait_for(what: Callable[[], Any], limit_s: float = 120) -> Any:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        try:
            if got := what():
                return got
        except (httpx.HTTPError, sqlite3.Error):
            pass
        time.sleep(0.3)
    raise AssertionError(f"nothing came of it within {limit_s} s")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    env = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": api,
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS": "2",
        "PYTHONPATH": os.pathsep.join([str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]).strip(os.pathsep),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    log = (home / "server.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        env=env,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        wait_for(lambda: httpx.get(f"{api}/health", timeout=2).status_code == 200, 180)
        yield Server(api, env)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


@pytest.fixture
def deploying(server: Server, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start `futing deploy`; all of them are killed, with what they started, when the test ends."""
    started: list[subprocess.Popen[bytes]] = []

    def deploy(*arguments: str) -> subprocess.Popen[bytes]:
        log = (tmp_path / f"deploy-{len(started)}.log").open("wb")
        process = subprocess.Popen([sys.executable, "-m", "flows.cli", "deploy", *arguments], env=server.env, stdout=log, stderr=log, start_new_session=True)
        started.append(process)
        return process

    yield deploy
    for process in started:
        kill_all(process)


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """Kill -9 the process and everything it started, whatever groups those made for themselves."""
    import psutil

    try:
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()


@pytest.fixture
def night(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Recordings (21 good ones, one of them with a caller's number and name, and one undecodable), output, configuration."""
    config = tmp_path / "configs"
    config.mkdir()
    (config / "futing.yaml").write_text(CONFIG, encoding="utf-8")
    files = {f"c{k:03}.wav": recording(script(take_s=0.4), k) for k in range(20)}
    files["canary.wav"] = recording(script([("customer", f"我叫{NAME}，手机{CANARY}，我要投诉你们！")]), 77)
    files["bad.wav"] = recording({"not_heard": "undecodable"}, 99)
    return folder_of(tmp_path / "rec", files), tmp_path / "out", config


def arguments(night: tuple[Path, Path, Path], name: str) -> list[str]:
    recordings, out, config = night
    return [str(recordings), "--out", str(out), "--config", str(config), "--engine", "scripted", "--name", name]


def trigger(server: Server, name: str) -> str:
    deployment = wait_for(lambda: server.get(f"/deployments/name/nightly/{name}"))
    return wait_for(lambda: server.post(f"/deployments/{deployment['id']}/create_flow_run", {}))["id"]


def differences(one: Path, other: Path) -> list[str]:
    """Where two runs found something different: table, call and column; nothing of what stands there."""
    a, b = tables_of(one), tables_of(other)
    rows = [(table, x, y) for table in a for x, y in zip(a[table], b[table], strict=False) if x != y]
    return [f"{t}: {len(a[t])} and {len(b[t])} rows" for t in a if len(a[t]) != len(b[t])] + [
        f"{table} {x['call_id']}: {[k for k in x if x[k] != y[k]]}" for table, x, y in rows
    ]


def heard(out: Path) -> int:
    with sqlite3.connect(f"file:{out}/.futing/journal.db?mode=ro", uri=True) as db:
        return db.execute("SELECT count(*) FROM calls").fetchone()[0]


def undisturbed(night: tuple[Path, Path, Path], tmp_path: Path, env: dict[str, str]) -> Path:
    """The same recordings heard by `futing run`, without Prefect and without being killed."""
    out = tmp_path / "undisturbed"
    run = [sys.executable, "-m", "flows.cli", "run", *arguments((night[0], out, night[2]), "unnamed")[:-2]]
    assert subprocess.run(run, env=env, capture_output=True, timeout=120).returncode == 3
    return out


def test_deployed_triggered_and_read_back(server: Server, deploying: Callable[..., Any], night: tuple[Path, Path, Path], tmp_path: Path) -> None:
    deploying(*arguments(night, "back"), "--cron", "30 22 * * 1-5", "--jobs", "2")
    first, collides = trigger(server, "back"), trigger(server, "back")
    ended = [server.until(r, lambda r: r["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}) for r in (first, collides)]
    run, other = sorted(ended, key=lambda r: r["start_time"])
    assert other["state_name"] == "Partial" and other["start_time"] >= run["end_time"]  # it waited, and found everything heard
    assert (run["state_type"], run["state_name"]) == ("COMPLETED", "Partial"), run["state"]["message"]
    assert run["state"]["message"] == "21 calls heard, 1 failed, 0 skipped"

    deployment = server.get("/deployments/name/nightly/back")
    assert deployment["entrypoint"] == "flows.nightly.nightly"
    assert (deployment["schedules"][0]["schedule"]["cron"], deployment["schedules"][0]["schedule"]["timezone"]) == ("30 22 * * 1-5", "Asia/Shanghai")
    assert deployment["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    assert deployment["global_concurrency_limit"]["limit"] == 1
    slots = server.get(f"/v2/concurrency_limits/{slot_name()}")
    assert (slots["active"], slots["limit"], slots["active_slots"]) == (True, 2, 0)

    tasks = server.post("/task_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
    assert sorted(t["name"] for t in tasks) == [f"shard-{k}" for k in range(6)] and {t["state_type"] for t in tasks} == {"COMPLETED"}
    artifacts = server.post("/artifacts/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
    by_key = {a["key"]: a["data"] for a in artifacts}
    assert "| heard | 21 |" in by_key["futing-night"] and "| failed | 1 |" in by_key["futing-night"]
    assert '"call_id": "bad"' in by_key["futing-not-heard"] and "undecodable" in by_key["futing-not-heard"]
    assert '"stage": "hear"' in by_key["futing-stages"]
    assert differences(night[1], undisturbed(night, tmp_path, server.env)) == []

    # What the server was told, all of it: no word, name or number of the caller.
    logs = wait_for(lambda: server.post("/logs/filter", {"logs": {"flow_run_id": {"any_": [run["id"]]}}}))
    told = str([run, deployment, tasks, artifacts, logs])
    database = b"".join(p.read_bytes() for p in Path(server.env["PREFECT_HOME"]).rglob("*") if p.is_file())
    for secret in (CANARY, NAME, "投诉你们", CANARY.encode("unicode_escape").decode()):
        assert secret not in told
        assert secret.encode() not in database
    assert b"futing-not-heard" in database  # the search above looks where Prefect writes


FLAKY = """
import sys
from collections import Counter
from functools import partial
import flows.nightly as nightly
from flows.intake import read_bytes
from flows.night import Night

asked = Counter()

def flaky(source):
    asked[source] += 1
    if "c00" in source and asked[source] == 1:
        raise OSError("the share is gone")
    if "c01" in source:
        raise OSError("the share stays gone")
    return read_bytes(source)

nightly.Night = partial(Night, fetch=flaky)
state = nightly.nightly(sys.argv[1], sys.argv[2], "2026-01-05", engine="scripted", config=sys.argv[3], return_state=True)
tries = [max(n for source, n in asked.items() if mark in source) for mark in ("c00", "c01", "bad")]
print(state.name, "|", state.message, "|", *tries)
"""


def test_only_transient_errors_are_tried_again_and_only_their_calls(server: Server, night: tuple[Path, Path, Path]) -> None:
    recordings, out, config = night
    for path in [*recordings.glob("c01[1-9].wav"), *recordings.glob("c00[4-9].wav")]:
        path.unlink()  # left: c000 to c003 (fail once), c010 (fails for good), canary, bad
    done = subprocess.run([sys.executable, "-c", FLAKY, str(recordings), str(out), str(config)], env=server.env, capture_output=True, text=True, timeout=180)
    said = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr
    # c01x: twice in this run (one retry is configured); bad: a terminal code, heard once
    assert said == "Partial | 5 calls heard, 2 failed, 0 skipped | 2 2 1", said + done.stderr[-3000:]


BREAKS = """
import sys
import flows.call
import flows.nightly as nightly

def breaks(recording, answer, desk):
    raise ValueError("cannot convert " + answer.turns[-1].text)

flows.call.rows_of = breaks
state = nightly.nightly(sys.argv[1], sys.argv[2], engine="scripted", config=sys.argv[3], return_state=True)
print(state.type.value, "|", state.message)
"""


def test_an_unexpected_error_is_told_without_a_callers_words(server: Server, night: tuple[Path, Path, Path]) -> None:
    recordings, out, config = night
    for path in recordings.glob("[!c]*.wav"):
        path.unlink()
    for path in recordings.glob("c0*.wav"):
        path.unlink()  # left: the canary
    done = subprocess.run([sys.executable, "-c", BREAKS, str(recordings), str(out), str(config)], env=server.env, capture_output=True, text=True, timeout=180)
    assert "FAILED | " in done.stdout and "ValueError" in done.stdout, done.stderr
    database = b"".join(p.read_bytes() for p in Path(server.env["PREFECT_HOME"]).rglob("*") if p.is_file())
    for secret in ("投诉你们", CANARY, NAME):
        assert secret not in done.stdout + done.stderr
        assert secret.encode() not in database and secret.encode("unicode_escape") not in database


WITHOUT_SLOTS = """
import sys
import flows.nightly as nightly

nightly.slot_name = lambda: "futing-hearing-nowhere"
nightly._grant_slots = lambda jobs: None
state = nightly.nightly(sys.argv[1], sys.argv[2], engine="scripted", config=sys.argv[3], return_state=True)
print(state.type.value, "|", state.message)
"""


def test_hearing_without_its_concurrency_limit_is_refused(server: Server, night: tuple[Path, Path, Path]) -> None:
    """A limit that does not exist is silently not enforced unless it is strict: two nights would share one GPU."""
    done = subprocess.run([sys.executable, "-c", WITHOUT_SLOTS, *map(str, night)], env=server.env, capture_output=True, text=True, timeout=180)
    assert "FAILED | " in done.stdout, done.stdout + done.stderr[-3000:]
    assert heard(night[1]) == 0


def test_nothing_to_hear_is_a_failed_run(server: Server, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", "nightly", str(tmp_path / "empty"), "--out", str(tmp_path / "out"), "--engine", "scripted"],
        env=server.env, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1 and "no recordings there" in done.stderr
    runs = server.post("/flow_runs/filter", {"sort": "START_TIME_DESC"})
    failed = [r for r in runs if r["state_type"] == "FAILED"]
    assert failed and UUID(failed[0]["id"])


def test_deploy_without_a_server_says_what_to_set(server: Server, night: tuple[Path, Path, Path]) -> None:
    env = {k: v for k, v in server.env.items() if k != "PREFECT_API_URL"}
    done = subprocess.run([sys.executable, "-m", "flows.cli", "deploy", *arguments(night, "x")], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "PREFECT_API_URL" in done.stderr and "Traceback" not in done.stderr


def test_the_runner_says_crashed_when_its_night_is_killed(server: Server, deploying: Callable[..., Any], night: tuple[Path, Path, Path]) -> None:
    import psutil

    process = deploying(*arguments(night, "orphan"))
    run = trigger(server, "orphan")
    wait_for(lambda: heard(night[1]) >= 1)
    for child in psutil.Process(process.pid).children():
        child.kill()
    assert server.until(run, lambda r: r["state_type"] not in {"RUNNING", "PENDING", "SCHEDULED"})["state_type"] == "CRASHED"


def test_a_killed_night_is_marked_crashed_and_ends_right(server: Server, deploying: Callable[..., Any], night: tuple[Path, Path, Path], tmp_path: Path) -> None:
    # More slots than the dead can hold: theirs come free only when their lease of a minute ends, which is not what is tested here.
    first = deploying(*arguments(night, "killed"), "--jobs", "2")
    dead = trigger(server, "killed")
    wait_for(lambda: heard(night[1]) >= 4)
    kill_all(first)
    before = heard(night[1])
    assert before < 22, "killed too late to tell anything"
    assert server.get(f"/flow_runs/{dead}")["state_type"] == "RUNNING"  # nobody was left to say otherwise

    deploying(*arguments(night, "killed"), "--jobs", "6")  # closes the dead run and starts the night again by itself
    crashed = server.until(dead, lambda r: r["state_type"] == "CRASHED")
    assert "journal" in crashed["state"]["message"]
    of_deployment = {"deployments": {"id": {"any_": [crashed["deployment_id"]]}}}
    fresh = wait_for(lambda: [r for r in server.post("/flow_runs/filter", of_deployment) if r["id"] != dead and not r["auto_scheduled"]])
    ended = server.until(fresh[0]["id"], lambda r: r["state_type"] in {"COMPLETED", "FAILED", "CRASHED"})
    assert ended["state_name"] == "Partial", ended["state"]["message"]
    assert differences(night[1], undisturbed(night, tmp_path, server.env)) == []
