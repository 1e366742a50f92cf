"""The night as a Prefect 3 flow: the same functions as `futing run`, with a schedule, retries, artifacts and states around them.

In: the parameters of `futing run`. Out: the tables, and a final state — Completed, Partial (some recordings not heard) or Failed.
The surprising choice: tasks carry a run's id and the number of a shard, nothing else. The open `Night` stays in this process
(`_OPEN`); what Prefect stores of a task is its name, its state and three counts, so no word of a call ever reaches its database.

A task is tried again only where every further try may help: when calls of its shard ended in a transient error (storage, memory,
time), and then only those calls are heard again. Hearing holds a slot of a strict global concurrency limit, one a machine, so two
deployments on one GPU take turns.
"""

from __future__ import annotations

import platform
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date as Date
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.concurrency.sync import concurrency
from prefect.futures import PrefectFuture, wait
from prefect.runtime import task_run
from prefect.states import Completed

from flows.intake import find
from flows.night import Heard, Night, Summary, open_book
from flows.plan import plan_input
from flows.settings import Settings, load_settings
from flows.webhook import failure_told, tell
from models.errors import ConfigError, FutingError

SLOT_LEASE_S: Final = 60.0  # a slot held by a killed process is free again after so long (Prefect's least)
MOST_LISTED = 500  # rows of the not-heard table; the rest stands in the tables
_OPEN: dict[str, Night] = {}  # nights of this process by run id


class NotYet(FutingError):
    """Calls of a shard ended in errors that may pass; raised to have Prefect try the shard again."""


def slot_name() -> str:
    """The concurrency limit of this machine's hearing."""
    return "futing-hearing-" + re.sub(r"[^a-z0-9]+", "-", platform.node().lower()).strip("-")


def _may_pass(_task: object, _run: object, state: State[Any]) -> bool:
    """Whether a failed shard is worth another try: only for NotYet."""
    try:
        state.result()
    except NotYet:
        return True
    except BaseException:
        return False
    return False


@task(name="hear-shard", task_run_name="shard-{shard}", cache_policy=NO_CACHE, persist_result=False, retry_condition_fn=_may_pass, log_prints=False)
def hear_shard(run_id: str, shard: int) -> dict[str, int]:
    """Hear, read and journal one shard; calls by status. Raises NotYet while transient errors and tries are left."""
    night, attempt = _OPEN[run_id], int(task_run.run_count or 1)
    recordings = night.shards[shard]
    if attempt > 1:
        recordings = night.take_back(recordings)
    with _in_our_words(), concurrency(slot_name(), occupy=1, strict=True, lease_duration=SLOT_LEASE_S, raise_on_lease_renewal_failure=False):
        counts = night.hear(recordings)
    left = night.transient(recordings)
    if left and attempt <= len(night.settings.night.retry_delays_s):
        raise NotYet(f"{len(left)} of {len(recordings)} calls of shard {shard} ended in errors that may pass")
    return dict(counts)


@flow(name="nightly", persist_result=False, log_prints=False)
def nightly(
    input: str,  # noqa: A002 - the name that `futing run` has for it
    out: str = "nights",
    date: str | None = None,
    manifest: str | None = None,
    engine: str | None = None,
    device: str | None = None,
    jobs: int = 1,
    keep_original: bool = False,
    config: str | None = None,
) -> State[Any]:
    """Hear and read every recording at `input`, `jobs` shards at a time; started again, it goes on where it stopped."""
    settings = _with(load_settings(config), engine, device, keep_original)
    with _in_our_words(), failure_told(settings.night.webhook):
        summary = _run(settings, input, Path(out), _day(date), manifest, jobs)
    _show(summary)
    tell(settings.night.webhook, summary)
    said = f"{summary.ok} calls heard, {summary.failed} failed, {summary.skipped} skipped"
    if summary.exit_code:
        return Completed(name="Partial", message=said)
    return Completed(message=said)


def _run(settings: Settings, source: str, out: Path, given: Date | None, manifest: str | None, jobs: int) -> Summary:
    """Find, plan, hear shard by shard, publish."""
    logger = get_run_logger()
    found = find(source, extensions=settings.intake.extensions, zone=settings.zone, manifest=manifest, leave_out=out)
    if not found:
        raise FutingError(f"{source}: no recordings there; is the disk mounted, and intake.extensions right?")
    _grant_slots(jobs)
    finished = 0

    def on(event: object) -> None:
        nonlocal finished
        if isinstance(event, Heard):
            finished += 1
            if finished % 500 == 0:
                logger.info("%d calls finished", finished)

    with Night(out, settings, open_book(settings), command="nightly", on=on) as night:
        _OPEN[night.run_id], night.jobs = night, jobs
        try:
            night.plan(plan_input(found, night.journal, zone=settings.zone, given=given, settle_s=settings.intake.settle_s))
            logger.info("%d calls to hear in %d shards, %d known from earlier runs", len(night.work.todo), len(night.shards), len(night.work.done))
            _hear_all(night, jobs)
            return night.finish()
        finally:
            del _OPEN[night.run_id]


@contextmanager
def _in_our_words() -> Iterator[None]:
    """What goes wrong unexpectedly is told by its kind and place: Prefect stores messages, and a library's might quote a caller."""
    try:
        yield
    except FutingError:
        raise
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "/flows/" in f.filename or "/models/" in f.filename]
        place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
        raise FutingError(f"unexpected {type(error).__name__} in {place}; what was heard is safe, start it again; please report it") from None


def _day(text: str | None) -> Date | None:
    try:
        return Date.fromisoformat(text) if text else None
    except ValueError:
        raise ConfigError(f"{text!r} is no date; write it as 2026-11-21") from None


def _with(settings: Settings, engine: str | None, device: str | None, keep_original: bool) -> Settings:
    chosen: Mapping[str, str] = {k: v for k, v in (("engine", engine), ("device", device)) if v}
    privacy = replace(settings.privacy, keep_original=True) if keep_original else settings.privacy
    return replace(settings, hearing=replace(settings.hearing, **chosen), privacy=privacy)  # type: ignore[arg-type]


def _grant_slots(jobs: int) -> None:
    """Make sure that the limit exists (a missing one would stop the night, strict as it is) and lets so many shards through."""
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(slot_name(), limit=max(1, jobs))


def _hear_all(night: Night, jobs: int) -> None:
    """One task a shard, at most `jobs` under way. The first error that is not one call's stops the night in order."""
    delays = list(night.settings.night.retry_delays_s)
    hear = hear_shard.with_options(retries=len(delays), retry_delay_seconds=delays)
    under_way: set[PrefectFuture[Any]] = set()
    failed: PrefectFuture[Any] | None = None
    for shard in range(len(night.shards)):
        under_way.add(hear.submit(night.run_id, shard))
        while failed is None and len(under_way) >= max(1, jobs):
            failed = _next_finished(under_way)
        if failed is not None:
            break
    wait(list(under_way))
    for future in [failed, *under_way]:
        if future is not None:
            future.result()


def _next_finished(under_way: set[PrefectFuture[Any]]) -> PrefectFuture[Any] | None:
    """Wait until one is done and take it out; return it if it failed."""
    wait(list(under_way), timeout=1)
    for future in [f for f in under_way if f.state.is_final()]:
        under_way.discard(future)
        if not future.state.is_completed():
            return future
    return None


def _show(summary: Summary) -> None:
    """Counts, seconds a stage and what was not heard, as artifacts: ids and codes, no text and no names."""
    days = ", ".join(day.isoformat() for day in summary.dates) or "–"
    counts = {"heard": summary.ok, "failed": summary.failed, "skipped": summary.skipped, "duplicates": summary.duplicates, "known before": summary.done_before}
    flags = "".join(f"| flag {name} | {n} |\n" for name, n in summary.flags)
    lines = "".join(f"| {name} | {n} |\n" for name, n in counts.items())
    hours = summary.audio_s / 3600
    create_markdown_artifact(
        key="futing-night",
        markdown=f"# Night {summary.run_id}: {summary.state}\n\nDates {days}, {hours:.2f} hours of audio.\n\n| calls | |\n|---|---:|\n{lines}{flags}",
        description="Counts of one run",
    )
    create_table_artifact(key="futing-stages", table=[{"stage": stage, "seconds": round(s, 3)} for stage, s in summary.seconds], description="Seconds a stage")
    create_table_artifact(
        key="futing-not-heard",
        table=[{"call_id": call_id, "error_code": code} for call_id, code in summary.not_heard[:MOST_LISTED]],
        description=f"{len(summary.not_heard)} recordings without a transcript",
    )


def command(
    input: Annotated[str, typer.Argument(help="A folder, file or fsspec URL of recordings.")],  # noqa: A002
    out: Annotated[Path, typer.Option("--out", help="Folder of the tables; made if it is not there.")] = Path("nights"),
    day: Annotated[str | None, typer.Option("--date", help="Date of calls whose start is not known (YYYY-MM-DD).")] = None,
    manifest: Annotated[str | None, typer.Option(help="CSV, JSON Lines or Parquet with call_id, path, started_at, agent_id, …")] = None,
    engine: Annotated[str | None, typer.Option(help="auto, whisper, ctranslate or scripted.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Shards heard at the same time on this machine.")] = 1,
    keep_original: Annotated[bool, typer.Option("--keep-original", help="Store text as heard, numbers and names unmasked.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="futing.yaml, or the folder that holds it.")] = None,
) -> None:
    """Run one night now as a Prefect flow; on the server of PREFECT_API_URL, else on a temporary one.

    Example: futing nightly /recordings --out nights --jobs 1
    """
    state = nightly(input, str(out), day, manifest, engine, device, jobs, keep_original, str(config) if config else None, return_state=True)
    if state.is_completed():
        typer.echo(f"{state.name}: {state.message}")
        raise typer.Exit(3 if state.name == "Partial" else 0)
    try:
        state.result()
    except FutingError:
        raise
    except BaseException as error:
        raise FutingError(f"the flow ended {state.name} ({type(error).__name__}); start it again, it goes on where it stopped") from None
