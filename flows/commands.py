"""Commands that are imported only when they are called, so that `futing --help` answers at once and one broken part breaks only itself.

In: for each name, where its code lies and one line of help. Out: a Typer group that knows them all.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperGroup

from models.errors import FutingError

Command = Any  # Typer brings a click of its own, whose classes are not to be imported by name


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A command's place: the module and the function or Typer app in it; `help` is what the overview says."""

    module: str
    attribute: str
    help: str


ELSEWHERE: dict[str, Elsewhere] = {
    "read": Elsewhere("flows.texts", "command", "Read transcripts and chats made elsewhere into the same tables."),
    "nightly": Elsewhere("flows.nightly", "command", "The same as run, as a Prefect flow: schedule, retries, artifacts."),
    "deploy": Elsewhere("flows.deploy", "command", "Serve the nightly flow on a cron."),
    "evaluate": Elsewhere("flows.evaluate", "command", "Score a finished run against labelled truth."),
    "rules": Elsewhere("flows.rules_cli", "rules_app", "Check, test, list and compare rules."),
    "weights": Elsewhere("flows.download", "weights_app", "List, fetch and verify model weights."),
    "purge": Elsewhere("flows.purge", "command", "Remove calls from every table, journal and cache."),
    "review": Elsewhere("flows.review.commands", "review", "Serve the review page."),
    "user": Elsewhere("flows.review.commands", "user_app", "Add, list and remove accounts of the review page."),
    "doctor": Elsewhere("flows.doctor", "command", "Say what this machine will do, and whether the last night happened."),
    "demo": Elsewhere("flows.demo", "command", "Hear the demo night and show its worst calls."),
}
ORDER = ("run", "read", "rerun", "show", "review", "user", "evaluate", "rules", "nightly", "deploy", "purge", "weights", "doctor", "demo")


class LazyGroup(TyperGroup):
    """The commands of `flows.cli` and, without importing them, those of ELSEWHERE."""

    def list_commands(self, ctx: Any) -> list[str]:
        names = {*super().list_commands(ctx), *ELSEWHERE}
        return sorted(names, key=lambda n: (ORDER.index(n) if n in ORDER else len(ORDER), n))

    def get_command(self, ctx: Any, cmd_name: str) -> Command:
        place = ELSEWHERE.get(cmd_name)
        return super().get_command(ctx, cmd_name) if place is None else load(cmd_name, place)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = []
        for name in self.list_commands(ctx):
            here = super().get_command(ctx, name)
            rows.append((name, ELSEWHERE[name].help if name in ELSEWHERE else here.get_short_help_str(80) if here is not None else ""))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def load(name: str, place: Elsewhere) -> Command:
    """Import a command; raises FutingError when this installation lacks it."""
    try:
        found: Any = getattr(importlib.import_module(place.module), place.attribute)
    except ModuleNotFoundError as error:
        raise FutingError(f"`futing {name}` cannot be loaded: the module {error.name} is not installed; install futing with all its parts") from error
    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        single.command(name)(found)
        found = single
    found.pretty_exceptions_enable = False
    command = typer.main.get_command(found)
    command.name = name
    return command
