"""The `futing` command: arguments in, exit code out (0 all heard, 3 some failed, 1 could not run).

The surprising choice: every command imports what it needs when it is called, so that `--help` answers at once, and a machine that
only reads tables never loads a model library.
"""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import flows.quiet  # noqa: F401 - telemetry off before anything else is imported
from flows.commands import LazyGroup
from models.errors import ConfigError, FutingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.night import Night
    from flows.settings import Settings
    from models.records import Reason

app = typer.Typer(
    name="futing",
    cls=LazyGroup,
    help="Listens to every customer-service call overnight, so that QA staff re-listen only to the minutes that matter.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Engine(StrEnum):
    auto = "auto"
    whisper = "whisper"
    ctranslate = "ctranslate"
    scripted = "scripted"


class Start(StrEnum):
    hearing = "hearing"
    reading = "reading"


class Device(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


Out = Annotated[Path, typer.Option("--out", help="Folder of the tables; made if it is not there.")]
Config = Annotated[Path | None, typer.Option("--config", help="futing.yaml, or the folder that holds it.")]
OUT = Path("nights")


@app.callback()
def _root(verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more about what is done.")] = False) -> None:
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="futing: %(message)s", stream=sys.stderr)
    for noisy in ("httpx", "fsspec", "numba", "torio", "jieba"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


@app.command()
def run(
    input: Annotated[str, typer.Argument(help="A folder, file or fsspec URL of recordings.")],  # noqa: A002
    out: Out = OUT,
    day: Annotated[str | None, typer.Option("--date", help="Date of calls whose start is not known (YYYY-MM-DD); else the file's own.")] = None,
    manifest: Annotated[str | None, typer.Option(help="CSV, JSON Lines or Parquet with call_id, path, started_at, agent_id, …")] = None,
    engine: Annotated[Engine | None, typer.Option(help="Which recogniser; auto takes ctranslate on a CPU.")] = None,
    device: Annotated[Device | None, typer.Option(help="Where it runs; auto takes CUDA where a GPU answers.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Shards heard at the same time, each by models of its own.")] = 1,
    keep_original: Annotated[bool, typer.Option("--keep-original", help="Store text as heard, numbers and names unmasked.")] = False,
    config: Config = None,
) -> None:
    """Hear and read recordings, write the tables, say which calls are worst. Started again after a crash, it goes on.

    Example: futing run /recordings/2026-11-21 --out nights --manifest calls.csv
    """
    from flows.intake import find
    from flows.plan import plan_input
    from flows.webhook import failure_told

    settings = settings_of(config, engine, device, keep_original)
    given = parse_days(day)[0] if day else None
    with failure_told(settings.night.webhook):
        found = find(input, extensions=settings.intake.extensions, zone=settings.zone, manifest=manifest, leave_out=out)
        if not found:
            kinds = ", ".join(settings.intake.extensions[:4])
            raise FutingError(f"{input}: no recordings there ({kinds}, …); is the disk mounted, and intake.extensions right?")

    def work(night: Night) -> None:
        night.plan(plan_input(found, night.journal, zone=settings.zone, given=given, settle_s=settings.intake.settle_s))
        night.hear_all(jobs)

    night(out, settings, "run", work)


@app.command()
def rerun(
    out: Out = OUT,
    day: Annotated[str | None, typer.Option("--date", help="A date, or a range of them: 2026-11-01..2026-11-21.")] = None,
    call: Annotated[list[str] | None, typer.Option("--call", help="A call's id; may be given again and again.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only calls that were not heard.")] = False,
    start: Annotated[Start, typer.Option("--from", help="reading: from the stored turns, without a model.")] = Start.hearing,
    engine: Annotated[Engine | None, typer.Option(help="Which recogniser; auto takes ctranslate on a CPU.")] = None,
    device: Annotated[Device | None, typer.Option(help="Where it runs; auto takes CUDA where a GPU answers.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Shards heard at the same time, each by models of its own.")] = 1,
    keep_original: Annotated[bool, typer.Option("--keep-original", help="Store text as heard, numbers and names unmasked.")] = False,
    config: Config = None,
) -> None:
    """Make calls again that are in the tables already, and leave all others as they are. Selectors are joined by and.

    Example: futing rerun --out nights --date 2026-11-01..2026-11-21 --from reading
    """
    from flows.rerun import from_hearing, from_reading, select

    settings = settings_of(config, engine, device, keep_original)
    first, last = parse_days(day) if day else (None, None)

    def work(night: Night) -> None:
        known = select(night, first=first, last=last, call_ids=call or [], failed=failed)
        if not known and not failed:
            raise FutingError(f"{out}: no calls there{f' on {day}' if day else ''}; nothing was done")
        if start is Start.reading:
            from_reading(night, known)
        else:
            from_hearing(night, known, jobs)

    night(out, settings, "rerun", work)


def night(out: Path, settings: Settings, command: str, work: Callable[[Night], None]) -> None:
    """Open the output, do the work under a progress bar, print the summary, leave with the run's exit code."""
    from rich.console import Console

    from flows.night import Night, open_book
    from flows.progress import progress_bar, summary_table
    from flows.webhook import failure_told, tell

    with failure_told(settings.night.webhook):
        book = open_book(settings)
        with progress_bar(Console(stderr=True)) as on, Night(out, settings, book, command=command, on=on) as night:
            work(night)
            summary = night.finish()
    Console().print(summary_table(summary, str(out)))
    tell(settings.night.webhook, summary)
    raise typer.Exit(summary.exit_code)


@app.command()
def show(
    call: Annotated[str, typer.Argument(help="The call's id.")],
    out: Out = OUT,
    day: Annotated[str | None, typer.Option("--date", help="Its date, where known: found faster.")] = None,
) -> None:
    """Print a call's transcript: roles, times, moments marked, flag and reasons.

    Example: futing show call-0042 --out nights
    """
    from rich.console import Console

    from flows.progress import transcript
    from flows.rows import reasons_from_rows
    from flows.store import stored_call

    stored = stored_call(out, call, parse_days(day)[0] if day else None)
    if stored is None:
        raise FutingError(f"{out}: no call {call!r} in the tables; ids are compared letter by letter")
    Console().print(transcript(stored, _in_words(reasons_from_rows(stored.call["reasons"]))))


def _in_words(reasons: tuple[Reason, ...]) -> list[str]:
    from models.reading.reasons import render

    return [f"{sentence.zh}  {sentence.en}" for sentence in map(render, reasons)]


def settings_of(config: Path | None, engine: Engine | None = None, device: Device | None = None, keep_original: bool = False) -> Settings:
    """The settings with the command line's say in them."""
    from flows.settings import load_settings

    settings = load_settings(config)
    hearing = settings.hearing
    if engine is not None:
        hearing = replace(hearing, engine=engine.value)
    if device is not None:
        hearing = replace(hearing, device=device.value)
    privacy = replace(settings.privacy, keep_original=True) if keep_original else settings.privacy
    return replace(settings, hearing=hearing, privacy=privacy)


def parse_days(text: str) -> tuple[date, date]:
    """D or D..D, both ends included."""
    first, dots, last = text.partition("..")
    try:
        days = date.fromisoformat(first), date.fromisoformat(last if dots else first)
    except ValueError:
        raise ConfigError(f"{text!r} is no date; write 2026-11-21, or 2026-11-01..2026-11-21 for a range") from None
    if days[0] > days[1]:
        raise ConfigError(f"{text!r}: the range ends before it begins")
    return days


def main() -> None:
    """Run the command line; a user error is one line on stderr and exit code 1."""
    try:
        app(standalone_mode=True)
    except FutingError as error:
        print(f"futing: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:
        raise SystemExit(1) from None
    except Exception as error:  # its message might quote a caller
        if os.environ.get("FUTING_DEBUG"):
            raise
        print(f"futing: unexpected {type(error).__name__} in {_where(error)}; FUTING_DEBUG=1 shows more, please report it", file=sys.stderr)
        raise SystemExit(1) from None


def _where(error: BaseException) -> str:
    """File and line of the innermost frame that is ours."""
    import traceback

    frames = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__) if "/flows/" in f.filename or "/models/" in f.filename]
    return frames[-1] if frames else "an unknown place"


if __name__ == "__main__":
    main()
