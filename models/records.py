"""The values that cross file borders: what was recorded, what was heard, what was read from it.

Every record is frozen and slotted; a change makes a new one (`dataclasses.replace`). Times are seconds from the start of
the recording. Fields that carry a caller's words, names or numbers are left out of `repr`, so that no log line can leak
them. Records refer downwards only: Recording ← HeardCall ← Turn ← Word; Reading ← Moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, Protocol

Role = Literal["agent", "customer", "supervisor", "ivr"]
Layout = Literal["stereo", "dual_mono", "mixed", "text"]
Status = Literal["ok", "failed", "skipped"]
Flag = Literal["none", "review", "urgent"]
Level = Literal["calm", "frustrated", "angry", "threatening"]
Match = Literal["exact", "sounds_like", "pattern", "similar", "acoustic", "context"]

ROLES: tuple[Role, ...] = ("agent", "customer", "supervisor", "ivr")
COMPANY: frozenset[Role] = frozenset({"agent", "supervisor", "ivr"})

ASSERTED = 0.5  # moments scored lower are possible, not asserted: shown greyed, never counted, never flagging


@dataclass(frozen=True, slots=True)
class Recording:
    """One call to be heard and what is known of it beforehand.

    source: path or fsspec URL. agent_channel: 0-based channel of the agent on a stereo recording, where the manifest says so.
    """

    call_id: str
    source: str = field(repr=False)
    date: date
    started_at: datetime | None = None
    agent_id: str | None = field(default=None, repr=False)
    team: str | None = None
    queue: str | None = None
    direction: str | None = None
    customer_ref: str | None = field(default=None, repr=False)
    agent_channel: int | None = None
    audio_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """A word as heard: its characters, when it was said and how probable the recogniser finds it (0–1)."""

    text: str = field(repr=False)
    start_s: float
    end_s: float
    probability: float

    def __post_init__(self) -> None:
        if not (self.start_s <= self.end_s and 0.0 <= self.probability <= 1.0):
            raise ValueError(f"impossible word: {self.start_s}–{self.end_s} s, probability {self.probability}")


@dataclass(frozen=True, slots=True)
class Turn:
    """One speaker's stretch of speech. Times are None only for transcripts made elsewhere without them.

    text: simplified Chinese, punctuated. words: their texts, joined, are `text` without the punctuation between them.
    speaker: a label within the call (channel or cluster). confidence: mean word probability, 0–1.
    loudness_db: active speech level, dBFS. pitch_hz: median voiced fundamental. chars_per_min: Han characters, digits and
    Latin letters, no punctuation. overlap_s: seconds of this turn during which the other side speaks too.
    """

    index: int
    role: Role
    text: str = field(repr=False)
    start_s: float | None = None
    end_s: float | None = None
    words: tuple[Word, ...] = field(default=(), repr=False)
    role_confidence: float | None = None
    speaker: str | None = None
    confidence: float | None = None
    loudness_db: float | None = None
    pitch_hz: float | None = None
    chars_per_min: float | None = None
    overlap_s: float | None = None

    @property
    def by_customer(self) -> bool:
        return self.role == "customer"


@dataclass(frozen=True, slots=True)
class HeardCall:
    """A call after hearing (or a transcript made elsewhere): turns in order of start, and how they were obtained.

    notes: `no_speech`, `one_side`, `roles_unsure`, `cut`, `truncated` — facts about an ok call that a reviewer should know.
    role_confidence: how sure the hearing is of which side is which, 0–1.
    """

    call_id: str
    turns: tuple[Turn, ...]
    layout: Layout
    duration_s: float | None = None
    channels: int | None = None
    sample_rate_hz: int | None = None
    started_at: datetime | None = None
    agent_id: str | None = field(default=None, repr=False)
    team: str | None = None
    queue: str | None = None
    direction: str | None = None
    customer_ref: str | None = field(default=None, repr=False)
    role_confidence: float | None = None
    notes: tuple[str, ...] = ()
    asr_model: str | None = None
    diarizer: str | None = None


@dataclass(frozen=True, slots=True)
class NotHeard:
    """A recording that gave no call: `code` is an error_code of the `calls` table, `message` says what to do."""

    call_id: str
    code: str
    message: str
    duration_s: float | None = None
    channels: int | None = None
    sample_rate_hz: int | None = None


@dataclass(frozen=True, slots=True)
class Sound:
    """One recording's encoded bytes on their way into the ears."""

    recording: Recording
    encoded: bytes = field(repr=False)


class Progress(Protocol):
    """Told how far a long step is; knows nothing of consoles. `done` and `total` are seconds of audio."""

    def __call__(self, stage: str, done_s: float, total_s: float) -> None: ...


class Ears(Protocol):
    """Loaded models that turn recordings into heard calls. One answer a sound, in any order; never raises for one call."""

    @property
    def asr_model(self) -> str: ...

    @property
    def diarizer(self) -> str: ...

    def hear(self, sounds: Sequence[Sound], progress: Progress | None = None) -> Iterator[HeardCall | NotHeard]: ...


@dataclass(frozen=True, slots=True)
class Component:
    """One ingredient of an apology (naming, responsibility, explanation, empathy, repair, commitment) and where it stands."""

    name: str
    quote: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Moment:
    """One finding: what was said, by whom, where in the recording, and why it counts.

    start_s, end_s bound the quote; char_start, char_end are its offsets in the turn's text (`text[char_start:char_end] ==
    quote`). score: 0–1; at or above ASSERTED it is claimed. meant: what a sound-alike was matched to. severity: 1–5.
    """

    index: int
    kind: str
    type: str
    role: Role
    turn: int
    quote: str = field(repr=False)
    char_start: int
    char_end: int
    rule_id: str
    score: float
    match: Match
    severity: int
    start_s: float | None = None
    end_s: float | None = None
    meant: str | None = field(default=None, repr=False)
    components: tuple[Component, ...] = ()
    due_at: datetime | None = None

    @property
    def asserted(self) -> bool:
        return self.score >= ASSERTED


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a call is flagged: a code rendered in Chinese and English at the edge, the moment it points at, and numbers."""

    code: str
    moment: int | None = None
    params: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Measures:
    """Call-level figures, all from the turns. Seconds, characters a minute, counts; None where turns have no times."""

    agent_talk_s: float | None = None
    customer_talk_s: float | None = None
    silence_s: float | None = None
    longest_silence_s: float | None = None
    overlap_s: float | None = None
    interruptions_agent: int | None = None
    interruptions_customer: int | None = None
    agent_chars_per_min: float | None = None
    customer_chars_per_min: float | None = None
    apology_formula: int = 0
    apology_warm: int = 0
    first_apology_s: float | None = None
    apology_effect: float | None = None
    heat_start: float | None = None
    heat_peak: float | None = None
    heat_peak_s: float | None = None
    heat_end: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """All that was read from one call. heat: one value a turn (None on turns that are not the customer's), 0–1."""

    moments: tuple[Moment, ...]
    heat: tuple[float | None, ...]
    measures: Measures
    level: Level
    unresolved: bool
    flag: Flag
    priority: float
    reasons: tuple[Reason, ...]
    rules_version: str


@dataclass(frozen=True, slots=True)
class Redaction:
    """A span of a turn's stored text that stands masked: offsets in characters and what was there (phone, id, card, …)."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Case:
    """One customer's matter over several calls: who, when, how often, what was promised, how hot it is."""

    case_id: str
    customer_ref: str = field(repr=False)
    first_call: str
    last_call: str
    contacts: int
    tier: str
    open: bool
    promises_kept: int
    promises_broken: int
    reasons: tuple[Reason, ...] = ()
