"""A rerun replaces just what it names: a call, a day, a range, the failed ones; from hearing or from the stored turns."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from flows.corrections import FILE
from flows.intake import find
from flows.night import Night, Summary
from flows.plan import plan_input
from flows.rerun import from_hearing, from_reading, select
from flows.settings import Settings, load_settings
from flows.store import read_rows, stored_call
from models.errors import ConfigError
from models.hearing.scripted import ScriptedEars
from models.reading.rules import load_rulebook
from models.records import Ears
from tests.factories import RULES, book, configs_of, folder_of, recording, script, tables_of

DAYS = (date(2026, 11, 20), date(2026, 11, 21))


class Deaf(ScriptedEars):
    """No model may be touched."""

    def hear(self, sounds, progress=None):
        raise AssertionError("a model was used")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(configs_of(tmp_path / "configs"))


@pytest.fixture
def out(tmp_path: Path, settings: Settings) -> Path:
    """Two days of three calls, one of them failed on each."""
    files = {f"d{d}-{i}.wav": recording(script(), seed=10 * d + i) for d in range(2) for i in range(2)}
    files |= {f"d{d}-bad.wav": recording(script(not_heard="undecodable"), seed=90 + d) for d in range(2)}
    source = folder_of(tmp_path / "in", files)
    for name in files:
        start = datetime(2026, 11, DAYS[int(name[1])].day, 2, tzinfo=UTC).isoformat()
        (source / name).with_suffix(".json").write_text(json.dumps({"started_at": start, "agent_channel": 1}))
    with Night(tmp_path / "out", settings, book(), ears=ScriptedEars) as night:
        night.plan(plan_input(find(str(source), extensions=(".wav",), zone=settings.zone), night.journal, zone=settings.zone))
        night.hear_all()
        night.finish()
    return tmp_path / "out"


def rerun(out: Path, settings: Settings, ears: Ears | None = None, reading: bool = False, rules: object = None, **which: object) -> Summary:
    chosen = {"first": None, "last": None, "call_ids": [], "failed": False} | which
    with Night(out, settings, rules or book(), command="rerun", ears=lambda: ears or ScriptedEars()) as night:  # type: ignore[arg-type]
        known = select(night, **chosen)  # type: ignore[arg-type]
        if reading:
            from_reading(night, known)
        else:
            from_hearing(night, known)
        return night.finish()


def files(out: Path, day: date) -> dict[str, bytes]:
    """A date's tables as bytes; `runs` holds the rerun itself."""
    return {p.parts[-3]: p.read_bytes() for p in out.glob(f"*/date={day}/part-0.parquet") if p.parts[-3] != "runs"}


def run_ids(out: Path) -> dict[str, str]:
    return {r["call_id"]: r["run_id"] for r in tables_of(out, without=())["calls"]}


@pytest.mark.parametrize("reading", [False, True], ids=["hearing", "reading"])
def test_a_day_made_again_has_equal_rows_and_the_other_day_the_same_bytes(reading: bool, out: Path, settings: Settings) -> None:
    before, other = tables_of(out), files(out, DAYS[0])
    ids = run_ids(out)
    summary = rerun(out, settings, Deaf() if reading else None, reading, first=DAYS[1], last=DAYS[1])
    assert summary.ok == 2
    assert tables_of(out) == before
    assert files(out, DAYS[0]) == other
    changed = {i for i, run in run_ids(out).items() if run != ids[i]}
    assert changed == ({"d1-0", "d1-1"} if reading else {"d1-0", "d1-1", "d1-bad"})


@pytest.mark.parametrize("reading", [False, True], ids=["hearing", "reading"])
def test_one_call_made_again_leaves_every_other_row_with_the_run_that_made_it(reading: bool, out: Path, settings: Settings) -> None:
    before, ids = tables_of(out), run_ids(out)
    summary = rerun(out, settings, Deaf() if reading else None, reading, call_ids=["d0-1"])
    assert {i for i, run in run_ids(out).items() if run != ids[i]} == {"d0-1"}
    assert run_ids(out)["d0-1"] == summary.run_id
    assert tables_of(out) == before
    turns = {r["call_id"]: r["run_id"] for r in read_rows(out, "turns", DAYS[0]).to_pylist()}
    assert turns == {"d0-0": ids["d0-0"], "d0-1": summary.run_id}


def test_failed_calls_alone_are_tried_again(out: Path, settings: Settings, tmp_path: Path) -> None:
    ids = run_ids(out)
    folder_of(tmp_path / "in", {"d0-bad.wav": recording(script(), seed=90)})
    summary = rerun(out, settings, failed=True)
    assert (summary.ok, summary.failed) == (1, 1)
    assert {i for i, run in run_ids(out).items() if run != ids[i]} == {"d0-bad", "d1-bad"}
    found = stored_call(out, "d0-bad")
    assert found is not None and found.call["status"] == "ok" and found.call["agent_channel"] == 1 and found.date == DAYS[0]
    assert rerun(out, settings, failed=True, first=DAYS[0], last=DAYS[0]).failed == 0


def test_new_rules_apply_to_nights_long_past(out: Path, settings: Settings, tmp_path: Path) -> None:
    rules = load_rulebook(configs_of(tmp_path / "stricter", rules=RULES.replace("score: 0.9", "score: 0.3")))
    assert rerun(out, settings, Deaf(), True, rules, first=DAYS[0], last=DAYS[1]).ok == 4
    after = tables_of(out)
    assert {r["rules_version"] for r in after["calls"] if r["status"] == "ok"} == {rules.version}
    assert {r["score"] < 0.5 for r in after["moments"] if r["type"] == "regulator"} == {True}
    assert {r["flag"] for r in after["calls"] if r["status"] == "ok"} == {"review"}


def test_a_recording_that_is_gone_does_not_cost_its_good_row(out: Path, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = tables_of(out, without=())
    (tmp_path / "in" / "d0-0.wav").unlink()
    summary = rerun(out, settings, call_ids=["d0-0"])
    assert summary.not_heard == (("d0-0", "io"),)
    assert tables_of(out, without=()) == before
    assert "the row that stands is kept" in caplog.text


def test_another_recording_in_the_place_of_a_good_one_does_not_take_its_row(
    out: Path, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = tables_of(out, without=())
    folder_of(tmp_path / "in", {"d0-0.wav": recording(script(), seed=12_345)})
    assert rerun(out, settings, call_ids=["d0-0"]).not_heard == (("d0-0", "io"),)
    assert tables_of(out, without=()) == before
    assert "the row that stands is kept" in caplog.text


@pytest.mark.parametrize("reading", [False, True], ids=["hearing", "reading"])
def test_a_role_correction_is_applied_by_every_rerun(reading: bool, out: Path, settings: Settings) -> None:
    (out / FILE).write_text('{"call_id": "d0-0", "swap": true}\nnonsense\n{"call_id": "d0-1", "swap": true}\n{"call_id": "d0-1", "swap": false}\n')
    for _ in range(2):
        rerun(out, settings, reading=reading, first=DAYS[0], last=DAYS[0])
        roles = {i: [t["role"] for t in read_rows(out, "turns", DAYS[0], [i]).to_pylist()] for i in ("d0-0", "d0-1")}
        assert roles == {"d0-0": ["customer", "agent"] * 2, "d0-1": ["agent", "customer"] * 2}


def test_a_rerun_that_was_killed_is_simply_done_again(out: Path, settings: Settings) -> None:
    before = tables_of(out)
    with Night(out, replace(settings, night=replace(settings.night, shard_calls=1)), book(), ears=ScriptedEars) as night:
        from flows.rerun import _read_again

        _read_again(night, select(night, first=DAYS[0], last=DAYS[0], call_ids=[], failed=False)[:1])
    rerun(out, settings, reading=True, first=DAYS[0], last=DAYS[0])
    assert tables_of(out) == before


def test_nothing_named_and_nobody_there_are_errors(out: Path, settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"--date D or D\.\.D, --call ID or --failed"):
        rerun(out, settings)
    with pytest.raises(ConfigError, match="no such call: zzz"):
        rerun(out, settings, call_ids=["zzz", "d0-0"])
    with pytest.raises(ConfigError, match="no such call on these dates: d1-0"):
        rerun(out, settings, call_ids=["d1-0"], first=DAYS[0], last=DAYS[0])


@pytest.mark.parametrize("start", ["2026-11-20T14:00:00+08:00", "2026-11-20T06:00:00Z", "2026-11-20T14:00:00"])
def test_a_promise_falls_due_on_the_clock_of_the_zone_however_often_it_is_read(tmp_path: Path, root: Path, start: str) -> None:
    """晚上八点 said at two in the afternoon in Shanghai is 12:00 UTC, whatever zone the manifest writes, the first night and after every rerun."""
    settings = load_settings(configs_of(tmp_path / "configs"))
    rules = load_rulebook(root / "configs" / "rules")
    lines = [("customer", "你们什么时候给我答复"), ("agent", "您放心，今天晚上八点之前我一定给您回电话答复您。")]
    source = folder_of(tmp_path / "in", {"a.wav": recording(script(lines), seed=1)})
    (source / "a.json").write_text(json.dumps({"started_at": start, "agent_channel": 1}))
    out = tmp_path / "out"
    with Night(out, settings, rules, ears=ScriptedEars) as night:
        night.plan(plan_input(find(str(source), extensions=(".wav",), zone=settings.zone), night.journal, zone=settings.zone))
        night.hear_all()
        night.finish()

    def due() -> list[datetime]:
        return [m["due_at"] for m in read_rows(out, "moments", DAYS[0]).to_pylist() if m["type"] == "commit"]

    expected = [datetime(2026, 11, 20, 12, tzinfo=UTC)]
    assert due() == expected
    rerun(out, settings, Deaf(), reading=True, rules=rules, call_ids=["a"])
    assert due() == expected
    rerun(out, settings, rules=rules, call_ids=["a"])
    assert due() == expected
