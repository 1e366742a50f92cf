"""One call as the page shows it: its row, its turns cut into words and marks, its moments with what people said of them.

In: the index, the night's Parquet and the verdict store. Out: `CallView`. The surprising choice: where a person has swapped agent and
customer and the night has not been read again since, the swap and its reading are worked out here, on every view: it takes milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from flows.review import corrections, masking, standing
from flows.review.index import Index
from flows.review.users import User
from flows.review.verdicts import Anchor, Verdict

DOUBTFUL_WORD = 0.5  # a word that the recogniser gave less than this is shown as doubtful
SILENCE_S = 2.0  # gaps between turns from here on are drawn as silences and can be skipped
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text with one set of properties. s, e: when it is said. moments: numbers of those that cover it, the worst first."""

    text: str = field(repr=False)
    start: int
    s: float | None = None
    e: float | None = None
    doubtful: bool = False
    moments: tuple[int, ...] = ()
    redacted: str | None = None


@dataclass(frozen=True, slots=True)
class TurnView:
    """A turn, cut up. runs: pieces grouped by the moments that cover them, for one mark around several words."""

    row: Row = field(repr=False)
    runs: tuple[tuple[tuple[int, ...], tuple[Piece, ...]], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class CallView:
    """Everything on the page of one call."""

    row: Row = field(repr=False)
    turns: tuple[TurnView, ...] = field(repr=False)
    moments: tuple[Row, ...] = field(repr=False)
    anchors: tuple[Anchor, ...] = field(repr=False)
    judged: dict[int, standing.Group] = field(repr=False)
    missed: tuple[standing.Group, ...] = field(repr=False)
    orphans: tuple[standing.Group, ...] = field(repr=False)
    whole: standing.Group | None = None
    swapped: bool = False
    silences: tuple[tuple[float, float], ...] = ()


def find(index: Index, call_id: str, user: User) -> Row | None:
    """The call's row in the index, if this user may see it."""
    scope, values = user.scope()
    rows = index.rows(f"SELECT * FROM calls c WHERE c.call_id = ? AND {scope}", [call_id, *values])
    return rows[0] if rows else None


def turns_of(index: Index, row: Mapping[str, Any]) -> list[Row]:
    """The call's turns from the night's Parquet, words and redactions included."""
    path = index.part("turns", row["date"])
    if not path.exists():
        return []
    return index.rows("SELECT * FROM read_parquet(?, hive_partitioning=false) WHERE call_id = ? ORDER BY turn", [str(path), row["call_id"]])


def moments_of(index: Index, call_id: str) -> list[Row]:
    return index.rows("SELECT * FROM moments WHERE call_id = ? ORDER BY turn, char_start, moment", [call_id])


def shown(index: Index, row: Row, correction: bool | None, zone: ZoneInfo) -> tuple[Row, list[Row], list[Row]]:
    """The call's row, turns and moments as people may see and hear them: with their correction of its roles, masked."""
    turns, moments = turns_of(index, row), moments_of(index, row["call_id"])
    if corrections.pending(correction, turns):
        row, turns, moments = corrections.reading(row, turns, bool(correction), zone)
    return row, *masking.masked(turns, moments)


def view(index: Index, row: Row, said: Sequence[Verdict], correction: bool | None, zone: ZoneInfo) -> CallView:
    """Put a call's page together from its row, its verdicts and what a person said of its roles (None: nothing; True: swap them)."""
    row, turns, moments = shown(index, row, correction, zone)
    moments = in_order(moments)
    moments = [dict(m, effect=heat_change(m, turns), differs=difference(m["quote"] or "", m["meant"]) if m["meant"] else None) for m in moments]
    anchors = tuple(anchor(m, row) for m in moments)
    groups = standing.groups(said)
    judged, loose = standing.attach(groups, anchors)
    covers: dict[Any, list[Row]] = {}
    for number, m in enumerate(moments):
        covers.setdefault(m["turn"], []).append(m | {"number": number})
    cut = tuple(TurnView(t, runs(pieces(t, covers.get(t["turn"], [])))) for t in turns)
    whole = standing.groups(said, "call")
    missed, orphans = tuple(g for g in loose if g.missed), tuple(g for g in loose if not g.missed)
    return CallView(row, cut, tuple(moments), anchors, judged, missed, orphans, whole[0] if whole else None, bool(correction), silences(turns))


def heat_change(m: Mapping[str, Any], turns: Sequence[Mapping[str, Any]]) -> tuple[float, float] | None:
    """What an asserted apology did: mean heat of the customer's two turns before it and of the two after; None without them."""
    if m["kind"] != "apology" or m["score"] < 0.5:
        return None
    before = [t["heat"] for t in turns if t["heat"] is not None and t["turn"] < m["turn"]][-2:]
    after = [t["heat"] for t in turns if t["heat"] is not None and t["turn"] > m["turn"]][:2]
    return (sum(before) / len(before), sum(after) / len(after)) if before and after else None


def difference(heard: str, meant: str) -> str:
    """The stretch of what was meant that differs from what was heard, at least two characters, so that it reads: 经历 against 经理 gives 经理."""
    if len(heard) > len(meant):  # what was meant is often a phrase within the quote: laid where it fits best
        off = min(range(len(heard) - len(meant) + 1), key=lambda k: sum(h != m for h, m in zip(heard[k:], meant, strict=False)))
        heard = heard[off : off + len(meant)]
    a = 0
    while a < min(len(heard), len(meant)) and heard[a] == meant[a]:
        a += 1
    b = 0
    while b < min(len(heard), len(meant)) - a and heard[-1 - b] == meant[-1 - b]:
        b += 1
    if len(meant) - a - b < 2:
        a = max(0, a - 1)
    return meant[a : len(meant) - b] or meant


def in_order(moments: list[Row]) -> list[Row]:
    """As they are said; where there are no times, as they are written."""
    return sorted(moments, key=lambda m: (m["start_s"] if m["start_s"] is not None else float(m["turn"] or 0), m["turn"], m["char_start"], m["moment"]))


def same_place(a: Anchor, b: Anchor) -> bool:
    return standing.same(a, b)


def anchor(m: Mapping[str, Any], row: Mapping[str, Any]) -> Anchor:
    """Where a verdict on this moment stands."""
    return Anchor(
        m["kind"],
        m["type"],
        m["role"],
        m["start_s"],
        m["end_s"],
        m["turn"],
        m["char_start"],
        m["char_end"],
        m["rule_id"],
        row["rules_version"],
        m["score"],
        row["run_id"],
    )


def place_words(turn: Mapping[str, Any]) -> list[tuple[int, int, float, float, float]]:
    """(start, end, start_s, end_s, probability) of the words that can be found in the turn's text, in order."""
    out, at, text = [], 0, turn["text"] or ""
    for w in turn["words"] or ():
        found = text.find(w["text"], at)
        if found < 0 or not w["text"]:
            continue
        at = found + len(w["text"])
        out.append((found, at, w["start_s"], w["end_s"], w["probability"]))
    return out


def pieces(turn: Mapping[str, Any], moments: Sequence[Row]) -> list[Piece]:
    """The turn's text in order, cut at every border of a word, a moment and a redaction; joined, they are the text."""
    text = turn["text"] or ""
    words, marks = place_words(turn), list(turn.get("redactions") or ())
    cuts = {0, len(text)}
    for a, b, *_ in words:
        cuts |= {a, b}
    for m in moments:
        cuts |= {m["char_start"], m["char_end"]}
    for r in marks:
        cuts |= {r["start"], r["end"]}
    borders = sorted(c for c in cuts if 0 <= c <= len(text))
    out, k = [], 0
    for a, b in pairwise(borders):
        while k < len(words) and words[k][1] <= a:
            k += 1
        word = words[k] if k < len(words) and words[k][0] <= a < words[k][1] else None
        covering = sorted((m for m in moments if m["char_start"] <= a and b <= m["char_end"]), key=lambda m: (m["score"] < 0.5, -m["severity"], m["number"]))
        hidden = next((r["kind"] for r in marks if r["start"] <= a and b <= r["end"]), None)
        numbers = tuple(m["number"] for m in covering)
        if word is None:
            out.append(Piece(text[a:b], a, moments=numbers, redacted=hidden))
        else:
            length = max(1, word[1] - word[0])
            s, e = (word[2] + (word[3] - word[2]) * (x - word[0]) / length for x in (a, b))
            out.append(Piece(text[a:b], a, round(s, 3), round(e, 3), word[4] < DOUBTFUL_WORD, numbers, hidden))
    return out


def runs(cut: Sequence[Piece]) -> tuple[tuple[tuple[int, ...], tuple[Piece, ...]], ...]:
    """Neighbouring pieces of the same moments together."""
    out: list[tuple[tuple[int, ...], list[Piece]]] = []
    for piece in cut:
        if out and out[-1][0] == piece.moments:
            out[-1][1].append(piece)
        else:
            out.append((piece.moments, [piece]))
    return tuple((m, tuple(p)) for m, p in out)


def silences(turns: Sequence[Mapping[str, Any]]) -> tuple[tuple[float, float], ...]:
    """Stretches of at least SILENCE_S in which nobody speaks."""
    out, until = [], 0.0
    for t in sorted((t for t in turns if t["start_s"] is not None and t["end_s"] is not None), key=lambda t: t["start_s"]):
        if t["start_s"] - until >= SILENCE_S:
            out.append((round(until, 3), t["start_s"]))
        until = max(until, t["end_s"])
    return tuple(out)


def overlaps(turns: Sequence[Mapping[str, Any]]) -> tuple[tuple[float, float], ...]:
    """Stretches in which two turns of different roles run at once."""
    out, timed = [], sorted((t for t in turns if t["start_s"] is not None and t["end_s"] is not None), key=lambda t: t["start_s"])
    for i, t in enumerate(timed):
        for u in timed[i + 1 : i + 6]:
            end = min(t["end_s"], u["end_s"])
            if u["start_s"] < end and u["role"] != t["role"]:
                out.append((u["start_s"], end))
    return tuple(out)


FOUND = ("flag", "priority", "reasons", "heat_start", "heat_peak", "heat_peak_s", "heat_end", "level", "unresolved", "curve", "marks", "types")
FOUND_OF_APOLOGIES = ("apology_effect", "apology_formula", "apology_warm", "first_apology_s")


def unmarked(row: Row) -> Row:
    """A call's row for blind listening: nothing of what the machine found is in it."""
    return row | dict.fromkeys((*FOUND, *FOUND_OF_APOLOGIES))


def blinded(page: CallView) -> CallView:
    """The page without anything that the machine found: for blind listening."""
    bare = tuple(TurnView(t.row | {"heat": None}, runs([replace(p, moments=()) for _, ps in t.runs for p in ps])) for t in page.turns)
    return CallView(unmarked(page.row), bare, (), (), {}, page.missed, (), None, page.swapped, page.silences)


@dataclass(frozen=True, slots=True)
class CaseView:
    """The customer's matter: what the tables say of it, and the earlier calls that this user may see."""

    case: Row | None = field(repr=False)
    earlier: tuple[Row, ...] = field(repr=False)


def case_of(index: Index, row: Mapping[str, Any], user: User, limit: int = 8) -> CaseView:
    """Earlier calls of the same customer_ref, newest first, and the case that holds this call."""
    ref = row["customer_ref"]
    if not ref:
        return CaseView(None, ())
    scope, values = user.scope()
    where = f"customer_ref = ? AND call_id <> ? AND (started_at < ? OR started_at IS NULL) AND {scope}"
    sql = f"SELECT call_id, date, started_at, agent_id, flag, reasons FROM calls c WHERE {where} ORDER BY started_at DESC LIMIT {limit}"
    earlier = index.rows(sql, [ref, row["call_id"], row["started_at"], *values])
    cases = index.rows("SELECT * FROM cases WHERE customer_ref = ? ORDER BY date DESC LIMIT 1", [ref])
    return CaseView(cases[0] if cases else None, tuple(earlier))
