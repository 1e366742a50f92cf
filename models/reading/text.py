"""A turn's text as it came, in; the same text in normal form, with the way back to every original character, out.

Nothing here ever raises on dirty text: what cannot be read is dropped and the rest is read. The surprising choice is that there are two
normal forms. `norm` keeps punctuation (，。！？；：" and space) for regexes, clauses and jieba; `bare` has none, and `breaks` says how
strong the pause before each of its characters was, because a recogniser's commas are guesses and phrases must be found across them.
"""

from __future__ import annotations

import html
import math
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from opencc import OpenCC

from models.mandarin import tokenizer

SOFT, HARD = 1, 2  # strength of a pause: inside a sentence, between sentences
HARD_MARKS = frozenset("。！？；")
_MARKS = {
    ",": "，", "、": "，", "､": "，", ";": "；", "!": "！", "?": "？", "｡": "。", "\n": "。", "\r": "。", ":": "：", "…": "…", "⋯": "…", "．": ".",
    "“": '"', "”": '"', "„": '"', "「": '"', "」": '"', "『": '"', "』": '"', "«": '"', "»": '"', "〝": '"', "〞": '"', "＂": '"',
    "\t": " ", "\v": " ", "\f": " ", "\x85": "。", "\u2028": "。", "\u2029": "。", "〇": "零",
}  # fmt: skip
_DIGITS = str.maketrans("零一二三四五六七八九幺两", "012345678912")
# A run of digits read out one by one. Not a run that belongs to 十 百 千 (两三百, 一五一十).
_DIGIT_RUN = re.compile(r"(?<![十百千万亿点第])[零一二三四五六七八九幺两0-9]{3,}(?![十百千万亿])")
_TAG = re.compile(r"<(?:/?[a-zA-Z][^<>]{0,60}|!--.{0,200}?--)>")
_BREAK_TAG = re.compile(r"</?(?:br|p|div|li|tr|td)\b", re.I)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,10});?")
_ESCAPED_BREAK = re.compile(r"\\[nrt]")
_HAN = re.compile(r"[\u3400-\u9fff]")
_SPACED = re.compile(r"(?<=[\u3400-\u9fff]) (?=[\u3400-\u9fff])")
_to_simplified = OpenCC("t2s").convert


@dataclass(frozen=True, slots=True)
class Text:
    """One turn in normal form. All offsets are characters; spans are half open.

    origin_start[i], origin_end[i]: the original characters that norm[i] came from. place[i]: where bare[i] stands in norm.
    breaks[i]: the pause before bare[i], 0, SOFT or HARD; one more at the end (always HARD), and breaks[0] is HARD.
    """

    original: str = field(repr=False)
    norm: str = field(repr=False)
    origin_start: tuple[int, ...] = field(repr=False)
    origin_end: tuple[int, ...] = field(repr=False)
    bare: str = field(repr=False)
    place: tuple[int, ...] = field(repr=False)
    breaks: bytes = field(repr=False)

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the original text of norm[start:end], without punctuation or space at either end."""
        while start < end and not self.norm[start].isalnum():
            start += 1
        while start < end and not self.norm[end - 1].isalnum():
            end -= 1
        if start >= end:
            return (0, 0)
        return self.origin_start[start], max(self.origin_end[end - 1], self.origin_start[start] + 1)

    def norm_span(self, bare_start: int, bare_end: int) -> tuple[int, int]:
        """Offsets in norm of bare[bare_start:bare_end]."""
        return self.place[bare_start], self.place[bare_end - 1] + 1


def normalise(text: str) -> Text:
    """The normal form: one encoding, no markup, NFKC, half width, lower case, simplified, digit runs as 0-9."""
    norm = text.translate(_TABLE)
    begin: Sequence[int]
    finish: Sequence[int]
    if _ODD in norm or "&" in text or "<" in text or "\\" in text or _looks_recoded(text):
        norm, begin, finish = _normalised_slowly(text)
    else:
        begin, finish = range(len(text)), range(1, len(text) + 1)
    simplified = _to_simplified(norm)
    if len(simplified) == len(norm):
        norm = simplified
    if " " in norm and _is_spaced_out(norm):
        kept = [i for i, char in enumerate(norm) if char != " "]
        norm = "".join(norm[i] for i in kept)
        begin, finish = [begin[i] for i in kept], [finish[i] for i in kept]
    if "一万" in norm:
        norm, begin, finish = _hotlines(norm, begin, finish)
    norm = _digits(norm)
    bare: list[str] = []
    place: list[int] = []
    breaks = bytearray()
    last = 0
    for run in _RUN.finditer(norm):
        start, end = run.span()
        bare.append(run[0])
        place += range(start, end)
        breaks.append(HARD if not last or not HARD_MARKS.isdisjoint(norm[last:start]) else SOFT)
        breaks += bytes(end - start - 1)
        last = end
    breaks.append(HARD)
    return Text(text, norm, tuple(begin), tuple(finish), "".join(bare), tuple(place), bytes(breaks))


_RUN = re.compile(r"[^\W_]+")


def _normalised_slowly(text: str) -> tuple[str, list[int], list[int]]:
    """The normal form of text with markup, a wrong encoding or characters that become none or several."""
    chars, starts, ends = _decoded(text)
    out: list[str] = []
    begin: list[int] = []
    finish: list[int] = []
    for char, start, end in zip(chars, starts, ends, strict=True):
        for piece in _normal_char(char):
            out.append(piece)
            begin.append(start)
            finish.append(end)
    return "".join(out), begin, finish


def normal_phrase(phrase: str) -> str:
    """A phrase of a rule as it is looked for in `bare`."""
    return normalise(phrase).bare


@lru_cache(maxsize=65536)
def _normal_char(char: str) -> str:
    """What one character becomes: nothing, itself, or several characters."""
    mark = _MARKS.get(char)
    if mark is not None:
        return mark
    category = unicodedata.category(char)
    if category in ("Cc", "Cf", "Cs", "Co", "Cn", "Mn", "Me") or char == "\ufffd":  # control, zero width, surrogates, private, accents
        return ""
    normal = unicodedata.normalize("NFKC", char).lower()
    return "".join(_MARKS.get(c, " " if c.isspace() else c) for c in normal)


_ODD = "\uf8ff"  # stands for a character that becomes none or several


class _NormalTable(dict[int, str]):
    def __missing__(self, point: int) -> str:
        normal = _normal_char(chr(point))
        self[point] = normal = normal if len(normal) == 1 else _ODD
        return normal


_TABLE = _NormalTable()


def _digits(norm: str) -> str:
    """Runs of three and more digits, Chinese or not, as 0-9, character for character. A full stop not inside a number is 。"""
    norm = _DIGIT_RUN.sub(lambda m: m[0].translate(_DIGITS), norm)
    if "." in norm:
        norm = re.sub(r"\.(?![0-9a-z])|(?<![0-9a-z])\.", "。", norm)
    return norm


# 12315 read out as a quantity, as voices made by machines do and recognisers then write; 12,300 of something is followed by what it is of.
_HOTLINE = re.compile(
    r"一万[二两]千三百(?:([一二三四五六七八九]?)十([一二三四五六七八九])?|零?([一二三四五六七八九]))?(?![元块多余万千百十个天零一二三四五六七八九])"
    r"|(?<=[打拨])一万[二两]千三(?![元块多余万千百十个天零一二三四五六七八九])"
)


def _hotlines(norm: str, begin: Sequence[int], finish: Sequence[int]) -> tuple[str, list[int], list[int]]:
    """Numbers of public hotlines (123xx) that are spelled as quantities, as digits; each digit leads back to the whole of them."""
    out: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    last = 0
    for m in _HOTLINE.finditer(norm):
        low, high = m.span()
        tens, unit, alone = (_HAN_DIGIT.get(g or "", "") for g in m.groups())
        digits = "123" + (tens or ("1" if "十" in m[0] else "0")) + (unit or alone or "0")
        out += [norm[last:low], digits]
        starts += [*begin[last:low], *[begin[low]] * len(digits)]
        ends += [*finish[last:low], *[finish[high - 1]] * len(digits)]
        last = high
    return "".join((*out, norm[last:])), [*starts, *begin[last:]], [*ends, *finish[last:]]


_HAN_DIGIT = dict(zip("一二三四五六七八九", "123456789", strict=True))


def _is_spaced_out(norm: str) -> bool:
    """Every character spaced from the next, as copying from some screens leaves it: 投 诉 你 们."""
    if norm.count(" ") < 2:
        return False
    return len(_SPACED.findall(norm)) >= 0.4 * max(1, len(_HAN.findall(norm)) - 1)


def _decoded(text: str) -> tuple[str, list[int], list[int]]:
    """Markup and wrong encodings undone: characters with the start and end of what each came from."""
    repaired = _repaired(text)
    if repaired is None:
        chars, starts, ends = text, list(range(len(text))), list(range(1, len(text) + 1))
    else:
        chars, starts, ends = repaired
    for pattern in (_ENTITY, _ENTITY, _TAG, _ESCAPED_BREAK):  # entities twice: &amp;nbsp; is common
        if ("&" in chars) if pattern is _ENTITY else ("<" in chars) if pattern is _TAG else ("\\" in chars):
            chars, starts, ends = _replaced(pattern, chars, starts, ends)
    return chars, starts, ends


def _replaced(pattern: re.Pattern[str], chars: str, starts: list[int], ends: list[int]) -> tuple[str, list[int], list[int]]:
    out, begin, finish, last = [], [], [], 0
    for m in pattern.finditer(chars):
        new = html.unescape(m[0]) if pattern is _ENTITY else "\n" if pattern is not _TAG or _BREAK_TAG.match(m[0]) else ""
        if new == m[0]:
            continue
        out.append(chars[last : m.start()] + new)
        begin += starts[last : m.start()] + [starts[m.start()]] * len(new)
        finish += ends[last : m.start()] + [ends[m.end() - 1]] * len(new)
        last = m.end()
    return "".join(out) + chars[last:], begin + starts[last:], finish + ends[last:]


def _looks_recoded(text: str) -> bool:
    """May this be UTF-8 or GBK that was read as something else? Cheap; `_repaired` decides.

    Read as Latin-1 or CP1252 it has no Han and many accented letters; UTF-8 read as GBK is all Han, but a fifth of its bytes and more are the lead bytes
    E4–E9 of UTF-8's Han, of which genuine text has a few in a hundred.
    """
    if len(text) < 4 or text.isascii():
        return False
    if 2 * len(_HIGH.findall(text)) >= len(text):
        return True
    data = text.encode("gbk", "ignore")
    return 5 * sum(map(data.count, (0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9))) >= len(data) > 6


def _repaired(text: str) -> tuple[str, list[int], list[int]] | None:
    """UTF-8 or GBK that was read as something else, read again; None where the text is not of that kind."""
    if not _looks_recoded(text):
        return None
    for wrong, right in (("gbk", "utf-8"),) if _HAN.search(text) else (("cp1252", "utf-8"), ("latin-1", "utf-8"), ("latin-1", "gbk")):
        found = _recoded(text, wrong, right)
        if found is not None:
            return found
    return None


_CP1252_HIGH = frozenset(bytes(b for b in range(0x80, 0xA0) if b not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)).decode("cp1252"))
_HIGH = re.compile("[\x80-\xff" + "".join(sorted(_CP1252_HIGH)) + "]")


def _recoded(text: str, wrong: str, right: str) -> tuple[str, list[int], list[int]] | None:
    pieces: list[bytes] = []
    for char in text:
        try:
            pieces.append(char.encode(wrong))
        except UnicodeEncodeError:
            if char == "\ufffd":  # what the wrong reading could not read either
                pieces.append(b"")
            elif wrong == "cp1252" and ord(char) < 0x100:  # bytes that CP1252 leaves undefined pass through as Latin-1
                pieces.append(bytes([ord(char)]))
            else:
                return None
    data = b"".join(pieces)
    owner = [i for i, piece in enumerate(pieces) for _ in piece]
    fixed, starts, ends, at, lost = [], [], [], 0, 0
    while at < len(data):  # byte by byte: copying has often lost some
        for width in range(1, 5 if right == "utf-8" else 3):
            try:
                char = data[at : at + width].decode(right)
            except UnicodeDecodeError:
                continue
            fixed.append(char)
            starts.append(owner[at])
            ends.append(owner[min(at + width, len(data)) - 1] + 1)
            at += width
            break
        else:
            lost += 1
            at += 1
    result = "".join(fixed)
    han = len(_COMMON_HAN.findall(result))
    if result == text or 3 * lost > len(data) or han < 2 or 2 * han < len(result):
        return None
    return result, starts, ends


_COMMON_HAN = re.compile(r"[\u4e00-\u9fa5]")


# ---- clauses and sentences ----


def clause_span(text: Text, start: int, end: int) -> tuple[int, int]:
    """norm offsets of the clauses that norm[start:end] touches, cut at any punctuation or space."""
    return _widened(text.norm, start, end, _CLAUSE_MARKS)


def sentence_span(text: Text, start: int, end: int) -> tuple[int, int]:
    """norm offsets of the sentences that norm[start:end] touches, cut at 。！？；"""
    return _widened(text.norm, start, end, HARD_MARKS)


_CLAUSE_MARKS = frozenset("。！？；，…： ")


def _widened(norm: str, start: int, end: int, marks: frozenset[str]) -> tuple[int, int]:
    places = _places(norm, marks)
    before, after = bisect_left(places, start), bisect_left(places, end)
    return places[before - 1] + 1 if before else 0, places[after] if after < len(places) else max(end, len(norm))


@lru_cache(maxsize=512)  # many hits of one turn ask for the same marks
def _places(norm: str, marks: frozenset[str]) -> list[int]:
    """Where a text is cut, in order."""
    return [i for i, char in enumerate(norm) if char in marks]


def pieces(text: Text, hard_only: bool) -> list[tuple[int, int]]:
    """norm offsets of all sentences (or all clauses), without their punctuation; empty ones left out."""
    marks = HARD_MARKS if hard_only else _CLAUSE_MARKS
    out, begin = [], 0
    for i, char in enumerate(text.norm):
        if char in marks:
            if i > begin:
                out.append((begin, i))
            begin = i + 1
    if len(text.norm) > begin:
        out.append((begin, len(text.norm)))
    return out


# ---- words ----


_RAREST = 3  # the least count in jieba's list that says anything


class Cutter:
    """jieba with a rule book's own words. `cut` gives the words of a normal text as offsets."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._tokenizer = tokenizer(frozenset(w for w in words if len(w) > 1))

    def cut(self, norm: str) -> list[tuple[int, int]]:
        """(start, end) of every word. Without the HMM: guessed words would hide phrases, and single characters hide nothing."""
        return [(start, end) for _, start, end in self._tokenizer.tokenize(norm, HMM=False)]

    def words(self, norm: str) -> list[str]:
        """The words themselves, punctuation left out."""
        return [w for w in self._tokenizer.cut(norm, HMM=False) if w[0].isalnum()]

    def rarity(self, word: str) -> float:
        """How rare a word is in Mandarin at large, in nats: -log of its share of jieba's counts; of none, that of its rarest."""
        return math.log(self._tokenizer.total / max(self._tokenizer.FREQ.get(word) or 0, _RAREST))
