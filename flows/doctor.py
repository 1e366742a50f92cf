"""`futing doctor`: what this machine will do tonight, what is missing, and whether the last night happened.

In: the configuration and the output folder. Out: a line a fact, a mend beside each fault; exit 1 when a night could not run here, or
when the last one is older than --max-age-h, so that a monitor can ask every morning.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from models.errors import FutingError


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing looked at. good: whether a night can run with it."""

    name: str
    says: str
    good: bool = True


def command(
    out: Annotated[Path, typer.Option("--out", help="Folder of the tables.")] = Path("nights"),
    max_age_h: Annotated[float | None, typer.Option("--max-age-h", help="Fail when the last night ended more hours ago.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="futing.yaml, or the folder that holds it.")] = None,
) -> None:
    """Say what this machine will do, what is missing, and whether the last night happened.

    Example: futing doctor --out nights --max-age-h 26
    """
    good = True
    for fact in examine(out, max_age_h, config):
        typer.echo(f"{'ok  ' if fact.good else 'BAD '} {fact.name:<14} {fact.says}")
        good &= fact.good
    raise typer.Exit(0 if good else 1)


def examine(out: Path, max_age_h: float | None = None, config: Path | None = None) -> Iterator[Fact]:
    """Every fact, one after the other; a fault in one does not hide the others."""
    for name, look in (
        ("program", _program),
        ("configuration", lambda: _configuration(config)),
        ("rules", lambda: _rules(config)),
        ("machine", _machine),
        ("hearing", lambda: _hearing(config)),
        ("output", lambda: _output(out, config)),
        ("last night", lambda: last_night(out, max_age_h)),
    ):
        yield _guarded(name, look)


def _guarded(name: str, look: Callable[[], Fact]) -> Fact:
    try:
        return look()
    except FutingError as error:
        return Fact(name, str(error), good=False)
    except Exception as error:
        return Fact(name, f"cannot be looked at ({type(error).__name__}: {error})", good=False)


def _program() -> Fact:
    from flows.night import program_version

    return Fact("program", f"futing {program_version()}, Python {platform.python_version()} at {sys.executable}")


def _configuration(config: Path | None) -> Fact:
    from flows.settings import load_settings

    settings = load_settings(config)
    return Fact("configuration", f"{settings.folder}, hash {settings.config_hash}, dates in {settings.time_zone}")


def _rules(config: Path | None) -> Fact:
    from flows.night import open_book
    from flows.settings import load_settings

    book = open_book(load_settings(config))
    return Fact("rules", f"{len(book.rules)} rules, version {book.version}")


def _machine() -> Fact:
    import psutil

    return Fact("machine", f"{os.cpu_count()} CPUs, {psutil.virtual_memory().total / 2**30:.0f} GiB memory, {platform.platform()}")


def _hearing(config: Path | None) -> Fact:
    """Loads the models in a process of their own, as a night does."""
    from flows.settings import load_settings
    from flows.worker import GuardedEars, Limits

    settings = load_settings(config)
    ears = GuardedEars(settings.hearing, Limits(settings.night.limit_base_s, settings.night.limit_per_audio_s, settings.night.load_limit_s))
    try:
        list(ears.hear(()))
        return Fact("hearing", f"{ears.asr_model}, {ears.diarizer}; loaded in {ears.load_s:.1f} s")
    finally:
        ears.close()


def _output(out: Path, config: Path | None) -> Fact:
    from flows.settings import load_settings

    there = next(p for p in (out.resolve(), *out.resolve().parents) if p.exists())
    free, least = shutil.disk_usage(there).free >> 20, load_settings(config).night.free_space_mib
    if not os.access(there, os.W_OK):
        return Fact("output", f"{there} cannot be written to; mend its permissions", good=False)
    return Fact("output", f"{out}, {free} MiB free" + ("" if free >= least else f", less than night.free_space_mib = {least}; make room"), free >= least)


def last_night(out: Path, max_age_h: float | None) -> Fact:
    """When a run last ended here and how; bad when it is longer ago than asked, or never happened though one was expected."""
    path = out / ".futing" / "last_night.json"
    if not path.exists():
        return Fact("last night", f"none in {out}", good=max_age_h is None)
    record = json.loads(path.read_text(encoding="utf-8"))
    age_h = (datetime.now(UTC) - datetime.fromisoformat(record["finished_at"])).total_seconds() / 3600
    said = f"{record['state']}, ended {age_h:.1f} h ago: {record['ok']} ok, {record['failed']} failed, {record['skipped']} skipped"
    late = max_age_h is not None and age_h > max_age_h
    return Fact("last night", said + (f"; a night was missed (more than {max_age_h:g} h)" if late else ""), not late)
