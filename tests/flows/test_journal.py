"""The journal keeps what is finished, forgets what is published or purged, and reads what an older version wrote."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from flows import rows as rows_module
from flows.journal import Journal
from flows.rows import Stamp, not_heard_rows, unpack
from flows.schemas import CALLS
from models.errors import FutingError
from models.records import NotHeard, Recording

DAY = date(2026, 11, 21)


def failed(call_id: str, code: str = "empty", run_id: str = "r1"):
    call = Recording(call_id, f"/in/{call_id}.wav", DAY, customer_ref="C-CANARY", audio_sha256=call_id * 8)
    return replace(not_heard_rows(call, NotHeard(call_id, code, "why"), Stamp(run_id, "c", "v")), size=7, mtime_s=1.5)


def test_what_is_recorded_survives_reopening(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        assert journal.empty
        journal.record([failed("a"), failed("b", "timeout")])
    with Journal(tmp_path) as journal:
        assert not journal.empty
        assert [(k.call_id, k.status, k.error_code, k.size, k.mtime_s) for k in journal.calls()] == [
            ("a", "failed", "empty", 7, 1.5),
            ("b", "failed", "timeout", 7, 1.5),
        ]
        assert journal.by_sha256("a" * 8) == journal.call("a") == journal.by_source("/in/a.wav")[0]
        assert journal.sizes() == (frozenset({7}), False)
        assert journal.pending_dates() == [DAY]


def test_a_call_recorded_while_a_publish_is_under_way_stays_pending(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.record([failed("a")])
        publish = journal.start_publish(journal.last_seq(), [DAY], [], [])
        journal.record([failed("a", "timeout", "r2")])
        journal.finish_publish(publish)
        assert journal.pending_ids(DAY, journal.last_seq()) == ["a"]
        assert journal.open_publishes() == []


def test_rows_of_an_older_schema_are_read_in_todays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = pa.schema([f for f in CALLS if f.name not in ("agent_channel", "unresolved")], metadata=CALLS.metadata)
    with Journal(tmp_path) as journal:
        with monkeypatch.context() as patch:
            patch.setattr(rows_module, "CALLS", old)
            rows_module._fingerprint.cache_clear()
            journal.record([failed("a")])
        rows_module._fingerprint.cache_clear()
        (batch,) = journal.pending_rows("calls", DAY, journal.last_seq())
        assert batch.schema.equals(CALLS, check_metadata=True)
        assert batch.to_pylist()[0]["agent_channel"] is None and batch.to_pylist()[0]["call_id"] == "a"


def test_a_forgotten_call_leaves_no_byte_behind(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.record([failed("a"), failed("keep")])
        journal.note_copies([("/in/13912345678.wav", "a", 7, 1.5)])
        journal.forget(["a"])
        assert [k.call_id for k in journal.calls()] == ["keep"]
        assert journal.copy_of("/in/13912345678.wav", 7, 1.5) is None
    left = b"".join(p.read_bytes() for p in (tmp_path / ".futing").iterdir())
    assert b"13912345678" not in left and b"/in/a.wav" not in left


def test_a_journal_that_is_no_journal_or_too_new_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / ".futing").mkdir()
    (tmp_path / ".futing" / "journal.db").write_bytes(b"this is no database at all" * 100)
    with pytest.raises(FutingError, match="move it away"):
        Journal(tmp_path)
    (tmp_path / ".futing" / "journal.db").unlink()
    with sqlite3.connect(tmp_path / ".futing" / "journal.db") as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(FutingError, match="newer Futing"):
        Journal(tmp_path)


def test_packed_rows_come_back_as_they_were() -> None:
    batch = failed("a").batches.calls
    assert unpack("calls", rows_module.pack(batch), {}).equals(batch)
