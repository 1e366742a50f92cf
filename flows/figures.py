"""The figures a run is judged by: pure functions from two versions of a call (truth, heard) to counts and shares.

In: turns and findings as small frozen values. Out: numbers. `flows.evaluate` reads files and adds up calls.
The surprising choice: character error rate is taken on the *spoken form* — digits as they are read aloud, no punctuation —
because 二百 and 200 are the same sounds, and an error is one of hearing, not of spelling.

Formulas: CER = (substitutions + deletions + insertions) / reference characters (jiwer's definition). DER = (missed + false
+ confused speech) / reference speech, time counted once a speaker, with a collar around every reference border (NIST md-eval).
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import groupby

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein

FRAMES_PER_S = 100
TAIL_FRAMES = 2 * FRAMES_PER_S  # frames kept after the stated end, so that a turn heard too late still counts as wrong
COLLAR_FRAMES = FRAMES_PER_S // 4  # 0.25 s either side of a reference border
SLACK_S = 1.0  # how far outside its turn a finding may lie
INSIDE = 0.5  # least share of a finding that must lie in the turn
SHUFFLES = 200  # orders drawn to average over calls of equal priority
SHARES = (0.10, 0.20, 0.30)  # of listening minutes
NAMED_ROLES = ("agent", "customer", "supervisor", "ivr")
SILENCE, SEVERAL = -1, -2

Frames = npt.NDArray[np.bool_]  # (frame, 2): company, customer


@dataclass(frozen=True, slots=True)
class SaidTurn:
    """One turn, of the truth or as heard: whose, when (seconds; None in a chat), what."""

    role: str
    start_s: float | None
    end_s: float | None
    text: str = field(repr=False)
    number: int = 0

    @property
    def by_customer(self) -> bool:
        return self.role == "customer"


@dataclass(frozen=True, slots=True)
class Label:
    """One labelled moment: its name (a kind, or kind/type), the turn it stands in, and its words."""

    name: str
    turn_index: int
    turn: SaidTurn
    quote: str = field(repr=False)

    @property
    def quote_start_s(self) -> float:
        """Where the quote begins, its share of the turn's characters taken as its share of the turn's time."""
        if self.turn.start_s is None or self.turn.end_s is None:
            return 0.0
        share = max(0, self.turn.text.find(self.quote)) / max(1, len(self.turn.text))
        return self.turn.start_s + (self.turn.end_s - self.turn.start_s) * share


@dataclass(frozen=True, slots=True)
class Found:
    """One asserted finding of the run."""

    name: str
    by_customer: bool
    turn: int | None
    start_s: float | None
    end_s: float | None
    quote: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Matched:
    """Findings held against labels: right pairs, labels missed, findings that are nothing."""

    right: tuple[tuple[Label, Found], ...]
    missed: tuple[Label, ...]
    false: tuple[Found, ...]


# --- text -------------------------------------------------------------------------------------------------------------


@cache
def _simplifier() -> Callable[[str], str]:
    from opencc import OpenCC

    return OpenCC("t2s").convert


def _digit_by_digit(number: str) -> str:
    return "".join("零一二三四五六七八九"[int(d)] for d in number)


def read_aloud(number: str) -> str:
    """A whole number as Chinese reads it: up to four digits as a quantity (200 → 二百), longer or 0… digit by digit (12315 → 一二三一五)."""
    if len(number) > 4 or number[0] == "0":
        return _digit_by_digit(number)
    said = "".join(_digit_by_digit(d) + unit if int(d) else "零" for d, unit in zip(number, "千百十"[4 - len(number) :] + " ", strict=False))
    said = re.sub("零+", "零", said.replace(" ", "")).rstrip("零")
    return said.removeprefix("一") if said.startswith("一十") else said


# Applied in this order; each is one habit of speech.
_SPOKEN: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"(\d+(?:\.\d+)?)%"), lambda m: "百分之" + m[1]),
    (re.compile(r"\d{4}(?=年)"), lambda m: _digit_by_digit(m[0])),
    (re.compile(r"(?<=\d)\.(?=\d)"), lambda m: "点"),
    (re.compile(r"\d+"), lambda m: read_aloud(m[0])),
    (re.compile(r"[\W_]+"), lambda m: ""),
)
_SAME_SOUNDING_DIGITS = str.maketrans({"两": "二", "幺": "一", "〇": "零"})


def spoken_form(text: str | None) -> str:
    """Text as characters of sound: widths and case folded, simplified, numbers read aloud, no punctuation or space."""
    said = _simplifier()(unicodedata.normalize("NFKC", text or "")).lower()
    for pattern, instead in _SPOKEN[:-1]:
        said = pattern.sub(instead, said)
    pattern, instead = _SPOKEN[-1]
    return pattern.sub(instead, said.translate(_SAME_SOUNDING_DIGITS))


@dataclass(frozen=True, slots=True)
class TextErrors:
    """Characters wrong, of `spoken` reference characters. by_side: each side against its own; best: order and sides forgiven."""

    spoken: int
    best: int
    by_side: int


def text_errors(truth: Sequence[SaidTurn], heard: Sequence[SaidTurn]) -> TextErrors:
    """Edit distances of one call; both sequences in order of time. Where people overlap no single order is right, so `best` is the
    least of: everything in time order, side against side, and side against the other side (roles swapped whole)."""

    def streams(turns: Sequence[SaidTurn]) -> tuple[str, str, str]:
        company, customer = ("".join(t.text for t in turns if t.by_customer == wanted) for wanted in (False, True))
        return spoken_form("".join(t.text for t in turns)), spoken_form(company), spoken_form(customer)

    all_truth, company, customer = streams(truth)
    all_heard, heard_company, heard_customer = streams(heard)
    by_side = Levenshtein.distance(company, heard_company) + Levenshtein.distance(customer, heard_customer)
    swapped = Levenshtein.distance(company, heard_customer) + Levenshtein.distance(customer, heard_company)
    in_order = Levenshtein.distance(all_truth, all_heard)
    return TextErrors(spoken=len(company) + len(customer), best=min(in_order, by_side, swapped), by_side=by_side)


# --- time -------------------------------------------------------------------------------------------------------------


def _frame_span(turn: SaidTurn) -> slice:
    return slice(max(0, int((turn.start_s or 0.0) * FRAMES_PER_S)), int((turn.end_s or 0.0) * FRAMES_PER_S))


def speech_frames(turns: Iterable[SaidTurn], frames: int) -> Frames:
    """(frames, 2) bool at 10 ms: the company side speaks, the customer speaks."""
    speaks = np.zeros((frames, 2), dtype=bool)
    for turn in turns:
        speaks[_frame_span(turn), 1 if turn.by_customer else 0] = True
    return speaks


def role_frames(turns: Iterable[SaidTurn], frames: int) -> npt.NDArray[np.int8]:
    """(frames,) index into NAMED_ROLES where exactly one turn stands; SILENCE or SEVERAL elsewhere (an unknown role is SEVERAL)."""
    who = np.full(frames, SILENCE, dtype=np.int8)
    for turn in turns:
        span = _frame_span(turn)
        index = NAMED_ROLES.index(turn.role) if turn.role in NAMED_ROLES else SEVERAL
        who[span] = np.where(who[span] == SILENCE, index, SEVERAL)
    return who


def outside_collar(truth: Frames, collar_frames: int) -> npt.NDArray[np.bool_]:
    """(frames,) True where no border of the truth's speech lies within the collar (counted from the last frame before the border)."""
    kept = np.ones(len(truth), dtype=bool)
    if collar_frames > 0:
        for before in np.flatnonzero((truth[1:] != truth[:-1]).any(axis=1)):
            kept[max(0, before - collar_frames) : before + collar_frames] = False
    return kept


@dataclass(frozen=True, slots=True)
class SpeechErrors:
    """Frames of speech wrong, of `spoken` reference frames (two where both speak)."""

    spoken: int
    wrong: int
    wrong_if_swapped: int

    @property
    def best(self) -> int:
        return min(self.wrong, self.wrong_if_swapped)


def speech_errors(truth: Frames, heard: Frames, collar_frames: int) -> SpeechErrors:
    """Missed + false + confused frames: the larger number of voices, less those that agree. Sides as labelled, and exchanged."""
    kept = outside_collar(truth, collar_frames)
    ref, hyp = truth[kept], heard[kept]
    voices = int(np.maximum(ref.sum(axis=1), hyp.sum(axis=1)).sum())
    return SpeechErrors(spoken=int(ref.sum()), wrong=voices - int((ref & hyp).sum()), wrong_if_swapped=voices - int((ref & hyp[:, ::-1]).sum()))


# --- findings ---------------------------------------------------------------------------------------------------------


def share_inside(found: Found, label: Label) -> float:
    """Share (0–1) of the finding that lies in the label's turn, with SLACK_S either side; without times, whether the turn is the same."""
    turn = label.turn
    if found.start_s is None or turn.start_s is None or turn.end_s is None:
        return 1.0 if found.turn == label.turn_index else 0.0
    start_s = found.start_s
    end_s = max(found.end_s if found.end_s is not None else start_s, start_s + 0.05)
    common_s = min(end_s, turn.end_s + SLACK_S) - max(start_s, turn.start_s - SLACK_S)
    return max(0.0, common_s) / (end_s - start_s)


def one_claim(findings: Iterable[Found]) -> list[Found]:
    """Findings of one name and side that begin together or overlap by more than half of the shorter are one claim, of the joint span."""
    claims: list[Found] = []
    by_name_side = sorted(findings, key=lambda f: (f.name, "customer" if f.by_customer else "agent", f.start_s or 0.0))
    for _, group in groupby(by_name_side, key=lambda f: (f.name, f.by_customer)):
        last: Found | None = None
        for found in group:
            if last is not None and _same_claim(last, found):
                if found.end_s is not None and last.end_s is not None:
                    last = claims[-1] = replace(last, end_s=max(last.end_s, found.end_s))
                continue
            claims.append(found)
            last = found
    return claims


def _same_claim(a: Found, b: Found) -> bool:
    if b.start_s is None:
        return a.turn == b.turn and a.quote == b.quote
    if a.start_s is None:
        return False
    a_end, b_end = a.end_s if a.end_s is not None else a.start_s, b.end_s if b.end_s is not None else b.start_s
    common_s = min(a_end, b_end) - max(a.start_s, b.start_s)
    return common_s > 0.5 * min(a_end - a.start_s, b_end - b.start_s) or a.start_s == b.start_s


def match(labels: Sequence[Label], claims: Sequence[Found]) -> Matched:
    """One to one, labels in order: each takes the free claim that begins nearest to its quote (the very same words count one second nearer).

    Two labels of one name in one turn may be claimed by one finding, and one turn may be claimed twice: neither is an error.
    """

    def may_be(found: Found, label: Label) -> bool:
        return found.name == label.name and found.by_customer == label.turn.by_customer and share_inside(found, label) >= INSIDE

    free = list(claims)
    right: list[tuple[Label, Found]] = []
    missed: list[Label] = []
    for label in labels:
        candidates = [k for k, found in enumerate(free) if may_be(found, label)]
        if not candidates:
            missed.append(label)
            continue

        def distance_s(k: int, label: Label = label) -> float:
            start_s = free[k].start_s
            return (0.0 if start_s is None else abs(start_s - label.quote_start_s)) - (free[k].quote == label.quote)

        right.append((label, free.pop(min(candidates, key=distance_s))))
    claimed = {(label.name, label.turn_index) for label, _ in right}
    return Matched(
        right=tuple(right),
        missed=tuple(label for label in missed if (label.name, label.turn_index) not in claimed),
        false=tuple(found for found in free if not any(may_be(found, label) for label, _ in right)),
    )


# --- the queue --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Queued:
    """A call in the order it is listened to: its priority, whether it truly is urgent, and its length."""

    priority: float
    urgent: bool
    minutes: float


def found_by_share(calls: Sequence[Queued]) -> tuple[float, ...]:
    """Share of the urgent calls found after listening to each of SHARES of all minutes, highest priority first.

    Calls of one priority are shuffled SHUFFLES times and the curves averaged. A shuffle is keyed by its number and the call's own
    values, so the figure is the same on every machine and in every order of input.
    """
    all_minutes, urgent = sum(c.minutes for c in calls), sum(c.urgent for c in calls)
    if not calls or all_minutes <= 0:
        return tuple(0.0 for _ in SHARES)
    total = np.zeros(len(SHARES))
    for shuffle in range(SHUFFLES):
        order = sorted(calls, key=lambda c: (-c.priority, random.Random(f"{shuffle}{(c.priority, c.urgent, c.minutes)}").random()))
        spent = np.concatenate([[0.0], np.cumsum([c.minutes for c in order])]) / all_minutes
        hits = np.concatenate([[0], np.cumsum([c.urgent for c in order])]) / max(1, urgent)
        total += np.interp(SHARES, spent, hits)
    return tuple(float(x) for x in total / SHUFFLES)
