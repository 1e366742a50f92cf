"""Turns → everything that is read from one call: moments, heat, measures, level, flag, priority, reasons.

In: a heard call (or a transcript made elsewhere) and the rule book. Out: `Reading`. The order matters: heat is felt before
the rules (they may ask for it), the rules speak, what no rule can say alone is added (apologies weighed, questions asked
again, due times, whether the customer gave in), heat is settled by what was found, and triage comes last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from models.reading.apology import apologies
from models.reading.asked import asked_again
from models.reading.heat import feel, settle
from models.reading.measures import measure
from models.reading.promises import due_at
from models.reading.rulebook import RuleBook
from models.reading.rules import Hit, Look, find, find_hits, look
from models.reading.triage import triage
from models.reading.weighing import weighed
from models.records import HeardCall, Measures, Moment, Reading, Turn

QUARREL = ("grievance.", "apology.")  # rules whose hits, marks too, sound like a dispute


def read(call: HeardCall, book: RuleBook) -> Reading:
    """Read one call. A call without turns reads as empty: flag none, priority 0, nothing measured."""
    call = _numbered(call)
    felt = feel(call)
    said = unweighed(call, book, tuple(None if h is None else h.value for h in felt))
    moments = weighed(said.moments, said.looking, said.hits)
    moments = [replace(m, due_at=_due(m, call)) if m.type == "commit" else m for m in moments]
    found = _ordered(_accepted_once(moments, _first_quarrel(said)))
    heat = settle(felt, found, call.turns)
    verdict = triage(found, call.turns, heat)
    return Reading(
        moments=found,
        heat=heat,
        measures=_measures(call, found, heat),
        level=verdict.level,
        unresolved=verdict.unresolved,
        flag=verdict.flag,
        priority=verdict.priority,
        reasons=verdict.reasons,
        rules_version=book.version,
    )


@dataclass(frozen=True, slots=True)
class Said:
    """What the rules and their helpers say of a call before anything is weighed."""

    moments: tuple[Moment, ...]
    looking: Look
    hits: Mapping[str, Sequence[Hit]]


def unweighed(call: HeardCall, book: RuleBook, heat: Sequence[float | None]) -> Said:
    """Every moment that the rules find, apologies weighed and repeated questions added; turns are numbered from 0."""
    scan = look(call, book)
    moments = list(find(call, book, heat, scan=scan))
    hits = find_hits(call, book, heat, scan=scan)
    apologised = apologies(scan, hits, moments)
    sorry = {m.turn for m in apologised if m.type == "warm"}
    moments = [m for m in moments if not (m.kind == "conduct" and m.type == "empathy" and m.turn in sorry)]
    return Said((*moments, *apologised, *asked_again(scan)), scan, hits)


def _numbered(call: HeardCall) -> HeardCall:
    """Turns count from 0 in their order here, so that a moment's turn is an index into the call's turns."""
    if all(t.index == i for i, t in enumerate(call.turns)):
        return call
    return replace(call, turns=tuple(replace(t, index=i) for i, t in enumerate(call.turns)))


def _ordered(moments: Sequence[Moment]) -> tuple[Moment, ...]:
    key = sorted(moments, key=lambda m: (m.turn, m.char_start, m.char_end, m.kind, m.type, m.rule_id))
    return tuple(replace(m, index=i) for i, m in enumerate(key))


def _due(moment: Moment, call: HeardCall):
    """From the quote; where it names no time, from the rest of its turn (我来盯，我姓温，六点半我先给您打一个电话)."""
    said = due_at(moment.quote, call.started_at)
    return said if said is not None else due_at(call.turns[moment.turn].text, call.started_at)


def _first_quarrel(said: Said) -> int | None:
    """The first turn that sounds like a dispute, where no rule is sure: a grievance, a brush-off, an apology. None where there is none."""
    marks = [hit.turn for rule_id, hits in said.hits.items() if rule_id.startswith(QUARREL) for hit in hits]
    return min(marks, default=None)


def _accepted_once(moments: Sequence[Moment], quarrel: int | None) -> list[Moment]:
    """Giving in counts once a call: the plainest words after the last escalation, the first of equals; and only after a dispute."""
    yes = sorted((m for m in moments if m.kind == "resolution" and m.asserted), key=lambda m: (m.turn, m.char_start))
    rest = [m for m in moments if m.kind != "resolution"]
    hot = max((m.turn for m in rest if m.asserted and m.role == "customer" and m.kind in ("escalation", "abuse")), default=quarrel)
    after = [] if hot is None else [m for m in yes if m.turn > hot]
    return [*rest, max(after, key=lambda m: m.score)] if after else rest


def effects(moments: Sequence[Moment], turns: Sequence[Turn], heat: Sequence[float | None]) -> tuple[float | None, ...]:
    """What each asserted apology did: mean heat of the customer's next two turns less the mean of the two before.

    One value a moment, None for all that is no apology and where the customer said nothing before or nothing after.
    """
    out: list[float | None] = []
    for m in moments:
        before = [h for t, h in zip(turns, heat, strict=True) if h is not None and t.index < m.turn][-2:]
        after = [h for t, h in zip(turns, heat, strict=True) if h is not None and t.index > m.turn][:2]
        judged = m.kind == "apology" and m.asserted and before and after
        out.append(sum(after) / len(after) - sum(before) / len(before) if judged else None)
    return tuple(out)


def _measures(call: HeardCall, moments: Sequence[Moment], heat: Sequence[float | None]) -> Measures:
    talk = measure(call)
    said = [m for m in moments if m.kind == "apology" and m.asserted]
    worked = [e for e in effects(moments, call.turns, heat) if e is not None]
    felt = [(t, h) for t, h in zip(call.turns, heat, strict=True) if h is not None]
    peak = max(felt, key=lambda x: x[1], default=None)
    return Measures(
        agent_talk_s=talk.agent_talk_s,
        customer_talk_s=talk.customer_talk_s,
        silence_s=talk.silence_s,
        longest_silence_s=talk.longest_silence_s,
        overlap_s=talk.overlap_s,
        interruptions_agent=talk.interruptions_agent,
        interruptions_customer=talk.interruptions_customer,
        agent_chars_per_min=talk.agent_chars_per_min,
        customer_chars_per_min=talk.customer_chars_per_min,
        apology_formula=sum(m.type == "formula" for m in said),
        apology_warm=sum(m.type == "warm" for m in said),
        first_apology_s=min((m.start_s for m in said if m.start_s is not None), default=None),
        apology_effect=sum(worked) / len(worked) if worked else None,
        heat_start=felt[0][1] if felt else None,
        heat_peak=peak[1] if peak else None,
        heat_peak_s=peak[0].start_s if peak else None,
        heat_end=felt[-1][1] if felt else None,
    )
