"""Heard characters to the characters that were probably meant: homophones put right by what people say in such calls.

In: the words of a span with the recogniser's probabilities, and sentences as they are said in calls. Out: the same words, some characters changed for
others that sound alike (一案 → 一按, 手击 → 手机). Whisper's smaller models hear Mandarin syllables far better than they spell them: a quarter of their
wrong characters sound exactly right. A character trigram language model of the sentences, mixed with jieba's words, weighs the spellings; the
recogniser's probabilities weigh against it; a beam keeps the best. Hotwords (names of offices, brands, products) are offered as a whole wherever
their syllables are heard. The surprising choice: nothing is ever added or left out, so times, confidences and the speaker stay as they are.

Sources: noisy channel after Shannon (1948) and Brill and Moore (2000); smoothing after Kneser and Ney (1995), interpolated, absolute discount.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from models.errors import ConfigError
from models.hearing.transcriber import Spoken
from models.mandarin import confusion, readings, sound_code, word_counts

ORDER = 3
DISCOUNT = 0.75
CALLS = 0.85  # share of the calls' own sentences in the mixture; the rest is jieba's words
UNSEEN = 1 / 8000  # probability of a character nothing is known of
TRUST = 1.2  # weight of the recogniser against the language model, in log-probabilities
SAME_TONE, OTHER_TONE, CONFUSED = 0.06, 0.025, 0.003  # of the doubt about a character, what a candidate of that kind gets
LEAST_DOUBT = 0.02  # the recogniser is never surer than this
SURE = 0.995  # characters surer than this are not asked about
WIDTH = 10  # spellings kept while going through a span
HOTWORD = 1.5  # log-probability a character that a hotword gets for being one
MOST_KEPT = 300_000  # log-probabilities remembered, some 30 MB
COMMON_CHAR = 3000  # count in jieba's words from which a character is offered though the calls' sentences lack it
FEWEST_COUNTS = 10  # rarer words of jieba's list teach nothing
TELLING = 4.0  # the most that one turn says about whose side it is on
RARE = 1e-6
EDGE = "^"
_HAN = re.compile(r"[\u4e00-\u9fff]")
_NOT_WORD = re.compile(r"[^\w]|_")


class Grams:
    """Counts of character n-grams, interpolated Kneser-Ney: `probability(char, before)` for up to two characters before."""

    def __init__(self, sentences: Iterable[str], order: int = ORDER) -> None:
        full: Counter[str] = Counter()
        for sentence in sentences:
            padded = EDGE * (order - 1) + sentence + "$"
            full.update(padded[i : i + order] for i in range(len(padded) - order + 1))
        self._order = order
        self._counts: list[dict[str, int]] = [{} for _ in range(order)]
        self._counts[order - 1] = dict(full)
        for k in range(order - 2, -1, -1):  # a shorter gram counts the characters it was seen after
            self._counts[k] = dict(Counter(gram[1:] for gram in self._counts[k + 1]))
        self._totals: list[dict[str, tuple[int, int]]] = []
        for counts in self._counts:
            totals: dict[str, list[int]] = {}
            for gram, count in counts.items():
                row = totals.setdefault(gram[:-1], [0, 0])
                row[0] += count
                row[1] += 1
            self._totals.append({k: (a, b) for k, (a, b) in totals.items()})

    def probability(self, char: str, before: str) -> float:
        p = UNSEEN
        for k in range(self._order):
            context = before[len(before) - k :] if k else ""
            known = self._totals[k].get(context)
            if known is None:
                break
            total, kinds = known
            p = (max(self._counts[k].get(context + char, 0) - DISCOUNT, 0.0) + DISCOUNT * kinds * p) / total
        return p

    def characters(self) -> set[str]:
        return {gram for gram in self._counts[0] if _HAN.fullmatch(gram)}


class Words:
    """The same from a word list with counts: inside a word its characters follow each other, after a word any word may begin."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._begins: Counter[str] = Counter()
        self._ends: Counter[str] = Counter()
        self._follows: Counter[str] = Counter()
        for word, count in counts.items():
            if count < FEWEST_COUNTS or not all(map(_HAN.fullmatch, word)):
                continue
            self._begins[word[0]] += count
            self._ends[word[-1]] += count
            if len(word) > 1:
                self._ends[word[-2:]] += count
            for i in range(1, len(word)):
                self._follows[word[i - 1 : i + 1]] += count
                if i > 1:
                    self._follows[word[i - 2 : i + 1]] += count
        self._all = self._begins.total()
        self._leaves: Counter[str] = Counter()
        for gram, count in self._follows.items():
            self._leaves[gram[:-1]] += count

    def probability(self, char: str, before: str) -> float:
        begins = (self._begins[char] + 1) / (self._all + 8000)
        p = begins
        for context, weight in ((before[-1:], 50), (before[-2:], 500)):
            ends = self._ends[context]
            total = self._leaves[context] + ends
            p = (self._follows[context + char] + ends * begins + weight * p) / (total + weight)
        return p

    def common(self) -> set[str]:
        return {char for char, count in self._begins.items() if count > COMMON_CHAR}


@dataclass(frozen=True, slots=True)
class Offered:
    """A character that may have been meant, and the log of its share of the doubt."""

    char: str
    cost: float


class Wording:
    """What people say in calls, and which hotwords matter. version: content hash. Safe to share between threads."""

    def __init__(
        self, by_company: Sequence[str], by_customers: Sequence[str] = (), hotwords: Sequence[str] = (), counts: Mapping[str, int] | None = None
    ) -> None:
        """by_company, by_customers: sentences as said, punctuation is ignored. hotwords: Chinese words of two characters and more. counts: a general
        word list."""
        sides = [[b for s in said if (b := _bare(s))] for said in (by_company, by_customers)]
        bare = [s for side in sides for s in side]
        self._calls = Grams(bare)
        self._company, self._customers = (Grams(side) for side in sides)
        self._words = Words(word_counts() if counts is None else counts)
        self.hotwords = tuple(dict.fromkeys(w for w in hotwords if len(w) > 1 and all(map(_HAN.fullmatch, w))))
        digest = hashlib.sha256("\n".join([*bare, "", *self.hotwords]).encode("utf-8"))
        self.version = digest.hexdigest()[:6]
        offered: dict[str, set[str]] = {}
        for char in self._calls.characters() | self._words.common() | set("".join(self.hotwords)):
            for sound, _ in readings(char):
                offered.setdefault(sound_code(sound), set()).add(char)
        self._by_code = {k: tuple(sorted(v)) for k, v in offered.items()}
        self._log: dict[str, float] = {}
        self._offers: dict[str, tuple[Offered, ...]] = {}
        self._hot: dict[str, list[str]] = {}
        for word in self.hotwords:
            for sound, _ in readings(word[0]):
                self._hot.setdefault(sound_code(sound), []).append(word)

    def log_probability(self, char: str, before: str) -> float:
        """Natural log of the mixture's probability of a character after up to two others."""
        key = before[-(ORDER - 1) :] + char
        known = self._log.get(key)
        if known is None:
            context = key[:-1]
            known = math.log(CALLS * self._calls.probability(char, context) + (1 - CALLS) * self._words.probability(char, context))
            if len(self._log) >= MOST_KEPT:  # a night is long; forgetting all at once is simplest, and rare
                self._log.clear()
            self._log[key] = known
        return known

    def like_company(self, texts: Iterable[str]) -> float:
        """How much likelier the company's side says such turns than a customer: log-probability ratio, at most 4 a turn, summed."""
        return sum(max(-TELLING, min(TELLING, self._ratio(_bare(text)))) for text in texts)

    def _ratio(self, bare: str) -> float:
        said = EDGE * (ORDER - 1) + bare + "$"
        total = 0.0
        for i in range(ORDER - 1, len(said)):
            before = said[i - ORDER + 1 : i]
            total += math.log((self._company.probability(said[i], before) + RARE) / (self._customers.probability(said[i], before) + RARE))
        return total

    def offers(self, char: str) -> tuple[Offered, ...]:
        """Characters that sound like one, itself left out."""
        known = self._offers.get(char)
        if known is None:
            best: dict[str, float] = {}
            for sound, tone in readings(char)[:3]:
                for other in self._by_code.get(sound_code(sound), ()):
                    if other != char:
                        share = max((_share(sound, tone, s, t) for s, t in readings(other)), default=0.0)
                        best[other] = max(best.get(other, 0.0), share)
            known = tuple(Offered(c, math.log(share)) for c, share in best.items() if share > 0)
            self._offers[char] = known
        return known

    def spell(self, chars: str, probabilities: Sequence[float]) -> str:
        """The likeliest spelling of what was heard, as long as what was heard."""
        paths: list[dict[str, tuple[float, str]]] = [{} for _ in range(len(chars) + 1)]
        paths[0][EDGE * (ORDER - 1)] = (0.0, EDGE * (ORDER - 1))
        for i, char in enumerate(chars):
            here = sorted(paths[i].values(), reverse=True)[:WIDTH]
            doubt = max(1.0 - probabilities[i], LEAST_DOUBT)
            steps = [(char, TRUST * math.log(max(probabilities[i], 0.01)))]
            if probabilities[i] < SURE and _HAN.fullmatch(char):
                steps += [(o.char, TRUST * (math.log(doubt) + o.cost)) for o in self.offers(char)]
            for so_far, said in here:
                for meant, cost in steps:
                    _keep(paths[i + 1], so_far + cost + self.log_probability(meant, said), said + meant)
            for word in self._hotwords_at(chars, i):
                heard = range(i, i + len(word))
                cost = sum(self._hotword_cost(chars[j], word[j - i], probabilities[j]) for j in heard) + HOTWORD * len(word)
                for so_far, said in here:
                    score, spelt = so_far + cost, said
                    for meant in word:
                        score += self.log_probability(meant, spelt)
                        spelt += meant
                    _keep(paths[i + len(word)], score, spelt)
        ends = [(score + self.log_probability("$", said), said) for score, said in paths[-1].values()]
        return max(ends)[1][ORDER - 1 :]

    def _hotwords_at(self, chars: str, at: int) -> list[str]:
        """Hotwords whose syllables are heard from a place on."""
        found = []
        for sound, _ in readings(chars[at])[:3]:
            for word in self._hot.get(sound_code(sound), ()):
                heard = chars[at : at + len(word)]
                if len(heard) == len(word) and all(_alike(h, m) for h, m in zip(heard, word, strict=True)):
                    found.append(word)
        return list(dict.fromkeys(found))

    def _hotword_cost(self, heard: str, meant: str, probability: float) -> float:
        if heard == meant:
            return TRUST * math.log(max(probability, 0.01))
        share = max((_share(s, t, s2, t2) for s, t in readings(heard)[:3] for s2, t2 in readings(meant)), default=0.0)
        return TRUST * (math.log(max(1.0 - probability, LEAST_DOUBT)) + math.log(max(share, CONFUSED)))


def reworded(spoken: Sequence[Spoken], wording: Wording) -> list[Spoken]:
    """The words of one span with the characters that were probably meant; times, probabilities and marks as they were."""
    chars = "".join(s.text for s in spoken)
    if not chars:
        return list(spoken)
    spelt = wording.spell(chars, [s.probability for s in spoken for _ in s.text])
    out, at = [], 0
    for s in spoken:
        out.append(replace(s, text=spelt[at : at + len(s.text)]))
        at += len(s.text)
    return out


def load_wording(examples: Path | None, hotwords: Path | None) -> Wording | None:
    """Sentences from a folder of labelled examples (*.jsonl) and hotwords from a list, one a line, # begins a comment. None without sentences.

    Raises ConfigError with file and line.
    """
    said: dict[bool, list[str]] = {True: [], False: []}
    for path in sorted(examples.glob("*.jsonl")) if examples is not None else ():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                for turn in json.loads(line)["turns"] if line.strip() else ():
                    said[turn["role"] != "customer"].append(turn["text"])
            except (ValueError, KeyError, TypeError) as error:
                raise ConfigError(f"{path}:{number}: no JSON object with turns of role and text ({type(error).__name__})") from error
    words = read_hotwords(hotwords) if hotwords is not None and hotwords.is_file() else []
    return Wording(said[True], said[False], words) if said[True] or said[False] else None


def read_hotwords(path: Path) -> list[str]:
    """A list of hotwords, one a line, # begins a comment. Raises ConfigError with file and line."""
    words = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        word = line.partition("#")[0].strip()
        if word and (len(word) < 2 or not all(map(_HAN.fullmatch, word))):
            raise ConfigError(f"{path}:{number}: {word!r} is no hotword; write Chinese characters, two or more, as they are spoken")
        words += [word] if word else []
    return words


def _bare(text: str) -> str:
    return _NOT_WORD.sub("", text.lower())


@lru_cache(maxsize=65536)
def _share(sound: str, tone: str, other: str, other_tone: str) -> float:
    if sound == other:
        return SAME_TONE if tone == other_tone else OTHER_TONE
    return CONFUSED if confusion(sound, other) == 1 else 0.0


@lru_cache(maxsize=65536)
def _alike(heard: str, meant: str) -> bool:
    return heard == meant or any(_share(s, t, s2, t2) > 0 for s, t in readings(heard)[:3] for s2, t2 in readings(meant))


def _keep(paths: dict[str, tuple[float, str]], score: float, said: str) -> None:
    """Of spellings that end alike the likeliest goes on."""
    end = said[-(ORDER - 1) :]
    if end not in paths or paths[end][0] < score:
        paths[end] = (score, said)
