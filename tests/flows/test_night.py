"""A night from start to end: resumed, counted, published, stopped in order, and noticed when it is missed."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from flows import peaks
from flows.intake import find
from flows.night import Event, Heard, Night, Planned, Published, Summary
from flows.plan import plan_input
from flows.settings import Settings, load_settings
from flows.store import dates, read_rows
from flows.webhook import tell
from models.errors import FutingError
from models.hearing.scripted import ScriptedEars
from models.records import Ears
from tests.factories import LINES, book, configs_of, folder_of, recording, script, tables_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(configs_of(tmp_path / "configs"))


def heard(source: Path, out: Path, settings: Settings, events: list[Event] | None = None, ears: Ears | None = None, jobs: int = 1, **more: object) -> Summary:
    """One whole night in this process."""
    on = events.append if events is not None else None
    with Night(out, settings, book(), on=on, ears=(lambda: ears or ScriptedEars())) as night:
        found = find(str(source), extensions=settings.intake.extensions, zone=settings.zone)
        night.plan(plan_input(found, night.journal, zone=settings.zone, **more))  # type: ignore[arg-type]
        night.hear_all(jobs)
        return night.finish()


def a_night(folder: Path, calls: int = 6) -> Path:
    return folder_of(folder, {f"c{i}.wav": recording(script(LINES[: 1 + i % 4]), seed=i) for i in range(calls)})


def test_a_night_is_heard_published_and_summed_up(tmp_path: Path, settings: Settings) -> None:
    source = a_night(tmp_path / "in")
    folder_of(source, {"copy.wav": (source / "c0.wav").read_bytes(), "empty.wav": b""})
    events: list[Event] = []
    summary = heard(source, tmp_path / "out", settings, events)
    assert (summary.ok, summary.failed, summary.skipped, summary.duplicates, summary.exit_code, summary.state) == (6, 1, 0, 1, 3, "partial")
    assert summary.not_heard == (("empty", "empty"),)
    assert summary.worst and summary.worst[0].flag == "urgent"
    assert isinstance(events[0], Planned) and events[0].calls == 7
    assert sum(isinstance(e, Heard) for e in events) == 7 and isinstance(events[-1], Published)
    (run,) = [r for day in dates(tmp_path / "out", "runs") for r in read_rows(tmp_path / "out", "runs", day).to_pylist()]
    assert (run["run_id"], run["calls"], run["ok"], run["failed"], run["duplicates"]) == (summary.run_id, 7, 6, 1, 1)
    assert run["failures"] == [{"call_id": "empty", "error_code": "empty"}] and run["finished_at"] > run["started_at"]
    assert [d["call_id"] for d in run["duplicate_recordings"]] == ["c0"]
    assert {v["key"] for v in run["versions"]} >= {"futing", "config", "rules", "asr"}


def test_waves_are_drawn_once_a_call_is_heard_and_only_where_there_is_sound(tmp_path: Path, settings: Settings, root: Path) -> None:
    class Named(ScriptedEars):
        asr_model = "named"

    demo = root / "tests" / "data" / "demo"
    calls = {name: (demo / name).read_bytes() for name in ("bank.flac", "courier.wav")}
    source = folder_of(tmp_path / "in", calls | {"odd.wav": b"no sound, yet heard"})
    summary = heard(source, tmp_path / "out", settings, ears=Named())
    assert (summary.ok, summary.failed, summary.exit_code) == (3, 0, 0) and dict(summary.seconds)["draw"] > 0
    for name, channels in (("bank", 1), ("courier", 2)):
        (drawn,) = [p for p in [peaks.load(tmp_path / "out", name)] if p is not None]
        assert drawn.shape[0] == channels and drawn.shape[1] > 20 * peaks.PER_S and drawn.max() > 40
    assert peaks.load(tmp_path / "out", "odd") is None

    scripted = heard(source, tmp_path / "scripted", settings)
    assert scripted.ok == 3 and not peaks.folder(tmp_path / "scripted").exists()


def test_starting_again_does_nothing_more_and_says_the_same(tmp_path: Path, settings: Settings) -> None:
    source = a_night(tmp_path / "in")
    folder_of(source, {"empty.wav": b""})
    first = heard(source, tmp_path / "out", settings)
    before = {p: p.read_bytes() for p in (tmp_path / "out" / "calls").rglob("*.parquet")}

    class Deaf(ScriptedEars):
        def hear(self, sounds, progress=None):
            raise AssertionError("heard again")

    second = heard(source, tmp_path / "out", settings, ears=Deaf())
    assert (second.ok, second.failed, second.done_before, second.exit_code) == (first.ok, first.failed, 7, 3)
    assert {p: p.read_bytes() for p in (tmp_path / "out" / "calls").rglob("*.parquet")} == before


def test_two_nights_over_the_same_recordings_give_equal_tables_whatever_the_shards(tmp_path: Path, settings: Settings) -> None:
    source = a_night(tmp_path / "in", 12)
    heard(source, tmp_path / "one", settings)
    heard(source, tmp_path / "many", replace(settings, night=replace(settings.night, shard_calls=1, publish_every_s=0.01)), jobs=3)
    assert tables_of(tmp_path / "one") == tables_of(tmp_path / "many")


def test_what_an_interrupted_night_heard_is_in_the_tables_of_the_next(tmp_path: Path, settings: Settings) -> None:
    source = a_night(tmp_path / "in", 8)
    small = replace(settings, night=replace(settings.night, shard_calls=2))
    with Night(tmp_path / "out", small, book(), ears=ScriptedEars) as night:
        found = find(str(source), extensions=settings.intake.extensions, zone=settings.zone)
        night.plan(plan_input(found, night.journal, zone=settings.zone))
        night.hear(night.shards[0])
        died = night.run_id
    summary = heard(source, tmp_path / "out", small)
    assert (summary.ok, summary.done_before) == (8, 2)
    runs = [r for day in dates(tmp_path / "out", "runs") for r in read_rows(tmp_path / "out", "runs", day).to_pylist()]
    assert {r["run_id"]: r["finished_at"] is None for r in runs} == {died: True, summary.run_id: False}
    assert {r["run_id"] for r in read_rows(tmp_path / "out", "calls", dates(tmp_path / "out")[0]).to_pylist()} == {died, summary.run_id}


def test_a_lost_journal_is_made_again_from_the_tables(tmp_path: Path, settings: Settings) -> None:
    source = a_night(tmp_path / "in")
    heard(source, tmp_path / "out", settings)
    before = tables_of(tmp_path / "out", without=())
    for path in (tmp_path / "out" / ".futing").glob("journal.db*"):
        path.unlink()
    summary = heard(source, tmp_path / "out", settings)
    assert (summary.done_before, summary.ok) == (6, 6)
    assert tables_of(tmp_path / "out", without=()) == before


def test_a_file_still_growing_is_skipped_and_heard_by_the_next_pass(tmp_path: Path, settings: Settings) -> None:
    source = a_night(tmp_path / "in", 2)
    growing = folder_of(source, {"growing.wav": recording(seed=77)}, age_s=0) / "growing.wav"

    def sleep(seconds: float) -> None:
        with growing.open("ab") as file:
            file.write(b"more of it")

    summary = heard(source, tmp_path / "out", settings, settle_s=5.0, sleep=sleep)
    assert (summary.ok, summary.skipped, summary.failed, summary.exit_code) == (2, 1, 0, 0)
    assert [(r["status"], r["error_code"]) for r in tables_of(tmp_path / "out")["calls"] if r["call_id"] == "growing"] == [("skipped", "still_growing")]
    summary = heard(source, tmp_path / "out", settings, settle_s=0.0)
    assert (summary.ok, summary.skipped) == (3, 0)
    assert [r["status"] for r in tables_of(tmp_path / "out")["calls"]] == ["ok"] * 3


def test_a_file_that_grows_between_the_plan_and_its_turn_is_left_for_the_next_pass_and_never_doubled(tmp_path: Path, settings: Settings) -> None:
    source = a_night(tmp_path / "in", 3)
    with Night(tmp_path / "out", settings, book(), ears=ScriptedEars) as night:
        night.plan(plan_input(find(str(source), extensions=(".wav",), zone=settings.zone), night.journal, zone=settings.zone))
        folder_of(source, {"c1.wav": recording(script(), seed=1) + b"more of it"})
        night.hear_all()
        assert night.finish().not_heard == (("c1", "still_growing"),)
    summary = heard(source, tmp_path / "out", settings)
    assert (summary.ok, summary.skipped) == (3, 0)
    assert [(r["call_id"], r["status"]) for r in tables_of(tmp_path / "out")["calls"]] == [("c0", "ok"), ("c1", "ok"), ("c2", "ok")]


def test_too_little_room_stops_the_night_before_and_between_shards(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    source = a_night(tmp_path / "in", 4)
    greedy = replace(settings, night=replace(settings.night, free_space_mib=1 << 40, shard_calls=2))
    with pytest.raises(FutingError, match=r"less than night\.free_space_mib"):
        heard(source, tmp_path / "out", greedy)
    frugal = replace(settings, night=replace(settings.night, shard_calls=2))
    checks = iter([10**6, 10**6])
    monkeypatch.setattr("flows.night.free_mib", lambda out: next(checks, 0))
    with pytest.raises(FutingError, match="goes on where it stopped"):
        heard(source, tmp_path / "out", frugal)
    monkeypatch.undo()
    assert heard(source, tmp_path / "out", frugal).done_before == 2


def test_calls_go_to_the_dates_of_their_start_and_the_run_to_the_last(tmp_path: Path, settings: Settings) -> None:
    source = a_night(tmp_path / "in", 2)
    for name, start in (("c0", datetime(2026, 11, 19, 17, tzinfo=UTC)), ("c1", datetime(2026, 11, 20, 17, tzinfo=UTC))):
        (source / f"{name}.json").write_text(json.dumps({"started_at": start.isoformat()}))
    heard(source, tmp_path / "out", settings)
    assert dates(tmp_path / "out") == [date(2026, 11, 20), date(2026, 11, 21)]
    assert [read_rows(tmp_path / "out", "runs", day).num_rows for day in dates(tmp_path / "out", "runs")] == [0, 1]


def test_the_last_night_is_recorded_and_the_webhook_gets_counts_only(tmp_path: Path, settings: Settings) -> None:
    said: list[bytes] = []

    class Ear(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            said.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    source = folder_of(a_night(tmp_path / "in", 2), {"canary-13912345678.wav": b""})
    summary = heard(source, tmp_path / "out", settings)
    last = json.loads((tmp_path / "out" / ".futing" / "last_night.json").read_text())
    assert (last["run_id"], last["state"], last["ok"], last["failed"]) == (summary.run_id, "partial", 2, 1)
    with HTTPServer(("127.0.0.1", 0), Ear) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        tell(f"http://127.0.0.1:{server.server_port}/", summary)
        thread.join(10)
    body = json.loads(said[0])
    assert (body["state"], body["ok"], body["failed"], body["skipped"], body["duplicates"]) == ("partial", 2, 1, 0, 0)
    assert b"canary" not in said[0]
    assert set(body) == {"run_id", "state", "ok", "failed", "skipped", "duplicates", "flags", "audio_s"}, "counts alone: no call, no person"


def test_a_webhook_that_fails_is_a_warning(tmp_path: Path, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    tell("http://127.0.0.1:9/", heard(a_night(tmp_path / "in", 1), tmp_path / "out", settings))
    assert "the webhook did not take the counts" in caplog.text


def test_no_word_of_a_call_stands_in_a_repr_or_a_log(tmp_path: Path, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    source = folder_of(tmp_path / "in", {"a.wav": recording(script([("customer", "我叫金丝雀手机号幺三九一二三四五六七八")]))})
    events: list[Event] = []
    with caplog.at_level("DEBUG"):
        summary = heard(source, tmp_path / "out", settings, events)
    assert "金丝雀" not in repr(events) + repr(summary) + caplog.text
