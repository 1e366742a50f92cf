"""The page as a process of its own, over a socket: ten reviewers at once, and kill -9 while they write; on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from flows.review import database, tables, users, verdicts
from tests.flows.review.house import PASSWORD, Night, free_port, token_of

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]
REVIEWERS = tuple(f"r{i}" for i in range(10))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, night: Night) -> str:
    """A store with ten reviewers."""
    url = database.default_url(night.out) if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    store = database.connect(url)
    with store.begin() as connection:
        for table in reversed(tables.METADATA.sorted_tables):
            connection.execute(table.delete())
    for name in REVIEWERS:
        users.add(store, name, "reviewer", PASSWORD)
    store.dispose()
    return url


@pytest.fixture
def serve(night: Night, url: str) -> Iterator[Callable[[], tuple[subprocess.Popen, str]]]:
    """Start the page; its process and its address."""
    started = []

    def start() -> tuple[subprocess.Popen, str]:
        port = free_port()
        code = "import typer; from flows.review.commands import review; typer.run(review)"
        child = subprocess.Popen([sys.executable, "-c", code, "--out", str(night.out), "--port", str(port), "--db", url], stdout=subprocess.DEVNULL)
        started.append(child)
        for _ in range(600):
            try:
                if httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == 200:
                    break
            except httpx.TransportError:
                assert child.poll() is None
                time.sleep(0.05)
        return child, f"http://127.0.0.1:{port}"

    yield start
    for child in started:
        child.kill()
        child.wait()


def enter(base: str, name: str) -> httpx.Client:
    client = httpx.Client(base_url=base, timeout=60)
    form = token_of(client.get("/login").text, "form")
    assert client.post("/login", data={"form": form, "name": name, "password": PASSWORD}).status_code == 303
    client.headers["X-CSRF-Token"] = token_of(client.get("/blind").text, "csrf")
    return client


def test_ten_reviewers_share_a_night(serve, night: Night, url: str) -> None:
    """Each presses n, judges and goes on until nothing is left: no request fails, and every flagged call is heard by exactly one."""
    _, base = serve()

    def morning(name: str) -> list[str]:
        done = []
        with closing(enter(base, name)) as me:
            while True:
                to = me.get("/next").headers["location"]
                if not to.startswith("/calls/"):
                    return done
                page = me.get(to)
                assert page.status_code == 200 and "正在听" not in page.text
                place = to.partition("?")[0]
                if 'data-m="0"' in page.text:
                    answer = {"target": "moment", "moment": "0", "answer": "right", "run": token_of(page.text, "run")}
                    assert me.post(f"{place}/verdict", data=answer).status_code == 303
                assert me.get("/?span=all").status_code == 200 and me.get("/?q=经理").status_code == 200
                assert me.post(f"{place}/verdict", data={"target": "call", "answer": "right"}).status_code == 303
                done.append(place.rpartition("/")[2])

    with ThreadPoolExecutor(len(REVIEWERS)) as pool:
        heard = [call_id for done in pool.map(morning, REVIEWERS) for call_id in done]
    assert sorted(heard) == sorted(str(m.call["call_id"]) for m in night.made if m.call["flag"] != "none")
    store = database.connect(url)
    assert len([v for v in verdicts.since(store, 0) if v.target == "call"]) == len(heard)
    store.dispose()


def test_what_was_answered_is_there_after_the_server_was_killed(serve, night: Night, url: str) -> None:
    """kill -9 while four reviewers write: every verdict that was acknowledged is there, once; the next server goes on."""
    call_id = str(night.worst.call["call_id"])
    acknowledged: list[str] = []
    for round_ in range(2):
        child, base = serve()
        browsers = [enter(base, name) for name in REVIEWERS[:4]]
        before = len(acknowledged)

        def write(me: httpx.Client, who: str) -> None:
            for i in range(10_000):
                try:
                    answer = me.post(f"/calls/{call_id}/verdict", data={"target": "call", "answer": "right", "comment": f"{who} {i}"})
                except httpx.TransportError:
                    return
                assert answer.status_code == 303
                acknowledged.append(f"{who} {i}")

        with ThreadPoolExecutor(len(browsers)) as pool:
            writing = [pool.submit(write, me, f"{round_} {n}") for n, me in enumerate(browsers)]
            while len(acknowledged) < before + 40 and not any(w.done() for w in writing):
                time.sleep(0.01)
            child.send_signal(signal.SIGKILL)
            for w in writing:
                w.result(60)
        for me in browsers:
            me.close()
        assert len(acknowledged) >= before + 40
    store = database.connect(url)
    kept = [v.comment for v in verdicts.of_call(store, call_id)]
    assert set(acknowledged) <= set(kept) and len(kept) == len(set(kept)) and len(kept) <= len(acknowledged) + 8
    if store.dialect.name == "sqlite":
        with store.connect() as connection:
            assert connection.execute(sa.text("PRAGMA integrity_check")).scalar() == "ok"
    store.dispose()
    _, base = serve()
    with closing(enter(base, REVIEWERS[5])) as me:
        assert call_id in me.get("/?state=reviewed").text


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_cookies_are_secure_behind_a_proxy_that_speaks_tls(serve, url: str) -> None:
    _, base = serve()
    for proto, secure in (("https", True), ("http", False)):
        client = httpx.Client(base_url=base, headers={"x-forwarded-proto": proto})
        shown = client.get("/login")
        form = token_of(shown.text, "form")
        given = client.post("/login", data={"form": form, "name": REVIEWERS[0], "password": PASSWORD}, headers={"cookie": f"futing_form={form}"})
        cookies = [c for answer in (shown, given) for c in answer.headers.get_list("set-cookie") if "Max-Age=0" not in c]
        assert given.status_code == 303 and len(cookies) == 2 and all(("secure" in c.lower()) == secure for c in cookies)
        client.close()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_the_page_speaks_tls_itself(night: Night, url: str, tmp_path: Path) -> None:
    """With --certificate and --key: https, cookies marked Secure, and nothing in plain text on that port."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: apt-get install openssl")
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*make, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    port = free_port()
    code = "import typer; from flows.review.commands import review; typer.run(review)"
    options = ["--out", str(night.out), "--port", str(port), "--db", url, "--certificate", str(certificate), "--key", str(key)]
    child = subprocess.Popen([sys.executable, "-c", code, *options], stdout=subprocess.DEVNULL)
    try:
        trusted = ssl.create_default_context(cafile=str(certificate))
        for _ in range(600):
            try:
                shown = httpx.get(f"https://127.0.0.1:{port}/login", verify=trusted)
                break
            except httpx.TransportError:
                assert child.poll() is None
                time.sleep(0.05)
        assert shown.status_code == 200 and all("secure" in c.lower() for c in shown.headers.get_list("set-cookie"))
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/login")
    finally:
        child.kill()
        child.wait()
