"""Kill a night with -9 again and again, fill its disk, take its memory; then compare its tables with those of a night left alone.

usage: python bench/chaos.py [--kills 200] [--calls 60] [--seed 1] [--real FOLDER --engine ctranslate] [--full 5] [--memory 5] [--changes 20]

In: scripted recordings made on the spot (real everything else: journal, locks, worker process, Parquet), or with --real a folder that
is heard with real models. Out: one line a figure; exit 1 when a row is lost, doubled or different. A night is run in a forked child,
which is killed at a random instant between its first breath and a little after the end of an undisturbed night; then it is started again on
the same output, until so many kills have been survived. Between kills the tables are read: no date may hold a call twice. Then reruns and
purges are killed the same way (--changes of each): what they were asked for is done in the end, and every other row is as it was.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from flows.intake import find
from flows.journal import Journal
from flows.night import Night, open_book
from flows.plan import plan_input
from flows.purge import INTENT, purge
from flows.rerun import from_hearing, from_reading, select
from flows.settings import Settings, load_settings
from flows.store import dates, read_rows
from models.errors import FutingError
from models.hearing.scripted import MEMORY_MIB
from tests.factories import LINES, configs_of, folder_of, recording, script, tables_of

Tables = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """kills survived; rows lost, doubled and different against a night left alone; most calls heard again after one kill."""

    kills: int
    lost: int
    doubled: int
    different: int
    most_repeated: int
    shard: int

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.different) and self.most_repeated <= self.shard


def recordings(folder: Path, calls: int, log: Path) -> None:
    """A night's worth: plain calls, returning customers, copies, a name used twice, an empty file, noise, one that fails its rules of decoding."""
    files = {f"call-{i:04}.wav": recording(script(LINES[: 2 + i % 3], take_s=0.01, log=str(log)), seed=i) for i in range(calls)}
    files["copy.wav"] = files["call-0000.wav"]
    files["again/call-0001.wav"] = recording(script(take_s=0.01, log=str(log)), seed=10_001)
    files["empty.wav"] = b""
    files["broken.wav"] = recording(script(not_heard="undecodable", log=str(log)), seed=10_002)
    folder_of(folder, files)
    for i in range(0, calls, 3):
        start = datetime(2026, 11, 20 + i % 2, 9, i % 60, tzinfo=UTC).isoformat()
        meta = f'{{"started_at": "{start}", "agent_id": "A{i % 7}", "customer_ref": "C{i % 11}"}}'
        (folder / f"call-{i:04}.json").write_text(meta, encoding="utf-8")


def night(source: Path, out: Path, settings: Settings) -> None:
    """One start of the night on this output."""
    with Night(out, settings, open_book(settings)) as night:
        found = find(str(source), extensions=settings.intake.extensions, zone=settings.zone)
        night.plan(plan_input(found, night.journal, zone=settings.zone, settle_s=settings.intake.settle_s))
        night.hear_all()
        night.finish()


def in_child(work: Callable[[], None], kill_after_s: float | None = None) -> int:
    """Run `work` in a forked child, kill it with -9 after a while; its exit status, or -9."""
    child = os.fork()
    if child == 0:
        gc.freeze()  # what the parent left is never collected here: libraries with threads do not survive that after a fork
        code = 0
        try:
            work()
        except FutingError:
            code = 1
        except BaseException as error:
            print(f"unexpected: {type(error).__name__}: {error}", file=sys.stderr)
            traceback.print_exc()
            code = 70
        os._exit(code)
    if kill_after_s is not None:
        until = time.monotonic() + kill_after_s
        while time.monotonic() < until:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def compare(expected: Path, found: Path) -> tuple[int, int, int]:
    """Rows (lost, doubled, different) over all tables but `runs`, leaving run_id out."""
    return compare_tables(tables_of(expected), tables_of(found))


def compare_tables(left: Tables, right: Tables) -> tuple[int, int, int]:
    """The same of tables that were read already."""
    lost = doubled = different = 0
    keys = {"calls": ("call_id",), "turns": ("call_id", "turn"), "moments": ("call_id", "moment"), "cases": ("case_id",)}
    for table, key in keys.items():
        want = {tuple(r[k] for k in key): r for r in left[table]}
        have = Counter(tuple(r[k] for k in key) for r in right[table])
        lost += sum(k not in have for k in want)
        doubled += sum(n - 1 for n in have.values()) + sum(k not in want for k in have)
        different += sum(want.get(tuple(r[k] for k in key), r) != r for r in right[table])
    return lost, doubled, different


def doubled_now(out: Path) -> int:
    """Calls that stand twice in the tables as they are at this instant."""
    ids = Counter(i for day in dates(out) for i in read_rows(out, "calls", day, columns=["call_id"])["call_id"].to_pylist())
    return sum(n - 1 for n in ids.values())


def kills(source: Path, work: Path, settings: Settings, count: int, rng: random.Random, log: Path | None) -> Outcome:
    """Survive `count` kills, on as many nights as that takes, each compared with the undisturbed one in `work`/alone."""
    began = time.monotonic()
    if in_child(lambda: night(source, work / "alone", settings)) not in (0, 3):
        raise SystemExit("the undisturbed night failed")
    if not tables_of(work / "alone")["turns"]:
        raise SystemExit("the undisturbed night heard nothing; no comparison would say anything")
    usual = time.monotonic() - began
    survived = lost = doubled = different = repeated = 0
    while survived < count:
        out = work / "killed"
        shutil.rmtree(out, ignore_errors=True)
        heard: Counter[str] = Counter()
        while True:
            if log is not None:
                log.write_text("")
            code = in_child(lambda out=out: night(source, out, settings), rng.uniform(0.0, 1.1 * usual) if survived < count else None)
            if log is not None:
                now = Counter(log.read_text().split())
                repeated = max(repeated, sum(n for call, n in now.items() if heard[call]))
                heard += now
            if code == 0:
                break
            if code != -signal.SIGKILL:
                raise SystemExit(f"a night ended with {code}")
            survived += 1
            doubled += doubled_now(out)
        more = compare(work / "alone", out)
        lost, doubled, different = lost + more[0], doubled + more[1], different + more[2]
    return Outcome(survived, lost, doubled, different, repeated, settings.night.shard_calls if log is not None else 0)  # without a log nobody counted


def rerun(out: Path, settings: Settings, call_ids: Sequence[str], reading: bool) -> None:
    """One start of a rerun of these calls."""
    with Night(out, settings, open_book(settings), command="rerun") as night:
        known = select(night, first=None, last=None, call_ids=call_ids, failed=False)
        if reading:
            from_reading(night, known)
        else:
            from_hearing(night, known)
        night.finish()


def until_done(work: Callable[[], None], usual_s: float, kills: int, rng: random.Random) -> int:
    """Start `work` again and again, killed at random up to `kills` times, until it ends by itself; how often it was killed."""
    survived = 0
    while (code := in_child(work, rng.uniform(0.0, 1.1 * usual_s) if survived < kills else None)) == -signal.SIGKILL:
        survived += 1
    if code != 0:
        raise SystemExit(f"it ended with {code}")
    return survived


def killed_reruns(work: Path, settings: Settings, count: int, rng: random.Random) -> Outcome:
    """Kill reruns of half the calls of `work`/alone, by hearing and by reading: equal tables, and other rows keep the run that made them."""
    alone, out = work / "alone", work / "rerun"
    made_by = {r["call_id"]: r["run_id"] for r in tables_of(alone, without=())["calls"]}
    ok = sorted(r["call_id"] for r in tables_of(alone)["calls"] if r["status"] == "ok")
    survived = lost = doubled = different = 0
    usual_s = 3.0
    while survived < count:
        for reading in (True, False):
            shutil.rmtree(out, ignore_errors=True)
            shutil.copytree(alone, out)
            chosen = rng.sample(ok, len(ok) // 2)
            began = time.monotonic()
            kills = until_done(lambda chosen=chosen, reading=reading: rerun(out, settings, chosen, reading), usual_s, count - survived, rng)
            usual_s = min(usual_s, (time.monotonic() - began) / (kills + 1) * 1.5)
            survived += kills
            more = compare(alone, out)
            moved = sum(made_by[r["call_id"]] != r["run_id"] for r in tables_of(out, without=())["calls"] if r["call_id"] not in chosen)
            lost, doubled, different = lost + more[0], doubled + more[1], different + more[2] + moved
    return Outcome(survived, lost, doubled, different, 0, 0)


def killed_purges(work: Path, settings: Settings, count: int, rng: random.Random) -> Outcome:
    """Kill purges of some calls of `work`/alone: they are gone from tables and journal in the end, and every other row is as it was."""
    alone, out = work / "alone", work / "purge"
    whole = tables_of(alone, without=())
    survived = lost = doubled = different = 0
    while survived < count:
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(alone, out)
        gone = set(rng.sample([r["call_id"] for r in whole["calls"]], 7))
        survived += until_done(lambda gone=gone: again_purged(out, sorted(gone)), 1.0, count - survived, rng)
        left = {t: [r for r in rows if t == "cases" or r["call_id"] not in gone] for t, rows in whole.items()}
        found = tables_of(out, without=())
        more = compare_tables(left | {"cases": found["cases"]}, found)  # cases of their customers are worked out again
        with Journal(out) as journal:
            kept = sum(journal.call(i) is not None for i in gone) + (out / INTENT).exists()
        lost, doubled, different = lost + more[0], doubled + more[1] + kept, different + more[2]
    return Outcome(survived, lost, doubled, different, 0, 0)


def again_purged(out: Path, call_ids: Sequence[str]) -> None:
    """A purge, or what an operator does after one that was killed: any other purge finishes it."""
    if (out / INTENT).exists():
        purge(out, before=date.min)
    with Journal(out) as journal:
        left = [i for i in call_ids if journal.call(i) is not None]
    if left:
        purge(out, call_ids=left)


def full_disks(source: Path, work: Path, settings: Settings, count: int, rng: random.Random) -> Outcome:
    """Let no file grow over a limit, as on a full disk, `count` times; then go on without it."""
    stopped = lost = doubled = different = 0
    while stopped < count:
        out = work / "full"
        shutil.rmtree(out, ignore_errors=True)
        for _ in range(8):

            def limited(most: int = rng.randrange(4_096, 400_000), out: Path = out) -> None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
                night(source, out, settings)

            code = in_child(limited)
            if code not in (0, 1):
                raise SystemExit(f"a full disk ended the night with {code}, not in order")
            stopped += code == 1
        if in_child(lambda out=out: night(source, out, settings)) != 0:
            raise SystemExit("the night did not go on once there was room")
        more = compare(work / "alone", out)
        lost, doubled, different = lost + more[0], doubled + more[1], different + more[2]
    return Outcome(stopped, lost, doubled, different, 0, 0)


def full_memories(source: Path, work: Path, settings: Settings, count: int) -> Outcome:
    """Give hearing too little memory for some calls, `count` times; then enough."""
    lost = doubled = different = 0
    folder = work / "memory-in"
    shutil.copytree(source, folder, copy_function=shutil.copy2)
    folder_of(folder, {f"big-{i}.wav": recording(script(chunk_mib=3000), seed=20_000 + i) for i in range(4)})
    in_child(lambda: night(folder, work / "memory-alone", settings))
    for _ in range(count):
        out = work / "memory"
        shutil.rmtree(out, ignore_errors=True)

        def limited(out: Path = out) -> None:
            # Not a limit of this process: a forked child begins with all the address space its parent has.
            os.environ[MEMORY_MIB] = "3000"
            night(folder, out, settings)

        if in_child(limited) != 0:
            raise SystemExit("too little memory stopped the night")
        codes = Counter(r["error_code"] for r in tables_of(out)["calls"])
        if codes["out_of_memory"] != 4:
            raise SystemExit(f"four calls were to run out of memory; in the tables: {dict(codes)}")
        in_child(lambda out=out: night(folder, out, settings))
        more = compare(work / "memory-alone", out)
        lost, doubled, different = lost + more[0], doubled + more[1], different + more[2]
    return Outcome(count, lost, doubled, different, 0, 0)


def report(name: str, outcome: Outcome) -> bool:
    repeated = f", at most {outcome.most_repeated} calls heard again after a kill (shard: {outcome.shard})" if outcome.shard else ""
    print(f"{name}: {outcome.kills} survived, {outcome.lost} lost, {outcome.doubled} doubled, {outcome.different} different{repeated}", flush=True)
    return outcome.good or (not outcome.shard and not (outcome.lost or outcome.doubled or outcome.different))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--calls", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--full", type=int, default=5)
    parser.add_argument("--memory", type=int, default=5)
    parser.add_argument("--changes", type=int, default=20, help="kills of reruns, and as many of purges")
    parser.add_argument("--real", type=Path, help="a folder of real recordings, heard with real models")
    parser.add_argument("--engine", default="ctranslate")
    given = parser.parse_args()
    logging.disable(logging.WARNING)  # two hundred nights would say two hundred times that one was taken over
    rng = random.Random(given.seed)
    work = Path(tempfile.mkdtemp(prefix="futing-chaos-"))
    try:
        if given.real is not None:
            settings = load_settings()
            settings = replace(settings, hearing=replace(settings.hearing, engine=given.engine), night=replace(settings.night, shard_calls=2))
            return 0 if report("killed, real models", kills(given.real, work, settings, given.kills, rng, None)) else 1
        settings = load_settings(configs_of(work / "configs"))
        settings = replace(settings, night=replace(settings.night, shard_calls=8, publish_every_s=0.2))
        log = work / "heard.log"
        recordings(work / "in", given.calls, log)
        good = report("killed with -9", kills(work / "in", work, settings, given.kills, rng, log))
        good &= report("reruns killed", killed_reruns(work, settings, given.changes, rng))
        good &= report("purges killed", killed_purges(work, settings, given.changes, rng))
        good &= report("disk full", full_disks(work / "in", work, settings, given.full, rng))
        good &= report("memory full", full_memories(work / "in", work, settings, given.memory))
        return 0 if good else 1
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main())
