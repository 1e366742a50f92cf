"""A phrase of the rule language, in; sets of plain spellings with gaps between them, out.

`(叫|让)你们*{leaders}来$` is a chain of sets of spellings. The surprising choice: brackets side by side are multiplied out only up to a point;
beyond it they stay sets that follow one another, so that no phrase explodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from models.reading.text import normal_phrase

GAP = 6  # characters that `*` stands for, at most
MAX_GAP = 40
MAX_SPELLINGS = 4000  # of one bracket
JOINED = 200  # brackets side by side are multiplied out up to here; beyond, they stay sets that follow one another
_PAUSE = "\0"
_COMMON = frozenset("的我你您是不了就好可以那给要都这有没请吧到先会能个一说们在来去他么什上下也还看着过得人时候多再把让为年天打电话单号问题吗呢啊嗯帮送退行")


class PhraseError(ValueError):
    """A phrase that cannot be read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """One set of a chain: plain spellings (bare normal form); those that count only before a pause; whether a mere pause will do, or nothing at all."""

    spellings: frozenset[str] = field(repr=False)
    paused: frozenset[str] = field(default=frozenset(), repr=False)
    pause: bool = False
    optional: bool = False

    @property
    def all(self) -> frozenset[str]:
        return self.spellings | self.paused


@dataclass(frozen=True, slots=True)
class Chain:
    """A phrase, compiled: sets of spellings and the widest gap between each two (0: one follows the other). key: the part that the automaton holds."""

    source: str = field(repr=False)
    parts: tuple[Part, ...] = field(repr=False)
    gaps: tuple[int, ...]
    key: int = 0
    at_start: bool = False
    at_end: bool = False
    sounds_like: bool = False


def _key(parts: Sequence[Part]) -> int:
    """The part that rings least often, by how common its characters are."""
    fixed = [i for i, p in enumerate(parts) if not p.optional and not p.pause]
    return min(fixed, key=lambda i: (sum(map(commonness, parts[i].all)), i))


def commonness(spelling: str) -> float:
    """A rough chance of a spelling at one place: the commonest characters of talk stand at one place in fifty, others in a thousand."""
    chance = 1.0
    for char in spelling:
        chance *= 0.02 if char in _COMMON else 0.001
    return chance


def parse_phrase(source: str, lexicons: Mapping[str, Sequence[str]], sounds_like: bool = False) -> Chain:
    """Compile one phrase. Raises PhraseError."""
    body = source.strip()
    at_start, at_end = body.startswith("^"), body.endswith("$")
    body = body[1 if at_start else 0 : len(body) - 1 if at_end else len(body)]
    parts: list[Part] = []
    gaps: list[int] = []
    row: list[str] = []
    gap: int | None = None

    def close() -> None:
        nonlocal row, gap
        if row:
            if parts:
                gaps.append(gap or 0)
            parts.append(_part(row))
            row, gap = [], None

    for atom in _atoms(body, source, lexicons):
        if isinstance(atom, int):
            close()
            gap = max(gap or 0, atom)
        elif row and len(row) * len(atom) <= JOINED:
            row = [a + b for a in row for b in atom]
        else:
            close()
            row = atom
    close()
    while parts and not parts[-1].all:  # nothing but a pause or nothing at the end: `$` says the same
        if parts[-1].pause and not parts[-1].optional:
            at_end = True
        parts.pop()
        if gaps:
            gaps.pop()
    if not parts:
        raise PhraseError(f"'{source}' is empty in normal form; write characters, letters or digits")
    if all(p.optional or p.pause for p in parts):
        raise PhraseError(f"'{source}' may be empty; write at least one character outside '( | )'")
    return Chain(source, tuple(parts), tuple(gaps), _key(parts), at_start, at_end, sounds_like)


def _part(row: Sequence[str]) -> Part:
    plain, paused = set(), set()
    for spelling in row:
        bare = normal_phrase(spelling.replace(_PAUSE, ""))
        (paused if spelling.endswith(_PAUSE) else plain).add(bare)
    return Part(frozenset(plain - {""}), frozenset(paused - plain - {""}), "" in paused, "" in plain)


def _atoms(body: str, source: str, lexicons: Mapping[str, Sequence[str]]) -> Iterator[list[str] | int]:
    """The phrase from left to right: spellings of one bracket, lexicon or stretch of characters, or the width of a gap."""
    at, plain = 0, ""
    while at < len(body):
        char = body[at]
        if char in "(*<{" and plain:
            yield [plain]
            plain = ""
        if char == "(":
            inner, at = _alternatives(body, at + 1, source, lexicons)
            yield inner
        elif char == "{":
            words, at = _lexicon(body, at, source, lexicons)
            yield words
        elif char == "*":
            yield GAP
            at += 1
        elif char == "<":
            close = body.find(">", at)
            if close < 0 or not body[at + 1 : close].isdigit() or not 0 < int(body[at + 1 : close]) <= MAX_GAP:
                raise PhraseError(f"'{source}': '<' is no gap; write '<n>' with n from 1 to {MAX_GAP}, or '*' for {GAP}")
            yield int(body[at + 1 : close])
            at = close + 1
        elif char == "|":
            raise PhraseError(f"'{source}': '|' stands outside brackets; write '(a|b)' or two phrases")
        elif char == ")":
            raise PhraseError(f"'{source}': a ')' too many; remove it or open it with '('")
        else:
            plain += char
            at += 1
    if plain:
        yield [plain]


def _lexicon(body: str, at: int, source: str, lexicons: Mapping[str, Sequence[str]]) -> tuple[list[str], int]:
    close = body.find("}", at)
    name = body[at + 1 : close].strip() if close > 0 else ""
    if name not in lexicons:
        raise PhraseError(f"'{source}': no lexicon '{name}'; known: {', '.join(sorted(lexicons)) or 'none'}")
    words: list[str] = []
    for word in lexicons[name]:
        words += _alternatives(word + ")", 0, source, {})[0]  # a word may hold alternatives of its own
    return words, close + 1


def _alternatives(body: str, at: int, source: str, lexicons: Mapping[str, Sequence[str]]) -> tuple[list[str], int]:
    """All spellings from just after a '(' to the ')' that closes it, and where that ends. `，` and `$` at an end ask for a pause."""
    done: list[str] = []
    row = [""]
    while at < len(body):
        char = body[at]
        if char == "(":
            inner, at = _alternatives(body, at + 1, source, lexicons)
            row = [a + b for a in row for b in inner]
        elif char == "{":
            words, at = _lexicon(body, at, source, lexicons)
            row = [a + b for a in row for b in words]
        elif char == "|":
            done, row = done + row, [""]
            at += 1
        elif char == ")":
            return list(dict.fromkeys(done + row)), at + 1
        elif char in "*<":
            raise PhraseError(f"'{source}': a gap cannot stand inside '( )'; write one phrase for each alternative")
        else:
            row = [a + (_PAUSE if char in "，,$。" else char) for a in row]
            at += 1
        if len(row) + len(done) > MAX_SPELLINGS:
            raise PhraseError(f"'{source}' has a bracket of more than {MAX_SPELLINGS} spellings; put a gap '*' between its parts or split it")
    raise PhraseError(f"'{source}': '(' is never closed; add ')'")
