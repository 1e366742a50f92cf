"""YAML values of rule files, in; compiled rules and every mistake in them, out.

What a rule is made of: its condition (operators.py), `when`, `unless`, `evidence` and its examples. The surprising choice: what can never be met
(a phrase that holds one of its own exceptions, windows that do not meet) is refused here, before any call is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from models.reading.conditions import AllOf, AnyOf, Condition, Likely, NOf, NoneOf, Phrases, Regex, is_context
from models.reading.evidence import DETECTORS
from models.reading.operators import CALL_KEYS, OPERATORS, Operators
from models.reading.rule import STATUSES, Evidence, Example, Rule, Triggers, Unless, walk
from models.reading.rulefile import Document, Where
from models.records import ROLES

TYPES: dict[str, frozenset[str]] = {
    "abuse": frozenset({"insult", "profanity", "threat", "harassment"}),
    "escalation": frozenset({"supervisor", "regulator", "media", "legal", "complaint", "ultimatum", "repeat", "accusation", "churn", "rejects_apology"}),
    "apology": frozenset({"formula", "warm"}),
    "conduct": frozenset({"deflect", "stall", "taboo", "ask_again", "commit", "empathy", "evaluation"}),
    "resolution": frozenset({"accepted"}),
}
WHEN_KEYS = ("first", "last", "after", "before", "around", "call", "sound", "turn", "any", "all", "none")
_AROUND = ("after", "before", "around", "call", "sound", "first", "last", "any")
UNLESS_KEYS = (
    *DETECTORS,
    "part_of_word",
    "name",
    "unlikely",
    "phrases",
    "clause",
    "sentence",
    "turn",
    "regex",
    *_AROUND,
)
RULE_KEYS = (
    "id",
    "kind",
    "role",
    "severity",
    "score",
    "status",
    "quote",
    "once",
    "within",
    "sounds_like",
    "when",
    "unless",
    "evidence",
    "examples",
    "note",
    "not_regex",
    *OPERATORS,
)
QUOTES = ("hit", "clause", "sentence", "turn", "to_end")
ONCE = ("hit", "turn", "call", "call_last")
_FACTS = ("start_s", "end_s", "loudness_db", "pitch_hz", "chars_per_min", "overlap_s", "confidence", "words")


class Compiler(Operators):
    """Reads rule files, one after the other; lexicons first."""

    def rule_file(self, document: Document) -> list[Rule]:
        """The rules of one file that are not disabled."""
        self._document = document
        top = document.value
        if not isinstance(top, dict) or not isinstance(top.get("rules"), list):
            self._bad((), "a rule file is a mapping with `kind` and a list `rules`", "see docs/rules.md")
            return []
        self._known((), top, ("kind", "defaults", "rules", "note"), "a rule file")
        defaults = top.get("defaults") or {}
        if not isinstance(defaults, dict):
            self._bad(("defaults",), "`defaults` is a mapping of rule keys", "write `defaults: {role: customer}`")
            defaults = {}
        self._known(("defaults",), defaults, tuple(k for k in RULE_KEYS if k not in ("id", "examples", *OPERATORS)), "defaults")
        rules = []
        for i, value in enumerate(top["rules"]):
            if not isinstance(value, dict):
                self._bad(("rules", i), "a rule is a mapping", "start it with `- id: …`")
                continue
            rule = self._rule(("rules", i), _merged(defaults, value), top.get("kind"))
            if rule is not None and rule.status != "disabled":
                rules.append(rule)
        return rules

    def _rule(self, at: Where, value: dict[str, Any], file_kind: object) -> Rule | None:
        rule_id = value.get("id")
        if not isinstance(rule_id, str) or not re.fullmatch(r"[a-z0-9_]+\.[a-z0-9_]+\.[a-z0-9_.]+", rule_id):
            self._bad(at, f"a rule without a proper id ({rule_id!r})", "write `id: kind.type.name` in small letters")
            return None
        self._known(at, value, RULE_KEYS, f"rule '{rule_id}'")
        kind, type_ = rule_id.split(".")[:2]
        status = self._one_of((*at, "status"), value.get("status", "active"), STATUSES, "status")
        if kind != value.get("kind", file_kind):
            self._bad(
                (*at, "id"),
                f"'{rule_id}' stands in kind '{value.get('kind', file_kind)}'",
                "begin the id with that kind, or put the rule into the file of its kind",
            )
        if status != "mark" and (kind not in TYPES or type_ not in TYPES[kind]):
            known = ", ".join(sorted(TYPES[kind])) if kind in TYPES else ", ".join(TYPES)
            self._bad((*at, "id"), f"'{rule_id}' has an unknown {'type' if kind in TYPES else 'kind'}", f"known: {known}; or `status: mark`")
        self._sounds_like = bool(self._flag((*at, "sounds_like"), value.get("sounds_like", False)))
        self._type = f"{kind}/{type_}"
        condition = self._operator(at, value, f"rule '{rule_id}'")
        if condition is None:
            return None
        self._reachable(at, condition, rule_id)
        when = self._when((*at, "when"), value.get("when"), WHEN_KEYS)
        unless = self._unless((*at, "unless"), value.get("unless") or {})
        self._shadowed(at, condition, unless, rule_id)
        evidence = self._evidence((*at, "evidence"), value.get("evidence"))
        roles = self._roles((*at, "role"), value.get("role", "any"))
        examples = self._examples((*at, "examples"), value.get("examples"), rule_id, status, value.get("role", "any"))
        return Rule(
            id=rule_id, kind=kind, type=type_, roles=roles,
            severity=int(self._number((*at, "severity"), value.get("severity", 2), 1, 5, whole=True) or 2),
            score=float(self._number((*at, "score"), value.get("score", 0.8), 0.0, 1.0) or 0.0),
            status=status,
            quote=self._one_of((*at, "quote"), value.get("quote", "hit"), QUOTES, "quote"),
            once=self._one_of((*at, "once"), value.get("once", "hit"), ONCE, "once"),
            within=self._one_of((*at, "within"), value.get("within", "turn"), ("turn", "sentence", "clause"), "within"),
            condition=condition, when=when, unless=unless, evidence=evidence,
            triggers=self._triggers(condition), needs_heat=False, wordless=is_context(condition),
            examples=examples, note=str(value.get("note", "")), file=self._document.file, line=self._document.line(at),
        )  # fmt: skip

    def _unless(self, at: Where, value: Any) -> Unless:
        if not self._mapping(at, value, UNLESS_KEYS):
            return Unless()
        detectors = []
        for name in DETECTORS:
            setting = value.get(name, False)
            if setting is True:
                detectors.append((name, 0.0))
            elif isinstance(setting, int | float) and not isinstance(setting, bool):
                detectors.append((name, float(self._number((*at, name), setting, 0.0, 1.0) or 0.0)))
            elif setting is not False:
                self._bad((*at, name), f"`{name}` is true, false or a factor", "write `true` or a number from 0 to 1")
        chains = {
            k: frozenset(self._phrase_chains((*at, k), self._strings((*at, k), value[k]), False))
            for k in ("phrases", "clause", "sentence", "turn")
            if k in value
        }
        regexes = [self._regex((*at, "regex"), r) for r in self._strings((*at, "regex"), value.get("regex"))]
        conditions = [self._condition((*at, k), k, value[k]) for k in _AROUND if k in value]
        return Unless(
            detectors=tuple(detectors),
            part_of_word=self._flag((*at, "part_of_word"), value.get("part_of_word", True)),
            name=self._flag((*at, "name"), value.get("name", True)),
            unlikely=self._unlikely((*at, "unlikely"), value.get("unlikely", 0)),
            regexes=tuple(r for r in regexes if r is not None),
            conditions=tuple(c for c in conditions if c is not None),
            **chains,
        )

    def _unlikely(self, at: Where, value: Any) -> tuple[int, float] | None:
        """Column and bar; None where no bar is set, or where nothing was learned of the rule's type."""
        bar = float(self._number(at, value, 0, 0.5) or 0.0)
        if not bar or self._learned is None or self._type not in self._learned.types:
            return None
        return self._learned.types.index(self._type), bar

    def _evidence(self, at: Where, value: Any) -> tuple[Evidence, ...]:
        if value is None:
            return ()
        if not isinstance(value, list):
            self._bad(at, "`evidence` is a list", "write `- when: …` and `raise:` or `lower:` below it")
            return ()
        out = []
        for i, item in enumerate(value):
            if not self._mapping((*at, i), item, ("when", "raise", "lower")):
                continue
            if ("raise" in item) == ("lower" in item):
                self._bad((*at, i), "evidence either raises or lowers", "write one of `raise: 0.4`, `lower: 0.4`")
                continue
            when = self._when((*at, i, "when"), item.get("when"), WHEN_KEYS)
            if not when:
                self._bad((*at, i), "evidence without `when`", "say when it counts, or change the rule's score")
            up, down = (float(self._number((*at, i, k), item[k], 0, 1) or 0) if k in item else 0.0 for k in ("raise", "lower"))
            out.append(Evidence(when, up, down))
        return tuple(out)

    def _examples(self, at: Where, value: Any, rule_id: str, status: str, role: Any) -> tuple[Example, ...]:
        if value is None or not isinstance(value, dict):
            if status != "disabled":
                self._bad(at, f"'{rule_id}' has no examples", "give it `examples: {hit: […], miss: […]}`")
            return ()
        self._known(at, value, ("hit", "miss"), "examples")
        speaker = role if isinstance(role, str) else role[0] if isinstance(role, list) and role else "customer"
        speaker = {"any": "customer", "company": "agent"}.get(str(speaker), str(speaker))
        out = []
        for side in ("hit", "miss"):
            items = value.get(side)
            if not isinstance(items, list) or not items:
                if status != "disabled":
                    self._bad(at, f"'{rule_id}' has no example of a {side}", f"write at least one under `{side}`")
                continue
            for i, item in enumerate(items):
                example = self._example((*at, side, i), item, side == "hit", speaker)
                if example is not None:
                    out.append(example)
        return tuple(out)

    def _example(self, at: Where, item: Any, hit: bool, speaker: str) -> Example | None:
        line = self._document.line(at)
        if isinstance(item, str | int):
            named = str(item).partition(":")[0].strip() in ROLES
            item = [str(item) if named else f"{speaker}: {item}"]
        call: dict[str, Any] = {}
        heat = None
        if isinstance(item, dict):
            if not self._mapping(at, item, ("turns", "call", "heat")):
                return None
            call, heat, item = item.get("call") or {}, item.get("heat"), item.get("turns")
            if not isinstance(call, dict) or not self._mapping((*at, "call"), call, (*CALL_KEYS, "duration_s", "started_at")):
                return None
        if not isinstance(item, list) or not item:
            self._bad(at, "an example is a string, a list of `role: text`, or a mapping with `turns`", "see docs/rules.md")
            return None
        turns = []
        for i, turn in enumerate(item):
            facts: dict[str, Any] = {}
            if isinstance(turn, dict) and len(turn) == 1 and next(iter(turn)) in ROLES:
                role, text = next(iter(turn.items()))
            elif isinstance(turn, dict) and "role" in turn and "text" in turn:
                role, text = turn["role"], turn["text"]
                facts = {k: v for k, v in turn.items() if k not in ("role", "text")}
                self._known((*at, i), facts, _FACTS, "a turn of an example")
            else:
                role, _, text = str(turn).partition(":")
                if not text:
                    role, _, text = str(turn).partition("：")
            role = str(role).strip()
            if role not in ROLES:
                self._bad((*at, i), f"unknown role '{role}' in an example", f"begin the line with one of {', '.join(ROLES)} and a colon")
                return None
            turns.append((role, str(text).strip(), tuple(sorted(facts.items()))))
        if heat is not None and (not isinstance(heat, list) or len(heat) != len(turns)):
            self._bad((*at, "heat"), "`heat` is one number (or null) a turn", f"give {len(turns)}")
            heat = None
        return Example(hit, tuple(turns), tuple(sorted(call.items())), None if heat is None else tuple(heat), line)

    def _reachable(self, at: Where, condition: Condition, rule_id: str) -> None:
        for part in walk(condition):
            if isinstance(part, AllOf):
                needed = {c for p in part.parts if isinstance(p, Phrases) and len(p.chains) == 1 for c in p.chains}
                forbidden = {c for p in part.parts if isinstance(p, NoneOf) for q in p.parts if isinstance(q, Phrases) for c in q.chains}
                for chain in needed & forbidden:
                    self._bad(at, f"'{rule_id}' is never met: '{self.chains[chain].source}' must and must not be there", "take it out of `none`")

    def _shadowed(self, at: Where, condition: Condition, unless: Unless, rule_id: str) -> None:
        """A phrase that always holds one of the rule's own exceptions can never hit."""
        exceptions = {
            s
            for i in (*unless.phrases, *unless.clause, *unless.sentence, *unless.turn)
            if len(self.chains[i].parts) == 1 and not self.chains[i].at_start and not self.chains[i].at_end
            for s in self.chains[i].parts[0].spellings
        }
        for part in walk(condition):
            for index in part.chains if isinstance(part, Phrases) else ():
                chain = self.chains[index]
                if any(part.all and not part.optional and not part.pause and all(any(e in s for e in exceptions) for s in part.all) for part in chain.parts):
                    self._bad(
                        at,
                        f"'{chain.source}' of '{rule_id}' is never met: one of its own exceptions stands in it",
                        "narrow the exception or take the phrase out",
                    )

    def _triggers(self, condition: Condition) -> Triggers | None:
        """Chains, alternatives of regexes and likelihoods one of which every hit needs; None where there are none to tell."""
        match condition:
            case Phrases(chains):
                return Triggers(chains)
            case Regex(_, _, branches):
                return Triggers(branches=frozenset(b.number for b in branches)) if all(b.needed for b in branches) else None
            case Likely():
                return Triggers(likely=frozenset({condition}))
            case AnyOf(parts) | NOf(_, parts):
                some = [self._triggers(p) for p in parts]
                if any(s is None for s in some):
                    return None
                return Triggers(*(frozenset().union(*kind) for kind in zip(*(s for s in some if s is not None), strict=True)))
            case AllOf(parts):
                known = [t for t in (self._triggers(p) for p in parts) if t is not None]
                return min(known, key=lambda t: sum(map(len, t))) if known else None
            case _:
                return None


def _merged(defaults: Mapping[str, Any], rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule with the file's defaults; `when` and `unless` are merged key by key, lists of phrases added up."""
    out = dict(defaults) | dict(rule)
    for key in ("when", "unless"):
        a, b = defaults.get(key), rule.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            out[key] = {k: [*a[k], *b[k]] if isinstance(a.get(k), list) and isinstance(b.get(k), list) else b.get(k, a.get(k)) for k in {**a, **b}}
    return out
