"""YAML values of rule and lexicon files, in; compiled rules and every mistake in them, out.

Each `_name` method reads one key of the language and says what is wrong with it in terms of that key: what, where, how to mend. The surprising
choice: a mistake never raises; it is noted and the reading goes on, so that one check shows all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from models.reading.conditions import (
    AllOf,
    Anchor,
    AnyOf,
    Condition,
    EntityIs,
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
    is_context,
)
from models.reading.entities import ENTITY_KINDS
from models.reading.evidence import DETECTORS
from models.reading.patterns import Chain, PhraseError, parse_phrase
from models.reading.regexes import FLAGS, required_strings, why_it_hangs
from models.reading.rule import STATUSES, Evidence, Example, Rule, Unless, walk
from models.reading.rulefile import Document, Problem, Where
from models.reading.text import normal_phrase
from models.records import ROLES

TYPES: dict[str, frozenset[str]] = {
    "abuse": frozenset({"insult", "profanity", "threat", "harassment"}),
    "escalation": frozenset({"supervisor", "regulator", "media", "legal", "complaint", "ultimatum", "repeat", "accusation", "churn", "rejects_apology"}),
    "apology": frozenset({"formula", "warm"}),
    "conduct": frozenset({"deflect", "stall", "taboo", "ask_again", "commit", "empathy", "evaluation"}),
    "resolution": frozenset({"accepted"}),
}
OPERATORS = ("phrases", "regex", "near", "similar", "entity", "repeats", "turn", "sound", "all", "any", "none", "n_of", "after", "before", "around")
WHEN_KEYS = ("first", "last", "after", "before", "around", "call", "sound", "turn", "any", "all", "none")
_AROUND = ("after", "before", "around", "call", "sound", "first", "last", "any")
UNLESS_KEYS = (
    *DETECTORS,
    "part_of_word",
    "name",
    "phrases",
    "clause",
    "sentence",
    "turn",
    "regex",
    *_AROUND,
)
SOUND_MEASURES = (
    "overlap_s", "interrupts_s", "silence_before_s", "silence_after_s", "chars_per_min", "rate_rise", "loudness_rise_db", "pitch_rise_st",
    "heat", "customer_heat",
)  # fmt: skip
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
CALL_KEYS = ("queue", "team", "direction", "layout", "agent_id")
_FACTS = ("start_s", "end_s", "loudness_db", "pitch_hz", "chars_per_min", "overlap_s", "confidence", "words")


class Compiler:
    """Gathers the chains, literals and words of all files while reading them; problems are appended to the list it is given."""

    def __init__(self, problems: list[Problem], has_embed: bool = False) -> None:
        self.problems = problems
        self.has_embed = has_embed
        self.words: dict[str, list[str]] = {}
        self.jieba_words: set[str] = set()
        self.name_chains: list[int] = []
        self.chains: list[Chain] = []
        self.literals: list[str] = []
        self._chain_ids: dict[tuple[str, bool], int] = {}
        self._literal_ids: dict[str, int] = {}
        self._document: Document = Document("", None, {})
        self._sounds_like = False

    def _bad(self, where: Where, what: str, mend: str) -> None:
        self.problems.append(Problem(self._document.file, self._document.line(where), what, mend))

    # ---- lexicons ----

    def lexicons(self, documents: Sequence[Document]) -> None:
        """Read all lexicons, then resolve their inheritance."""
        raw: dict[str, tuple[Document, Where, dict[str, Any]]] = {}
        for document in documents:
            self._document = document
            if not isinstance(document.value, dict):
                self._bad((), "a lexicon file is a mapping of names", "write `name:` and below it `words: […]`")
                continue
            for name, value in document.value.items():
                if isinstance(value, list):
                    value = {"words": value}
                if not isinstance(value, dict):
                    self._bad((name,), f"lexicon '{name}' is no mapping", "give it `words: […]`")
                    continue
                if name in raw:
                    self._bad((name,), f"lexicon '{name}' stands twice (also {raw[name][0].file})", "give one another name")
                    continue
                self._known((name,), value, ("words", "synonyms", "from", "without", "names", "cut", "note"), f"lexicon '{name}'")
                raw[name] = (document, (name,), value)
        for name in raw:
            self._lexicon(name, raw, [])

    def _lexicon(self, name: str, raw: Mapping[str, tuple[Document, Where, dict[str, Any]]], path: list[str]) -> list[str]:
        if name in self.words:
            return self.words[name]
        document, where, value = raw[name]
        self._document = document
        if name in path:
            self._bad(where, f"lexicons inherit in a circle: {' → '.join([*path, name])}", "take one `from` out")
            return []
        words: list[str] = []
        for parent in self._strings((*where, "from"), value.get("from")):
            if parent not in raw:
                self._bad((*where, "from"), f"lexicon '{name}' takes from '{parent}', which is not there", f"known: {', '.join(sorted(raw))}")
                continue
            words += self._lexicon(parent, raw, [*path, name])
            self._document = document
        words += self._strings((*where, "words"), value.get("words"))
        synonyms = value.get("synonyms") or {}
        if isinstance(synonyms, dict):
            for key, others in synonyms.items():
                if key not in words:
                    self._bad((*where, "synonyms", key), f"synonyms of '{key}', which is no word of '{name}'", "add it to `words` or take it out")
                words += self._strings((*where, "synonyms", key), others)
        else:
            self._bad((*where, "synonyms"), "synonyms are a mapping of a word to a list", "write `synonyms: {领导: [头儿]}`")
        without = set(self._strings((*where, "without"), value.get("without")))
        for word in sorted(without - set(words)):
            self._bad((*where, "without"), f"'{word}' is taken out of '{name}' but not in it", "take it out of `without`")
        words = [w for w in dict.fromkeys(words) if w not in without]
        if not words:
            self._bad(where, f"lexicon '{name}' has no words", "give it `words: […]`")
        for word in words:
            if any(c in word for c in "*<>{}^$"):
                self._bad(where, f"'{word}' in lexicon '{name}' holds a gap, an anchor or a lexicon", "write such phrases in the rule")
        self.words[name] = words
        plain = [p for w in words for p in self._plain(where, w)]
        if value.get("cut"):
            self.jieba_words |= set(plain)
        if value.get("names"):
            self.jieba_words |= set(plain)
            self.name_chains += self._phrase_chains(where, words, sounds_like=False)
        return words

    def _plain(self, where: Where, word: str) -> list[str]:
        try:
            return sorted(parse_phrase(word, {}).parts[0].all)
        except PhraseError as error:
            self._bad(where, str(error), "")
            return []

    # ---- rules ----

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

    # ---- operators ----

    def _phrase_chains(self, at: Where, phrases: Sequence[str], sounds_like: bool) -> list[int]:
        out = []
        for i, phrase in enumerate(phrases):
            try:
                chain = parse_phrase(phrase, self.words, sounds_like)
            except PhraseError as error:
                text, _, mend = str(error).rpartition("; ")
                self._bad((*at, i) if len(phrases) > 1 else at, text or str(error), mend if text else "")
                continue
            key = (phrase.strip(), sounds_like)
            if key not in self._chain_ids:
                self._chain_ids[key] = len(self.chains)
                self.chains.append(chain)
            out.append(self._chain_ids[key])
        return list(dict.fromkeys(out))

    def _regex(self, at: Where, value: Any, not_value: Any = None) -> Regex | None:
        pattern = self._pattern(at, value)
        exclusion = self._pattern((*at[:-1], "not_regex"), not_value) if not_value is not None else None
        if pattern is None:
            return None
        if pattern.search("") is not None:
            self._bad(at, "the regex matches nothing at all", "ask for at least one character")
        strings = required_strings(pattern.pattern)
        literals = None if strings is None else tuple(self._literal(s) for s in strings)
        return Regex(pattern, exclusion, literals)

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

    # ---- when, unless, evidence, examples ----

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
            regexes=tuple(r for r in regexes if r is not None),
            conditions=tuple(c for c in conditions if c is not None),
            **chains,
        )

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
            item = [f"{speaker}: {item}"]
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

    # ---- what can never be met ----

    def _reachable(self, at: Where, condition: Condition, rule_id: str) -> None:
        for part in walk(condition):
            if isinstance(part, AllOf):
                needed = {c for p in part.parts if isinstance(p, Phrases) and len(p.chains) == 1 for c in p.chains}
                forbidden = {c for p in part.parts if isinstance(p, NoneOf) for q in p.parts if isinstance(q, Phrases) for c in q.chains}
                for chain in needed & forbidden:
                    self._bad(at, f"'{rule_id}' is never met: '{self.chains[chain].source}' must and must not be there", "take it out of `none`")
            if isinstance(part, Similar) and part.by == "embedding" and not self.has_embed:
                continue  # stays silent without an embedding; documented, not a mistake

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

    def _triggers(self, condition: Condition) -> tuple[frozenset[int], frozenset[int]] | None:
        """Chains and literals one of which every hit needs; None where there are none to tell."""
        match condition:
            case Phrases(chains):
                return chains, frozenset()
            case Regex(_, _, literals):
                return None if literals is None else (frozenset(), frozenset(literals))
            case AnyOf(parts) | NOf(_, parts):
                some = [self._triggers(p) for p in parts]
                if any(s is None for s in some):
                    return None
                return frozenset().union(*(s[0] for s in some if s)), frozenset().union(*(s[1] for s in some if s))
            case AllOf(parts):
                known = [t for t in (self._triggers(p) for p in parts) if t is not None]
                return min(known, key=lambda t: len(t[0]) + len(t[1])) if known else None
            case _:
                return None

    # ---- plain values ----

    def _known(self, at: Where, value: Mapping[str, Any], keys: Sequence[str], name: str) -> None:
        for key in value:
            if key not in keys:
                near = _closest(key, keys)
                self._bad((*at, key), f"unknown key '{key}' in {name}", f"did you mean '{near}'?" if near else f"known: {', '.join(keys)}")

    def _mapping(self, at: Where, value: Any, keys: Sequence[str]) -> bool:
        if not isinstance(value, dict):
            self._bad(at, f"`{at[-1]}` is a mapping", f"with {', '.join(keys)}")
            return False
        self._known(at, value, keys, f"`{at[-1]}`")
        return True

    def _strings(self, at: Where, value: Any) -> list[str]:
        if value is None:
            return []
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return [str(value)]
        if isinstance(value, list) and all(isinstance(v, str | int | float) and not isinstance(v, bool) for v in value):
            return [str(v) for v in value]
        self._bad(at, f"`{at[-1]}` is a string or a list of strings", "put words such as yes, no, on in quotes")
        return []

    def _flag(self, at: Where, value: Any) -> bool:
        if not isinstance(value, bool):
            self._bad(at, f"`{at[-1]}` is true or false", "write one of them")
            return False
        return value

    def _number(self, at: Where, value: Any, low: float, high: float, whole: bool = False) -> float | None:
        good = isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high and (not whole or float(value).is_integer())
        if not good:
            self._bad(at, f"`{at[-1]}` is {value!r}", f"write a {'whole ' if whole else ''}number from {low:g} to {high:g}")
            return None
        return value

    def _bounds(self, at: Where, value: Mapping[str, Any]) -> tuple[float | None, float | None]:
        low, high = (None if k not in value else self._number((*at, k), value[k], -1e9, 1e9) for k in ("at_least", "at_most"))
        if low is not None and high is not None and low > high:
            self._bad(at, f"never met: at least {low:g} and at most {high:g}", "turn them round")
        return low, high

    def _one_of(self, at: Where, value: Any, known: Sequence[str], name: str) -> Any:
        if value not in known:
            self._bad(at, f"{name} '{value}' is unknown", f"one of {', '.join(known)}")
            return known[0]
        return value

    def _roles(self, at: Where, value: Any) -> frozenset[str]:
        out: set[str] = set()
        for role in self._strings(at, value):
            if role == "any":
                out |= set(ROLES)
            elif role == "company":
                out |= {"agent", "supervisor"}
            else:
                out.add(self._one_of(at, role, ROLES, "role"))
        return frozenset(out)


def _merged(defaults: Mapping[str, Any], rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule with the file's defaults; `when` and `unless` are merged key by key, lists of phrases added up."""
    out = dict(defaults) | dict(rule)
    for key in ("when", "unless"):
        a, b = defaults.get(key), rule.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            out[key] = {k: [*a[k], *b[k]] if isinstance(a.get(k), list) and isinstance(b.get(k), list) else b.get(k, a.get(k)) for k in {**a, **b}}
    return out


def _closest(key: str, keys: Sequence[str]) -> str | None:
    from difflib import get_close_matches

    found = get_close_matches(key, keys, 1, 0.7)
    return found[0] if found else None
