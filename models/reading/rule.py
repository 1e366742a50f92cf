"""A rule as the engine knows it: who, what, when, unless, how sure — compiled, without a trace of YAML.

In: what compiling.py made of a file. Out: values that rules.py asks. The surprising choice: a rule also carries its own tests (`examples`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from models.reading.conditions import AllOf, Anchor, AnyOf, Branch, Condition, Likely, NOf, NoneOf, Regex
from models.records import Role

STATUSES = ("active", "draft", "mark", "disabled")


@dataclass(frozen=True, slots=True)
class Example:
    """One example of a rule: a dialogue that must (hit) or must not (miss) hit. turns: (role, text, facts such as start_s, loudness_db)."""

    hit: bool
    turns: tuple[tuple[Role, str, tuple[tuple[str, object], ...]], ...] = field(repr=False)
    call: tuple[tuple[str, object], ...] = ()
    heat: tuple[float | None, ...] | None = None
    line: int = 0


class Triggers(NamedTuple):
    """What a turn needs one of for a rule to hit it: chains, alternatives of regexes (both as numbers), or likeness to examples."""

    chains: frozenset[int] = frozenset()
    branches: frozenset[int] = frozenset()
    likely: frozenset[Likely] = frozenset()


@dataclass(frozen=True, slots=True)
class Unless:
    """What takes a hit away. detectors: (name, factor), factor 0 takes it away wholly. Chains are indices into the matcher. unlikely: column of the
    learned model and the likelihood below which no hit stands."""

    detectors: tuple[tuple[str, float], ...] = ()
    part_of_word: bool = True
    name: bool = True
    unlikely: tuple[int, float] | None = None
    phrases: frozenset[int] = frozenset()
    clause: frozenset[int] = frozenset()
    sentence: frozenset[int] = frozenset()
    turn: frozenset[int] = frozenset()
    regexes: tuple[Condition, ...] = ()
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Evidence:
    """While all conditions hold: raise the score by a share of what is missing to 1, or lower it by a share of itself."""

    when: tuple[Condition, ...]
    up: float = 0.0
    down: float = 0.0


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled rule. triggers: one of them must be met by a turn for the rule to hit it; None: any turn."""

    id: str
    kind: str
    type: str
    roles: frozenset[str]
    severity: int
    score: float
    status: str
    quote: str
    once: str
    within: str
    condition: Condition
    when: tuple[Condition, ...]
    unless: Unless
    evidence: tuple[Evidence, ...]
    triggers: Triggers | None
    needs_heat: bool
    wordless: bool
    examples: tuple[Example, ...]
    note: str
    file: str
    line: int


def walk(condition: Condition) -> Iterator[Condition]:
    """The condition and everything inside it."""
    yield condition
    if isinstance(condition, AllOf | AnyOf | NoneOf | NOf):
        for part in condition.parts:
            yield from walk(part)


def conditions_of(rule: Rule) -> Iterator[Condition]:
    """Every condition of a rule, wherever it stands."""
    for top in (rule.condition, *rule.when, *rule.unless.conditions, *(c for e in rule.evidence for c in e.when)):
        yield from walk(top)


def branches_of(rule: Rule) -> Iterator[Branch]:
    """Every alternative of every regex of a rule, its exceptions' too."""
    for condition in (*conditions_of(rule), *(c for top in rule.unless.regexes for c in walk(top))):
        if isinstance(condition, Regex):
            yield from condition.branches


def with_anchors(rule: Rule, change: Callable[[Anchor], Anchor]) -> Rule:
    """The rule with every anchor in it changed."""

    def go(condition: Condition) -> Condition:
        if isinstance(condition, Anchor):
            return change(condition)
        if isinstance(condition, AllOf | AnyOf | NoneOf | NOf):
            return replace(condition, parts=tuple(map(go, condition.parts)))
        return condition

    return replace(
        rule,
        condition=go(rule.condition),
        when=tuple(map(go, rule.when)),
        unless=replace(rule.unless, conditions=tuple(map(go, rule.unless.conditions))),
        evidence=tuple(replace(e, when=tuple(map(go, e.when))) for e in rule.evidence),
    )
