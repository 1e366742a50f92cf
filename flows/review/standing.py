"""What verdicts add up to: which moment each one speaks of today, where people agree, and the answer that stands.

In: verdicts as given and moments as the tables have them now. Out: groups of verdicts, attached or orphaned. The surprising choice: a
verdict never points at a moment's number, which a rerun may change, but at what it was: its type, its side and its stretch of time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from flows.review.verdicts import Anchor, Verdict

SAME = 0.5  # of the longer of the two stretches must be shared: a moment ten times as long is another moment
Answer = Literal["right", "wrong", "unsure", "disputed", "open"]


@dataclass(frozen=True, slots=True)
class Group:
    """The verdicts on one moment (or on the call), the latest of each author, and the answer that stands.

    at: where the first of them stood. settled: a lead had the last word. missed: it was found by a person, not by the machine.
    """

    at: Anchor
    said: tuple[Verdict, ...]
    answer: Answer
    settled: bool
    missed: bool


def overlap(a: Anchor, b: Anchor) -> float:
    """The share of the longer stretch that both cover, 0–1: by time, or where there is none, by characters of the same turn."""
    if None not in (a.start_s, a.end_s, b.start_s, b.end_s):
        a0, a1, b0, b1 = float(a.start_s or 0), float(a.end_s or 0), float(b.start_s or 0), float(b.end_s or 0)
    elif a.turn is not None and a.turn == b.turn and None not in (a.char_start, a.char_end, b.char_start, b.char_end):
        a0, a1, b0, b1 = float(a.char_start or 0), float(a.char_end or 0), float(b.char_start or 0), float(b.char_end or 0)
    else:
        return 0.0
    longer = max(a1 - a0, b1 - b0)
    if longer <= 0:
        return float(a0 == b0)
    return max(0.0, min(a1, b1) - max(a0, b0)) / longer


def same(a: Anchor, b: Anchor) -> bool:
    """Whether two anchors speak of one moment: same kind, type and side, and at least half the time shared."""
    return (a.kind, a.type, a.side) == (b.kind, b.type, b.side) and overlap(a, b) >= SAME


def standing(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts that were not taken back, in order."""
    verdicts = list(verdicts)
    gone = {v.takes_back for v in verdicts if v.takes_back is not None}
    return [v for v in verdicts if v.id not in gone and v.answer != "taken_back"]


def resolve(said: Sequence[Verdict]) -> tuple[Answer, bool]:
    """The answer of one group and whether a lead settled it. Unsure gives way to sure; right against wrong is a dispute."""
    for verdict in reversed(said):
        if verdict.settles:
            return ("right" if verdict.answer == "missed" else verdict.answer), True  # type: ignore[return-value]
    answers = {("right" if v.answer == "missed" else v.answer) for v in said}
    if {"right", "wrong"} <= answers:
        return "disputed", False
    for answer in ("wrong", "right", "unsure"):
        if answer in answers:
            return answer, False
    return "open", False


def groups(verdicts: Iterable[Verdict], target: str = "moment") -> list[Group]:
    """Verdicts on one moment together. `target`: moment (missed ones are moments too) or call."""
    heaps: list[list[Verdict]] = []
    for verdict in standing(verdicts):
        if (verdict.target == "call") != (target == "call"):
            continue
        home = next((h for h in heaps if target == "call" or same(h[0].anchor, verdict.anchor)), None)
        if home is None:
            heaps.append([verdict])
        else:
            home.append(verdict)
    out = []
    for heap in heaps:
        latest: dict[tuple[int, bool], Verdict] = {}
        for verdict in heap:
            latest.pop((verdict.author, verdict.settles), None)
            latest[verdict.author, verdict.settles] = verdict
        said = tuple(latest.values())
        answer, settled = resolve(said)
        out.append(Group(heap[0].anchor, said, answer, settled, any(v.target == "missed" for v in heap)))
    return out


def attach(found: Sequence[Group], moments: Sequence[Anchor]) -> tuple[dict[int, Group], list[Group]]:
    """Each group to the moment of today it speaks of, best overlap first and one to one; the rest are orphans, in order."""
    pairs = sorted(((overlap(g.at, m), -i, -j) for i, g in enumerate(found) for j, m in enumerate(moments) if same(g.at, m)), reverse=True)
    taken: dict[int, Group] = {}
    placed: set[int] = set()
    for _, i, j in pairs:
        if -i not in placed and -j not in taken:
            taken[-j] = found[-i]
            placed.add(-i)
    return taken, [g for i, g in enumerate(found) if i not in placed]
