"""Forgetting: what is purged is nowhere afterwards, the rest is untouched, and a purge killed half-way is finished by the next."""

from __future__ import annotations

import errno
import json
import shutil
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

import flows.purge as purge_module
from flows import peaks
from flows.cli import app
from flows.intake import find
from flows.journal import Journal
from flows.night import Night, open_book
from flows.plan import plan_input
from flows.purge import INTENT, purge
from flows.review import audio, tables
from flows.review.database import connect, default_url
from flows.settings import load_settings
from flows.store import dates, read_rows
from models.errors import FutingError
from models.hearing.scripted import ScriptedEars
from tests.factories import folder_of, recording, script, tables_of

SECRET = "只有这一通电话里有的话"
DAYS = ("2026-01-05", "2026-01-06")


@pytest.fixture
def out(built: Path, tmp_path: Path) -> Path:
    """A copy of the night, to be purged."""
    return Path(shutil.copytree(built, tmp_path / "out"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """Two days: four calls of customers C1 and C2 (one undecodable, one heard twice), reviewed, with peaks and a role correction."""
    tmp_path = tmp_path_factory.mktemp("night")
    files, lines = {}, []
    for k, (day, ref) in enumerate([(DAYS[0], "C1"), (DAYS[0], "C2"), (DAYS[1], "C1"), (DAYS[1], "C2")]):
        said = script([("customer", SECRET if k == 0 else "我要投诉你们，我上次就打过电话了"), ("agent", "非常抱歉给您带来不便")])
        files[f"c{k}.wav"] = recording(said if k != 1 else {"not_heard": "undecodable"}, k)
        lines.append({"path": f"c{k}.wav", "started_at": f"{day}T10:00:00+08:00", "customer_ref": ref})
    files["copy-of-c0.wav"] = files["c0.wav"]
    folder = folder_of(tmp_path / "rec", files)
    manifest = tmp_path / "calls.jsonl"
    manifest.write_text("\n".join(map(json.dumps, [*lines, {"path": "copy-of-c0.wav", "customer_ref": "C1"}])), encoding="utf-8")
    out, settings = tmp_path / "out", load_settings(root / "configs")
    found = find(str(folder), extensions=settings.intake.extensions, zone=settings.zone, manifest=str(manifest))
    with Night(out, settings, open_book(settings), ears=ScriptedEars) as night:
        night.plan(plan_input(found, night.journal, zone=settings.zone))
        night.hear_all()
        night.finish()
    for call_id in ("c0", "c2"):
        for path in (peaks.folder(out) / f"{peaks.key(call_id)}.peaks", audio.folder(out) / f"{peaks.key(call_id)}-0123.wav"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
    (out / ".futing/corrections.jsonl").write_text('{"call_id": "c0", "swap": true}\n{"call_id": "c2", "swap": true}\n', encoding="utf-8")
    engine = connect(default_url(out))
    with engine.begin() as db:
        db.execute(sa.insert(tables.users).values(**{c.name: _filler(c) for c in tables.users.c}))
        for number, call_id in enumerate(("c0", "c2"), 1):
            row = {c.name: _filler(c) for c in tables.verdicts.c if not c.nullable} | {"id": number, "call_id": call_id, "author": 1, "comment": SECRET}
            db.execute(sa.insert(tables.verdicts).values(**row))
            db.execute(sa.insert(tables.audit).values(id=number, at_ms=1, name="qa", action="hear", call_id=call_id))
    engine.dispose()
    return out


def _filler(column: sa.Column) -> object:
    return {sa.Boolean: False, sa.String: "x", sa.Text: "x"}.get(type(column.type), 1)


def mentions(out: Path, words: str) -> list[str]:
    """Files under `out` that hold the words: raw bytes, and every cell of the tables (compressed as they are)."""
    raw = [str(p.relative_to(out)) for p in out.rglob("*") if p.is_file() and words.encode() in p.read_bytes()]
    cells = [
        f"{table} {day}"
        for table in ("calls", "turns", "moments", "cases", "runs")
        for day in dates(out, table)
        if words in str(read_rows(out, table, day).to_pylist())
    ]
    return raw + cells


def ids(out: Path) -> set[str]:
    return {r["call_id"] for r in tables_of(out)["calls"]}


def test_a_call_is_nowhere_afterwards_and_the_rest_is_untouched(out: Path) -> None:
    before = tables_of(out)
    assert mentions(out, SECRET) and mentions(out, "c0")
    done = purge(out, call_ids=["c0"])
    assert done.calls == 1 and done.recordings == 1
    assert (
        dict(done.removed).items()
        >= {"calls rows": 1, "turns rows": 2, "peak files": 1, "audio copies": 1, "role corrections": 1, "verdict store rows": 1}.items()
    )
    assert dict(done.removed)["mentions in runs"] == 1  # as the original of a copy
    assert mentions(out, SECRET) == [".futing/verdicts.sqlite"]  # the comment on c2 holds the same words
    assert not [m for m in mentions(out, "copy-of-c0") if "runs" in m or "journal" in m]
    after = tables_of(out)
    for table in ("calls", "turns", "moments"):
        assert after[table] == [r for r in before[table] if r["call_id"] != "c0"]
    assert not (peaks.folder(out) / f"{peaks.key('c0')}.peaks").exists() and (peaks.folder(out) / f"{peaks.key('c2')}.peaks").exists()
    assert "c2" in (out / ".futing/corrections.jsonl").read_text()
    engine = connect(default_url(out))
    with engine.connect() as db:
        assert db.execute(sa.select(tables.verdicts.c.call_id)).scalars().all() == ["c2"]
        assert db.execute(sa.select(sa.func.count()).select_from(tables.audit)).scalar_one() == 2  # who listened to what stays
    engine.dispose()
    assert not (out / INTENT).exists()


def test_a_customer_goes_with_every_call_and_case(out: Path) -> None:
    assert purge(out, customer_ref="C2").calls == 2  # the failed one too
    assert ids(out) == {"c0", "c2"}
    assert "C2" not in str(tables_of(out)) and not [m for m in mentions(out, "C2") if "journal" in m]
    runs = [r for day in dates(out, "runs") for r in read_rows(out, "runs", day).to_pylist()]
    assert "c1" not in str([r["failures"] for r in runs]) and sum(r["failed"] for r in runs) == 1  # the count stays


def test_old_days_go(out: Path) -> None:
    assert purge(out, before=date.fromisoformat(DAYS[1])).calls == 2
    assert ids(out) == {"c2", "c3"}
    assert purge(out, before=date.fromisoformat(DAYS[1])).calls == 0


@pytest.mark.parametrize("step", ["drop_calls", "_scrub_runs", "publish", "_drop_corrections", "_drop_files", "_drop_verdicts"])
def test_a_killed_purge_is_finished_by_the_next(out: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(purge_module, step, die)
        with pytest.raises(Killed):
            purge(out, call_ids=["c0"])
    assert (out / INTENT).exists()
    purge(out, call_ids=["c3"])
    assert ids(out) == {"c1", "c2"}
    assert mentions(out, SECRET) == [".futing/verdicts.sqlite"] and not (out / INTENT).exists()
    assert not (peaks.folder(out) / f"{peaks.key('c0')}.peaks").exists()
    with Journal(out) as journal:
        assert journal.call("c0") is None and journal.stale_customers() == []


def test_a_full_disk_stops_a_purge_in_order_and_the_next_one_finishes_it(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("flows.store._stage", full)
        with pytest.raises(FutingError, match="the disk is full; make room"):
            purge(out, call_ids=["c0"])
    assert purge(out, call_ids=["c0"]).calls == 1
    assert ids(out) == {"c1", "c2", "c3"} and not (out / INTENT).exists()


def test_nothing_is_removed_when_a_call_is_not_known(out: Path) -> None:
    with pytest.raises(FutingError, match="no call 'c9' is known"):
        purge(out, call_ids=["c0", "c9"])
    assert "c0" in ids(out)


def test_a_running_night_is_not_purged(out: Path) -> None:
    from flows.lock import hold

    with hold(out, "run"), pytest.raises(FutingError, match="another run holds it"):
        purge(out, call_ids=["c0"])


def test_a_folder_without_nights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FutingError, match="no tables and no journal"):
        purge(tmp_path, call_ids=["c0"])
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_it_removed(out: Path) -> None:
    done = CliRunner().invoke(app, ["purge", "--customer", "C1", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "2 calls removed" in done.output and "4 turns rows" in done.output
    assert "2 of their recordings still lie" in done.output
    assert "nothing to remove" in CliRunner().invoke(app, ["purge", "--customer", "C1", "--out", str(out)]).output


def test_retention_days_decide_when_nothing_is_named(out: Path, tmp_path: Path) -> None:
    asked = CliRunner().invoke(app, ["purge", "--out", str(out)])
    assert isinstance(asked.exception, FutingError) and "retention_days" in str(asked.exception)
    (tmp_path / "futing.yaml").write_text("privacy:\n  retention_days: 30\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["purge", "--out", str(out), "--config", str(tmp_path)])
    assert "4 calls removed" in done.output and ids(out) == set()
