"""What a text sounds like, for searching: one character a syllable, equal for syllables that recognition confuses.

In: any text. Out: a string that keeps letters and line breaks, turns Han characters and digits into codes and drops the rest, so that
经理 is found where 经历 was heard, and 12315 where 一二三一五 was. The surprising choice: codes are numbered here, over a fixed list of
characters, because the index outlives the process that wrote it.
"""

from __future__ import annotations

import hashlib
import unicodedata
from functools import lru_cache

from models.reading.sounds import code

FIRST, LAST = 0x4E00, 0x9FFF  # the block that nearly all running text stays in; rarer characters are dropped
BASE = 0x0100  # codes take two bytes in UTF-8, half of what the characters take
DIGITS = "零一二三四五六七八九"


class _Table(dict[int, str]):
    """Code points to codes; what is not listed is kept if it is a letter, dropped if not."""

    def __missing__(self, point: int) -> str:
        char = chr(point)
        kept = "\n" if char == "\n" else char.lower() if char.isascii() and char.isalpha() else ""
        self[point] = kept
        return kept


@lru_cache(maxsize=1)
def _table() -> _Table:
    numbers: dict[str, int] = {}
    table = _Table()
    for point in range(FIRST, LAST + 1):
        group = code(chr(point))
        table[point] = chr(BASE + numbers.setdefault(group, len(numbers)))
    for digit, han in enumerate(DIGITS):
        table[ord(str(digit))] = table[ord(han)]
    return table


@lru_cache(maxsize=1)
def version() -> str:
    """Changes when a character's sound does: an index written with other codes must be built again."""
    table = _table()
    return hashlib.sha256("".join(table[p] for p in range(FIRST, LAST + 1)).encode()).hexdigest()[:12]


def sound_of(text: str) -> str:
    """The codes of a text. Same length as the text's letters, digits, Han characters and line breaks."""
    return text.translate(_table())


def asked(query: str) -> tuple[str, str]:
    """(words, sound) of what somebody typed into the search box: full width and case undone."""
    words = unicodedata.normalize("NFKC", query).strip().lower()
    return words, sound_of(words).replace("\n", "")


def found_at(text: str, words: str, sound: str) -> tuple[int, int, bool] | None:
    """(start, end, exact) of the first place in a turn's text that holds the words, or sounds like them."""
    at = text.lower().find(words) if words else -1
    if at >= 0:
        return at, at + len(words), True
    if len(sound) < 2:
        return None
    codes, places = [], []
    for i, char in enumerate(text):
        piece = sound_of(char)
        if piece:
            codes.append(piece)
            places.append(i)
    at = "".join(codes).find(sound)
    return None if at < 0 else (places[at], places[at + len(sound) - 1] + 1, False)
