"""Hits of all rules, in; one claim for each thing said, out.

Two rules of one type that hit the same words, or words that touch, are one claim: the stronger rule names it, the quote holds both. The surprising choice: the
punctuation between two quotes does not keep them apart, since a recogniser's commas are guesses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.records import HeardCall, Match

if TYPE_CHECKING:
    from models.reading.looking import Hit
    from models.reading.rule import Rule


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing to be said about one stretch of a turn; offsets in the text as heard."""

    rule: Rule = field(repr=False)
    turn: int
    start: int
    end: int
    score: float
    match: Match
    meant: str | None = field(default=None, repr=False)


def merged(hits: Sequence[Hit], call: HeardCall) -> list[Claim]:
    """The claims, by turn and offset."""
    groups: dict[tuple[int, str, str], list[Claim]] = {}
    for h in hits:
        groups.setdefault((h.turn, h.rule.kind, h.rule.type), []).append(Claim(h.rule, h.turn, h.start, h.end, h.score, h.match, h.meant))
    out: list[Claim] = []
    for claims in groups.values():
        text = call.turns[claims[0].turn].text
        joined: list[Claim] = []
        for claim in sorted(claims, key=lambda c: (c.start, c.end)):
            if joined and not any(c.isalnum() for c in text[joined[-1].end : claim.start]):
                joined[-1] = _both(joined[-1], claim)
            else:
                joined.append(claim)
        if any(c.rule.once == "turn" for c in joined) and len(joined) > 1:
            joined = [max(joined, key=_strength)]
        out += joined
    for kind, type_ in {(c.rule.kind, c.rule.type) for c in out if c.rule.once in ("call", "call_last")}:
        mine = sorted((c for c in out if (c.rule.kind, c.rule.type) == (kind, type_)), key=lambda c: (c.turn, c.start))
        asserted = [c for c in mine if c.score >= 0.5] or mine
        kept = asserted[-1] if any(c.rule.once == "call_last" for c in mine) else asserted[0]
        out = [c for c in out if (c.rule.kind, c.rule.type) != (kind, type_) or c is kept]
    return sorted(out, key=lambda c: (c.turn, c.start, c.end, c.rule.kind, c.rule.type, c.rule.id))


def _both(a: Claim, b: Claim) -> Claim:
    best = max(a, b, key=_strength)
    return Claim(best.rule, a.turn, min(a.start, b.start), max(a.end, b.end), best.score, best.match, best.meant)


def _strength(claim: Claim) -> tuple[float, int, int, str]:
    return claim.score, claim.end - claim.start, -claim.start, claim.rule.id
