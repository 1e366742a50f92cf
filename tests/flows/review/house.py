"""What the review tests share: a written night, a signed-in client, the browser's flags. Fixtures stand in conftest.py."""

from __future__ import annotations

import random
import socket
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
from fastapi.testclient import TestClient

from bench.scenes import SCENES
from bench.synthetic_nights import Made, failed_call, make_call, record, write_night, write_table

DAY = date(2026, 11, 20)
PASSWORD = "a long enough password"
SIZES = {"desktop": (1440, 900), "laptop": (1280, 720), "tablet": (820, 1180), "wide": (2560, 1440)}
CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--lang=zh-CN",
]


@dataclass(frozen=True, slots=True)
class Night:
    """A written night and who may look at it. worst: the id of the call with the highest priority."""

    out: Path
    made: tuple[Made, ...]
    worst: Made


def scene(name: str):
    return next(s for s in SCENES if s.name == name)


def make_night(out: Path, calls: int = 32, sound: bool = True) -> Night:
    """Every scene once, the rest by chance; two recordings that could not be heard; one call whose words are HTML."""
    rng = random.Random("review")
    made = []
    for i in range(calls):
        path = out / "recordings" / f"{i:05d}.wav"
        one = make_call(i, DAY, rng, "run-1", SCENES[i] if i < len(SCENES) else None, str(path))
        if sound:
            record(one, path, seed=i)
        made.append(one)
    write_night(out, DAY, made, [failed_call(0, DAY, "not_audio", "run-1"), failed_call(1, DAY, "timeout", "run-1")], "run-1")
    return Night(out, tuple(made), max(made, key=lambda m: float(str(m.call["priority"]))))


@dataclass(slots=True)
class Browser:
    """A signed-in test client that carries its form token."""

    client: TestClient
    csrf: str = ""

    def post(self, path: str, data: dict[str, object] | None = None, **more):
        return self.client.post(path, data={"csrf": self.csrf, **(data or {})}, follow_redirects=False, **more)

    def get(self, path: str, **more):
        return self.client.get(path, follow_redirects=False, **more)


def token_of(html: str, name: str) -> str:
    marker = f'name="{name}" value="' if name != "csrf" else 'name="csrf" content="'
    return html.split(marker, 1)[1].split('"', 1)[0]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def poison(night: Night) -> str:
    """Write HTML into the words of one call of the night."""
    call_id = str(night.made[1].call["call_id"])
    path = night.out / "turns" / f"date={DAY}" / "part-0.parquet"
    rows = pq.read_table(path, partitioning=None).to_pylist()
    for r in rows:
        if r["call_id"] == call_id:
            r["text"] = '<script>window.hit=1</script><img src=x onerror="window.hit=2">'
            r["words"] = []
    write_table(night.out, "turns", DAY, rows)
    moments = [m for m in pq.read_table(night.out / "moments" / f"date={DAY}" / "part-0.parquet", partitioning=None).to_pylist() if m["call_id"] != call_id]
    write_table(night.out, "moments", DAY, moments)
    return call_id


def enter(page, base: str, name: str) -> None:
    page.goto(base + "/login")
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("button.primary")
    page.wait_for_selector(".top")


def until(page, condition: str, seconds: float = 15.0) -> None:
    """Wait until a condition holds. (Playwright's own wait evaluates text inside the page, which our policy forbids.)"""
    for _ in range(int(seconds * 20)):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never came true: {condition}")
