"""Phrases and heard characters, in; which phrase was probably meant, and how far off the heard one is, out.

Mandarin recognition confuses what sounds alike: the same syllable in another tone, n/l, zh/z, ch/c, sh/s, -n/-ng, f/h, a syllable dropped or
doubled. Every syllable gets a coarse *code* (one character), equal for all syllables that may be confused, so that one automaton over codes
finds the candidates; `distance` then tells how much was confused. The surprising choice: a dropped or doubled syllable is written into the
automaton as further spellings of the phrase, because an automaton knows no edits.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.mandarin import code, confusion, syllable

_NEVER_DROPPED = frozenset("不没别未无非")  # dropping one of these turns the meaning round


@dataclass(frozen=True, slots=True)
class Distance:
    """How a heard stretch differs from what was meant. share: of the meant characters that are not there, 0–1."""

    confusions: int
    edits: int
    share: float

    @property
    def factor(self) -> float:
        """What it costs: 0.1 a confusion, 0.2 a dropped or doubled syllable, up to 0.3 for other characters."""
        return max(0.0, 1.0 - 0.1 * self.confusions - 0.2 * self.edits - 0.3 * self.share)


class _CodeTable(dict[int, str]):
    def __missing__(self, point: int) -> str:
        self[point] = value = code(chr(point))
        return value


_TABLE = _CodeTable()


def codes(bare: str) -> str:
    """The coarse codes of a text, one a character."""
    return bare.translate(_TABLE)


def spellings(phrase: str, edits: bool = True) -> set[str]:
    """Code strings by which a phrase may be heard: as it is and, if long enough, with a syllable dropped or doubled."""
    whole = codes(phrase)
    out = {whole}
    if edits and len(phrase) >= 4:
        out |= {whole[: i + 1] + whole[i:] for i in range(len(whole))}
    if edits and len(phrase) >= 5:
        out |= {whole[:i] + whole[i + 1 :] for i in range(1, len(whole) - 1) if phrase[i] not in _NEVER_DROPPED}
    return out


def distance(heard: str, meant: str) -> Distance | None:
    """The distance between bare characters as heard and as meant; None where that is more than a phrase of its length may bear.

    One syllable bears nothing, two bear another tone, three one confusion, longer ones a confusion for every two syllables, where a dropped or doubled
    syllable counts as two. Identical characters are no sound-alike: None.
    """
    n = len(meant)
    if heard == meant or n < 2:
        return None
    if len(heard) == n:
        return _aligned(heard, meant, n, 0)
    best = None
    if len(heard) == n - 1 and n >= 5:
        for i in range(1, n - 1):
            if meant[i] not in _NEVER_DROPPED:
                best = _better(best, _aligned(heard, meant[:i] + meant[i + 1 :], n, 1))
    elif len(heard) == n + 1 and n >= 4:
        for i in range(n):
            if syllable(heard[i]) == syllable(heard[i + 1]):
                best = _better(best, _aligned(heard[:i] + heard[i + 1 :], meant, n, 1))
    return best


def _aligned(heard: str, meant: str, n: int, edits: int) -> Distance | None:
    confusions, other = 0, edits
    for h, m in zip(heard, meant, strict=True):
        if h == m:
            continue
        other += 1
        count = confusion(syllable(h), syllable(m))
        if count is None:
            return None
        confusions += count
    allowed = 0 if n <= 2 else 1 if n == 3 else n // 2
    return Distance(confusions, edits, min(1.0, other / n)) if confusions + 2 * edits <= allowed else None


def _better(a: Distance | None, b: Distance | None) -> Distance | None:
    if a is None or b is None:
        return a or b
    return b if b.factor > a.factor else a


UNSURE = 0.7  # mean word probability below which the recogniser may have meant another word altogether


def believable(meant: str, far: Distance, probability: float | None) -> bool:
    """May so short a phrase be meant? Two syllables of which no character stands there are every day's words (之前 for 致歉, 时间 for 市监): believed
    only where the recogniser itself was unsure."""
    return len(meant) > 2 or far.share < 1.0 or (probability is not None and probability < UNSURE)


def recogniser_factor(probability: float | None) -> float:
    """Doubt from the recogniser: sure of the other words (p ≥ 0.9) × 0.6, unsure (p ≤ 0.5) × 1, no probabilities × 0.8."""
    if probability is None:
        return 0.8
    return 1.0 - 0.4 * min(1.0, max(0.0, (probability - 0.5) / 0.4))
