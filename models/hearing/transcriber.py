"""Chunks of speech to words: the protocol that both engines keep, and the guards around it.

In: chunks of at most 30 s, float32 (time,) at 16 kHz. Out: one `Transcript` a chunk, in simplified Chinese with full-width
punctuation. Surprising: an engine decodes once and knows no safeguards. Batched decoding lost them in every system we
looked at, so they stand here, once, for all engines: a row that fails is decoded again alone and differently, and what
stays doubtful keeps its low probabilities instead of being hidden or invented.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Protocol

from opencc import OpenCC

from models.hearing.audio import SAMPLE_RATE_HZ, Samples

CHUNK_S = 30.0
TOKENS_PER_S = 9.0  # fast Mandarin is about 7 syllables a second, a syllable at most 1.3 tokens
FASTEST_CHARS_PER_S = 11.0  # above it no one speaks; loops and phantoms do
LOWEST_LOGPROB = -1.0  # mean token log-probability below which openai-whisper falls back too
NO_SPEECH = 0.6  # telephone speech has 0.26 or less in 98 of 100 chunks; tones, music and beeps have 0.7 and more
SURE_LOGPROB = -0.3  # text surer than this is kept whatever the model says of speech
MARKS = str.maketrans({",": "，", ".": "。", "?": "？", "!": "！", ";": "；", ":": "：", "｡": "。", "､": "、"})
SENTENCE_END = "。？！"
# What Whisper writes where nobody speaks: credits of the subtitles it was trained on.
PHANTOM = re.compile(
    r"(请不吝|點贊|点赞.{0,4}订阅|订阅.{0,6}(转发|打赏|频道)|打赏支持|明镜(与|需要|火拍)|字幕(由|志愿者|提供|制作|组)|amara|"
    r"中文字幕|字幕\W?字幕|(谢谢|感谢)(大家)?(观看|收看|聆听您的收看)|下期(视频)?再见|李宗盛|杨茜茜|优优独播|独播剧场|作词|作曲|编曲)",
    re.IGNORECASE,
)
LOOP = re.compile(r"(.{1,12}?)\1{3,}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word as recognised: times are seconds from the start of the chunk; `mark` is the punctuation after it."""

    text: str = field(repr=False)
    start_s: float
    end_s: float
    probability: float
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was recognised in one chunk. logprob: mean log-probability of its tokens. no_speech: 0–1."""

    spoken: tuple[Spoken, ...] = field(repr=False)
    logprob: float
    no_speech: float

    @property
    def text(self) -> str:
        return "".join(s.text + s.mark for s in self.spoken)

    @property
    def chars(self) -> str:
        return "".join(s.text for s in self.spoken)


@dataclass(frozen=True, slots=True)
class Attempt:
    """How to decode: greedy or beam, with the prompt or without, and how hard repetition is punished."""

    prompt: bool = True
    no_repeat_ngram: int = 0
    temperature: float = 0.0


# First as well as possible (no five tokens twice: CER 0.196 to 0.188 on spoken dev calls); then without the prompt, which is
# what loops feed on; then by chance, as openai-whisper does.
ATTEMPTS = (Attempt(no_repeat_ngram=5), Attempt(prompt=False, no_repeat_ngram=4), Attempt(prompt=False, no_repeat_ngram=3, temperature=0.4))


class Transcriber(Protocol):
    """One loaded recogniser. `batch` is how many chunks it decodes together."""

    name: str
    batch: int

    def decode(self, chunks: Sequence[Samples], attempt: Attempt) -> list[Transcript]:
        """One transcript a chunk of at most 30 s, in order; no safeguards."""
        ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """Sound to be recognised. samples: (time,) float32 at 16 kHz, at most 30 s. speech_s: seconds of speech in it."""

    samples: Samples = field(repr=False)
    speech_s: float

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ


def transcribe(engine: Transcriber, chunks: Sequence[Chunk], tell: Callable[[float], None] | None = None) -> list[Transcript]:
    """Recognise chunks, decode the ones that fail a guard again, and keep the best of what was tried.

    `tell` hears the seconds of speech that are done. The batches are cut from `chunks` in order: the caller decides what
    may share one (the result of a row must not depend on which calls happen to be beside it).
    """
    out: list[Transcript] = []
    for b in range(0, len(chunks), engine.batch):
        part = chunks[b : b + engine.batch]
        best = [clean(t) for t in engine.decode([c.samples for c in part], ATTEMPTS[0])]
        for attempt in ATTEMPTS[1:]:
            bad = [i for i, t in enumerate(best) if fault(t, part[i])]
            for i in bad:
                best[i] = better(best[i], clean(engine.decode([part[i].samples], attempt)[0]), part[i])
        out += [settle(t, c) for t, c in zip(best, part, strict=True)]
        if tell:
            tell(sum(c.speech_s for c in part))
    return out


def fault(t: Transcript, chunk: Chunk) -> str | None:
    """Why a transcript cannot be believed: `phantom`, `loop`, `rate`, `silence`, `unsure`; None when it can."""
    if PHANTOM.search(t.text):
        return "phantom"
    if longest_loop(t.chars) > 0:
        return "loop"
    if len(t.chars) > 8 and len(t.chars) > FASTEST_CHARS_PER_S * max(chunk.speech_s, 1.0):
        return "rate"
    if not t.spoken and chunk.speech_s >= 1.0:
        return "silence"
    if t.spoken and t.logprob < LOWEST_LOGPROB:
        return "unsure"
    return None


def better(a: Transcript, b: Transcript, chunk: Chunk) -> Transcript:
    """Of two attempts the one without a fault, else the one with the milder fault, else the surer one."""
    order = [None, "unsure", "silence", "rate", "loop", "phantom"]

    def rank(t: Transcript) -> tuple[int, float]:
        return order.index(fault(t, chunk)), -t.logprob

    return min((a, b), key=rank)


def settle(t: Transcript, chunk: Chunk) -> Transcript:
    """The last word about a chunk: phantoms and text without speech go, a loop is cut to one round, doubt is kept."""
    wrong = fault(t, chunk)
    if wrong == "phantom" or (t.no_speech > NO_SPEECH and t.logprob < SURE_LOGPROB):
        return Transcript((), t.logprob, t.no_speech)
    if wrong == "loop":
        return replace(t, spoken=cut_loops(t.spoken))
    if wrong == "rate":
        return replace(t, spoken=tuple(replace(s, probability=s.probability * 0.5) for s in t.spoken))
    return t


def longest_loop(chars: str) -> int:
    """Characters in the longest run of one pattern (1–12 characters) said at least so often that nobody says it: four
    times, or six for one or two characters (好的好的好的 is speech). 0 when there is none."""
    longest = 0
    for m in LOOP.finditer(chars):
        size = len(m[1])
        if len(m[0]) // size >= (6 if size <= 2 else 4) and not m[1].isdigit():
            longest = max(longest, len(m[0]))
    return longest


def cut_loops(spoken: tuple[Spoken, ...]) -> tuple[Spoken, ...]:
    """Keep one round of each loop, at a tenth of its probability."""
    chars = "".join(s.text for s in spoken)
    drop = [False] * len(chars)
    doubt = [False] * len(chars)
    for m in LOOP.finditer(chars):
        size = len(m[1])
        if len(m[0]) // size >= (6 if size <= 2 else 4) and not m[1].isdigit():
            for i in range(m.start(), m.end()):
                drop[i], doubt[i] = i >= m.start() + size, True
    out, at = [], 0
    for s in spoken:
        here = range(at, at + len(s.text))
        at += len(s.text)
        if not all(drop[i] for i in here):
            out.append(replace(s, probability=s.probability * 0.1) if any(doubt[i] for i in here) else s)
    return tuple(out)


def clean(t: Transcript) -> Transcript:
    """Simplified Chinese, full-width marks, no spaces inside Chinese, no marks of their own."""
    text = "".join(s.text for s in t.spoken)
    simple = _simplified()(text)
    if len(simple) != len(text):  # a phrase that changes length: convert word by word instead
        words = [_simplified()(s.text) for s in t.spoken]
    else:
        words, at = [], 0
        for s in t.spoken:
            words.append(simple[at : at + len(s.text)])
            at += len(s.text)
    return replace(t, spoken=tuple(replace(s, text=w, mark=s.mark.translate(MARKS)) for s, w in zip(t.spoken, words, strict=True)))


def spoken_words(words: Iterable[tuple[str, float, float, float]], duration_s: float) -> tuple[Spoken, ...]:
    """(text, start_s, end_s, probability) as an aligner gives them: marks move to the word before, times into the chunk.

    A token that is only punctuation or space is no word. Bytes that are no character (an unfinished token) are dropped.
    """
    out: list[Spoken] = []
    for text, start_s, end_s, probability in words:
        core = "".join(c for c in text if not _is_mark(c) and c != "\ufffd")
        tail = "".join(c for c in text if _is_mark(c) and not c.isspace() and c != "\ufffd")  # Unicode calls it a symbol
        if core:
            a = min(max(0.0, start_s), duration_s)
            out.append(Spoken(core, a, min(max(a, end_s), duration_s), min(1.0, max(0.0, probability)), tail[:1]))
        elif tail and out and not out[-1].mark:
            out[-1] = replace(out[-1], mark=tail[:1])
    return tuple(out)


def _is_mark(c: str) -> bool:
    return c.isspace() or (unicodedata.category(c)[0] in "PSZ" and c not in "%+&@#")


@cache
def _simplified() -> Callable[[str], str]:
    return OpenCC("t2s").convert
