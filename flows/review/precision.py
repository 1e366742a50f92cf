"""What the verdicts say of each rule: precision with its interval, and examples judged right and wrong.

In: every standing verdict on a moment. Out: one `RuleFigures` a rule. A dispute counts for neither side until a lead settles it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flows.review import standing, statistics
from flows.review.verdicts import Anchor, Verdict


@dataclass(frozen=True, slots=True)
class Example:
    """A judged moment: where it is and why it was wrong, if somebody said so."""

    call_id: str
    at: Anchor
    answer: str
    why: str | None


@dataclass(frozen=True, slots=True)
class RuleFigures:
    rule_id: str
    kind: str | None
    type: str | None
    right: int
    wrong: int
    unsure: int
    disputed: int
    precision: statistics.Share
    examples: tuple[Example, ...]


def of_rules(calls: Mapping[str, Sequence[Verdict]]) -> dict[str, RuleFigures]:
    """Figures by rule id, from each call's verdicts."""
    heaps: dict[str, list[Example]] = defaultdict(list)
    for call_id, said in calls.items():
        for group in standing.groups(said):
            if group.at.rule_id is not None:
                why = next((v.why for v in group.said if v.why), None)
                heaps[group.at.rule_id].append(Example(call_id, group.at, group.answer, why))
    out = {}
    for rule_id, examples in heaps.items():
        count = {a: sum(e.answer == a for e in examples) for a in ("right", "wrong", "unsure", "disputed")}
        share = statistics.wilson(count["right"], count["right"] + count["wrong"])
        first = examples[0].at
        out[rule_id] = RuleFigures(rule_id, first.kind, first.type, count["right"], count["wrong"], count["unsure"], count["disputed"], share, tuple(examples))
    return out
