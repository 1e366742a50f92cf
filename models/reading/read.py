"""Turns → everything that is read from one call: moments, heat, measures, level, flag, priority, reasons.

In: a heard call (or a transcript made elsewhere) and the rule book. Out: `Reading`. The order matters once: heat is felt
before the rules (they may ask for it) and settled after them (whoever threatens is not cool, however calm the voice).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from models.reading.heat import feel, settle
from models.reading.measures import measure
from models.reading.triage import triage
from models.records import HeardCall, Measures, Moment, Reading, Turn

if TYPE_CHECKING:
    from models.reading.rules import RuleBook


def read(call: HeardCall, book: RuleBook | None) -> Reading:
    """Read one call. A call without turns reads as empty: flag none, priority 0, nothing measured."""
    call = _numbered(call)
    felt = feel(call)
    moments: tuple[Moment, ...] = ()
    if book is not None:
        from models.reading.rules import find

        moments = tuple(find(call, book, tuple(None if h is None else h.value for h in felt)))
    moments = tuple(replace(m, index=i) for i, m in enumerate(sorted(moments, key=lambda m: (m.turn, m.char_start, m.kind, m.type))))
    heat = settle(felt, moments, call.turns)
    verdict = triage(moments, call.turns, heat)
    return Reading(
        moments=moments,
        heat=heat,
        measures=_measures(call, moments, heat),
        level=verdict.level,
        unresolved=verdict.unresolved,
        flag=verdict.flag,
        priority=verdict.priority,
        reasons=verdict.reasons,
        rules_version=book.version if book is not None else "",
    )


def _numbered(call: HeardCall) -> HeardCall:
    """Turns count from 0 in their order here, so that a moment's turn is an index into the call's turns."""
    if all(t.index == i for i, t in enumerate(call.turns)):
        return call
    return replace(call, turns=tuple(replace(t, index=i) for i, t in enumerate(call.turns)))


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
    apologies = [m for m in moments if m.kind == "apology" and m.asserted]
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
        apology_formula=sum(m.type == "formula" for m in apologies),
        apology_warm=sum(m.type == "warm" for m in apologies),
        first_apology_s=min((m.start_s for m in apologies if m.start_s is not None), default=None),
        apology_effect=sum(worked) / len(worked) if worked else None,
        heat_start=felt[0][1] if felt else None,
        heat_peak=peak[1] if peak else None,
        heat_peak_s=peak[0].start_s if peak else None,
        heat_end=felt[-1][1] if felt else None,
    )
