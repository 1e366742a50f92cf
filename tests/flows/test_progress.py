"""What the terminal shows of a night and of a call."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from io import StringIO

from rich.console import Console, RenderableType

from flows.night import Heard, Planned, Published, Summary, Worst
from flows.progress import MOST_NOT_HEARD, progress_bar, summary_table, transcript
from flows.store import StoredCall

SUMMARY = Summary(
    run_id="r", ok=2, failed=30, skipped=1, duplicates=4, done_before=5, audio_s=600.0, seconds=(("all", 70.0), ("hear", 60.0)),
    not_heard=tuple((f"[bold]c{i}", "empty") for i in range(30)), flags=(("urgent", 1),), worst=(Worst("w[1]", "urgent", 0.91),), dates=(date(2026, 11, 21),),
)  # fmt: skip


def printed(renderable: RenderableType) -> str:
    console = Console(file=StringIO(), width=160)
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_a_night_read_anew_claims_no_speed_of_hearing() -> None:
    text = printed(summary_table(replace(SUMMARY, seconds=(("all", 3.0), ("read", 3.0))), "nights"))
    assert "10.0 min, by earlier runs" in text and "real time" not in text


def test_the_summary_lists_counts_what_was_not_heard_and_how_to_see_the_worst() -> None:
    text = printed(summary_table(SUMMARY, "nights"))
    for part in ("2 / 30 / 1", "10.0 min at 10.0 × real time", "1:10", "5 finished by earlier runs", "urgent 1", "futing show w[1] --out nights", "0.910"):
        assert part in text, part
    assert text.count("[bold]c") == MOST_NOT_HEARD and f"and {30 - MOST_NOT_HEARD} more" in text


def test_the_bar_counts_calls_minutes_speed_and_time_left() -> None:
    console = Console(file=StringIO(), width=160, force_terminal=True)
    with progress_bar(console) as on:
        on(Planned(2, 1000, 3))
        on(Heard("a", "ok", None, 120.0, 500))
        on(Heard("b[x]", "failed", "empty", 0.0, 500))
        on(Published((date(2026, 11, 21),)))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "2/2" in text and "2.0 min of audio" in text and "× real time" in text and "left" in text
    assert "not heard: b[x] (empty)" in text and "3 calls of this input are finished already" in text


def stored(**call: object) -> StoredCall:
    row = {
        "call_id": "a", "status": "ok", "error_code": None, "error": None,
        "flag": "urgent", "priority": 0.5, "duration_s": 3700.0, "layout": "stereo", "level": "angry",
    } | call  # fmt: skip
    turn = {"turn": 0, "role": "customer", "start_s": 61.2, "heat": 0.7, "text": "我找经历[/bold]"}
    moment = {
        "turn": 0, "kind": "escalation", "type": "supervisor", "start_s": 62.0, "quote": "经历", "char_start": 2, "char_end": 4, "rule_id": "r", "score": 0.8,
        "match": "sounds_like", "meant": "经理",
    }  # fmt: skip
    return StoredCall(date(2026, 11, 21), row, (turn,), (moment, moment | {"score": 0.3, "type": "churn"}))


def test_a_transcript_marks_its_moments_and_takes_markup_for_text() -> None:
    text = printed(transcript(stored(error_code="one_side"), ["客户要找主管  Asked for a supervisor"]))
    for part in (
        "urgent  priority 0.500",
        "1:01:40",
        "note: one_side",
        "• 客户要找主管",
        "1:01  客户 customer",
        "[heat 0.70]",
        "我找经历[/bold]",
        "「经历」 r 0.80, heard for 经理",
    ):
        assert part in text, part


def test_a_call_that_was_not_heard_says_why() -> None:
    assert "failed: empty: the file is empty" in printed(transcript(stored(status="failed", error_code="empty", error="the file is empty"), []))
