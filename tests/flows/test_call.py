"""A shard in, rows out: one answer a recording, whatever happens to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from flows.call import Desk, hear_and_read, joined, read_rows_of
from flows.corrections import RoleCorrection
from flows.rows import CallRows, Stamp, heard_from_rows, moment_from_row, recording_from_row, redactions_from_rows, rounded
from models.errors import CallError
from models.hearing.scripted import ScriptedEars
from models.records import Ears, HeardCall, NotHeard, Progress, Recording, Redaction, Sound
from tests.factories import book, recording, script

DAY = date(2026, 11, 21)
STAMP = Stamp("run", "conf", "1")


def call(call_id: str, **more: object) -> Recording:
    return replace(Recording(call_id, call_id, DAY), **more)


def rows_by_id(recordings: Sequence[Recording], ears: Ears, sounds: dict[str, bytes | Exception]) -> dict[str, CallRows]:
    def fetch(source: str) -> bytes:
        found = sounds[source]
        if isinstance(found, Exception):
            raise found
        return found

    rows = list(hear_and_read(recordings, ears, Desk(book(), STAMP), fetch))
    assert len(rows) == len({r.call_id for r in rows})
    return {r.call_id: r for r in rows}


def test_every_way_to_fail_becomes_a_row_and_the_rest_is_heard() -> None:
    sounds: dict[str, bytes | Exception] = {
        "ok": recording(script()),
        "gone": FileNotFoundError(),
        "refused": CallError("io", "the storage refuses"),
        "empty": b"",
        "noise": recording(script(not_heard="not_audio")),
    }
    found = rows_by_id([call(i) for i in sounds], ScriptedEars(), sounds)
    assert {i: (r.status, r.error_code) for i, r in found.items()} == {
        "ok": ("ok", None),
        "gone": ("failed", "io"),
        "refused": ("failed", "io"),
        "empty": ("failed", "empty"),
        "noise": ("failed", "not_audio"),
    }
    for i, r in found.items():
        row = r.batches.calls.to_pylist()[0]
        assert row["error"] or i == "ok"
        assert (row["flag"] is None) == (row["priority"] is None) == (i != "ok")


class SilentEars(ScriptedEars):
    """Answers nothing, or about somebody else."""

    def hear(self, sounds: Sequence[Sound], progress: Progress | None = None) -> Iterator[HeardCall | NotHeard]:
        yield NotHeard("stranger", "io", "")


def test_a_call_without_an_answer_is_not_lost() -> None:
    found = rows_by_id([call("a")], SilentEars(), {"a": recording(script())})
    assert {i: r.error_code for i, r in found.items()} == {"a": "undecodable"}


def test_a_call_that_cannot_be_read_is_a_failed_row_without_its_words(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(heard: HeardCall, book: object) -> None:
        raise ValueError(heard.turns[1].text)

    monkeypatch.setattr("flows.call.read", broken)
    found = rows_by_id([call("a")], ScriptedEars(), {"a": recording(script([("agent", "喂"), ("customer", "我叫金丝雀")]))})
    assert found["a"].error_code == "undecodable"
    assert "金丝雀" not in caplog.text + found["a"].batches.calls.to_pylist()[0]["error"]


def test_metadata_and_findings_stand_in_the_rows() -> None:
    started = datetime(2026, 11, 21, 1, 2, 3, tzinfo=UTC)
    one = call("a", started_at=started, agent_id="A1", team="T", queue="Q", direction="inbound", customer_ref="C1", agent_channel=1)
    row = rows_by_id([one], ScriptedEars(), {"a": recording(script())})["a"]
    stored = row.batches.calls.to_pylist()[0]
    assert recording_from_row(stored, DAY) == replace(one, audio_sha256=row.sha256)
    assert stored["flag"] == "urgent" and [r["code"] for r in stored["reasons"]]
    moments = [moment_from_row(m) for m in row.batches.moments.to_pylist()]
    assert {"regulator", "repeat"} <= {m.type for m in moments}
    turns = {t["turn"]: t["text"] for t in row.batches.turns.to_pylist()}
    assert all(turns[m.turn][m.char_start : m.char_end] == m.quote for m in moments)


def again(stored: CallRows, desk: Desk) -> CallRows:
    """Read from stored rows, as a rerun does."""
    turns = stored.batches.turns.to_pylist()
    row = stored.batches.calls.to_pylist()[0]
    return read_rows_of(recording_from_row(row, DAY), heard_from_rows(row, turns), desk, redactions_from_rows(turns))


def as_lists(rows: CallRows) -> list[list[dict]]:
    return [b.to_pylist() for b in (rows.batches.calls, rows.batches.turns, rows.batches.moments)]


@pytest.mark.parametrize("mask", [True, False])
def test_reading_stored_turns_again_gives_the_same_rows(mask: bool) -> None:
    said = [
        ("agent", "您好，请问您贵姓？"),
        ("customer", "我手机号是幺三九一二三四五六七八，我上次就打过电话了。"),
        ("agent", "非常抱歉。"),
        ("customer", "我就去消协投诉你们"),
    ]
    heard = next(iter(ScriptedEars().hear([Sound(call("a"), recording(script(said, seconds=3.123456789, notes=["truncated", "one_side"])))])))
    assert isinstance(heard, HeardCall)
    desk = Desk(book(), STAMP, mask=mask)
    first = read_rows_of(call("a"), rounded(heard), desk)
    assert as_lists(again(first, desk)) == as_lists(first)
    assert (first.error_code, first.status) == ("truncated", "ok")
    assert bool(first.batches.turns.to_pylist()[1]["redactions"]) == mask


def test_a_role_correction_is_applied_kept_by_a_rerun_and_can_be_taken_back() -> None:
    heard = next(iter(ScriptedEars().hear([Sound(call("a"), recording(script()))])))
    assert isinstance(heard, HeardCall)
    plain = Desk(book(), STAMP)
    swapped = replace(plain, corrections={"a": RoleCorrection("a", swap=True)}.get)
    first = read_rows_of(call("a"), rounded(heard), plain)
    turned = again(first, swapped)
    assert [t["role"] for t in turned.batches.turns.to_pylist()] == ["customer", "agent", "customer", "agent"]
    assert [t["heard_role"] for t in turned.batches.turns.to_pylist()] == ["agent", "customer", "agent", "customer"]
    assert as_lists(again(turned, swapped)) == as_lists(turned)
    assert as_lists(again(turned, plain)) == as_lists(first)


def test_old_and_new_masks_join_without_overlap() -> None:
    old = [Redaction(5, 9, "phone")]
    assert joined([Redaction(8, 12, "card"), Redaction(0, 2, "name"), Redaction(9, 10, "id")], old) == (Redaction(0, 2, "name"), *old, Redaction(9, 10, "id"))
