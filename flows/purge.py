"""`futing purge`: a call, a customer or old days leave every place that Futing wrote them to.

In: which calls. Out: the same tables without them, and a list of what was removed where. The surprising choice: what is to go is
written down first (ids only, OUT/.futing/purge.json) and crossed out last; every step in between may be repeated. So a purge that
was killed is finished by the next one, whatever that was asked for.

Left alone: the recordings themselves (they are the recorder's; those that still lie there are counted, because the next run would
hear them again), and the audit log of the review page, which holds who listened to which id and no words.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import typer

from flows import corrections
from flows.disk import disk_full_is_clear
from flows.journal import FOLDER, Journal
from flows.lock import hold
from flows.settings import load_settings
from flows.store import CALL_TABLES, dates, drop_calls, known_calls, publish, put_rows, read_rows, recover
from models.errors import ConfigError, FutingError

log = logging.getLogger(__name__)
INTENT = Path(FOLDER) / "purge.json"
MOST_IDS = 5_000  # calls taken out of a date at a time
RUN_LISTS = ("failures", "duplicate_recordings")


@dataclass(frozen=True, slots=True)
class Purged:
    """What one purge removed: rows and files by place. recordings: sound files of the purged calls that still lie where they lay."""

    calls: int
    removed: tuple[tuple[str, int], ...]
    recordings: int


def purge(out: Path, *, before: date | None = None, call_ids: Sequence[str] = (), customer_ref: str | None = None, db: str | None = None) -> Purged:
    """Remove the chosen calls (and those of an interrupted purge) from everything under `out`, and from the verdict store.

    Raises FutingError where the folder is held by a run or a call named is not known.
    """
    if not (out / "calls").is_dir() and not (out / FOLDER).is_dir():
        raise FutingError(f"{out}: no tables and no journal in here; give the --out folder of the nights")
    with disk_full_is_clear(out), hold(out, "purge"), Journal(out) as journal:
        if journal.empty and dates(out):
            journal.adopt(known_calls(out))
        recover(out, journal)
        chosen = journal.find_calls(before=before, call_ids=call_ids, customer_ref=customer_ref)
        begun = _begun(out)
        unknown = sorted(set(call_ids) - {k.call_id for k in chosen} - {i for ids in begun.values() for i in ids})
        if unknown:
            raise FutingError(f"{out}: no call {unknown[0]!r} is known here; ids are compared letter by letter, nothing was removed")
        still_there = sum(_lies_there(k.source) for k in chosen)
        work: dict[date, list[str]] = {day: list(ids) for day, ids in begun.items()}
        for known in chosen:
            work.setdefault(known.date, []).append(known.call_id)
        work = {day: sorted(set(ids)) for day, ids in sorted(work.items())}
        everyone = [i for ids in work.values() for i in ids]
        if not everyone:
            return Purged(0, (), 0)
        _note(out, work)
        removed = _remove(out, journal, work, everyone, db)
        (out / INTENT).unlink()
    return Purged(len(everyone), tuple((place, n) for place, n in removed.items() if n), still_there)


def _remove(out: Path, journal: Journal, work: dict[date, list[str]], everyone: Sequence[str], db: str | None) -> Counter[str]:
    """Every step may be repeated; the journal forgets before the tables are published again, so nothing pending comes back."""
    removed: Counter[str] = Counter()
    cases_before = _rows_of(out, "cases")
    removed["journal lines"] = journal.forget(everyone)
    for day, ids in work.items():
        for at in range(0, len(ids), MOST_IDS):
            some = ids[at : at + MOST_IDS]
            for table in CALL_TABLES:
                removed[f"{table} rows"] += read_rows(out, table, day, some, columns=["call_id"]).num_rows
            drop_calls(out, journal, day, some)
    removed["mentions in runs"] = _scrub_runs(out, journal, set(everyone))
    publish(out, journal)
    removed["cases rows"] = max(0, cases_before - _rows_of(out, "cases"))
    removed["role corrections"] = _drop_corrections(out, set(everyone))
    removed |= _drop_files(out, everyone)
    removed["verdict store rows"] = _drop_verdicts(out, everyone, db)
    return removed


def _rows_of(out: Path, table: str) -> int:
    return sum(read_rows(out, table, day, columns=["case_id"]).num_rows for day in dates(out, table))


def _scrub_runs(out: Path, journal: Journal, gone: set[str]) -> int:
    """Runs list what failed and what was a copy: those entries go, the counts stay."""
    dropped = 0
    for day in dates(out, "runs"):
        before = read_rows(out, "runs", day)
        rows: list[dict[str, Any]] = before.to_pylist()
        for row in rows:
            for name in RUN_LISTS:
                kept = [x for x in row[name] or [] if x["call_id"] not in gone]
                dropped += len(row[name] or []) - len(kept)
                row[name] = kept
        after = pa.Table.from_pylist(rows, schema=before.schema)
        if not after.equals(before):
            put_rows(out, journal, "runs", day, after)
    return dropped


def _drop_corrections(out: Path, gone: set[str]) -> int:
    path = out / corrections.FILE
    if not path.exists():
        return 0
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if _call_of(line) not in gone]
    if len(kept) < len(lines):
        aside = path.with_suffix(".aside")
        aside.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        aside.replace(path)
    return len(lines) - len(kept)


def _call_of(line: str) -> str | None:
    try:
        return json.loads(line)["call_id"]
    except (ValueError, KeyError, TypeError):
        return None


def _drop_files(out: Path, call_ids: Sequence[str]) -> Counter[str]:
    """Peaks and playable copies of the review page, and its index, which is made again from the tables."""
    from flows import peaks
    from flows.review import audio

    removed: Counter[str] = Counter()
    for call_id in call_ids:
        for place, found in (
            ("peak files", peaks.folder(out).glob(f"{peaks.key(call_id)}.*")),
            ("audio copies", audio.folder(out).glob(f"{peaks.key(call_id)}-*")),
        ):
            for path in found:
                path.unlink(missing_ok=True)
                removed[place] += 1
    for path in (out / FOLDER / "review").glob("index.duckdb*"):
        path.unlink(missing_ok=True)
        removed["index files"] += 1
    return removed


def _drop_verdicts(out: Path, call_ids: Sequence[str], db: str | None) -> int:
    """What reviewers wrote about these calls, their quotes and comments; the audit log stays."""
    import sqlalchemy as sa

    from flows.review import tables
    from flows.review.database import connect, default_url

    if db is None and not (out / FOLDER / "verdicts.sqlite").exists():
        return 0
    engine = connect(db or default_url(out))
    dropped = 0
    try:
        with engine.begin() as connection:
            for at in range(0, len(call_ids), 500):
                some = list(call_ids[at : at + 500])
                appeals = sa.select(tables.appeals.c.id).where(tables.appeals.c.call_id.in_(some))
                dropped += connection.execute(sa.delete(tables.decisions).where(tables.decisions.c.appeal.in_(appeals))).rowcount
                for table in tables.METADATA.sorted_tables:
                    if table is not tables.audit and "call_id" in table.c:
                        dropped += connection.execute(sa.delete(table).where(table.c.call_id.in_(some))).rowcount
    finally:
        engine.dispose()
    database = engine.url.database if engine.dialect.name == "sqlite" else None
    if dropped and database:
        with closing(sqlite3.connect(database, timeout=30)) as store:
            store.execute("VACUUM")  # deleted pages must not keep what stood in them
            store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return dropped


def _begun(out: Path) -> dict[date, list[str]]:
    """What an interrupted purge had set out to remove."""
    path = out / INTENT
    if not path.exists():
        return {}
    log.warning("%s: a purge was interrupted; it is finished first", out)
    return {date.fromisoformat(day): ids for day, ids in json.loads(path.read_text(encoding="utf-8")).items()}


def _note(out: Path, work: dict[date, list[str]]) -> None:
    aside = (out / INTENT).with_suffix(".aside")
    aside.write_text(json.dumps({day.isoformat(): ids for day, ids in work.items()}), encoding="utf-8")
    aside.replace(out / INTENT)


def _lies_there(source: str | None) -> bool:
    """Whether a local recording is still where it was heard; a remote one is taken to be."""
    return source is not None and ("://" in source or Path(source).exists())


def command(
    before: Annotated[str | None, typer.Option("--before", help="Every call of an earlier date (YYYY-MM-DD).")] = None,
    call: Annotated[list[str] | None, typer.Option("--call", help="A call's id; may be given several times.")] = None,
    customer: Annotated[str | None, typer.Option("--customer", help="Every call with this customer_ref.")] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the tables.")] = Path("nights"),
    db: Annotated[str | None, typer.Option("--db", help="Verdict store, where it is not OUT/.futing/verdicts.sqlite.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="futing.yaml, or the folder that holds it.")] = None,
) -> None:
    """Remove calls from every table, journal, cache, peak file and verdict. Without a choice: what privacy.retention_days no longer allows.

    Example: futing purge --customer C88120 --out nights
    """
    settings = load_settings(config)
    try:
        last = date.fromisoformat(before) if before else None
    except ValueError:
        raise ConfigError(f"--before {before!r} is no date; write it as 2026-11-21") from None
    if last is None and not call and customer is None:
        if settings.privacy.retention_days <= 0:
            raise ConfigError("what is to go? give --before, --call or --customer, or set privacy.retention_days")
        last = datetime.now(settings.zone).date() - timedelta(days=settings.privacy.retention_days)
    done = purge(out, before=last, call_ids=call or (), customer_ref=customer, db=db)
    if not done.calls:
        typer.echo("nothing to remove")
        return
    typer.echo(f"{done.calls} calls removed: " + ", ".join(f"{n} {place}" for place, n in done.removed))
    if done.recordings:
        typer.echo(f"{done.recordings} of their recordings still lie where they were heard; remove those too, or the next run hears them again", err=True)
