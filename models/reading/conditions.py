"""The operators of the rule language as values, and what each finds in a turn.

A condition gives spans of the turn's normal text (`Text.norm`), or one wordless span where it holds for the turn as a whole (sound, anchors, metadata).
Nothing here knows of files: rulebook.py compiles to these values, rules.py asks them. The surprising choice: absent evidence — no times, no
loudness, no heat — makes a condition false, never an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Protocol

from rapidfuzz import fuzz

from models.reading.entities import EntityKind, entities
from models.reading.evidence import cuts_a_word, is_question
from models.reading.patterns import Found
from models.reading.text import Text, clause_span, pieces, sentence_span
from models.records import HeardCall, Match, Role, Turn

WHOLE = 5  # a stretch of so many characters is not asked for word boundaries: jieba errs more than the phrase
JUST_LIKELY = 0.55
SHORTEST = 4  # fewer characters are like anything
Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]


@dataclass(frozen=True, slots=True)
class Span:
    """Where a condition is met: norm offsets. gaps: stretches inside that no part of the phrase covers. wordless: it holds for the whole turn and quotes
    nothing of its own."""

    start: int
    end: int
    factor: float = 1.0
    match: Match = "exact"
    meant: str | None = field(default=None, repr=False)
    wordless: bool = False
    gaps: tuple[tuple[int, int], ...] = ()


class View(Protocol):
    """What a condition may look at: one turn of one call, for one rule (here: its place among the turns)."""

    call: HeardCall
    here: int
    turn: Turn
    text: Text
    whole_words: bool
    within: str

    def found(self, chains: frozenset[int]) -> Sequence[Found]: ...
    def possible(self) -> Set[int]: ...
    def words(self, start: int, end: int) -> list[tuple[int, int]]: ...
    def text_of(self, turn: int) -> Text: ...
    def sound(self, name: str) -> float | None: ...
    def time_at(self, start: int, end: int) -> tuple[float, float] | None: ...
    def anchored(self, anchor: Anchor, span: Span) -> bool: ...
    def similarities(self, models: Similar) -> list[tuple[int, int, float]]: ...
    def likelihood(self, column: int) -> float: ...
    def learned_place(self, column: int) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True)
class Phrases:
    chains: frozenset[int]


@dataclass(frozen=True, slots=True)
class Branch:
    """One alternative of a regex. number: its own among all of a rule book; needed: sets of literals, of each of which one must stand in the turn, or the
    alternative cannot match there."""

    pattern: re.Pattern[str]
    number: int
    needed: tuple[frozenset[int], ...] = ()


@dataclass(frozen=True, slots=True)
class Regex:
    """A regex and its outermost alternatives in their order."""

    pattern: re.Pattern[str]
    not_pattern: re.Pattern[str] | None
    branches: tuple[Branch, ...]


@dataclass(frozen=True, slots=True)
class Similar:
    models: tuple[str, ...]
    at_least: float
    by: str = "text"


@dataclass(frozen=True, slots=True)
class Likely:
    """The turn is like labelled examples of a type. column: that type's in the learned model."""

    column: int
    at_least: float


@dataclass(frozen=True, slots=True)
class EntityIs:
    kinds: tuple[EntityKind, ...]
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True)
class Repeats:
    by: str
    back: int
    similarity: float
    min_chars: int
    times: int


@dataclass(frozen=True, slots=True)
class TurnIs:
    at_least: int | None = None
    at_most: int | None = None
    question: bool | None = None


@dataclass(frozen=True, slots=True)
class Sounds:
    """(measure, at least, at most), all of which must hold."""

    bounds: tuple[tuple[str, float | None, float | None], ...]

    @property
    def needs_heat(self) -> bool:
        return any(name in ("heat", "customer_heat") for name, _, _ in self.bounds)


@dataclass(frozen=True, slots=True)
class Anchor:
    """Within `turns` (None: any number) turns after, before or around the nth hit of other rules (0: any; negative: from the end)."""

    rules: tuple[str, ...]
    where: str
    turns: int | None
    nth: int = 0
    at_least: int = 1
    possible: bool = False
    roles: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The first or last seconds, turns or percent of the call."""

    first: bool
    unit: str
    amount: float


@dataclass(frozen=True, slots=True)
class Metadata:
    wanted: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class NOf:
    n: int
    parts: tuple[Condition, ...]


Condition = Phrases | Regex | Similar | Likely | EntityIs | Repeats | TurnIs | Sounds | Anchor | Window | Metadata | AllOf | AnyOf | NoneOf | NOf


def spans(condition: Condition, view: View) -> list[Span]:
    """Every place in the turn where the condition is met; a single wordless span where it just holds; empty where not."""
    match condition:
        case Phrases():
            return _phrases(condition, view)
        case Regex():
            return _regex(condition, view)
        case Similar():
            return [Span(s, e, value, "similar") for s, e, value in view.similarities(condition)]
        case Likely():
            return _likely(condition, view)
        case EntityIs():
            return _entities(condition, view)
        case Repeats():
            return _repeats(condition, view)
        case AnyOf():
            return [span for part in condition.parts for span in spans(part, view)]
        case AllOf():
            return _all(condition, view)
        case NoneOf():
            return [] if any(spans(part, view) for part in condition.parts) else [_whole(view, "context")]
        case NOf():
            return _n_of(condition, view)
        case _:
            whole = _whole(view, "acoustic" if isinstance(condition, Sounds) else "context")
            return [whole] if holds(condition, view, whole) else []


def holds(condition: Condition, view: View, span: Span) -> bool:
    """Is the condition met, asked of a hit at `span`? Words may stand anywhere in the turn."""
    match condition:
        case Sounds():
            return all(_inside(view.sound(name), low, high) for name, low, high in condition.bounds)
        case Anchor():
            return view.anchored(condition, span)
        case Window():
            return _in_window(condition, view, span)
        case Metadata():
            return all(str(getattr(view.call, name, None)) in values for name, values in condition.wanted)
        case TurnIs():
            if not _inside(len(view.text.bare), condition.at_least, condition.at_most):
                return False
            return condition.question is None or condition.question == is_question(view.text, span.start, span.end)
        case AllOf():
            return all(holds(part, view, span) for part in condition.parts)
        case AnyOf():
            return any(holds(part, view, span) for part in condition.parts)
        case NoneOf():
            return not any(holds(part, view, span) for part in condition.parts)
        case NOf():
            return sum(holds(part, view, span) for part in condition.parts) >= condition.n
        case _:
            return bool(spans(condition, view))


def is_context(condition: Condition) -> bool:
    """True for conditions that quote nothing of their own."""
    match condition:
        case Sounds() | Anchor() | Window() | Metadata() | TurnIs() | NoneOf():
            return True
        case AllOf() | AnyOf() | NOf():
            return all(is_context(part) for part in condition.parts)
        case _:
            return False


def runs(found: Found) -> list[tuple[int, int]]:
    """The stretches of a chain that hang together: bare offsets, parts that follow one another without a gap joined."""
    out = [found.parts[0]]
    for start, end in found.parts[1:]:
        if start <= out[-1][1]:
            out[-1] = (out[-1][0], end)
        else:
            out.append((start, end))
    return out


def _phrases(condition: Phrases, view: View) -> list[Span]:
    out = []
    for found in view.found(condition.chains):
        solid = runs(found)
        heard = found.meant is not None  # a sound-alike never begins or ends inside a word, whatever the rule says
        if (view.whole_words or heard) and any(_inside_words(view, *view.text.norm_span(a, b)) for a, b in solid if heard or b - a < WHOLE):
            continue
        low, high = view.text.norm_span(found.start, found.end)
        gaps = tuple((view.text.place[a[1] - 1] + 1, view.text.place[b[0]]) for a, b in pairwise(solid))
        out.append(Span(low, high, found.factor, "exact" if found.meant is None else "sounds_like", found.meant, gaps=gaps))
    return out


def _inside_words(view: View, start: int, end: int) -> bool:
    return cuts_a_word(view.text.norm, view.words(start, end), start, end)


def _regex(condition: Regex, view: View) -> list[Span]:
    numbers = view.possible()
    possible = [b.pattern for b in condition.branches if b.number in numbers]
    if not possible:
        return []
    out = []
    for m in possible[0].finditer(view.text.norm) if len(possible) == 1 else leftmost(possible, view.text.norm):
        if m.end() == m.start():
            continue
        if condition.not_pattern is not None:
            low, high = sentence_span(view.text, m.start(), m.end())
            if condition.not_pattern.search(view.text.norm, low, high):
                continue
        out.append(Span(m.start(), m.end(), 1.0, "pattern"))
    return out


def leftmost(branches: Sequence[re.Pattern[str]], said: str) -> Iterator[re.Match[str]]:
    """What the regex of these alternatives would match: from left to right, of two that begin at one place the earlier alternative."""
    coming = [(m.start(), i, m) for i, branch in enumerate(branches) if (m := branch.search(said)) is not None]
    while coming:
        at, _, first = min(coming, key=lambda found: found[:2])
        yield first
        on = max(first.end(), at + 1)
        later = []
        for start, i, m in coming:
            again = m if start >= on else branches[i].search(said, on)
            if again is not None:
                later.append((again.start(), i, again))
        coming = later


def _likely(condition: Likely, view: View) -> list[Span]:
    """The clauses that speak for the type; just enough likeness is worth a little more than half, full likeness all."""
    p = view.likelihood(condition.column)
    if p < condition.at_least or len(view.text.bare) < SHORTEST:
        return []
    start, end = view.learned_place(condition.column)
    return [Span(start, end, JUST_LIKELY + (1 - JUST_LIKELY) * (p - condition.at_least) / (1 - condition.at_least + 1e-9), "similar")]


def _entities(condition: EntityIs, view: View) -> list[Span]:
    bounded = condition.at_least is not None or condition.at_most is not None
    return [
        Span(e.start, e.end, 1.0, "pattern")
        for e in entities(view.text.norm, condition.kinds)
        if not bounded or (e.kind == "amount" and _inside(e.value, condition.at_least, condition.at_most))
    ]


def _repeats(condition: Repeats, view: View) -> list[Span]:
    """Sentences that the call has heard before; sentences of fewer than min_chars characters are never compared."""
    turns = view.call.turns
    here = view.here
    low = 0 if condition.back == 0 else max(0, here - condition.back)
    mine = _sentences(view.text, condition.min_chars)
    if not mine:
        return []
    earlier: list[str] = []
    for i in range(low, here):
        if _said_by(condition.by, turns[i].role, view.turn.role):
            earlier += [said for _, _, said in _sentences(view.text_of(i), condition.min_chars)]
    cutoff = 100.0 * condition.similarity
    out = []
    for start, end, said in mine:
        ratios = [r for r in (fuzz.ratio(said, other, score_cutoff=cutoff) for other in earlier) if r >= cutoff and r > 0]
        if len(ratios) >= condition.times:
            out.append(Span(start, end, max(ratios) / 100.0, "context"))
    return out


def _said_by(by: str, role: Role, mine: Role) -> bool:
    if by == "any":
        return True
    if by == "self":
        return role == mine
    if by == "other":
        return (role == "customer") != (mine == "customer")
    return role == by


def _sentences(text: Text, min_chars: int) -> list[tuple[int, int, str]]:
    out = []
    for start, end in pieces(text, hard_only=True):
        said = "".join(c for c in text.norm[start:end] if c.isalnum())
        if len(said) >= min_chars:
            out.append((start, end, said))
    return out


def _all(condition: AllOf, view: View) -> list[Span]:
    """The spans of the first part that has words, wherever all the others are met in the same turn, sentence or clause."""
    head = next((p for p in condition.parts if not is_context(p)), None)
    if head is None:
        whole = _whole(view, "acoustic" if any(isinstance(p, Sounds) for p in condition.parts) else "context")
        return [whole] if all(holds(p, view, whole) for p in condition.parts) else []
    heads = spans(head, view)
    if not heads:
        return []
    context = [p for p in condition.parts if is_context(p) and not isinstance(p, NoneOf)]
    others = [
        (p, [s for part in p.parts for s in spans(part, view)] if isinstance(p, NoneOf) else spans(p, view))
        for p in condition.parts
        if p is not head and p not in context
    ]
    out = []
    for span in heads:
        if not all(holds(p, view, span) for p in context):
            continue
        low, high = scope(view, span)
        factor = span.factor
        for part, met in others:
            near = [s for s in met if s.wordless or (s.start >= low and s.end <= high)]
            if isinstance(part, NoneOf):
                if near:
                    break
            elif not near:
                break
            else:
                factor *= max(s.factor for s in near)
        else:
            out.append(replace(span, factor=factor))
    return out


def _n_of(condition: NOf, view: View) -> list[Span]:
    met = [(is_context(p), spans(p, view)) for p in condition.parts]
    met = [(c, s) for c, s in met if s]
    if len(met) < condition.n:
        return []
    worded = [(i, s) for i, (c, some) in enumerate(met) if not c for s in some]
    if not worded:
        return [_whole(view, "context")]
    free = sum(c for c, _ in met)
    out: list[Span] = []
    for low, high in sorted({scope(view, s) for _, s in worded}):
        inside = [(i, s) for i, s in worded if s.start >= low and s.end <= high]
        if len({i for i, _ in inside}) + free >= condition.n:
            best = [max(s.factor for i, s in inside if i == part) for part in {i for i, _ in inside}]
            first = min((s for _, s in inside), key=lambda s: s.start)
            sounded = next((s for _, s in inside if s.match == "sounds_like"), first)
            out.append(Span(first.start, max(s.end for _, s in inside), min(best), sounded.match, sounded.meant))
    return out


def scope(view: View, span: Span) -> tuple[int, int]:
    """The stretch of the turn that counts as together with the span."""
    if view.within == "clause":
        return clause_span(view.text, span.start, span.end)
    if view.within == "sentence":
        return sentence_span(view.text, span.start, span.end)
    return 0, len(view.text.norm)


def _whole(view: View, match: Match) -> Span:
    return Span(0, len(view.text.norm), 1.0, match, None, True)


def _inside(value: float | None, low: float | None, high: float | None) -> bool:
    return value is not None and (low is None or value >= low) and (high is None or value <= high)


def _in_window(window: Window, view: View, span: Span) -> bool:
    """Seconds and percent by the time of the quote; without times percent falls back to turns, seconds are not met."""
    turns = view.call.turns
    here = view.here
    if window.unit == "turns":
        return here < window.amount if window.first else here >= len(turns) - window.amount
    at = view.time_at(span.start, span.end)
    length = view.call.duration_s or max((t.end_s for t in turns if t.end_s is not None), default=None)
    if at is None or not length:
        if window.unit == "seconds":
            return False
        share = here / len(turns) if window.first else (len(turns) - 1 - here) / len(turns)
        return share * 100 < window.amount
    from_edge = at[0] if window.first else length - at[1]
    limit = window.amount if window.unit == "seconds" else length * window.amount / 100
    return from_edge <= limit
