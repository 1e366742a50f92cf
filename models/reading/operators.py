"""The operators of the rule language, as YAML, in; conditions, out.

Each method reads one operator and says what is wrong with it in its own terms. The surprising choice: `near` is no operator of its own further on, but
a phrase with a gap, so that it, too, is found by the one automaton and heard through sound-alikes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from models.reading.conditions import (
    AllOf,
    Anchor,
    AnyOf,
    Branch,
    Condition,
    EntityIs,
    Likely,
    Metadata,
    NOf,
    NoneOf,
    Phrases,
    Regex,
    Repeats,
    Similar,
    Sounds,
    TurnIs,
    Window,
)
from models.reading.entities import ENTITY_KINDS
from models.reading.learned import Learned
from models.reading.lexicons import Lexicons
from models.reading.regexes import FLAGS, alternatives, required_sets, why_it_hangs
from models.reading.rulefile import Problem, Where
from models.reading.text import normal_phrase
from models.records import ROLES

OPERATORS = ("phrases", "regex", "near", "similar", "learned", "entity", "repeats", "turn", "sound", "all", "any", "none", "n_of", "after", "before", "around")
SOUND_MEASURES = (
    "overlap_s", "interrupts_s", "silence_before_s", "silence_after_s", "chars_per_min", "rate_rise", "loudness_rise_db", "pitch_rise_st",
    "heat", "customer_heat",
)  # fmt: skip
NEEDED = 4  # of an alternative of a regex, so many sets of strings are asked for before it is tried
CALL_KEYS = ("queue", "team", "direction", "layout", "agent_id")


class Operators(Lexicons):
    """Reads conditions. literals: the plain strings that regexes need in a text; alternatives: how many regexes have in all."""

    def __init__(self, problems: list[Problem], learned: Learned | None = None) -> None:
        super().__init__(problems)
        self._learned = learned
        self._type = ""  # kind/type of the rule that is being read
        self.literals: list[str] = []
        self._literal_ids: dict[str, int] = {}
        self.alternatives = 0
        self._sounds_like = False

    def _operator(self, at: Where, value: Mapping[str, Any], name: str) -> Condition | None:
        """The one condition that stands in a mapping."""
        present = [k for k in OPERATORS if k in value]
        if len(present) != 1:
            said = f"{name} has {' and '.join(present)}" if present else f"{name} says nothing to look for"
            self._bad(at, said, f"exactly one of {', '.join(OPERATORS)}; put several into `all` or `any`")
            return None
        key = present[0]
        if "not_regex" in value and key != "regex":
            self._bad((*at, "not_regex"), "`not_regex` without `regex`", "use `unless: {regex: …}`")
        return self._condition((*at, key), key, value[key], value)

    def _condition(self, at: Where, key: str, value: Any, beside: Mapping[str, Any] = {}) -> Condition | None:
        match key:
            case "phrases":
                chains = self._phrase_chains(at, self._strings(at, value), self._sounds_like)
                return Phrases(frozenset(chains)) if chains else None
            case "regex":
                return self._regex(at, value, beside.get("not_regex"))
            case "near":
                return self._near(at, value)
            case "similar":
                return self._similar(at, value)
            case "learned":
                return self._likely(at, value)
            case "entity":
                return self._entity(at, value)
            case "repeats":
                return self._repeats(at, value)
            case "turn":
                return self._turn(at, value)
            case "sound":
                return self._sound(at, value)
            case "after" | "before" | "around":
                anchors = [self._anchor((*at, i), key, v) for i, v in enumerate(value)] if isinstance(value, list) else [self._anchor(at, key, value)]
                found = [a for a in anchors if a is not None]
                return None if not found else found[0] if len(found) == 1 else AllOf(tuple(found))
            case "all" | "any" | "none":
                parts = self._parts(at, value)
                return None if not parts else {"all": AllOf, "any": AnyOf, "none": NoneOf}[key](parts)
            case "n_of":
                return self._n_of(at, value)
            case "first" | "last":
                return self._window(at, key, value)
            case "call":
                return self._call(at, value)
        raise AssertionError(key)

    def _parts(self, at: Where, value: Any) -> tuple[Condition, ...]:
        if not isinstance(value, list) or not value:
            self._bad(at, f"`{at[-1]}` is a list of conditions", "write `- phrases: […]` or plain phrases below it")
            return ()
        out: list[Condition] = []
        plain: list[str] = []
        for i, item in enumerate(value):
            if isinstance(item, str | int):
                if at[-1] == "any":
                    plain.append(str(item))
                    continue
                chains = self._phrase_chains((*at, i), [str(item)], self._sounds_like)
                if chains:
                    out.append(Phrases(frozenset(chains)))
            elif isinstance(item, dict):
                self._known((*at, i), item, (*OPERATORS, "not_regex", "first", "last", "call"), f"a part of `{at[-1]}`")
                keys = [k for k in ("first", "last", "call") if k in item]
                found = self._condition((*at, i, keys[0]), keys[0], item[keys[0]]) if keys and len(item) == 1 else self._operator((*at, i), item, "a condition")
                if found is not None:
                    out.append(found)
            else:
                self._bad((*at, i), "a part that is neither a phrase nor a mapping", "write a phrase or `operator: …`")
        if plain:
            out.append(Phrases(frozenset(self._phrase_chains(at, plain, self._sounds_like))))
        return tuple(out)

    def _regex(self, at: Where, value: Any, not_value: Any = None) -> Regex | None:
        pattern = self._pattern(at, value)
        exclusion = self._pattern((*at[:-1], "not_regex"), not_value) if not_value is not None else None
        if pattern is None:
            return None
        if pattern.search("") is not None:
            self._bad(at, "the regex matches nothing at all", "ask for at least one character")
        branches = []
        for part in alternatives(pattern.pattern):
            needed = tuple(frozenset(map(self._literal, sorted(strings))) for strings in required_sets(part)[:NEEDED])
            branches.append(Branch(re.compile(part, FLAGS), self.alternatives, needed))
            self.alternatives += 1
        return Regex(pattern, exclusion, tuple(branches))

    def _pattern(self, at: Where, value: Any) -> re.Pattern[str] | None:
        if not isinstance(value, str) or not value:
            self._bad(at, "a regex is a string", "put it in single quotes")
            return None
        try:
            pattern = re.compile(value, FLAGS)
        except (re.error, OverflowError, RecursionError) as error:
            self._bad(at, f"no regex: {error}", "Python's `re` syntax is used")
            return None
        why = why_it_hangs(value)
        if why:
            self._bad(at, f"a regex that can hang: {why}", "bound the inner repetition, as in .{0,6}, or use `near`")
            return None
        return pattern

    def _literal(self, literal: str) -> int:
        if literal not in self._literal_ids:
            self._literal_ids[literal] = len(self.literals)
            self.literals.append(literal)
        return self._literal_ids[literal]

    def _near(self, at: Where, value: Any) -> Condition | None:
        if not self._mapping(at, value, ("a", "b", "within", "ordered")):
            return None
        a, b = self._strings((*at, "a"), value.get("a")), self._strings((*at, "b"), value.get("b"))
        within = self._number((*at, "within"), value.get("within", 6), 1, 40, whole=True) or 6
        if not a or not b:
            self._bad(at, "`near` needs both sets", "write `near: {a: […], b: […], within: 8}`")
            return None
        for part in (*a, *b):
            if any(c in part for c in "*<^$"):
                self._bad(at, f"'{part}' holds a gap or an anchor inside `near`", "use a phrase with gaps instead")
                return None
        sides = ["(" + "|".join(side) + ")" for side in (a, b)]
        phrases = [f"{sides[0]}<{within}>{sides[1]}"]
        if not self._flag((*at, "ordered"), value.get("ordered", False)):
            phrases.append(f"{sides[1]}<{within}>{sides[0]}")
        chains = self._phrase_chains(at, phrases, self._sounds_like)
        return Phrases(frozenset(chains)) if chains else None

    def _similar(self, at: Where, value: Any) -> Similar | None:
        if not self._mapping(at, value, ("to", "at_least", "by")):
            return None
        models = [m for m in self._strings((*at, "to"), value.get("to")) if normal_phrase(m)]
        by = self._one_of((*at, "by"), value.get("by", "text"), ("text", "embedding"), "by")
        if not models:
            self._bad(at, "`similar` has no model sentences", "write `to: […]`")
            return None
        return Similar(tuple(models), float(self._number((*at, "at_least"), value.get("at_least", 0.6), 0.2, 1.0) or 0.6), by)

    def _likely(self, at: Where, value: Any) -> Likely | None:
        if not self._mapping(at, value, ("type", "at_least")):
            return None
        name = str(value.get("type", self._type))
        at_least = float(self._number((*at, "at_least"), value.get("at_least", 0.5), 0.02, 0.99) or 0.5)
        if self._learned is None:
            self._bad(at, "`learned` without a learned model", "make learned.npz from examples/ with `futing rules learn`")
            return None
        if name not in self._learned.types:
            self._bad(at, f"the learned model knows no '{name}'", f"known: {', '.join(self._learned.types)}; or add examples and run `futing rules learn`")
            return None
        return Likely(self._learned.types.index(name), at_least)

    def _entity(self, at: Where, value: Any) -> EntityIs | None:
        if isinstance(value, str | list):
            value = {"is": value}
        if not self._mapping(at, value, ("is", "at_least", "at_most")):
            return None
        kinds = tuple(self._one_of((*at, "is"), k, ENTITY_KINDS, "entity") for k in self._strings((*at, "is"), value.get("is")))
        low, high = self._bounds(at, value)
        if (low is not None or high is not None) and "amount" not in kinds:
            self._bad(at, "only amounts have bounds", "take `at_least` and `at_most` out")
        return EntityIs(kinds, low, high) if kinds else None

    def _repeats(self, at: Where, value: Any) -> Repeats | None:
        if not self._mapping(at, value, ("by", "back", "similarity", "min_chars", "times")):
            return None
        return Repeats(
            self._one_of((*at, "by"), value.get("by", "self"), ("self", "other", "any", *ROLES), "by"),
            int(self._number((*at, "back"), value.get("back", 10), 0, 10_000, whole=True) or 0),
            float(self._number((*at, "similarity"), value.get("similarity", 0.8), 0.3, 1.0) or 0.8),
            int(self._number((*at, "min_chars"), value.get("min_chars", 6), 2, 200, whole=True) or 6),
            int(self._number((*at, "times"), value.get("times", 1), 1, 100, whole=True) or 1),
        )

    def _turn(self, at: Where, value: Any) -> TurnIs | None:
        if not self._mapping(at, value, ("chars", "question")):
            return None
        low = high = None
        if "chars" in value and self._mapping((*at, "chars"), value["chars"], ("at_least", "at_most")):
            low, high = self._bounds((*at, "chars"), value["chars"])
        question = value.get("question")
        return TurnIs(
            None if low is None else int(low), None if high is None else int(high), None if question is None else self._flag((*at, "question"), question)
        )

    def _sound(self, at: Where, value: Any) -> Sounds | None:
        if not self._mapping(at, value, SOUND_MEASURES) or not value:
            return None
        bounds = []
        for name, limits in value.items():
            if self._mapping((*at, name), limits, ("at_least", "at_most")):
                low, high = self._bounds((*at, name), limits)
                if name in ("heat", "customer_heat") and low is not None and low > 1:
                    self._bad((*at, name), f"`{name}` is never {low:g}: it lies between 0 and 1", "lower it")
                if low is None and high is None:
                    self._bad((*at, name), f"`{name}` has no bound", "write `{at_least: …}` or `{at_most: …}`")
                bounds.append((name, low, high))
        return Sounds(tuple(bounds))

    def _anchor(self, at: Where, where: str, value: Any) -> Anchor | None:
        if isinstance(value, str):
            value = {"rule": value}
        if not self._mapping(at, value, ("rule", "turns", "nth", "at_least", "possible", "role")):
            return None
        rules = tuple(self._strings((*at, "rule"), value.get("rule")))
        if not rules:
            self._bad(at, f"`{where}` names no rule", "write `rule: escalation.*`")
            return None
        turns = value.get("turns", 3)
        count = None if turns == "call" else int(self._number((*at, "turns"), turns, 0, 1000, whole=True) or 0)
        nth = 0 if value.get("nth", "any") == "any" else int(self._number((*at, "nth"), value["nth"], -100, 100, whole=True) or 0)
        if value.get("nth", "any") != "any" and nth == 0:
            self._bad((*at, "nth"), "`nth: 0` is no hit", "count from 1, from -1 backwards, or write `any`")
        at_least = int(self._number((*at, "at_least"), value.get("at_least", 1), 1, 100, whole=True) or 1)
        if nth and at_least > 1:
            self._bad(at, "`nth` and `at_least` together can hardly both be meant", "keep one")
        roles = self._roles((*at, "role"), value["role"]) if "role" in value else None
        return Anchor(rules, where, count, nth, at_least, bool(value.get("possible", False)), roles)

    def _n_of(self, at: Where, value: Any) -> NOf | None:
        if not self._mapping(at, value, ("n", "of")):
            return None
        parts = self._parts((*at, "of"), value.get("of"))
        n = int(self._number((*at, "n"), value.get("n", 2), 1, 100, whole=True) or 1)
        if parts and n > len(parts):
            self._bad(at, f"never met: {n} of {len(parts)} conditions", f"lower `n` to {len(parts)} or add conditions")
        return NOf(n, parts) if parts else None

    def _window(self, at: Where, key: str, value: Any) -> Window | None:
        if not self._mapping(at, value, ("seconds", "turns", "percent")):
            return None
        if len(value) != 1:
            self._bad(at, f"`{key}` takes one of seconds, turns, percent", "keep one")
            return None
        unit, amount = next(iter(value.items()))
        number = self._number((*at, unit), amount, 0, 100 if unit == "percent" else 1e6)
        if number is not None and number <= 0:
            self._bad(at, f"never met: `{key}` is empty", "give it more than 0")
        return None if number is None else Window(key == "first", unit, float(number))

    def _call(self, at: Where, value: Any) -> Metadata | None:
        if not self._mapping(at, value, CALL_KEYS):
            return None
        return Metadata(tuple((k, tuple(self._strings((*at, k), v))) for k, v in value.items()))

    def _when(self, at: Where, value: Any, keys: Sequence[str]) -> tuple[Condition, ...]:
        if value is None:
            return ()
        if not self._mapping(at, value, keys):
            return ()
        out = [self._condition((*at, key), key, value[key]) for key in keys if key in value]
        first, last = (next((w for w in out if isinstance(w, Window) and w.first is side), None) for side in (True, False))
        if first and last and first.unit == last.unit == "percent" and first.amount + last.amount < 100:
            self._bad(at, f"never met: the first {first.amount:g} % and the last {last.amount:g} % do not meet", "keep one")
        return tuple(c for c in out if c is not None)
