"""`futing rules`: check, test, list and compare rules; plain lines in the terminal out, a non-zero exit where something is wrong.

The surprising choice: `diff` reads the stored turns twice, with the old and the new rules, and writes nothing — the effect of a change is seen before any table
knows of it. Only ids, counts and, with --quotes, the quotes themselves are printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from models.errors import ConfigError

if TYPE_CHECKING:
    from models.reading.rulebook import RuleBook
    from models.records import HeardCall, Moment, Reading

rules_app = typer.Typer(
    help="Check, test, list and compare rules.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)

Config = Annotated[Path | None, typer.Option("--config", help="futing.yaml, or the folder that holds it with rules/ and lexicons/.")]


def folder_of(config: Path | None) -> Path:
    """The configuration folder whose rules are meant: `--config`, FUTING_CONFIG, ./configs, or the shipped copy. Raises ConfigError."""
    if config is not None and (config / "rules").is_dir():
        return config
    from flows.settings import find_folder, load_settings

    if config is not None:
        found = find_folder(config)
        if not (found / "rules").is_dir():
            raise ConfigError(f"no folder rules/ in {found}; name a configuration folder with --config")
        return found
    return load_settings(None).path("rules").parent


@rules_app.command()
def check(config: Config = None) -> None:
    """Refuse what cannot work: unknown keys, conditions that are never met, anchors in a circle, regexes that can hang.

    Example: futing rules check --config configs
    """
    from models.reading.rulebook import read_book

    folder = folder_of(config)
    book, problems = read_book(folder)
    for problem in problems:
        typer.echo(f"{folder.name}/{problem}")
    if book is None:
        typer.echo(f"{len(problems)} problem{'s' * (len(problems) != 1)}; these rules cannot be used", err=True)
        raise typer.Exit(1)
    typer.echo(f"{len(book.rules)} rules and {len(book.lexicons)} lexicons are sound; version {book.version}")


@rules_app.command()
def test(
    config: Config = None,
    rule: Annotated[str | None, typer.Option("--rule", help="Only rules whose id matches, as in 'escalation.*'.")] = None,
) -> None:
    """Run the examples that stand in every rule.

    Example: futing rules test --rule 'abuse.*'
    """
    from fnmatch import fnmatch

    from models.reading.examples import examples_of, run_examples
    from models.reading.rules import load_rulebook

    folder = folder_of(config)
    book = load_rulebook(folder)
    chosen = {r.id for r in book.rules if rule is None or fnmatch(r.id, rule)}
    failures = [f for f in run_examples(book) if f.rule_id in chosen]
    for failure in failures:
        typer.echo(f"{folder.name}/{failure}")
    run = sum(r.id in chosen for r, _ in examples_of(book))
    typer.echo(f"{run - len(failures)} of {run} examples of {len(chosen)} rules hold")
    if failures or not run:
        raise typer.Exit(1)


@rules_app.command("list")
def list_rules(config: Config = None) -> None:
    """Show every rule: id, status, who it is about, severity, score and where it stands.

    Example: futing rules list
    """
    from models.reading.rules import load_rulebook

    book = load_rulebook(folder_of(config))
    rows = [("rule", "status", "said by", "severity", "score", "examples", "at")]
    for r in sorted(book.rules, key=lambda r: r.id):
        rows.append((r.id, r.status, ", ".join(sorted(r.roles)), str(r.severity), f"{r.score:g}", str(len(r.examples)), f"{r.file}:{r.line}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    counts = Counter(r.status for r in book.rules)
    typer.echo(f"{len(book.rules)} rules ({', '.join(f'{n} {s}' for s, n in sorted(counts.items()))}), {len(book.lexicons)} lexicons, version {book.version}")


@rules_app.command()
def learn(
    config: Config = None,
    judge: Annotated[bool, typer.Option("--judge/--no-judge", help="Also say how well each type does on snippets it was not fitted on.")] = True,
) -> None:
    """Fit the labelled snippets of examples/ anew and write learned.npz beside them. Takes a minute or two.

    Rules ask for it with `learned: {at_least: …}` and `unless: {unlikely: …}`. Example: futing rules learn --config configs
    """
    from models.reading.learning import judged, rule_lessons
    from models.reading.learning import learn as fit_examples

    folder = folder_of(config)
    console = Console(soft_wrap=True, highlight=False)
    with console.status("fitting") as status:
        snippets = fit_examples(folder, console.print)
        console.print(f"wrote {folder / 'learned.npz'}")
        if not judge:
            return
        rows = judged(snippets, rule_lessons(folder), lambda told: status.update(f"judging: {told}"))
    console.print("on snippets it was not fitted on: precision/recall where at least so likely")
    console.print("type".ljust(28) + "".join(f"{j.at_least:>11.1f}" for j in next(iter(rows.values()))) + "      n")
    for name, at in rows.items():
        cells = [f"{j.right / max(1, j.right + j.false):.2f}/{j.right / max(1, j.right + j.missed):.2f}" for j in at]
        console.print(name.ljust(28) + "".join(c.rjust(11) for c in cells) + f"{at[0].right + at[0].missed:>7}")


@rules_app.command()
def diff(
    old: Annotated[Path, typer.Option("--from", help="Configuration folder with the old rules.")],
    config: Config = None,
    out: Annotated[Path, typer.Option("--out", help="Folder of the stored nights.")] = Path("nights"),
    day: Annotated[str | None, typer.Option("--date", help="D or D..D; all stored dates without it.")] = None,
    drafts: Annotated[bool, typer.Option("--drafts", help="Count draft rules of the new configuration as if they were active.")] = False,
    quotes: Annotated[bool, typer.Option("--quotes", help="Print the quotes too; they are customers' words.")] = False,
) -> None:
    """Show the moments and flags that a change of rules gains and loses over stored nights; nothing is written.

    Example: futing rules diff --from configs-old --out nights --date 2026-11-01..2026-11-07
    """
    from models.reading.rules import load_rulebook

    before, after = load_rulebook(folder_of(old)), load_rulebook(folder_of(config))
    if drafts:
        after = replace(after, rules=tuple(replace(r, status="active") if r.status == "draft" else r for r in after.rules))
    days = _days(out, day)
    console = Console(soft_wrap=True, highlight=False)
    totals: Counter[str] = Counter()
    for one in days:
        for call in _stored(out, one):
            _compare(call, before, after, one, quotes, console, totals)
    console.print(
        f"{totals['calls']} calls of {len(days)} date{'s' * (len(days) != 1)}, rules {before.version} → {after.version}: "
        f"moments +{totals['gained']} −{totals['lost']}, scores changed {totals['rescored']}, flags changed {totals['flags']}"
        + "".join(f", {name} {totals[name]}" for name in sorted(totals) if "→" in name)
    )


def _compare(call: HeardCall, before: RuleBook, after: RuleBook, day: date, quotes: bool, console: Console, totals: Counter[str]) -> None:
    """Read one call under both rule books and print what differs."""
    from models.reading.read import read

    old, new = read(call, before), read(call, after)
    totals["calls"] += 1
    lines = _lines(old, new, quotes, totals)
    if old.flag != new.flag:
        totals["flags"] += 1
        totals[f"{old.flag}→{new.flag}"] += 1
        lines.insert(0, f"  flag {old.flag} → {new.flag}")
    if lines:
        console.print(f"{day} {escape(call.call_id)}")
        for line in lines:
            console.print(line)


def _lines(old: Reading, new: Reading, quotes: bool, totals: Counter[str]) -> list[str]:
    """What was gained, lost or scored anew. A moment is the same where kind and type agree and its words overlap."""
    lines = []
    left = list(old.moments)
    for m in new.moments:
        same = next((o for o in left if _same(o, m)), None)
        if same is None:
            totals["gained"] += 1
            lines.append(_line("+", m, quotes))
            continue
        left.remove(same)
        if same.asserted != m.asserted:
            totals["rescored"] += 1
            lines.append(_line("~", m, quotes) + f" (was {same.score:g})")
    for o in left:
        totals["lost"] += 1
        lines.append(_line("−", o, quotes))
    return lines


def _same(a: Moment, b: Moment) -> bool:
    return (a.turn, a.kind, a.type) == (b.turn, b.kind, b.type) and a.char_start < b.char_end and b.char_start < a.char_end


def _line(sign: str, m: Moment, quotes: bool) -> str:
    said = f" {escape(m.quote)}" if quotes else ""
    return f"  {sign} {m.kind}/{m.type} turn {m.turn} by {m.role}, score {m.score:g}, {m.rule_id}{said}"


def _days(out: Path, day: str | None) -> list[date]:
    from flows.store import dates

    stored = dates(out)
    if not stored:
        raise ConfigError(f"no stored nights in {out}; name the folder of the tables with --out")
    if day is None:
        return stored
    first, _, last = day.partition("..")
    try:
        low, high = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError as error:
        raise ConfigError(f"--date {day}: {error}; write YYYY-MM-DD or YYYY-MM-DD..YYYY-MM-DD") from error
    chosen = [d for d in stored if low <= d <= high]
    if not chosen:
        raise ConfigError(f"no stored night in {day}; stored: {stored[0]} to {stored[-1]}")
    return chosen


def _stored(out: Path, day: date, batch: int = 500) -> Iterator[HeardCall]:
    """The heard calls of one stored date, some hundred at a time."""
    from flows.rows import heard_from_rows
    from flows.store import read_rows, stored_calls

    table = read_rows(out, "calls", day, columns=["call_id", "status"])
    ids: Sequence[str] = [r["call_id"] for r in table.to_pylist() if r["status"] == "ok"]
    for start in range(0, len(ids), batch):
        for stored in stored_calls(out, day, ids[start : start + batch]):
            yield heard_from_rows(stored.call, stored.turns)
