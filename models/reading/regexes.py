"""A regex of a rule, in; whether it can hang and which plain strings a text must hold for it to match, out.

A regex hangs where a repetition holds another one over the same characters ((a+)+): refused by its shape, then by trial on strings made to provoke it,
which grow until the time tells. The surprising choice: the plain strings are taken from Python's own parse of the regex, for each of its alternatives
(a|b|c) apart, so that a regex is only tried on turns where the automaton has rung, and there only with the alternatives that can match.
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence

from models.reading.phrases import commonness

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from re import _constants as sre  # type: ignore[attr-defined]
    from re import _parser as sre_parse  # type: ignore[attr-defined]

FLAGS = re.IGNORECASE
TRIAL_LIMIT_S = 0.05  # CPU time for a turn of TRIAL_CHARS, far above what any honest regex takes (some 10 µs)
TRIAL_CHARS = 400
_MANY = 12  # repetitions from here on count as unbounded
_MAX_CLASS = 30  # characters of a class that are still worth listing as required strings
_MAX_STRINGS = 200


def why_it_hangs(pattern: str) -> str | None:
    """A sentence on why the regex can hang, or None. The regex must compile."""
    tree = sre_parse.parse(pattern, FLAGS)
    if _nested(tree, False):
        return "a repetition inside a repetition, as in (a+)+"
    compiled = re.compile(pattern, FLAGS)
    for sample in _provocations(tree):
        for size in (16, 22, 28, 50, 100, 200, TRIAL_CHARS):
            text = (sample * (size // len(sample) + 1))[:size] + "\0"
            begin = time.thread_time()
            for _ in compiled.finditer(text):
                pass
            took = time.thread_time() - begin
            if took > TRIAL_LIMIT_S and _again(compiled, text):
                return f"it took {took * 1000:.0f} ms on {size} characters"
    return None


def _again(compiled: re.Pattern[str], text: str) -> bool:
    """Slow twice more, so that a busy machine is not mistaken for a bad regex."""
    best = float("inf")
    for _ in range(2):
        begin = time.thread_time()
        for _ in compiled.finditer(text):
            pass
        best = min(best, time.thread_time() - begin)
    return best > TRIAL_LIMIT_S


def _nested(tree: Iterable[tuple[object, object]], inside: bool) -> bool:
    """A long repetition whose body holds another repetition that is not fenced off by a plain character on both turns of the loop."""
    for op, value in tree:
        if op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            low, high, body = value  # type: ignore[misc]
            many = high >= _MANY
            if many and inside and low != high:
                return True
            if _nested(body, inside or many):
                return True
        elif op is sre.SUBPATTERN:
            if _nested(value[3], inside):  # type: ignore[index]
                return True
        elif op is sre.BRANCH:
            if any(_nested(branch, inside) for branch in value[1]):  # type: ignore[index]
                return True
        elif op in (sre.ASSERT, sre.ASSERT_NOT) and _nested(value[1], inside):  # type: ignore[index]
            return True
    return False


def _provocations(tree: Iterable[tuple[object, object]]) -> list[str]:
    """Strings that keep the regex trying: its own characters over and over, and neutral ones."""
    literals = _characters(tree)
    whole = "".join(literals)
    out = ["啊", "1", "a1"]
    if whole:
        out += [whole, whole[0], whole[0] + "啊啊", whole[-1] + "啊"]
    out += list(dict.fromkeys(literals))[:6]
    return [s for s in dict.fromkeys(out) if s]


def _characters(tree: Iterable[tuple[object, object]]) -> list[str]:
    out: list[str] = []
    for op, value in tree:
        if op is sre.LITERAL:
            out.append(chr(value))  # type: ignore[arg-type]
        elif op is sre.IN:
            out += [chr(v) for o, v in value if o is sre.LITERAL][:1]  # type: ignore[misc]
        elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            out += _characters(value[2])  # type: ignore[index]
        elif op is sre.SUBPATTERN:
            out += _characters(value[3])  # type: ignore[index]
        elif op is sre.BRANCH:
            for branch in value[1]:  # type: ignore[index]
                out += _characters(branch)
    return out


def alternatives(pattern: str) -> tuple[str, ...]:
    """The parts of the regex between its outermost bars; the regex itself where it has none, or where they cannot stand alone (back references)."""
    if any(op in (sre.GROUPREF, sre.GROUPREF_EXISTS) for op, _ in _all_of(sre_parse.parse(pattern, FLAGS))) or re.search(r"\(\?[a-zA-Z-]+\)", pattern):
        return (pattern,)
    parts, begin, depth, at = [], 0, 0, 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
        elif char == "[":
            at = _class_end(pattern, at)
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == "|" and depth == 0:
            parts.append(pattern[begin:at])
            begin = at + 1
        at += 1
    return (*parts, pattern[begin:])


def _class_end(pattern: str, at: int) -> int:
    """Where the class that opens at `at` closes. A bracket right after its opening is a plain one."""
    at += 2 if pattern[at + 1] == "^" else 1
    if pattern[at] == "]":
        at += 1
    while pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at


def _all_of(tree: Iterable[tuple[object, object]]) -> Iterator[tuple[object, object]]:
    """Every operation of a parsed regex, however deep."""
    for op, value in tree:
        yield op, value
        for inner in value if isinstance(value, list | tuple) else ():
            for body in inner if isinstance(inner, list) else (inner,):
                if isinstance(body, sre_parse.SubPattern):
                    yield from _all_of(body)


def required_strings(pattern: str) -> tuple[str, ...] | None:
    """Strings one of which stands in every match, lower case, Han and alphanumeric only; None where none can be told."""
    sets = required_sets(pattern)
    return tuple(sorted(sets[0])) if sets else None


def required_sets(pattern: str) -> tuple[frozenset[str], ...]:
    """Sets of such strings: of each set, one string stands in every match. The set that texts hold least often comes first."""
    return tuple(sorted(dict.fromkeys(_required(sre_parse.parse(pattern, FLAGS))), key=_chance))


def _chance(strings: frozenset[str]) -> tuple[float, list[str]]:
    return sum(map(commonness, strings)), sorted(strings)


def _required(tree: Sequence[tuple[object, object]]) -> list[frozenset[str]]:
    """What every match of a sequence holds."""
    sets: list[frozenset[str]] = []
    run = ""
    for op, value in tree:
        if op is sre.LITERAL and chr(value).isalnum():  # type: ignore[arg-type]
            run += chr(value).lower()  # type: ignore[arg-type]
            continue
        if run:
            sets.append(frozenset({run}))
            run = ""
        sets += _required_of(op, value)
    return [*sets, frozenset({run})] if run else sets


def _required_of(op: object, value: object) -> list[frozenset[str]]:
    if op is sre.IN:
        characters = [chr(v).lower() for o, v in value if o is sre.LITERAL]  # type: ignore[union-attr, misc]
        if len(characters) == len(value) <= _MAX_CLASS and all(c.isalnum() for c in characters):  # type: ignore[arg-type]
            return [frozenset(characters)]
    elif op is sre.SUBPATTERN:
        return _required(value[3])  # type: ignore[index]
    elif op in (sre.MAX_REPEAT, sre.MIN_REPEAT):
        low, _, body = value  # type: ignore[misc]
        return _required(body) if low >= 1 else []
    elif op is sre.BRANCH:
        union: set[str] = set()
        for branch in value[1]:  # type: ignore[index]
            inner = _required(branch)
            if not inner:
                return []
            union |= min(inner, key=_chance)
        return [frozenset(union)] if len(union) <= _MAX_STRINGS else []
    return []
