"""One call under one rule book, in; what its turns hold for any rule — normal texts, phrases found, likelihoods, words, sound —, out.

`look` does once what all rules need; `View` is one turn as the conditions of one rule see it. The surprising choice: what few hits need (words, exceptions,
baselines) is looked up when first asked for, what every rule needs is found for the whole call at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from models.reading import similarity
from models.reading.conditions import Anchor, Similar, Span
from models.reading.learned import Clauses
from models.reading.patterns import Found
from models.reading.rule import Rule
from models.reading.rulebook import RuleBook
from models.reading.text import Text, clause_span, normalise
from models.reading.timing import Clock
from models.records import ASSERTED, HeardCall, Match, Role, Turn

DULLED = 0.7  # what was heard unsurely is spelt less like its examples than it was said: likelihood ** (1 - 0.7 × doubt)
_BASELINE_TURNS = 3  # fewer turns of a speaker are no baseline


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a rule hit. start, end: offsets in the turn's text as heard; norm_start, norm_end: in its normal form."""

    rule: Rule = field(repr=False)
    turn: int
    role: Role
    start: int
    end: int
    norm_start: int
    norm_end: int
    score: float
    match: Match
    meant: str | None = field(default=None, repr=False)


class Look:
    """One call under one rule book: normal texts, phrases found, and caches for what few hits need (words, times, baselines)."""

    def __init__(self, call: HeardCall, book: RuleBook) -> None:
        self.call, self.book = call, book
        self._found: list[dict[int, list[Found]]] = []
        self._possible: list[set[int]] = []
        self._excepted: dict[int, dict[int, list[Found]]] = {}
        self._words: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
        self._baselines: dict[tuple[str, str], list[tuple[int, float]]] | None = None
        self.candidates: dict[int, list[int]] = {}
        self.cold: dict[str, tuple[Hit, ...]] = {}  # hits of the rules that do not ask for heat
        self.warm: tuple[tuple[float | None, ...], dict[str, tuple[Hit, ...]]] | None = None  # a heat and the hits of all rules under it
        self.texts = [normalise(turn.text) for turn in call.turns]
        self.clocks = [Clock(turn, text) for turn, text in zip(call.turns, self.texts, strict=True)]
        self.likely = np.zeros((len(self.texts), len(book.learned.types) if book.learned else 0), np.float32)  # (turns, types)
        self.likelihoods = self._likelihoods()
        alike = self._alike()
        for i, turn in enumerate(call.turns):
            text, clock = self.texts[i], self.clocks[i]
            found, literals = book.matchers[turn.role].scan(text, clock.bare_probability if turn.words else None, self.likelihoods[i] or (), book.gates)
            self._found.append(found)
            possible = book.branches[turn.role].possible(literals)
            self._possible.append(possible)
            ringing: set[int] = set()
            for chain in found:
                ringing.update(book.by_chain[chain])
            for branch in possible:
                ringing.update(book.by_branch[branch])
            if i in alike:
                ringing.update(alike[i])
            for rule in ringing:
                self.candidates.setdefault(rule, []).append(i)
        self._clauses = self._placed(sorted(alike))

    def _alike(self) -> dict[int, list[int]]:
        """By turn, the rules that wait for a likelihood which it reaches; turns without any are left out."""
        out: dict[int, list[int]] = {}
        waiting = self.book.by_likelihood
        if waiting is None:
            return out
        for i, k in np.argwhere(self.likely.take(waiting.columns, 1) >= waiting.bars).tolist():
            if self.likelihoods[i] is not None:
                out.setdefault(i, []).append(waiting.rules[k])
        return out

    def _placed(self, turns: Sequence[int]) -> dict[int, Clauses]:
        learned = self.book.learned
        return dict(zip(turns, learned.clauses([self.texts[i] for i in turns]), strict=True)) if learned and turns else {}

    def _likelihoods(self) -> list[list[float] | None]:
        """By turn, how likely it carries each of the learned model's types; None where there is no model or nothing to judge."""
        out: list[list[float] | None] = [None] * len(self.texts)
        judged = [i for i, text in enumerate(self.texts) if text.bare and self.call.turns[i].role != "ivr"] if self.book.learned else []
        if self.book.learned and judged:
            found = self.book.learned.likelihoods([self.texts[i] for i in judged])
            blur = [1.0 - DULLED * (1.0 - (self.call.turns[i].confidence or 1.0)) for i in judged]
            self.likely[judged] = found ** np.array(blur, np.float32)[:, None]
            for i in judged:
                out[i] = self.likely[i].tolist()
        return out

    def learned_place(self, turn: int, column: int) -> tuple[int, int]:
        """norm offsets of what speaks for a type in a turn; the turn's clauses are looked up when first asked for."""
        learned = self.book.learned
        if learned is None:
            return 0, len(self.texts[turn].norm)
        if turn not in self._clauses:
            self._clauses |= self._placed([turn])
        return learned.place(self._clauses[turn], column)

    def excepted(self, turn: int) -> dict[int, list[Found]]:
        """The exceptions that stand in a turn, looked for when first asked for."""
        if turn not in self._excepted:
            self._excepted[turn] = self.book.exceptions[self.call.turns[turn].role].scan(self.texts[turn])[0]
        return self._excepted[turn]

    def words(self, turn: int, start: int, end: int) -> list[tuple[int, int]]:
        """jieba's words, as norm offsets, of the clauses that norm[start:end] touches, cut when first asked for: no word runs across a pause."""
        text = self.texts[turn]
        low, high = clause_span(text, start, end)
        if (turn, low, high) not in self._words:
            self._words[turn, low, high] = [(low + a, low + b) for a, b in self.book.cutter.cut(text.norm[low:high])]
        return self._words[turn, low, high]

    def above_baseline(self, measure: str, turn: int) -> tuple[float, float] | None:
        """A turn's own value and the median of the same speaker's other turns; None without a value or a baseline."""
        if self._baselines is None:
            self._baselines = {}
            for i, t in enumerate(self.call.turns):
                for name, value in (("loudness_db", t.loudness_db), ("pitch_hz", t.pitch_hz), ("chars_per_min", self.rate(i))):
                    if value is not None:
                        self._baselines.setdefault((name, t.speaker or t.role), []).append((i, value))
        t = self.call.turns[turn]
        known = self._baselines.get((measure, t.speaker or t.role), [])
        mine = next((v for i, v in known if i == turn), None)
        others = [v for i, v in known if i != turn]
        return None if mine is None or len(others) < _BASELINE_TURNS else (mine, median(others))

    def rate(self, turn: int) -> float | None:
        """Characters a minute: as heard, else from the turn's length; None below four characters, which are all pause."""
        t = self.call.turns[turn]
        if t.chars_per_min is not None:
            return t.chars_per_min
        if t.start_s is None or t.end_s is None or t.end_s <= t.start_s or len(self.texts[turn].bare) < 4:
            return None
        return 60.0 * len(self.texts[turn].bare) / (t.end_s - t.start_s)


def look(call: HeardCall, book: RuleBook) -> Look:
    """Normalise a call's turns and find every phrase in them, once for both phases."""
    return Look(call, book)


class View:
    """One turn as the conditions of one rule see it."""

    __slots__ = ("call", "heat", "here", "hits", "looking", "text", "turn", "whole_words", "within")

    def __init__(self, looking: Look, here: int, rule: Rule, hits: Mapping[str, Sequence[Hit]], heat: Sequence[float | None] | None) -> None:
        self.looking, self.here, self.hits, self.heat = looking, here, hits, heat
        self.call: HeardCall = looking.call
        self.turn: Turn = looking.call.turns[here]
        self.text: Text = looking.texts[here]
        self.whole_words: bool = rule.unless.part_of_word
        self.within: str = rule.within

    def found(self, chains: frozenset[int]) -> Sequence[Found]:
        return _chosen(self.looking._found[self.here], chains)

    def excepted(self, chains: frozenset[int]) -> Sequence[Found]:
        return _chosen(self.looking.excepted(self.here), chains) if chains else ()

    def possible(self) -> set[int]:
        return self.looking._possible[self.here]

    def words(self, start: int, end: int) -> list[tuple[int, int]]:
        return self.looking.words(self.here, start, end)

    def text_of(self, turn: int) -> Text:
        return self.looking.texts[turn]

    def time_at(self, start: int, end: int) -> tuple[float, float] | None:
        span = self.text.original_span(start, end)
        return self.looking.clocks[self.here].times(*span)

    def similarities(self, models: Similar) -> list[tuple[int, int, float]]:
        return similarity.similarities(self.text, models, self.looking.book.cutter, self.looking.book.embed)

    def likelihood(self, column: int) -> float:
        found = self.looking.likelihoods[self.here]
        return 0.0 if found is None else found[column]

    def learned_place(self, column: int) -> tuple[int, int]:
        return self.looking.learned_place(self.here, column)

    def anchored(self, anchor: Anchor, span: Span) -> bool:
        """Enough hits of the anchor's rules within reach; in the hit's own turn their order decides."""
        hits = [h for rule in anchor.rules for h in self.hits.get(rule, ()) if (anchor.possible or h.score >= ASSERTED)]
        if anchor.roles is not None:
            hits = [h for h in hits if h.role in anchor.roles]
        hits.sort(key=lambda h: (h.turn, h.norm_start, h.norm_end))
        if anchor.nth:
            index = anchor.nth - 1 if anchor.nth > 0 else len(hits) + anchor.nth
            hits = hits[index : index + 1] if 0 <= index < len(hits) else []
        near = 0
        for h in hits:
            apart = self.here - h.turn  # > 0: this turn comes after
            if anchor.turns is not None and abs(apart) > anchor.turns:
                continue
            if apart == 0:
                before, after = h.norm_start >= span.end, h.norm_end <= span.start
                if span.wordless:
                    before = after = True
            else:
                before, after = apart < 0, apart > 0
            near += {"after": after, "before": before, "around": True}[anchor.where]
        return near >= anchor.at_least

    def sound(self, name: str) -> float | None:
        """One measure of this turn; None where it was not measured."""
        turns, i, t = self.call.turns, self.here, self.turn
        match name:
            case "overlap_s":
                return t.overlap_s
            case "chars_per_min":
                return self.looking.rate(i)
            case "silence_before_s":
                ends = [u.end_s for u in turns[:i] if u.end_s is not None]
                return max(0.0, t.start_s - max(ends)) if t.start_s is not None and ends else None
            case "silence_after_s":
                starts = [u.start_s for u in turns[i + 1 :] if u.start_s is not None]
                return max(0.0, min(starts) - t.end_s) if t.end_s is not None and starts else None
            case "interrupts_s":
                if t.start_s is None:
                    return None
                begun = [u.end_s - t.start_s for u in turns[:i] if u.end_s is not None and (u.role == "customer") != (t.role == "customer")]
                return max(0.0, max(begun)) if begun else None
            case "rate_rise":
                pair = self.looking.above_baseline("chars_per_min", i)
                return pair[0] / pair[1] if pair and pair[1] > 0 else None
            case "loudness_rise_db":
                pair = self.looking.above_baseline("loudness_db", i)
                return pair[0] - pair[1] if pair else None
            case "pitch_rise_st":
                pair = self.looking.above_baseline("pitch_hz", i)
                return 12 * math.log2(pair[0] / pair[1]) if pair and pair[0] > 0 and pair[1] > 0 else None
            case "heat":
                return self.heat[i] if self.heat is not None and i < len(self.heat) else None
            case "customer_heat":
                if self.heat is None:
                    return None
                return next((self.heat[k] for k in range(min(i, len(self.heat) - 1), -1, -1) if turns[k].role == "customer" and self.heat[k] is not None), None)
        raise KeyError(name)


def _chosen(found: Mapping[int, list[Found]], chains: frozenset[int]) -> Sequence[Found]:
    both = found.keys() & chains
    return [f for chain in sorted(both) for f in found[chain]] if both else ()
