"""The night itself: plan → shards → heard and read → journal → tables. `futing run` and the Prefect flow both drive this.

In: an output folder, settings and a plan. Out: the tables, and a `Summary`. Progress is told through a hook that knows nothing of
consoles. The surprising choice: a `Night` never decides when to stop on account of one call; only a full disk, models that
cannot be loaded or an operator end it early, and then it ends in order: what was heard is kept, and the next start goes on.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import logging
import os
import platform
import queue
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import peaks
from flows.call import Desk, hear_and_read
from flows.corrections import load_corrections
from flows.disk import disk_full_is_clear, free_mib
from flows.intake import read_bytes
from flows.journal import FOLDER, Journal
from flows.lock import hold
from flows.plan import Plan, Todo
from flows.rows import CallRows, Stamp, not_heard_rows
from flows.settings import Settings
from flows.store import dates, known_calls, publish, recover
from flows.worker import GuardedEars, Limits
from models.errors import TRANSIENT_CODES, CallError, FutingError
from models.records import Ears

if TYPE_CHECKING:
    from models.reading.rules import RuleBook

log = logging.getLogger(__name__)
WORST = 10
TOGETHER_S = 0.25  # calls that finish within this time are written down together: one fsync for all of them
MOST_PUBLISHING = 0.1  # of the time: a night too big to be republished every few minutes is republished less often


@dataclass(frozen=True, slots=True)
class Planned:
    """Work begins: so many calls, of so many bytes in all, are to be heard; done: finished by earlier runs."""

    calls: int
    size: int
    done: int


@dataclass(frozen=True, slots=True)
class Heard:
    """One call is finished and written down."""

    call_id: str
    status: str
    error_code: str | None
    audio_s: float
    size: int


@dataclass(frozen=True, slots=True)
class Published:
    """The tables of these dates are up to date."""

    dates: tuple[date, ...]


Event = Planned | Heard | Published
Hook = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Worst:
    """A flagged call as the summary lists it."""

    call_id: str
    flag: str
    priority: float


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended. ok, failed, skipped and not_heard speak of the whole input, finished earlier or now; the rest of this run."""

    run_id: str
    ok: int
    failed: int
    skipped: int
    duplicates: int
    done_before: int
    audio_s: float
    seconds: tuple[tuple[str, float], ...]
    not_heard: tuple[tuple[str, str], ...]  # (call id, error code)
    flags: tuple[tuple[str, int], ...]
    worst: tuple[Worst, ...]
    dates: tuple[date, ...]

    @property
    def exit_code(self) -> int:
        """0 all heard, 3 some failed."""
        return 3 if self.failed else 0

    @property
    def state(self) -> str:
        return "partial" if self.failed else "success"


@dataclass(slots=True)
class _Tally:
    """What this run did so far; guarded by the night's own lock."""

    counts: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    failures: list[tuple[str, str]] = field(default_factory=list)
    worst: list[Worst] = field(default_factory=list)
    dates: set[date] = field(default_factory=set)
    audio_s: float = 0.0


def program_version() -> str:
    """The installed version, or `source` where the program runs from a folder that was never installed."""
    try:
        return importlib.metadata.version("futing")
    except importlib.metadata.PackageNotFoundError:
        return "source"


def open_book(settings: Settings) -> RuleBook:
    """The compiled rules of the configuration; raises ConfigError where one cannot be used."""
    from models.reading.rules import load_rulebook

    return load_rulebook(settings.path("rules").parent)


class Night:
    """An open output folder, held against other runs. Use as a context manager; `plan` first, then `hear` each shard, then `finish`."""

    def __init__(
        self,
        out: Path,
        settings: Settings,
        book: RuleBook,
        *,
        command: str = "run",
        on: Hook | None = None,
        fetch: Callable[[str], bytes] = read_bytes,
        ears: Callable[[], Ears] | None = None,
    ) -> None:
        self.out, self.settings, self.command = out, settings, command
        self._on: Hook = on or (lambda event: None)
        self._fetch, self._open_ears = fetch, ears or self._guarded
        self._stack, self._guard = ExitStack(), threading.RLock()
        self._idle: list[Ears] = []
        self._tally = _Tally()
        self.run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"
        stamp = Stamp(self.run_id, settings.config_hash, program_version())
        self.desk = Desk(book, stamp, load_corrections(out), settings.privacy.mask and not settings.privacy.keep_original)
        self.work = Plan(())
        self.jobs = 1  # shards heard at the same time
        self.shards: tuple[tuple[Todo, ...], ...] = ()
        self._began, self._started_at = time.monotonic(), datetime.now(UTC)
        self._published_at, self._publish_took = time.monotonic(), 0.0
        self._run_day: date | None = None  # decided when the run is first written down: its row must not stand under two dates

    def __enter__(self) -> Night:
        try:
            with disk_full_is_clear(self.out):
                self._stack.enter_context(hold(self.out, self.command))
                self.check_space()
                self.journal = self._stack.enter_context(Journal(self.out))
                if self.journal.empty and dates(self.out):
                    log.warning("%s: the tables have no journal; it is made anew from them", self.out)
                    self.journal.adopt(known_calls(self.out))
                recover(self.out, self.journal)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        for ears in self._idle:
            if isinstance(ears, GuardedEars):
                ears.close()
        self._stack.close()

    # ── work ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def plan(self, work: Plan) -> None:
        """Take up the work: cut it into shards, write down what is known not to be heard, announce the run."""
        self.work = work
        with disk_full_is_clear(self.out):
            self.journal.note_copies([(c.source, c.call_id, c.size, c.mtime_s) for c in work.copies])
        self._on(Planned(len(work.todo) + work.expected, sum(t.size or 0 for t in work.todo), len(work.done)))
        self._save_run(finished=False)
        self._write([(replace_size(not_heard_rows(t.recording, t.not_heard, self.desk.stamp), t), t) for t in work.todo if t.not_heard is not None])
        self.shards = tuple(_shards([t for t in work.todo if t.not_heard is None], self.settings.night.shard_calls, self.settings.night.shard_mib << 20))

    def hear(self, shard: Sequence[Todo]) -> Counter[str]:
        """Hear, read and write down one shard; how many calls ended in which status. May be called from several threads."""
        self.check_space()
        ears = self._borrow()
        began = time.monotonic()
        counts: Counter[str] = Counter()
        todo = {t.recording.call_id: t for t in shard}
        finished: list[tuple[CallRows, Todo | None]] = []
        written_at = began
        encoded: dict[str, bytes] = {}  # source → the bytes that hearing holds anyway
        drawn: list[tuple[str, str]] = []  # (call id, source)

        planned = {t.recording.source: t for t in shard}

        def fetch(source: str) -> bytes:
            encoded[source] = _as_planned(self._fetch(source), planned[source])
            return encoded[source]

        try:
            for rows in hear_and_read([t.recording for t in shard], ears, self.desk, fetch):
                if rows.status == "ok" and ears.asr_model != "scripted":  # a script has no sound worth drawing
                    drawn.append((rows.call_id, todo[rows.call_id].recording.source))
                finished.append((replace_size(rows, todo[rows.call_id]), todo[rows.call_id]))
                counts[rows.status] += 1
                if time.monotonic() - written_at > TOGETHER_S:
                    self._write(finished)
                    finished, written_at = [], time.monotonic()
        finally:
            self._write(finished)
            with self._guard:
                self._idle.append(ears)
                self._tally.seconds["hear"] += time.monotonic() - began
        self._draw([(call_id, encoded[source]) for call_id, source in drawn])
        self.publish_if_due()
        return counts

    def keep_file(self, rows: CallRows) -> CallRows:
        """The rows with what the journal knows of the file they were made from."""
        known = self.journal.call(rows.call_id)
        return replace(rows, size=known.size, mtime_s=known.mtime_s) if known is not None else rows

    def transient(self, shard: Sequence[Todo]) -> tuple[Todo, ...]:
        """The calls of a heard shard that ended in an error which may pass."""
        with self._guard:
            ended = dict(self._tally.failures)
        return tuple(t for t in shard if ended.get(t.recording.call_id) in TRANSIENT_CODES)

    def take_back(self, shard: Sequence[Todo]) -> tuple[Todo, ...]:
        """The same calls, no longer counted, so that they can be heard once more within this run."""
        again = self.transient(shard)
        ids = {t.recording.call_id for t in again}
        with self._guard:
            self._tally.failures = [f for f in self._tally.failures if f[0] not in ids]
            self._tally.counts["failed"] -= len(ids)
        return again

    def write(self, rows: Sequence[CallRows]) -> None:
        """Write down calls that were read without being heard here (transcripts, reruns from stored turns)."""
        self._write([(r, None) for r in rows])
        self.publish_if_due()

    def hear_all(self, jobs: int = 1) -> None:
        """Hear every shard, `jobs` at a time, each with ears of its own."""
        self.jobs = jobs
        if jobs <= 1:
            for shard in self.shards:
                self.hear(shard)
            return
        waiting: queue.SimpleQueue[Sequence[Todo]] = queue.SimpleQueue()
        for shard in self.shards:
            waiting.put(shard)
        failures: list[BaseException] = []

        def work() -> None:
            while not failures:
                try:
                    self.hear(waiting.get_nowait())
                except queue.Empty:
                    return
                except BaseException as error:
                    failures.append(error)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(min(jobs, len(self.shards)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.2)  # so that an interrupt is met here
        if failures:
            raise failures[0]

    def publish(self, *, with_cases: bool = True) -> None:
        """Bring the tables up to date. Cases may wait for the end of the night: they look at all calls of a customer."""
        with self._guard:
            began = time.monotonic()
            with disk_full_is_clear(self.out):
                days = publish(self.out, self.journal, with_cases=with_cases)
            self._tally.dates.update(days)
            self._published_at = time.monotonic()
            self._publish_took = self._published_at - began
            self._tally.seconds["publish"] += self._publish_took
        self._on(Published(tuple(days)))

    def publish_if_due(self) -> None:
        with self._guard:
            due_s = max(self.settings.night.publish_every_s, self._publish_took / MOST_PUBLISHING)
            if time.monotonic() - self._published_at >= due_s:
                self.publish(with_cases=False)

    def finish(self) -> Summary:
        """Publish the rest, write the run's row, say how it went; tell the webhook if there is one."""
        with disk_full_is_clear(self.out):
            self.publish()
            self._save_run(finished=True)
            self.publish()
        tally, done = self._tally, self.work.done
        statuses = tally.counts + Counter(k.status for k in done)
        summary = Summary(
            run_id=self.run_id,
            ok=statuses["ok"],
            failed=statuses["failed"],
            skipped=statuses["skipped"],
            duplicates=len(self.work.copies),
            done_before=len(done),
            audio_s=tally.audio_s,
            seconds=tuple(sorted({**tally.seconds, "all": time.monotonic() - self._began}.items())),
            not_heard=tuple(sorted({*tally.failures, *((k.call_id, k.error_code or "") for k in done if k.status != "ok")})),
            flags=tuple(sorted(tally.flags.items())),
            worst=tuple(tally.worst),
            dates=tuple(sorted(tally.dates)),
        )
        with disk_full_is_clear(self.out):
            record_last_night(self.out, summary)
        return summary

    def check_space(self) -> None:
        """Raise FutingError before the disk is full: the run ends in order, and goes on where it was once there is room."""
        free = free_mib(self.out)
        if free < self.settings.night.free_space_mib:
            least = self.settings.night.free_space_mib
            raise FutingError(f"{self.out}: {free} MiB free, less than night.free_space_mib = {least}; make room and run again, it goes on where it stopped")

    # ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _guarded(self) -> GuardedEars:
        night = self.settings.night
        threads = max(1, (os.cpu_count() or 1) // self.jobs) if self.jobs > 1 else None  # several processes must not fight for the same cores
        return GuardedEars(self.settings.hearing, Limits(night.limit_base_s, night.limit_per_audio_s, night.load_limit_s), threads)

    def _borrow(self) -> Ears:
        with self._guard:
            return self._idle.pop() if self._idle else self._open_ears()

    def _write(self, finished: Sequence[tuple[CallRows, Todo | None]]) -> None:
        if not finished:
            return
        with self._guard:
            began = time.monotonic()
            worse = [rows for rows, todo in finished if todo is not None and todo.keep_good and rows.status != "ok"]
            for rows in worse:
                log.warning("call %s could not be heard again (%s); the row that stands is kept", rows.call_id, rows.error_code)
            with disk_full_is_clear(self.out):
                self.journal.record([rows for rows, todo in finished if not (todo is not None and todo.keep_good and rows.status != "ok")])
            tally = self._tally
            for rows, _ in finished:
                tally.counts[rows.status] += 1
                tally.audio_s += rows.duration_s or 0.0
                if rows.status != "ok":
                    tally.failures.append((rows.call_id, rows.error_code or ""))
                elif rows.flag is not None:
                    tally.flags[rows.flag] += 1
                    if rows.flag != "none":
                        worst = [*tally.worst, Worst(rows.call_id, rows.flag, rows.priority or 0.0)]
                        tally.worst = sorted(worst, key=lambda w: (-w.priority, w.call_id))[:WORST]
            tally.seconds["journal"] += time.monotonic() - began
        for rows, todo in finished:
            self._on(Heard(rows.call_id, rows.status, rows.error_code, rows.duration_s or 0.0, (todo.size if todo else None) or 0))

    def _draw(self, heard: Sequence[tuple[str, bytes]]) -> None:
        """Peaks of calls that are heard and written down, for whoever reviews them."""
        began = time.monotonic()
        for call_id, encoded in heard:
            peaks.keep(self.out, call_id, encoded)
        if heard:
            with self._guard:
                self._tally.seconds["draw"] += time.monotonic() - began

    def _save_run(self, *, finished: bool) -> None:
        tally = self._tally
        self._run_day = self._run_day or self.work.last_date or max(dates(self.out), default=None) or datetime.now(self.settings.zone).date()
        versions = {
            "futing": self.desk.stamp.pipeline_version,
            "config": self.desk.stamp.config_hash,
            "python": platform.python_version(),
            "rules": self.desk.book.version,
        }
        for ears in self._idle:
            if ears.asr_model:
                versions |= {"asr": ears.asr_model, "diarizer": ears.diarizer}
        machine = {"host": platform.node(), "system": platform.platform(), "cpus": str(os.cpu_count())}
        record: dict[str, Any] = {
            "run_id": self.run_id,
            "started_at": self._started_at.isoformat(),
            "finished_at": datetime.now(UTC).isoformat() if finished else None,
            "calls": sum(tally.counts.values()),
            "ok": tally.counts["ok"],
            "failed": tally.counts["failed"],
            "skipped": tally.counts["skipped"],
            "duplicates": len(self.work.copies),
            "audio_s": round(tally.audio_s, 3),
            "failures": [{"call_id": i, "error_code": c} for i, c in sorted(tally.failures)],
            "duplicate_recordings": [{"call_id": c.call_id, "recording": c.source} for c in self.work.copies],
            "versions": [{"key": k, "value": v} for k, v in sorted(versions.items())],
            "machine": [{"key": k, "value": v} for k, v in sorted(machine.items())],
            "seconds": [{"stage": s, "seconds": round(v, 3)} for s, v in sorted(tally.seconds.items())],
        }
        with disk_full_is_clear(self.out):
            self.journal.save_run(self.run_id, self._run_day, record)


def replace_size(rows: CallRows, todo: Todo) -> CallRows:
    """The rows with what the file looked like when it was planned, so that an unchanged file is not read again."""
    return replace(rows, size=todo.size, mtime_s=todo.mtime_s)


def _as_planned(encoded: bytes, todo: Todo) -> bytes:
    """The bytes, if they are still those of the plan; raises CallError where the file grew since, or another lies in a good call's place."""
    if todo.size is not None and len(encoded) != todo.size:
        raise CallError("still_growing", "it changed after it was looked at; the next run hears it")
    if todo.keep_good and todo.recording.audio_sha256 not in (None, hashlib.sha256(encoded).hexdigest()):
        raise CallError("io", "another recording lies in its place by now; `futing run` stores that one as a call of its own")
    return encoded


def _shards(todo: Sequence[Todo], most_calls: int, most_bytes: int) -> Iterator[tuple[Todo, ...]]:
    """Consecutive recordings, at most so many and so heavy; a single one may be heavier."""
    shard: list[Todo] = []
    size = 0
    for item in todo:
        if shard and (len(shard) >= most_calls or size + (item.size or 0) > most_bytes):
            yield tuple(shard)
            shard, size = [], 0
        shard.append(item)
        size += item.size or 0
    if shard:
        yield tuple(shard)


def record_last_night(out: Path, summary: Summary) -> None:
    """OUT/.futing/last_night.json: when a run last ended and how, for whoever watches that nights happen at all."""
    path = out / FOLDER / "last_night.json"
    record = {
        "run_id": summary.run_id,
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "state": summary.state,
        "ok": summary.ok,
        "failed": summary.failed,
        "skipped": summary.skipped,
    }
    aside = path.with_suffix(".aside")
    aside.write_text(json.dumps(record) + "\n", encoding="utf-8")
    aside.replace(path)
