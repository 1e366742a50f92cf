"""What the terminal shows: a bar while the night runs, a table when it is over, a transcript on request.

In: events and summaries. Out: rich renderables on stderr (progress) and stdout (results). Nothing here knows how anything is
heard; nothing elsewhere knows about consoles.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from flows.night import Event, Heard, Hook, Planned, Published, Summary
from flows.store import StoredCall

MOST_NOT_HEARD = 20  # lines; the rest is in the tables
FLAG_STYLE = {"urgent": "bold red", "review": "yellow", "none": "green"}
ROLE_STYLE = {"agent": "cyan", "customer": "magenta", "supervisor": "blue", "ivr": "dim"}
ROLE_NAME = {"agent": "坐席 agent", "customer": "客户 customer", "supervisor": "主管 supervisor", "ivr": "语音 ivr"}


@contextmanager
def progress_bar(console: Console) -> Iterator[Hook]:
    """Calls, audio minutes, × real time and time left, while a night runs. The time left goes by bytes, which are known beforehand."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    with Progress(*columns, console=console, transient=False, refresh_per_second=4) as bar:
        task = bar.add_task("hearing", total=None, note="loading models …")
        began, audio_s, done, size, total_size = time.monotonic(), 0.0, 0, 0, 0

        def on(event: Event) -> None:
            nonlocal began, audio_s, done, size, total_size
            if isinstance(event, Planned):
                began, total_size = time.monotonic(), event.size
                bar.update(task, total=event.calls)
                if event.done:
                    bar.console.print(f"{event.done} calls of this input are finished already; {event.calls} to hear", highlight=False)
            elif isinstance(event, Heard):
                audio_s, done, size = audio_s + event.audio_s, done + 1, size + event.size
                spent = time.monotonic() - began
                left = f", {_clock(spent * (total_size - size) / size)} left" if size else ""
                bar.update(task, completed=done, note=f"{audio_s / 60:.1f} min of audio, {audio_s / max(spent, 1e-9):.1f} × real time{left}")
                if event.status != "ok":
                    bar.console.print(f"  not heard: {event.call_id} ({event.error_code})", highlight=False, markup=False)
            elif isinstance(event, Published) and event.dates:
                bar.update(task, description="published")

        yield on


def _heard(audio_s: float, spent_s: float) -> str:
    """Minutes of audio, and how fast they were heard where they were: reading anew hears nothing."""
    minutes = f"{audio_s / 60:.1f} min"
    return f"{minutes} at {audio_s / spent_s:.1f} × real time" if spent_s > 0 else f"{minutes}, by earlier runs" if audio_s else minutes


def summary_table(summary: Summary, out: str) -> Group:
    """How the night went: counts, what was not heard, the worst calls, and what to do next."""
    seconds = dict(summary.seconds)
    table = Table(title=f"run {summary.run_id}", title_justify="left", show_header=False, box=None, pad_edge=False)
    rows = [
        ("calls", f"{summary.ok + summary.failed + summary.skipped}" + (f" ({summary.done_before} finished by earlier runs)" if summary.done_before else "")),
        ("ok / failed / skipped", f"{summary.ok} / {summary.failed} / {summary.skipped}"),
        ("further copies of the same bytes", str(summary.duplicates)),
        ("audio heard", _heard(summary.audio_s, seconds.get("hear", 0.0))),
        ("took", _clock(seconds.get("all", 0.0))),
        ("flags", ", ".join(f"{name} {count}" for name, count in summary.flags) or "none new"),
    ]
    for name, value in rows:
        table.add_row(f"{name}  ", value)
    parts: list[Table | Text] = [table]
    if summary.not_heard:
        lost = Table(title="not heard", title_justify="left", box=None, pad_edge=False)
        lost.add_column("call")
        lost.add_column("why")
        for call_id, code in summary.not_heard[:MOST_NOT_HEARD]:
            lost.add_row(escape(call_id), code)
        if len(summary.not_heard) > MOST_NOT_HEARD:
            lost.add_row("…", f"and {len(summary.not_heard) - MOST_NOT_HEARD} more")
        parts += [Text(), lost]
    if summary.worst:
        worst = Table(title="worst calls", title_justify="left", box=None, pad_edge=False)
        for column in ("call", "flag", "priority"):
            worst.add_column(column)
        for call in summary.worst:
            worst.add_row(escape(call.call_id), Text(call.flag, style=FLAG_STYLE[call.flag]), f"{call.priority:.3f}")
        parts += [Text(), worst, Text(f"\nfuting show {summary.worst[0].call_id} --out {out}", style="bold")]
    return Group(*parts)


def transcript(stored: StoredCall, reasons: list[str]) -> Group:
    """One call: what is known of it, why it is flagged, and its turns with their moments marked."""
    call = stored.call
    head = Text()
    head.append(f"{call['call_id']}  ", style="bold")
    if call["status"] != "ok":
        head.append(f"{call['status']}: {call['error_code']}: {call['error']}", style="red")
        return Group(head)
    head.append(str(call["flag"]), style=FLAG_STYLE.get(call["flag"], ""))
    head.append(f"  priority {call['priority']:.3f}  {stored.date}  {_clock(call['duration_s'] or 0.0)}  {call['layout']}  level {call['level']}")
    if call["error_code"]:
        head.append(f"  note: {call['error_code']}", style="yellow")
    lines: list[Text] = [head, *(Text(f"  • {reason}") for reason in reasons), Text()]
    by_turn: dict[int, list[dict]] = {}
    for moment in stored.moments:
        by_turn.setdefault(moment["turn"], []).append(moment)
    for turn in stored.turns:
        line = Text()
        line.append(f"{_clock(turn['start_s']) if turn['start_s'] is not None else '':>7}  ", style="dim")
        line.append(f"{ROLE_NAME.get(turn['role'], turn['role'])}  ", style=ROLE_STYLE.get(turn["role"], ""))
        if turn["heat"] is not None:
            line.append(f"[heat {turn['heat']:.2f}] ", style="red" if turn["heat"] >= 0.6 else "dim")
        text = Text(turn["text"])
        for moment in by_turn.get(turn["turn"], ()):
            text.stylize("bold underline" if moment["score"] >= 0.5 else "dim underline", moment["char_start"], moment["char_end"])
        lines.append(line + text)
        for moment in by_turn.get(turn["turn"], ()):
            meant = f", heard for {moment['meant']}" if moment["meant"] and moment["match"] == "sounds_like" else ""
            at = f" at {_clock(moment['start_s'])}" if moment["start_s"] is not None else ""
            note = f"{'':>9}▲ {moment['kind']}/{moment['type']}{at}  「{moment['quote']}」 {moment['rule_id']} {moment['score']:.2f}{meant}"
            lines.append(Text(note, style="yellow" if moment["score"] >= 0.5 else "dim"))
    return Group(*lines)


def _clock(seconds: float) -> str:
    """m:ss, or h:mm:ss."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}" if whole >= 3600 else f"{whole // 60}:{whole % 60:02d}"
