"""Compiled phrases, in; where they stand in a turn, out — all phrases of all rules in one pass over the turn.

One Aho-Corasick automaton holds the rarest set of every chain (phrases.py); where it rings, the rest of the chain is looked for around it. A second
automaton does the same over sounds. The surprising choice: everything is matched on the punctuation-free form of the text, and pauses are
checked afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import ahocorasick

from models.reading import sounds
from models.reading.phrases import Chain
from models.reading.text import HARD, Text

ALIKE_LIMIT = 40  # sets with more spellings are heard without dropped and doubled syllables
LONG = 4  # from here on a spelling may run across a comma, and jieba is asked less
_INTERJECTIONS = frozenset("哎喂啊嗯哦噢唉呃欸哼那就")
_PARTICLES = frozenset("吧啊呀呢嘛了哦呗吗啦哈的")
Gate = tuple[int, float]
Probability = Callable[[int, int], float | None]  # mean word probability over bare offsets; None where nothing is known


@dataclass(frozen=True, slots=True)
class Found:
    """A chain that stands in a text: bare offsets of all its parts; exact, or what was meant and at what cost."""

    chain: int
    parts: tuple[tuple[int, int], ...]
    meant: str | None = field(default=None, repr=False)
    factor: float = 1.0

    @property
    def start(self) -> int:
        return self.parts[0][0]

    @property
    def end(self) -> int:
        return self.parts[-1][1]


class Matcher:
    """Chains of a rule book, and the plain strings that regexes need, in two automata.

    only: indices of the chains that this matcher looks for (all without it); what it finds is numbered as in `chains` all the same.
    """

    def __init__(self, chains: Sequence[Chain], literals: Sequence[str] = (), only: Collection[int] | None = None) -> None:
        self.chains = tuple(chains)
        wanted = range(len(chains)) if only is None else sorted(only)
        exact: dict[str, tuple[list[int], list[int]]] = {}
        alike: dict[str, dict[str, list[int]]] = {}
        for index in wanted:
            chain = chains[index]
            held = chain.parts[chain.key].all
            for spelling in held:
                exact.setdefault(spelling, ([], []))[0].append(index)
                if chain.sounds_like and len(spelling) > 1:
                    for coded in sounds.spellings(spelling, edits=len(held) <= ALIKE_LIMIT):
                        alike.setdefault(coded, {}).setdefault(spelling, []).append(index)
        self._single: dict[str, int] = {}  # literals of one character need no automaton
        for index, literal in enumerate(literals):
            if len(literal) == 1:
                self._single[literal] = index
            else:
                exact.setdefault(literal, ([], []))[1].append(index)
        self._exact = _automaton({k: (len(k), tuple(c), tuple(r)) for k, (c, r) in exact.items()})
        self._alike = _automaton({k: (len(k), tuple((m, tuple(c)) for m, c in v.items())) for k, v in alike.items()})
        self._keys = {i: chains[i].key for i in wanted}
        # for the parts that the automata do not hold: all lengths, and code spellings with what they may mean
        self._lengths = {i: tuple(tuple(sorted({len(s) for s in part.all}, reverse=True)) for part in chains[i].parts) for i in wanted}
        # one character of each of these sets must be in the text, or the chain cannot stand there: asked before anything else
        self._needed = {index: _needed(chains[index]) for index in wanted}
        self._edges = {i: tuple((frozenset(s[-1] for s in p.all), frozenset(s[0] for s in p.all)) for p in chains[i].parts) for i in wanted}
        self._codes: dict[tuple[int, int], dict[str, list[str]]] = {}
        for index in wanted:
            chain = chains[index]
            if chain.sounds_like:
                for i, part in enumerate(chain.parts):
                    if i != chain.key:
                        by_code = self._codes[index, i] = {}
                        for spelling in sorted(part.all):
                            if len(spelling) > 1:
                                by_code.setdefault(sounds.codes(spelling), []).append(spelling)
        self._code_edges = {k: (frozenset(c[-1] for c in v), frozenset(c[0] for c in v)) for k, v in self._codes.items()}

    def scan(
        self, text: Text, probability: Probability | None = None, likely: Sequence[float] = (), gates: Sequence[Gate | None] = ()
    ) -> tuple[dict[int, list[Found]], set[int]]:
        """Every chain that stands in the text, and which literals do. probability(start, end): mean over bare offsets, or None.

        likely, gates: a chain with a gate (column, least) is looked for only where likely[column] reaches the least.
        """
        found: dict[int, list[Found]] = {}
        literals: set[int] = set()
        bare, breaks = text.bare, text.breaks
        coded = sounds.codes(bare) if self._alike is not None else ""
        here, alike_here = frozenset(bare), frozenset(coded)
        literals.update(map(self._single.__getitem__, self._single.keys() & here))
        hopeless: set[int] = set()
        if self._exact is not None:
            for last, (length, chains, wanted) in self._exact.iter(bare):
                if wanted:
                    literals.update(wanted)
                if chains:
                    start, end = last + 1 - length, last + 1
                    if _runs_on(breaks, start, end):
                        for chain in chains:
                            if chain in hopeless or (likely and (gate := gates[chain]) is not None and likely[gate[0]] < gate[1]):
                                continue
                            for needed in self._needed[chain]:
                                if needed.isdisjoint(alike_here if self.chains[chain].sounds_like else here):
                                    hopeless.add(chain)
                                    break
                            else:
                                self._complete(text, chain, start, end, None, 1.0, found, coded)
        if self._alike is not None:
            for last, (length, meanings) in self._alike.iter(coded):
                start, end = last + 1 - length, last + 1
                if not _runs_on(breaks, start, end):
                    continue
                heard = bare[start:end]
                for meant, chains in meanings:
                    if likely and all((gate := gates[chain]) is not None and likely[gate[0]] < gate[1] for chain in chains):
                        continue
                    far = sounds.distance(heard, meant)
                    if far is None:
                        continue
                    sure = probability(start, end) if probability else None
                    if not sounds.believable(meant, far, sure):
                        continue
                    factor = far.factor * sounds.recogniser_factor(sure)
                    for chain in chains:
                        if chain in hopeless or (likely and (gate := gates[chain]) is not None and likely[gate[0]] < gate[1]):
                            continue
                        if any(n.isdisjoint(alike_here) for n in self._needed[chain]):
                            continue
                        self._complete(text, chain, start, end, meant, factor, found, coded)
        for hits in found.values():
            if len(hits) > 1:
                hits.sort(key=lambda f: (f.start, -f.end, f.meant is not None, -f.factor))
        return found, literals

    def _complete(self, text: Text, index: int, start: int, end: int, meant: str | None, factor: float, found: dict[int, list[Found]], coded: str) -> None:
        """Add the chain to `found` if the rest of it stands around its key part."""
        chain = self.chains[index]
        key = chain.parts[self._keys[index]]
        if key.paused and not text.breaks[end] and (meant or text.bare[start:end]) not in key.spellings:
            return
        places: tuple[tuple[int, int], ...] = ((start, end),)
        said = meant
        if len(chain.parts) > 1:
            right = self._chained(text, index, self._keys[index], 1, end, coded, 0)
            left = self._chained(text, index, self._keys[index], -1, start, coded, 0) if right is not None else None
            if right is None or left is None:
                return
            places = (*(p for p, _ in reversed(left)), (start, end), *(p for p, _ in right))
            sounded = sum(m is not None for _, m in (*left, *right))
            if sounded or meant is not None:
                said = _meant(text.bare, (*reversed(left), ((start, end), meant), *right))
                factor *= 0.9**sounded
        if chain.at_start and not _starts_clause(text, places[0][0]):
            return
        if chain.at_end and not _ends_clause(text, places[-1][1]):
            return
        found.setdefault(index, []).append(Found(index, places, said, round(factor, 4)))

    def _chained(self, text: Text, index: int, at: int, step: int, edge: int, coded: str, gap: int) -> list[tuple[tuple[int, int], str | None]] | None:
        """The parts beyond `at` in one direction, nearest first; None where one is missing. gap: what a part left out in between allowed."""
        chain = self.chains[index]
        following = at + step
        if not 0 <= following < len(chain.parts):
            return []
        gap = max(gap, chain.gaps[at if step > 0 else following])
        part = chain.parts[following]
        if not part.optional and not part.pause and self._far(text, index, following, step, edge, gap, coded):
            return None
        for span, meant in self._nearby(text, index, following, step, edge, gap, coded):
            rest = self._chained(text, index, following, step, span[1] if step > 0 else span[0], coded, 0)
            if rest is not None:
                return rest if span[0] == span[1] else [(span, meant), *rest]
        return self._chained(text, index, following, step, edge, coded, gap) if part.optional else None

    def _far(self, text: Text, index: int, number: int, step: int, edge: int, gap: int, coded: str) -> bool:
        """Whether no spelling of a part can begin within the gap: none of the characters that it may begin with is there. Most chains end here."""
        window = slice(edge, edge + gap + 1) if step > 0 else slice(max(0, edge - gap - 1), edge)
        if not self._edges[index][number][step > 0].isdisjoint(text.bare[window]):
            return False
        edges = self._code_edges.get((index, number))
        return edges is None or edges[step > 0].isdisjoint(coded[window])

    def _nearby(self, text: Text, index: int, number: int, step: int, edge: int, gap: int, coded: str) -> Iterator[tuple[tuple[int, int], str | None]]:
        """Spellings of one part within the gap from the edge, exact ones first, nearest first."""
        bare, breaks = text.bare, text.breaks
        part, lengths = self.chains[index].parts[number], self._lengths[index][number]
        edges = self._edges[index][number][step > 0]  # characters that a spelling may begin (to the right) or end with (to the left)
        limit = min(gap, len(bare) - edge) if step > 0 else min(gap, edge)
        hard = breaks.find(HARD, edge, edge + limit + 1) if step > 0 else breaks.rfind(HARD, edge - limit, edge + 1)
        near_enough = limit + 1 if hard < 0 else abs(hard - edge)  # offs from here on lie beyond a sentence's end
        if part.pause:
            for off in range(limit + 1):
                if breaks[edge + off * step]:
                    yield (edge + off * step, edge + off * step), None
                    break
        window = slice(edge, edge + near_enough) if step > 0 else slice(max(0, edge - near_enough), edge)
        if not edges.isdisjoint(bare[window]):
            for off in range(near_enough):
                near = edge + off * step
                if step > 0:
                    if near >= len(bare) or bare[near] not in edges:
                        continue
                elif near <= 0 or bare[near - 1] not in edges:
                    continue
                for length in lengths:
                    start, end = (near, near + length) if step > 0 else (near - length, near)
                    if start < 0 or end > len(bare):
                        continue
                    said = bare[start:end]
                    if (said in part.spellings or (said in part.paused and breaks[end])) and _runs_on(breaks, start, end):
                        yield (start, end), None
        if not (by_code := self._codes.get((index, number))) or self._code_edges[index, number][step > 0].isdisjoint(coded[window]):
            return
        for off in range(near_enough):
            near = edge + off * step
            for length in lengths:
                start, end = (near, near + length) if step > 0 else (near - length, near)
                if start < 0 or end > len(bare) or coded[start:end] not in by_code or not _runs_on(breaks, start, end):
                    continue
                for meant in by_code[coded[start:end]]:
                    far = sounds.distance(bare[start:end], meant)
                    if far is not None and sounds.believable(meant, far, None) and (meant in part.spellings or breaks[end]):
                        yield (start, end), meant


def _needed(chain: Chain) -> tuple[frozenset[str], ...]:
    """For each part that must be there beside the key: the characters (or codes) it may begin with."""
    return tuple(
        frozenset((sounds.codes(s[0]) if chain.sounds_like else s[0]) for s in part.all)
        for i, part in enumerate(chain.parts)
        if i != chain.key and not part.optional and not part.pause
    )


def _meant(bare: str, parts: Sequence[tuple[tuple[int, int], str | None]]) -> str:
    """What was meant as a whole: the parts as meant or as heard, … where a gap lies between them."""
    out, edge = "", None
    for (start, end), meant in parts:
        out += ("…" if edge is not None and start > edge else "") + (meant or bare[start:end])
        edge = end
    return out


def _automaton(words: Mapping[str, object]) -> ahocorasick.Automaton | None:
    if not words:
        return None
    automaton = ahocorasick.Automaton()
    for word, value in words.items():
        automaton.add_word(word, value)
    automaton.make_automaton()
    return automaton


def _runs_on(breaks: bytes, start: int, end: int) -> bool:
    """May a spelling stand at bare[start:end], given the pauses inside it? Short ones bear none, longer ones a comma."""
    inside = breaks[start + 1 : end]
    return not any(inside) if end - start < LONG else HARD not in inside


def _starts_clause(text: Text, start: int) -> bool:
    for i in range(start, max(-1, start - 3), -1):
        if text.breaks[i]:
            return True
        if i == 0 or text.bare[i - 1] not in _INTERJECTIONS:
            return False
    return False


def _ends_clause(text: Text, end: int) -> bool:
    for i in range(end, min(len(text.bare), end + 2) + 1):
        if text.breaks[i]:
            return True
        if text.bare[i] not in _PARTICLES:
            return False
    return False
