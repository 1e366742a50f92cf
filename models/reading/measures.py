"""Turns → the figures of the calls table: who talked how long, silences, overlap, interruptions, rates.

In: a heard call (times may be missing; then the figures are None). Out: `Talk`. An interruption takes the floor: a turn
that begins while the other side speaks, says more than 嗯 or 好的, and goes on after the other has stopped. Short
overlaps are normal in conversation (about 40 % of changes of speaker have one) and are counted in seconds only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from models.records import HeardCall, Turn

BACKCHANNEL = re.compile(
    r"(?:嗯+|呃+|啊+|哦+|噢+|喔+|唉+|哎+|欸+|喂+|好+的?吧?|好嘞|对+的?|是+的?|行+吧?|成|可以|知道了?|明白了?|收到|没错|没问题|谢谢您?|不客气|您好|你好)+"
)
SPOKEN = re.compile(r"[\u3400-\u9fff0-9A-Za-z*]")  # *: a masked character, which was one of these before it was stored
FLOOR_S = 0.3  # a start this much before the other's end is no slip of timing (turn-taking gaps scatter by about 0.2 s)


@dataclass(frozen=True, slots=True)
class Talk:
    """Seconds, counts, characters a minute; None where the turns have no times."""

    agent_talk_s: float | None = None
    customer_talk_s: float | None = None
    silence_s: float | None = None
    longest_silence_s: float | None = None
    overlap_s: float | None = None
    interruptions_agent: int | None = None
    interruptions_customer: int | None = None
    agent_chars_per_min: float | None = None
    customer_chars_per_min: float | None = None


def union(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Merge (start_s, end_s) spans that touch or overlap; sorted, disjoint, none empty."""
    merged: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def shared_s(a: Sequence[tuple[float, float]], b: Sequence[tuple[float, float]]) -> float:
    """Seconds that two lists of disjoint sorted spans have in common."""
    i = j = 0
    total = 0.0
    while i < len(a) and j < len(b):
        total += max(0.0, min(a[i][1], b[j][1]) - max(a[i][0], b[j][0]))
        if a[i][1] < b[j][1]:
            i += 1
        else:
            j += 1
    return total


def said(text: str) -> int:
    """Han characters, digits and Latin letters: what counts for a rate of speech."""
    return len(SPOKEN.findall(text))


def is_backchannel(text: str) -> bool:
    """嗯, 好的, 对对对: a sign of listening, not a bid for the floor."""
    bare = "".join(SPOKEN.findall(text))
    return not bare or BACKCHANNEL.fullmatch(bare) is not None


def span(turn: Turn) -> tuple[float, float] | None:
    return None if turn.start_s is None or turn.end_s is None else (turn.start_s, turn.end_s)


def measure(call: HeardCall) -> Talk:
    """Figures of one call. IVR announcements are nobody's talk, but they are no silence either."""
    timed = [(t, s) for t in call.turns if (s := span(t)) is not None]
    if not timed or len(timed) < len(call.turns):
        return Talk()
    agent = union(s for t, s in timed if t.role in ("agent", "supervisor"))
    customer = union(s for t, s in timed if t.role == "customer")
    everybody = union(s for _, s in timed)
    end_s = max(call.duration_s or 0.0, everybody[-1][1] if everybody else 0.0)
    gaps = _gaps(everybody, end_s)
    # Mixed mono: two voices at once stand in one turn's overlap_s (from segmentation) though turns follow one another.
    heard = [t.overlap_s for t in call.turns if t.role == "customer" and t.overlap_s is not None]
    return Talk(
        agent_talk_s=_seconds(agent),
        customer_talk_s=_seconds(customer),
        silence_s=sum(b - a for a, b in gaps),
        longest_silence_s=max((b - a for a, b in gaps), default=0.0),
        overlap_s=max(shared_s(agent, customer), sum(heard)),
        interruptions_agent=_interruptions(timed, by_customer=False),
        interruptions_customer=_interruptions(timed, by_customer=True),
        agent_chars_per_min=_rate([(t, s) for t, s in timed if t.role in ("agent", "supervisor")]),
        customer_chars_per_min=_rate([(t, s) for t, s in timed if t.role == "customer"]),
    )


def _seconds(spans: list[tuple[float, float]]) -> float:
    return sum(b - a for a, b in spans)


def _gaps(spoken: list[tuple[float, float]], end_s: float) -> list[tuple[float, float]]:
    edges = [0.0, *(x for s in spoken for x in s), end_s]
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]


def _rate(timed: list[tuple[Turn, tuple[float, float]]]) -> float | None:
    seconds = sum(b - a for _, (a, b) in timed)
    return 60.0 * sum(said(t.text) for t, _ in timed) / seconds if seconds > 0 else None


def interrupts(turn: Turn, others: Iterable[Turn]) -> bool:
    """Whether `turn` takes the floor from one of the `others` (turns of the other side)."""
    mine = span(turn)
    if mine is None or is_backchannel(turn.text):
        return False
    for other in others:
        theirs = span(other)
        if theirs and theirs[0] < mine[0] < theirs[1] - FLOOR_S and mine[1] > theirs[1]:
            return True
    return False


def _interruptions(timed: list[tuple[Turn, tuple[float, float]]], by_customer: bool) -> int:
    ordered = sorted(timed, key=lambda x: x[1])
    count = 0
    for i, (turn, _) in enumerate(ordered):
        if turn.by_customer == by_customer and turn.role != "ivr":
            # A turn can only cut into one that began before it; looking back a handful is enough, turns are short.
            count += interrupts(turn, [o for o, _ in ordered[max(0, i - 4) : i] if o.by_customer != by_customer and o.role != "ivr"])
    return count
