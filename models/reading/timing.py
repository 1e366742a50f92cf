"""A turn with its words, in; when any stretch of its text was said and how sure the recogniser was of it, out.

Words are laid over the text in order; what no word covers (punctuation, text typed later) takes its time from its neighbours, and a turn without words is
taken to be spoken evenly. The surprising choice: nothing is laid out before it is asked for, because few turns hold a hit.
"""

from __future__ import annotations

from models.reading.text import Text
from models.records import Turn


class Clock:
    """Times and probabilities of one turn by character offsets of its text as heard."""

    __slots__ = ("_begin", "_finish", "_laid", "_probability", "_text", "_turn")

    def __init__(self, turn: Turn, text: Text) -> None:
        self._turn, self._text = turn, text
        self._laid = False
        self._begin: list[float | None] = []
        self._finish: list[float | None] = []
        self._probability: list[float | None] = []

    def times(self, start: int, end: int) -> tuple[float, float] | None:
        """When text[start:end] was said, seconds; None only where the turn has no times."""
        self._lay()
        begin = next((b for b in self._begin[start:end] if b is not None), None)
        finish = next((f for f in reversed(self._finish[start:end]) if f is not None), None)
        if begin is not None and finish is not None:
            return begin, max(begin, finish)
        t = self._turn
        if t.start_s is None or t.end_s is None:
            return None
        before = max((f for f in self._finish[:start] if f is not None), default=None)
        after = min((b for b in self._begin[end:] if b is not None), default=None)
        if before is not None or after is not None:
            low = t.start_s if before is None else before
            return low, max(low, t.end_s if after is None else after)
        spoken = [i for i, char in enumerate(t.text) if char.isalnum()]
        if not spoken:
            return t.start_s, t.end_s
        length = max(0.0, t.end_s - t.start_s)
        done, through = sum(1 for i in spoken if i < start), sum(1 for i in spoken if i < end)
        return t.start_s + length * done / len(spoken), t.start_s + length * through / len(spoken)

    def probability(self, start: int, end: int) -> float | None:
        """Mean word probability over text[start:end], a character a vote; None where no word covers it."""
        self._lay()
        known = [p for p in self._probability[start:end] if p is not None]
        return sum(known) / len(known) if known else None

    def bare_probability(self, start: int, end: int) -> float | None:
        """The same over offsets of `Text.bare`."""
        return self.probability(*self._text.original_span(*self._text.norm_span(start, end)))

    def _lay(self) -> None:
        """Lay the words over the text; a word that is not where it should be is looked for further on, or left out."""
        if self._laid:
            return
        self._laid = True
        text = self._turn.text
        self._begin, self._finish, self._probability = [None] * len(text), [None] * len(text), [None] * len(text)
        at = 0
        for word in self._turn.words:
            said = word.text.strip()
            found = text.find(said, at) if said else -1
            if found < 0 or found - at > 20:
                continue
            length = max(0.0, word.end_s - word.start_s)
            for i in range(len(said)):
                self._begin[found + i] = word.start_s + length * i / len(said)
                self._finish[found + i] = word.start_s + length * (i + 1) / len(said)
                self._probability[found + i] = word.probability
            at = found + len(said)
