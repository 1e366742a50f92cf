"""What was said, in; the same as a recogniser of telephone speech might have written it, out.

Calls of our own writing have no sound; a model fitted on their text alone would meet misheard words for the first time in a real night. The kinds of
error and their shares are those counted on 18 labelled calls of telephone quality heard with the embedded weights (bench/mishearing.py); what stands in
for a character is drawn from the characters of the writing itself, by how often they occur there. The surprising choice: half of all errors are not
homophones, so half of these are not either.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import accumulate

from models.mandarin import split, syllable

SHARES = {"syllable": 0.32, "final": 0.16, "initial": 0.13, "other": 0.24, "deleted": 0.10, "inserted": 0.05}  # of all errors
SURE, SURER = 0.95, 0.72  # confidence of a turn = 0.95 - 0.72 × its share of errors, ± SCATTER
SCATTER = 0.05


class Mishearing:
    """Draws what a character may be misheard as. texts: where characters and their frequencies come from."""

    def __init__(self, texts: Iterable[str]) -> None:
        counts = Counter(c for text in texts for c in text if "一" <= c <= "鿿")
        groups: dict[tuple[str, str], list[str]] = defaultdict(list)
        for char in sorted(counts):
            sound = syllable(char)
            initial, final = split(sound)
            for group in (("syllable", sound), ("initial", initial), ("final", final), ("other", "")):
                groups[group].append(char)
        self._groups = {group: (chars, list(accumulate(counts[c] for c in chars))) for group, chars in groups.items()}

    def text(self, said: str, share: float, rng: random.Random) -> str:
        """The text with this share of its characters misheard; punctuation stays. No error for share 0."""
        return "".join(self._char(char, rng) if char.isalnum() and rng.random() < share else char for char in said)

    def _char(self, char: str, rng: random.Random) -> str:
        kind = rng.choices(tuple(SHARES), tuple(SHARES.values()))[0]
        if kind == "deleted":
            return ""
        initial, final = split(syllable(char))
        group = {"syllable": syllable(char), "initial": initial, "final": final}.get(kind, "")
        for pool in ((kind, group), ("other", "")):  # where nothing else sounds so, anything
            chars, counts = self._groups.get(pool, ([char], [1]))
            other = rng.choices(chars, cum_weights=counts)[0]
            if other != char:
                break
        return char + other if kind == "inserted" else other


def confidence(share: float, rng: random.Random) -> float:
    """The mean word probability that a recogniser shows for a turn with this share of errors, 0.2–0.99."""
    return min(0.99, max(0.2, rng.gauss(SURE - SURER * share, SCATTER)))
