"""Mandarin as both hearing and reading need it: jieba's words, pinyin, and which syllables a recogniser may confuse.

The only file that imports jieba or pypinyin. The surprising choice: syllables get a coarse *code* (one character), equal for all syllables that may be
confused — another tone, n/l, zh/z, ch/c, sh/s, -n/-ng, f/h —, so that what sounds alike is found by looking up, and only then measured.
"""

from __future__ import annotations

import logging
import warnings
from functools import lru_cache

with warnings.catch_warnings():  # jieba (frozen since 2020) warns of pkg_resources and of its own escapes
    warnings.simplefilter("ignore")
    import jieba
from pypinyin.constants import PINYIN_DICT
from pypinyin.contrib.tone_convert import to_normal, to_tone3

jieba.setLogLevel(logging.ERROR)

_OWN_WORD = 10_000  # count given to own words; jieba's commonest words have some 100,000, 发抖 has 200
_INITIALS = ("zh", "ch", "sh", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q", "x", "r", "z", "c", "s", "y", "w")
_COARSE_INITIAL = {"n": "l", "zh": "z", "ch": "c", "sh": "s", "f": "h"}
_NASAL = {"ang": "an", "eng": "en", "ing": "in", "iang": "ian", "uang": "uan"}
_CODES: dict[str, str] = {}
_FIRST_CODE = 0xE000  # private use area: 6,400 codes, Mandarin has some 400 syllables
_SPOKEN = dict(zip("0123456789", "零一二三四五六七八九", strict=True))


def tokenizer(own: frozenset[str] = frozenset()) -> jieba.Tokenizer:
    """jieba's tokenizer, with words of one's own where there are any."""
    base = _base_tokenizer()
    if not own:
        return base
    made = jieba.Tokenizer()
    made.FREQ, made.total, made.initialized = dict(base.FREQ), base.total, True
    for word in sorted(own):
        made.add_word(word, max(_OWN_WORD, base.FREQ.get(word) or 0))
    return made


@lru_cache(maxsize=1)
def _base_tokenizer() -> jieba.Tokenizer:
    """Read from jieba's own list. Its `initialize` would unmarshal a cache from the temporary folder, where anybody may write."""
    made = jieba.Tokenizer()
    made.FREQ, made.total = made.gen_pfdict(made.get_dict_file())
    made.initialized = True
    return made


def word_counts() -> dict[str, int]:
    """jieba's words with their counts in its corpus; prefixes that are no words have 0."""
    return _base_tokenizer().FREQ


@lru_cache(maxsize=32768)
def syllable(char: str) -> str:
    """Toneless pinyin of a character's commonest reading (`nv` for 女); digits as they are read; anything else is itself."""
    readings = PINYIN_DICT.get(ord(_SPOKEN.get(char, char)))
    if not readings:
        return char
    return to_normal(readings.split(",")[0]).replace("ü", "v")


@lru_cache(maxsize=32768)
def readings(char: str) -> tuple[tuple[str, str], ...]:
    """(toneless pinyin, tone) of every reading of a character, commonest first; none where it is no Chinese character."""
    known = PINYIN_DICT.get(ord(char))
    if not known:
        return ()
    toned = [to_tone3(r, neutral_tone_with_five=True).replace("ü", "v") for r in known.split(",")]
    return tuple(dict.fromkeys((t.rstrip("12345"), t[-1]) for t in toned))


@lru_cache(maxsize=4096)
def split(sound: str) -> tuple[str, str]:
    """Initial and final of a toneless syllable; ("", itself) where it has no initial or is no syllable."""
    for initial in _INITIALS:
        if sound.startswith(initial) and len(sound) > len(initial):
            return initial, sound[len(initial) :]
    return "", sound


@lru_cache(maxsize=32768)
def code(char: str) -> str:
    """The coarse code of a character: equal for characters whose syllables a recogniser may confuse."""
    return sound_code(syllable(char))


@lru_cache(maxsize=4096)
def sound_code(sound: str) -> str:
    """The coarse code of a toneless syllable."""
    initial, final = split(sound)
    if initial in ("f", "h") and final.startswith("u") and len(final) > 1:
        final = {"ui": "ei", "un": "en"}.get(final, final[1:])
    key = _COARSE_INITIAL.get(initial, initial) + "-" + _NASAL.get(final, final)
    if key not in _CODES:
        _CODES[key] = chr(_FIRST_CODE + len(_CODES)) if len(_CODES) < 6000 else "\uffff"
    return _CODES[key]


@lru_cache(maxsize=65536)
def confusion(heard: str, meant: str) -> int | None:
    """How many usual confusions lie between two toneless syllables; None where the two are not confused."""
    if heard == meant:
        return 0
    (i1, f1), (i2, f2) = split(heard), split(meant)
    count = 0
    if {i1, i2} == {"f", "h"}:
        count += 1
        f1, f2 = _after_f(i1, f1), _after_f(i2, f2)
    elif i1 != i2:
        if _COARSE_INITIAL.get(i1, i1) != _COARSE_INITIAL.get(i2, i2) or not i1 or not i2:
            return None
        count += 1
    if f1 != f2:
        if _NASAL.get(f1, f1) != _NASAL.get(f2, f2):
            return None
        count += 1
    return count


def _after_f(initial: str, final: str) -> str:
    """飞 fei and 灰 hui, 分 fen and 昏 hun, 发 fa and 花 hua are confused: the finals as they stand after f."""
    if initial == "h" and final.startswith("u") and len(final) > 1:
        return {"ui": "ei", "un": "en"}.get(final, final[1:])
    return final
