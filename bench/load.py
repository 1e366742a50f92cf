"""A big night without models: what everything but hearing costs, how much memory it takes, how long publishing takes.

usage: python bench/load.py [--calls 20000] [--turns 20]

In: scripted recordings made on the spot, each with its own turns and words, customers who call again, the shipped rules. Out: one line a
figure. Reading (models/reading: rules, heat, measures, masking) is timed apart; `overhead` is all the rest of the night over its calls:
intake, journal, worker process, tables. `processor` is the same in CPU time of the night and its worker, which a busy machine does not
distort. Memory is the most that the night's own process held.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import flows.call
from flows.intake import find
from flows.night import Event, Heard, Night, open_book
from flows.plan import plan_input
from flows.rerun import from_reading, select
from flows.settings import Settings, load_settings
from flows.store import dates
from models.reading.rulebook import RuleBook
from tests.factories import LINES, folder_of, recording, script


def make(folder: Path, calls: int, turns: int) -> None:
    """Recordings of ordinary talk, one in twenty of them angry; one customer in three calls again."""
    calm = [("agent", "您好，很高兴为您服务，请问有什么可以帮您？"), ("customer", "你好，我想问一下我的订单什么时候能发货。")]
    start = datetime(2026, 11, 20, 0, 0, tzinfo=UTC)
    files: dict[str, bytes] = {}
    rows = ["path,started_at,agent_id,team,customer_ref"]
    for i in range(calls):
        lines = [*(calm * turns)[: turns - (4 if i % 20 == 0 else 0)], *(LINES if i % 20 == 0 else ())]
        files[f"call-{i:06}.wav"] = recording(script(lines, seconds=2.5, n=i), seed=i)
        rows.append(f"call-{i:06}.wav,{(start + timedelta(seconds=i % 50_000)).isoformat()},A{i % 90},T{i % 7},C{i * 2 // 3}")
        if len(files) == 1000:
            folder_of(folder, files)
            files = {}
    folder_of(folder, files)
    (folder.parent / "manifest.csv").write_text("\n".join(rows), encoding="utf-8")


def processor_s() -> float:
    """CPU seconds of this process and of those it waited for."""
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def memory_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Timed:
    """A function, and the wall-clock and CPU seconds spent in it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function, self.wall_s, self.cpu_s = function, 0.0, 0.0

    def __call__(self, *args: Any) -> Any:
        wall, cpu = time.monotonic(), time.process_time()
        try:
            return self._function(*args)
        finally:
            self.wall_s += time.monotonic() - wall
            self.cpu_s += time.process_time() - cpu


def night(source: Path, out: Path, settings: Settings, book: RuleBook, calls: int) -> None:
    reading, masking = Timed(flows.call.read), Timed(flows.call.mask_call)
    flows.call.read, flows.call.mask_call = reading, masking
    began, cpu, at_half = time.monotonic(), processor_s(), 0.0
    done = 0

    def on(event: Event) -> None:
        nonlocal done, at_half
        if isinstance(event, Heard):
            done += 1
            if done == calls // 2:
                at_half = memory_mib()

    with Night(out, settings, book, on=on) as opened:
        found = find(str(source), extensions=settings.intake.extensions, zone=settings.zone, manifest=str(source.parent / "manifest.csv"))
        opened.plan(plan_input(found, opened.journal, zone=settings.zone))
        planned = time.monotonic() - began
        opened.hear_all()
        heard = time.monotonic() - began
        summary = opened.finish()
    seconds = time.monotonic() - began
    print(f"planned      {planned:.1f} s")
    publishing = dict(summary.seconds)["publish"]
    print(f"heard        {heard - planned:.1f} s; published in {publishing:.1f} s in all, {seconds - heard:.1f} s of them after the last call, with cases")
    wall_s, cpu_s = reading.wall_s + masking.wall_s, reading.cpu_s + masking.cpu_s
    print(f"reading      {wall_s / calls * 1000:.2f} ms a call, {cpu_s / calls * 1000:.2f} ms of CPU time")
    print(f"overhead     {(seconds - wall_s) / calls * 1000:.2f} ms a call")
    print(f"processor    {(processor_s() - cpu - cpu_s) / calls * 1000:.2f} ms a call")
    print(f"memory       {memory_mib():.0f} MiB at most, {at_half:.0f} MiB at half of the night")
    print(f"calls        {summary.ok} ok, {summary.failed} failed, {len(dates(out))} dates")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--turns", type=int, default=20)
    given = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="futing-load-"))
    try:
        make(work / "in", given.calls, given.turns)
        settings = load_settings()
        settings = replace(settings, hearing=replace(settings.hearing, engine="scripted"))
        book = open_book(settings)
        night(work / "in", work / "out", settings, book, given.calls)
        began = time.monotonic()
        with Night(work / "out", settings, book) as opened:
            found = find(str(work / "in"), extensions=settings.intake.extensions, zone=settings.zone, manifest=str(work / "manifest.csv"))
            opened.plan(plan_input(found, opened.journal, zone=settings.zone))
            opened.finish()
        print(f"started again with nothing to do: {time.monotonic() - began:.1f} s")
        began = time.monotonic()
        with Night(work / "out", settings, book) as opened:
            from_reading(opened, select(opened, first=None, last=None, call_ids=["call-000000"], failed=False))
            opened.finish()
        print(f"one call read again and its date republished: {time.monotonic() - began:.1f} s")
        return 0
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main())
