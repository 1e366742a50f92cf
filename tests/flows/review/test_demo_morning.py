"""The demo night in a real browser: its tables, its six real recordings; the worst call is opened, heard and judged."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.review import database, users, verdicts
from tests.demo_night import DEMO
from tests.flows.review.house import PASSWORD, Night, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture
def night(demo_tables: Path, tmp_path: Path, written: Night) -> Night:
    """The demo night's tables, a copy of one's own, pointing at the recordings that say what the tables say."""
    out = tmp_path / "out"
    shutil.copytree(demo_tables, out)
    sound = {path.stem: str(path) for path in DEMO.iterdir() if path.suffix in (".wav", ".flac", ".mp3", ".m4a")}
    for path in (out / "calls").rglob("*.parquet"):
        calls = pq.read_table(path, partitioning=None)
        at = calls.schema.get_field_index("recording")
        sources = [sound.get(r["call_id"], r["recording"]) for r in calls.to_pylist()]
        pq.write_table(calls.set_column(at, calls.schema.field(at), pa.array(sources, calls.schema.field(at).type)), path)
    store = database.connect(database.default_url(out))
    users.add(store, "zhou", "reviewer", PASSWORD)
    store.dispose()
    return Night(out, (), written.worst)


def test_the_worst_call_of_the_demo_night_is_opened_heard_and_judged(window, served: str, night: Night, engine) -> None:
    answers: list[tuple[str, int]] = []
    page = window("zhou")
    page.on("response", lambda r: answers.append((r.url, r.status)))
    priority = {
        r["call_id"]: r["priority"] for p in (night.out / "calls").rglob("*.parquet") for r in pq.read_table(p, partitioning=None).to_pylist() if r["priority"]
    }
    worst = max(priority, key=lambda call_id: priority[call_id])
    assert page.locator(".row").first.get_attribute("href").split("?")[0] == f"/calls/{worst}"
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("#wave div", state="attached")
    drawn = np.frombuffer(page.request.get(f"{served}/calls/{worst}/peaks").body(), np.uint8).reshape(2, -1)
    assert drawn.max(axis=1).min() > 40  # both lanes speak

    page.keyboard.press("j")
    start_s = float(page.locator("#m0.card.at").get_attribute("data-s") or "nan")
    page.keyboard.press("Space")
    until(page, "audio.currentTime > 0 && !audio.paused")
    before = page.evaluate("audio.currentTime")
    assert before == pytest.approx(max(0.0, start_s - 2), abs=1.5)
    until(page, f"audio.currentTime > {before} + 0.8")
    assert page.evaluate("audio.duration") > start_s and (f"{served}/calls/{worst}/audio", 206) in answers
    page.keyboard.press("Space")

    page.keyboard.press("1")
    page.wait_for_selector("#m0.is-right")
    (given,) = verdicts.of_call(engine, worst)
    assert (given.target, given.answer) == ("moment", "right") and given.anchor.start_s == pytest.approx(start_s, abs=0.01)
    assert window.noise == []

    # what cannot be taken is said in Chinese, and nothing is written
    page.evaluate(
        "void htmx.ajax('POST', location.pathname + '/verdict', {values: {target: 'call', answer: 'right', comment: 'x'.repeat(4000)}, swap: 'none'})"
    )
    until(page, "document.getElementById('toast').textContent === '备注最多 3000 字。'")
    assert len(verdicts.of_call(engine, worst)) == 1 and all("409" in line for line in window.noise)
