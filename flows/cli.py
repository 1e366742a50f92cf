"""The `futing` command: arguments in, exit code out (0 all heard, 3 some failed, 1 could not run).

The surprising choice: every command imports what it needs when it is called, so that `--help` answers at once, and a machine that
only reads tables never loads a model library.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import flows.quiet  # noqa: F401 - telemetry off before anything else is imported
from models.errors import ConfigError, FutingError

if TYPE_CHECKING:
    from flows.settings import Settings
    from models.records import Reason

app = typer.Typer(
    name="futing",
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
    from rich.console import Console

    from flows.intake import find
    from flows.night import Night, open_book
    from flows.plan import plan_input
    from flows.progress import progress_bar, summary_table
    from flows.webhook import tell

    settings = _settings(config, engine, device, keep_original)
    given = parse_day(day) if day else None
    found = find(input, extensions=settings.intake.extensions, zone=settings.zone, manifest=manifest, leave_out=out)
    if not found:
        raise FutingError(f"{input}: no recordings there ({', '.join(settings.intake.extensions[:4])}, …); is the disk mounted, and intake.extensions right?")
    book = open_book(settings)
    with progress_bar(Console(stderr=True)) as on, Night(out, settings, book, on=on) as night:
        night.plan(plan_input(found, night.journal, zone=settings.zone, given=given, settle_s=settings.intake.settle_s))
        night.hear_all(jobs)
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

    stored = stored_call(out, call, parse_day(day) if day else None)
    if stored is None:
        raise FutingError(f"{out}: no call {call!r} in the tables; ids are compared letter by letter")
    Console().print(transcript(stored, _in_words(reasons_from_rows(stored.call["reasons"]))))


def _in_words(reasons: tuple[Reason, ...]) -> list[str]:
    from models.reading.reasons import render

    return [f"{sentence.zh}  {sentence.en}" for sentence in map(render, reasons)]


def _settings(config: Path | None, engine: Engine | None = None, device: Device | None = None, keep_original: bool = False) -> Settings:
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


def parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no date; write it as 2026-11-21") from None


def main() -> None:
    """Run the command line; a user error is one line on stderr and exit code 1."""
    try:
        app(standalone_mode=True)
    except FutingError as error:
        print(f"futing: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except BrokenPipeError:
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
