"""Masking of what belongs to a person: numbers, names, addresses — the last step before a call is stored.

In: a heard call and its reading. Out: the same two with every personal character replaced by `*`, and the spans. The surprising choice:
a masked text is as long as the original. So turns, words, quotes and every offset in the tables still fit each other, and reading, which
needs 12315 and 我叫 to be there, has seen everything before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from models.reading.addresses import find_addresses
from models.reading.personal_names import find_names
from models.reading.personal_numbers import find_numbers
from models.records import Component, HeardCall, Moment, Reading, Reason, Redaction, Turn, Word

MASK = "*"
_KINDS_FIRST = ("id", "card", "phone", "secret", "address", "name")  # which kind a span has where two meet

Spans = tuple[Redaction, ...]


@dataclass(frozen=True, slots=True)
class Masked:
    """A call fit to be stored: redactions has one tuple a turn, in the order of `heard.turns`."""

    heard: HeardCall
    reading: Reading
    redactions: tuple[Spans, ...] = field(default=())


def redact(turns: Sequence[Turn]) -> tuple[Spans, ...]:
    """Personal spans of each turn, sorted and disjoint; spans that touch or overlap are one, of the more telling kind."""
    found: list[list[Redaction]] = [[] for _ in turns]
    for span in [*find_numbers(turns), *find_addresses(turns), *find_names(turns)]:
        if span.start < span.end:
            found[span.turn].append(Redaction(span.start, span.end, span.kind))
    return tuple(_disjoint(spans) for spans in found)


def _disjoint(spans: Sequence[Redaction]) -> Spans:
    joined: list[Redaction] = []
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        if joined and span.start < joined[-1].end:
            last = joined[-1]
            joined[-1] = Redaction(last.start, max(last.end, span.end), min(last.kind, span.kind, key=_KINDS_FIRST.index))
        else:
            joined.append(span)
    return tuple(joined)


def mask_text(text: str, redactions: Sequence[Redaction]) -> str:
    """The text with each redacted character replaced by MASK; as long as before."""
    for span in redactions:
        text = text[: span.start] + MASK * (min(span.end, len(text)) - span.start) + text[span.end :]
    return text


def _mask_words(words: Sequence[Word], text: str, redactions: Sequence[Redaction]) -> tuple[Word, ...]:
    """Words masked where their characters stand in the text. A word that cannot be found there is masked whole if anything is."""
    masked = mask_text(text, redactions)
    at, out = 0, []
    for word in words:
        said = word.text.strip()
        start = text.find(said, at) if said else at
        if start < 0:
            out.append(replace(word, text=MASK * len(word.text)) if redactions else word)
            continue
        at = start + len(said)
        out.append(replace(word, text=word.text.replace(said, masked[start:at])) if said else word)
    return tuple(out)


def mask_turn(turn: Turn, redactions: Sequence[Redaction]) -> Turn:
    """The turn with text and words masked."""
    if not redactions:
        return turn
    return replace(turn, text=mask_text(turn.text, redactions), words=_mask_words(turn.words, turn.text, redactions))


def _mask_quote(quote: str, text: str, redactions: Sequence[Redaction]) -> str:
    """Words quoted from a turn, masked as the turn is: by where they stand in it, else by every secret they contain."""
    start = text.find(quote)
    if start >= 0:
        return mask_text(text, redactions)[start : start + len(quote)]
    for span in redactions:
        secret = text[span.start : span.end]
        quote = quote.replace(secret, MASK * len(secret))
    return quote


def mask_moment(moment: Moment, text: str, redactions: Sequence[Redaction]) -> Moment:
    """The finding with its quote and the quotes of its components masked; `text` is the turn's text before masking."""
    if not redactions:
        return moment
    quoted = mask_text(text, redactions)[moment.char_start : moment.char_end]
    same = text[moment.char_start : moment.char_end] == moment.quote
    components = tuple(Component(c.name, _mask_quote(c.quote, text, redactions)) for c in moment.components)
    return replace(moment, quote=quoted if same else _mask_quote(moment.quote, text, redactions), components=components)


def mask_call(heard: HeardCall, reading: Reading) -> Masked:
    """The call and its reading with everything personal masked."""
    redactions = redact(heard.turns)
    if not any(redactions):
        return Masked(heard, reading, redactions)
    where = {turn.index: k for k, turn in enumerate(heard.turns)}
    secrets = sorted({t.text[s.start : s.end] for t, spans in zip(heard.turns, redactions, strict=True) for s in spans}, key=len, reverse=True)

    def clean(value: str) -> str:
        for secret in secrets:
            if len(secret) > 1:
                value = value.replace(secret, MASK * len(secret))
        return value

    def mask_reason(reason: Reason) -> Reason:
        return replace(reason, params=tuple((key, clean(value)) for key, value in reason.params))

    moments = tuple(
        mask_moment(m, heard.turns[where[m.turn]].text, redactions[where[m.turn]]) if m.turn in where else replace(m, quote=clean(m.quote))
        for m in reading.moments
    )
    return Masked(
        heard=replace(heard, turns=tuple(mask_turn(t, spans) for t, spans in zip(heard.turns, redactions, strict=True))),
        reading=replace(reading, moments=moments, reasons=tuple(mask_reason(r) for r in reading.reasons)),
        redactions=redactions,
    )
