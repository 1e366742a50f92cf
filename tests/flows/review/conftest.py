"""Fixtures: a night to review, accounts of every role, the page served on loopback, and Debian's Chromium."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.engine import Engine

from flows.review import database, users
from flows.review.app import create_app
from flows.review.index import Index
from tests.flows.review.house import CHROMIUM, FLAGS, PASSWORD, SIZES, Browser, Night, enter, free_port, make_night, token_of


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """The night as it was written, with accounts and index; made once, copied for every test."""
    night = make_night(tmp_path_factory.mktemp("night"))
    engine = database.connect(database.default_url(night.out))
    for name, role in (("zhou", "reviewer"), ("wu", "reviewer"), ("zheng", "lead"), ("admin", "admin")):
        users.add(engine, name, role, PASSWORD)
    users.add(engine, "narrow", "reviewer", PASSWORD, teams=("no such team",))
    users.add(engine, "seat", "agent", PASSWORD, agent_id=str(night.worst.call["agent_id"]))
    users.add(engine, "other-seat", "agent", PASSWORD, agent_id="A9999")
    engine.dispose()
    index = Index(night.out)
    index.refresh(force=True)
    index.close()
    return night


@pytest.fixture
def night(written: Night, tmp_path: Path) -> Night:
    """A night of one's own: verdicts, caches and reruns of one test are not another's."""
    out = tmp_path / "out"
    shutil.copytree(written.out, out, ignore=shutil.ignore_patterns("recordings", "*-wal", "*-shm"))
    return Night(out, written.made, written.worst)


@pytest.fixture
def engine(night: Night) -> Engine:
    return database.connect(database.default_url(night.out))


@pytest.fixture
def app(night: Night, engine: Engine) -> FastAPI:
    return create_app(night.out)


@pytest.fixture
def sign_in(app: FastAPI) -> Callable[[str], Browser]:
    def enter(name: str) -> Browser:
        client = TestClient(app, base_url="http://127.0.0.1")
        form = token_of(client.get("/login").text, "form")
        answer = client.post("/login", data={"form": form, "name": name, "password": PASSWORD}, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return Browser(client, token_of(client.get("/export" if name not in ("seat", "other-seat") else "/appeals").text, "csrf"))

    return enter


@pytest.fixture
def served(app: FastAPI) -> Iterator[str]:
    """The page at a real address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=free_port(), access_log=False, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(200):
        if server.started:
            break
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.config.port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def chromium():
    if not Path(CHROMIUM).exists():
        pytest.skip("Debian's chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, env={**os.environ, "LANG": "zh_CN.UTF-8", "LANGUAGE": "zh_CN"})
        yield browser
        browser.close()


@pytest.fixture
def window(chromium, served: str):
    """Open a window for a user; its console must stay free of errors."""
    opened, noise = [], []

    def open_(name: str, size: str = "desktop", **more):
        width, height = SIZES[size]
        context = chromium.new_context(viewport={"width": width, "height": height}, locale="zh-CN", accept_downloads=True, **more)
        page = context.new_page()
        page.on("console", lambda m: noise.append(f"{m.text} {m.location}") if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: noise.append(str(e)))
        page.on("dialog", lambda d: noise.append(f"dialog {d.message}"))
        enter(page, served, name)
        opened.append(context)
        return page

    open_.noise = noise  # type: ignore[attr-defined]
    yield open_
    for context in opened:
        context.close()


def postgres_bin() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL of our own on a loopback port; the server refuses to run as root, so it runs as the package's user there."""
    where = postgres_bin()
    if where is None:
        pytest.skip("Debian's postgresql is not installed: apt-get install postgresql")
    root = os.geteuid() == 0
    user = "postgres" if root else pwd.getpwuid(os.geteuid()).pw_name
    home = Path("/tmp") / f"futing-postgres-{os.getpid()}"
    home.mkdir(mode=0o755)
    if root:
        shutil.chown(home, user)

    def run(*command: str) -> None:
        subprocess.run(["runuser", "-u", user, "--", *command] if root else command, check=True, capture_output=True, cwd="/", timeout=120)

    port = free_port()
    run(str(where / "initdb"), "-D", str(home / "data"), "-A", "trust", "-U", "futing", "--no-sync")
    run(str(where / "pg_ctl"), "-D", str(home / "data"), "-w", "-l", str(home / "log"), "-o", f"-p {port} -h 127.0.0.1 -k {home}", "start")
    try:
        yield f"postgresql://futing@127.0.0.1:{port}/postgres"
    finally:
        run(str(where / "pg_ctl"), "-D", str(home / "data"), "-m", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)
