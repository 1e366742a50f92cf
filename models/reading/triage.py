"""Moments → level, unresolved, flag, priority and the reasons a QA lead reads.

In: one call's moments (asserted and possible), turns and heat. Out: `Verdict`. The flag follows the product's rule to the
letter; priority keeps every urgent above every review above every none, and inside a flag puts what harms people most
first. Possible moments (score below ASSERTED) never flag: they only lift a call inside its own band, so that what the
rules half heard is listened to before what they heard nothing in.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from models.records import Flag, Level, Moment, Reason, Turn

OUTSIDE = frozenset({"regulator", "media", "legal"})
ANGRY_HEAT = 0.6
FRUSTRATED_HEAT = 0.35
BAND: dict[Flag, tuple[float, float]] = {"none": (0.0, 0.3), "review": (0.35, 0.65), "urgent": (0.7, 1.0)}


@dataclass(frozen=True, slots=True)
class Verdict:
    level: Level
    unresolved: bool
    flag: Flag
    priority: float
    reasons: tuple[Reason, ...]


def triage(moments: Sequence[Moment], turns: Sequence[Turn], heat: Sequence[float | None]) -> Verdict:
    sure = [m for m in moments if m.asserted]
    unresolved = is_unresolved(sure)
    abuse = [m for m in sure if m.kind == "abuse"]
    escalation = [m for m in sure if m.kind == "escalation"]
    brushed_off = [m for m in sure if m.kind == "conduct" and m.type in ("deflect", "stall") and already_angry(m, sure, turns, heat)]
    taboo = [m for m in sure if m.kind == "conduct" and m.type == "taboo"]
    flag: Flag = "urgent" if abuse or unresolved else "review" if escalation or taboo or brushed_off else "none"
    reasons = _reasons(abuse, escalation, unresolved, taboo, brushed_off)
    return Verdict(_level(sure, heat), unresolved, flag, _priority(flag, moments, unresolved, heat), reasons)


def is_unresolved(sure: Sequence[Moment]) -> bool:
    """Escalation with no acceptance after the last one. Being a repeat caller alone does not count."""
    last = max((m.turn for m in sure if m.kind == "escalation" and m.type != "repeat"), default=None)
    return last is not None and not any(m.kind == "resolution" and m.turn >= last for m in sure)


def already_angry(moment: Moment, sure: Sequence[Moment], turns: Sequence[Turn], heat: Sequence[float | None]) -> bool:
    """Escalation or abuse before this moment, or heat of at least 0.6 in the customer's last turn."""
    if any(m.kind in ("escalation", "abuse") and m.role == "customer" and m.turn < moment.turn for m in sure):
        return True
    before = [h for t, h in zip(turns, heat, strict=True) if t.by_customer and t.index < moment.turn and h is not None]
    return bool(before) and before[-1] >= ANGRY_HEAT


def _level(sure: Sequence[Moment], heat: Sequence[float | None]) -> Level:
    mine = {(m.kind, m.type) for m in sure if m.role == "customer"}
    peak = max((h for h in heat if h is not None), default=0.0)
    kinds = {k for k, _ in mine}
    if ("abuse", "threat") in mine or any(k == "escalation" and t in OUTSIDE | {"ultimatum"} for k, t in mine):
        return "threatening"
    if "abuse" in kinds or any(k == "escalation" and t != "repeat" for k, t in mine) or peak >= ANGRY_HEAT:
        return "angry"
    return "frustrated" if "escalation" in kinds or peak >= FRUSTRATED_HEAT else "calm"


def _weight(m: Moment, unresolved: bool) -> float:
    """How bad one moment is, 0–1, before doubt. The order: agent's abuse, threat and harassment, outside bodies, the rest."""
    if m.kind == "abuse":
        if m.role != "customer":
            return 1.0
        return 0.8 if m.type in ("threat", "harassment") else 0.5
    if m.kind == "escalation":
        if m.type in OUTSIDE:
            return 0.62 if unresolved else 0.5
        return 0.15 if m.type == "repeat" else 0.4 if unresolved else 0.35
    if m.kind == "conduct":
        return {"taboo": 0.4, "deflect": 0.12, "stall": 0.12, "ask_again": 0.08}.get(m.type, 0.0)
    return 0.0


def _priority(flag: Flag, moments: Sequence[Moment], unresolved: bool, heat: Sequence[float | None]) -> float:
    """0–1. The worst moment decides, doubt lowers it, further moments and heat break ties."""
    weighed = sorted((_weight(m, unresolved) * (m.score if m.asserted else 0.5 * m.score) for m in moments), reverse=True)
    worst = weighed[0] if weighed else 0.0
    more = 1.0 - math.exp(-sum(weighed[1:]) / 2.0)
    peak = max((h for h in heat if h is not None), default=0.0)
    inside = min(1.0, 0.7 * worst + 0.2 * more + 0.1 * peak)
    low, high = BAND[flag]
    return round(low + (high - low) * inside, 6)


def _reasons(abuse: list[Moment], escalation: list[Moment], unresolved: bool, taboo: list[Moment], brushed_off: list[Moment]) -> tuple[Reason, ...]:
    """Worst first, one a kind of finding, pointing at its surest moment and saying how often."""
    reasons: list[Reason] = []

    def add(code: str, found: list[Moment]) -> None:
        if found:
            first = max(found, key=lambda m: (m.score, -m.turn))
            reasons.append(Reason(code, first.index, (("count", str(len(found))),)))

    add("agent_abuse", [m for m in abuse if m.role != "customer"])
    for kind in ("threat", "harassment", "insult", "profanity"):
        add(f"customer_{kind}", [m for m in abuse if m.role == "customer" and m.type == kind])
    counts = Counter(m.type for m in escalation)
    order = ("regulator", "media", "legal", "ultimatum", "complaint", "supervisor", "accusation", "churn", "rejects_apology", "repeat")
    lone_repeat = bool(escalation) and set(counts) == {"repeat"}
    for kind in order:
        if kind in counts:
            state = "lone" if lone_repeat else "open" if unresolved else "settled"
            add(f"{kind}_{state}", [m for m in escalation if m.type == kind])
    add("taboo", taboo)
    add("deflect_angry", [m for m in brushed_off if m.type == "deflect"])
    add("stall_angry", [m for m in brushed_off if m.type == "stall"])
    return tuple(reasons)
