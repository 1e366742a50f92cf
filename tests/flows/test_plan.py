"""Once: the same bytes are one call, the same id with other bytes is another, and what is known is not heard again."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.intake import find
from flows.journal import Journal
from flows.plan import Plan, plan_input
from flows.rows import Stamp, not_heard_rows
from models.records import NotHeard
from tests.factories import folder_of

ZONE = ZoneInfo("Asia/Shanghai")
STAMP = Stamp("r", "c", "v")


def planned(folder: Path, journal: Journal, manifest: Path | None = None, **more: object) -> Plan:
    found = find(str(folder), extensions=(".wav",), zone=ZONE, manifest=str(manifest) if manifest else None)
    return plan_input(found, journal, zone=ZONE, **{"settle_s": 0.0, **more})  # type: ignore[arg-type]


def finish(journal: Journal, plan: Plan, code: str = "undecodable") -> None:
    """Write every call of the plan down as ended with `code`."""
    for todo in plan.todo:
        source = Path(todo.recording.source)
        recording = replace(todo.recording, audio_sha256=hashlib.sha256(source.read_bytes()).hexdigest() if source.exists() else None)
        rows = not_heard_rows(recording, todo.not_heard or NotHeard(recording.call_id, code, ""), STAMP)
        journal.record([replace(rows, size=todo.size, mtime_s=todo.mtime_s)])
    journal.note_copies([(c.source, c.call_id, c.size, c.mtime_s) for c in plan.copies])


def ids(plan: Plan) -> list[str]:
    return [t.recording.call_id for t in plan.todo]


def test_the_same_bytes_twice_are_one_call(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", {"a.wav": b"same", "b.wav": b"same", "c.wav": b"else"})
    with Journal(tmp_path) as journal:
        plan = planned(folder, journal)
        assert ids(plan) == ["a", "c"]
        assert [(c.call_id, Path(c.source).name) for c in plan.copies] == [("a", "b.wav")]


def test_the_same_id_with_other_bytes_gets_a_hash_and_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = folder_of(tmp_path / "in", {"x/a.wav": b"one", "y/a.wav": b"two!"})
    with Journal(tmp_path) as journal:
        assert ids(planned(folder, journal)) == ["a", f"a-{hashlib.sha256(b'two!').hexdigest()[:8]}"]
    assert "two recordings are called a and differ" in caplog.text


def test_a_night_started_again_has_nothing_to_do_and_reads_no_file(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", {"a.wav": b"same", "b.wav": b"same", "x/a.wav": b"else", "empty.wav": b""})

    def never(source: str) -> bytes:
        raise AssertionError("an unchanged file was read")

    with Journal(tmp_path) as journal:
        first = planned(folder, journal)
        finish(journal, first)
        again = planned(folder, journal, fetch=never)
        assert again.todo == ()
        assert sorted(k.call_id for k in again.done) == sorted(ids(first))
        assert [(c.call_id, c.source) for c in again.copies] == [(c.call_id, c.source) for c in first.copies]


def test_a_further_copy_delivered_the_next_night_is_no_new_call(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", {"a.wav": b"same"})
    with Journal(tmp_path) as journal:
        finish(journal, planned(folder, journal))
        folder_of(folder, {"0-moved.wav": b"same"})
        plan = planned(folder, journal)
        assert (plan.todo, [c.call_id for c in plan.copies]) == ((), ["a"])


def test_a_new_recording_under_a_known_name_is_a_new_call(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", {"a.wav": b"one"})
    with Journal(tmp_path) as journal:
        plan = planned(folder, journal)
        done = replace(not_heard_rows(plan.todo[0].recording, NotHeard("a", "empty", ""), STAMP), status="ok", sha256="0" * 64, size=3)
        journal.record([done])
        folder_of(folder, {"a.wav": b"other bytes"}, age_s=100)
        assert ids(planned(folder, journal)) == [f"a-{hashlib.sha256(b'other bytes').hexdigest()[:8]}"]


def test_a_failed_recording_that_was_replaced_is_the_same_call_again(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", {"a.wav": b"broken"})
    with Journal(tmp_path) as journal:
        finish(journal, planned(folder, journal))
        assert planned(folder, journal).todo == ()  # undecodable is not tried again by itself
        folder_of(folder, {"a.wav": b"mended now"}, age_s=100)
        assert ids(planned(folder, journal)) == ["a"]


@pytest.mark.parametrize("code", ["timeout", "out_of_memory", "io"])
def test_what_may_pass_is_tried_again(code: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", {"a.wav": b"1", "b.wav": b"22"})
    with Journal(tmp_path) as journal:
        finish(journal, planned(folder, journal), code)
        assert ids(planned(folder, journal)) == ["a", "b"]


def test_a_call_keeps_its_date_after_midnight(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", {"a.wav": b"1", "b.wav": b"22"})
    with Journal(tmp_path) as journal:
        finish(journal, planned(folder, journal, given=date(2026, 11, 20)), "timeout")
        again = planned(folder, journal, given=date(2026, 11, 21))
        assert {t.recording.date for t in again.todo} == {date(2026, 11, 20)}


def test_a_file_that_grows_while_it_is_watched_is_left_and_one_that_rests_is_heard(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", {"growing.wav": b"1", "resting.wav": b"22"}, age_s=0)

    def sleep(seconds: float) -> None:
        assert 0 < seconds <= 5
        with (folder / "growing.wav").open("ab") as file:
            file.write(b"more")

    with Journal(tmp_path) as journal:
        growing, resting = planned(folder, journal, settle_s=5.0, sleep=sleep).todo
        assert growing.not_heard is not None and growing.not_heard.code == "still_growing"
        assert resting.not_heard is None


def test_a_file_that_grows_is_noticed_however_long_the_listing_took(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", {"growing.wav": b"1", "grown.wav": b"22"}, age_s=0)
    found = find(str(folder), extensions=(".wav",), zone=ZONE)
    time.sleep(0.3)  # rules are compiled, twenty thousand files are listed: both have come of age by now
    for name, at in (("growing.wav", time.time()), ("grown.wav", time.time() - 100)):
        with (folder / name).open("ab") as file:
            file.write(b"more")
        os.utime(folder / name, (at, at))
    with Journal(tmp_path) as journal:
        growing, grown = plan_input(found, journal, zone=ZONE, settle_s=0.2).todo
    assert growing.not_heard is not None and growing.not_heard.code == "still_growing"
    assert (grown.not_heard, grown.size) == (None, 6)  # it changed since the listing, and rests


def test_a_copy_whose_original_was_never_heard_and_is_gone_is_heard_itself(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", {"a.wav": b"same", "b.wav": b"same"})
    with Journal(tmp_path) as journal:
        first = planned(folder, journal)
        journal.note_copies([(c.source, c.call_id, c.size, c.mtime_s) for c in first.copies])  # and here the night was killed
        assert [ids(p) for p in [planned(folder, journal)]] == [["a"]]
        (folder / "a.wav").unlink()
        assert ids(planned(folder, journal)) == ["b"]
        folder_of(folder, {"a.wav": b"same"})
        finish(journal, first, "io")  # it was fetched when the storage failed
        assert (ids(planned(folder, journal)), len(planned(folder, journal).copies)) == (["a"], 1)
        (folder / "a.wav").unlink()
        again = planned(folder, journal)
        assert [Path(t.recording.source).name for t in again.todo] == ["b.wav"] and again.copies == ()


def test_old_files_are_not_waited_for(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", {"a.wav": b"1"}, age_s=10)

    def never(seconds: float) -> None:
        raise AssertionError("waited")

    with Journal(tmp_path) as journal:
        assert ids(planned(folder, journal, settle_s=5.0, sleep=never)) == ["a"]
        os.utime(folder / "a.wav", (time.time() + 3600, time.time() + 3600))  # a recorder whose clock runs ahead
        assert ids(planned(folder, journal, settle_s=0.05, sleep=time.sleep)) == ["a"]


def test_a_manifest_delivered_twice_changes_nothing(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", {"a.wav": b"1"})
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,call_id\na.wav,C1\na.wav,C1\n")
    with Journal(tmp_path) as journal:
        first = planned(folder, journal, manifest)
        assert ids(first) == ["C1"]
        finish(journal, first)
        assert planned(folder, journal, manifest).todo == ()


def test_a_recording_that_the_manifest_names_and_nobody_delivered_is_listed_and_looked_for_again(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in", {"a.wav": b"1"})
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,call_id\nlate.wav,C2\n")
    with Journal(tmp_path) as journal:
        first = planned(folder, journal, manifest)
        assert [(t.recording.call_id, t.not_heard and t.not_heard.code) for t in first.todo] == [("a", None), ("C2", "io")]
        finish(journal, first)
        folder_of(folder, {"late.wav": b"22"})
        assert [(t.recording.call_id, t.not_heard) for t in planned(folder, journal, manifest).todo] == [("C2", None)]


def by_reading_everything(files: Sequence[tuple[str, bytes]]) -> tuple[dict[str, bytes], int]:
    """The oracle: hash every file, in order of address; (bytes by call id, number of copies)."""
    calls: dict[str, bytes] = {}
    copies = 0
    for name, content in sorted(files):
        stem = name.rpartition("/")[2].removesuffix(".wav")
        if content in calls.values():
            copies += 1
        elif stem in calls:
            calls[f"{stem}-{hashlib.sha256(content).hexdigest()[:8]}"] = content
        else:
            calls[stem] = content
    return calls, copies


@settings(max_examples=40, deadline=None)
@given(
    st.dictionaries(st.sampled_from([f"{d}/{n}.wav" for d in "xyz" for n in "ab"]), st.sampled_from([b"1", b"2", b"33", b"44", b"555"]), max_size=6), st.data()
)
def test_deciding_with_few_reads_equals_reading_everything_whatever_was_finished_before(files: dict[str, bytes], data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = folder_of(Path(name) / "in", files)
        with Journal(Path(name)) as journal:
            first = planned(folder, journal)
            calls, copies = by_reading_everything(list(files.items()))
            assert {t.recording.call_id: Path(t.recording.source).read_bytes() for t in first.todo} == calls
            assert len(first.copies) == copies
            # A killed night has finished any part of it; the next one must come to the same calls.
            some = data.draw(st.sets(st.sampled_from(first.todo or ("none",))))  # type: ignore[arg-type]
            finish(journal, Plan(tuple(t for t in first.todo if t in some)))
            second = planned(folder, journal)
            assert {k.call_id for k in second.done} | set(ids(second)) == set(calls)
            assert len(second.copies) == copies
