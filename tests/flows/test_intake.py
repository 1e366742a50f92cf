"""What lies in a folder, behind a URL or in a manifest is found, with what is known of it."""

from __future__ import annotations

import json
import logging
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.intake import Found, Meta, find, look_again, read_bytes
from models.errors import ConfigError
from tests.factories import folder_of

ZONE = ZoneInfo("Asia/Shanghai")
KINDS = (".wav", ".mp3")


def found_in(where: Path | str, **more: object) -> list[Found]:
    return find(str(where), extensions=KINDS, zone=ZONE, **more)  # type: ignore[arg-type]


def test_only_recordings_count_and_their_order_is_that_of_their_addresses(tmp_path: Path) -> None:
    folder_of(tmp_path, {"b.wav": b"1", "a.MP3": b"22", "sub/c.wav": b"", "notes.txt": b"x", ".hidden.wav": b"x", "b.json.bak": b"x"})
    found = found_in(tmp_path)
    assert [Path(f.source).name for f in found] == ["a.MP3", "b.wav", "c.wav"]
    assert [(f.name, f.size) for f in found] == [("a", 2), ("b", 1), ("c", 0)]


def test_a_single_file_counts_whatever_it_is_called_and_its_sidecar_is_read(tmp_path: Path) -> None:
    folder_of(tmp_path, {"call.bin": b"1", "call.json": b'{"call_id": "K1", "agent_id": "A1"}'})
    (one,) = found_in(tmp_path / "call.bin")
    assert (one.name, one.meta.agent_id) == ("K1", "A1")


def test_the_output_inside_the_input_is_not_looked_into(tmp_path: Path) -> None:
    folder_of(tmp_path, {"a.wav": b"1", "out/.futing/b.wav": b"1", "out/c.wav": b"1"})
    assert [f.name for f in found_in(tmp_path, leave_out=tmp_path / "out")] == ["a"]


def test_a_folder_that_is_not_there_is_an_error_and_an_empty_one_is_empty(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder or file"):
        found_in(tmp_path / "gone")
    assert found_in(tmp_path) == []


def test_recordings_behind_a_url(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({"/night/a.wav": b"1", "/night/a.json": b'{"team": "T"}', "/night/x.txt": b"1"})
    try:
        (one,) = found_in("memory://night")
        assert (one.source, one.meta.team) == ("memory:///night/a.wav", "T")
        assert read_bytes(one.source) == b"1"
        assert look_again(one).size == 1
    finally:
        memory.rm("/night", recursive=True)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "gbk"])
def test_a_manifest_of_any_kind_gives_the_same_metadata(kind: str, tmp_path: Path) -> None:
    folder_of(tmp_path / "in", {"a.wav": b"1", "b.wav": b"1"})
    row = {"path": "a.wav", "call_id": "C-1", "started_at": "2026-11-21T23:30:00+00:00", "agent_id": "王一", "agent_channel": "1"}
    manifest = tmp_path / f"manifest.{'csv' if kind == 'gbk' else kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist([row]), manifest)
    elif kind == "jsonl":
        manifest.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    else:
        manifest.write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n", encoding="gb18030" if kind == "gbk" else "utf-8-sig")
    a, b = found_in(tmp_path / "in", manifest=str(manifest))
    assert (a.name, b.name) == ("C-1", "b")
    assert a.meta == Meta("C-1", "a.wav", datetime(2026, 11, 21, 23, 30, tzinfo=UTC), "王一", None, None, None, None, 1)
    assert b.meta == Meta()


def test_rows_without_a_path_match_by_stem_and_rows_that_lead_nowhere_are_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder_of(tmp_path, {"a.wav": b"1"})
    manifest = tmp_path / "m.jsonl"
    rows = [{"call_id": "a", "team": "T"}, {"call_id": "nowhere"}, {"path": "gone.wav"}]
    manifest.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        a, gone = found_in(tmp_path, manifest=str(manifest))
    assert (a.meta.team, a.missing) == ("T", False)
    assert (gone.name, gone.missing) == ("gone", True)
    assert "1 rows name a call_id that no recording has" in caplog.text


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "m.jsonl:1"), ("[1]", "m.jsonl:1"), ('{"agent": "x"}', "no row has a call_id or a path")],
    ids=["broken", "no object", "nothing to match by"],
)
def test_a_manifest_that_cannot_be_used_says_where_and_why(text: str, said: str, tmp_path: Path) -> None:
    folder_of(tmp_path, {"a.wav": b"1"})
    (tmp_path / "m.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=said):
        found_in(tmp_path, manifest=str(tmp_path / "m.jsonl"))


def test_one_bad_value_costs_the_value_and_not_the_call(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder_of(tmp_path, {"a.wav": b"1", "b.wav": b"1", "b.json": b"\xff\xfe nonsense"})
    (tmp_path / "a.json").write_text('{"started_at": "yesterday", "agent_channel": "left", "team": "T"}')
    with caplog.at_level(logging.WARNING):
        a, b = found_in(tmp_path)
    assert (a.meta.team, a.meta.started_at, a.meta.agent_channel) == ("T", None, None)
    assert b.meta == Meta()
    assert "started_at" in caplog.text and "agent_channel" in caplog.text and "beside call b" in caplog.text


@pytest.mark.parametrize(
    ("started_at", "given", "mtime", "expected"),
    [
        (datetime(2026, 11, 20, 16, 30, tzinfo=UTC), None, 0.0, date(2026, 11, 21)),  # half past midnight in Shanghai
        (datetime(2026, 11, 20, 16, 30, tzinfo=UTC), date(2026, 1, 1), 0.0, date(2026, 11, 21)),
        (None, date(2026, 1, 1), 0.0, date(2026, 1, 1)),
        (None, None, datetime(2026, 11, 20, 15, 59, tzinfo=UTC).timestamp(), date(2026, 11, 20)),
        (None, None, datetime(2026, 11, 20, 16, 0, tzinfo=UTC).timestamp(), date(2026, 11, 21)),
    ],
    ids=["zone decides", "start before given", "given", "evening", "midnight"],
)
def test_the_date_of_a_call(started_at: datetime | None, given: date | None, mtime: float, expected: date) -> None:
    assert Found("s", "n", 1, mtime, Meta(started_at=started_at)).call_date(given, ZONE) == expected


def test_nothing_of_a_caller_stands_in_a_repr(tmp_path: Path) -> None:
    folder_of(tmp_path, {"13800138000.wav": b"1", "13800138000.json": b'{"customer_ref": "13800138000"}'})
    assert "13800138000" not in repr(found_in(tmp_path))


def test_a_recording_that_the_manifest_does_not_name_has_its_sidecar(tmp_path: Path) -> None:
    folder_of(tmp_path, {"a.wav": b"1", "b.wav": b"1", "b.json": b'{"team": "T"}'})
    (tmp_path / "m.csv").write_text("path,team\na.wav,M\n")
    assert [f.meta.team for f in found_in(tmp_path, manifest=str(tmp_path / "m.csv"))] == ["M", "T"]
