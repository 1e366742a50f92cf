"""The queue: filters from the address in, a page of calls worst first out.

In: query parameters (all of them in the URL, so that a link can be sent) and who asks. Out: `Page` of `Row`s. The surprising choice: an
unreviewed, flagged call of the latest night is what an address without parameters means; a filter is only ever a narrowing or widening of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from flows.review import masking, sounds
from flows.review.index import Index
from flows.review.users import User

SIZE = 50  # rows a page
SEARCHED = 200_000  # calls at most
STATES = ("open", "mine", "reviewed", "disputed", "appealed", "all")
FLAGS = ("flagged", "urgent", "review", "none", "all")
APOLOGIES = ("warm", "formula", "absent", "worse")
SPANS = ("latest", "7", "30", "all")


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address asks for. Empty strings mean no limit."""

    state: str = "open"
    flag: str = "flagged"
    kind: str = ""
    type: str = ""
    agent: str = ""
    team: str = ""
    queue: str = ""
    span: str = "latest"
    first: str = ""
    last: str = ""
    apology: str = ""
    unresolved: bool = False
    doubtful: bool = False
    q: str = field(default="", repr=False)
    page: int = 1

    def url(self, **changes: object) -> str:
        """The address of this view with changes; only what differs from the default stands in it. Any change goes back to page 1."""
        new = replace(self, **({"page": 1} | changes))  # type: ignore[arg-type]
        pairs = [(f.name, getattr(new, f.name)) for f in fields(Filters) if getattr(new, f.name) != f.default]
        return "/?" + urlencode([(k, "1" if v is True else v) for k, v in pairs]) if pairs else "/"

    def query(self) -> str:
        return self.url(page=self.page).partition("?")[2]

    @property
    def narrowed(self) -> int:
        """How many filters besides state, dates and page are set."""
        plain = Filters()
        return sum(getattr(self, n) != getattr(plain, n) for n in ("flag", "kind", "type", "agent", "team", "queue", "apology", "unresolved", "doubtful", "q"))


def filters(query: Mapping[str, str]) -> Filters:
    """The filters of an address; what makes no sense is left at its default."""

    def one(name: str, allowed: tuple[str, ...], default: str) -> str:
        return query.get(name, default) if query.get(name, default) in allowed else default

    def day(name: str) -> str:
        try:
            return date.fromisoformat(query.get(name, "")).isoformat()
        except ValueError:
            return ""

    text = {n: query.get(n, "").strip()[:120] for n in ("kind", "type", "agent", "team", "queue", "q")}
    page = query.get("page", "1")
    return Filters(
        state=one("state", STATES, "open"),
        flag=one("flag", FLAGS, "flagged"),
        span=one("span", SPANS, "latest"),
        first=day("first"),
        last=day("last"),
        apology=one("apology", APOLOGIES, ""),
        unresolved=query.get("unresolved") == "1",
        doubtful=query.get("doubtful") == "1",
        page=min(int(page), 100_000) if page.isascii() and page.isdigit() and int(page) > 0 else 1,
        **text,
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One call of the queue. curve: (s, heat); marks: moments. found: where the search hit: (before, hit, after, exact)."""

    call_id: str
    date: str
    flag: str
    priority: float
    reasons: tuple[dict[str, Any], ...] = field(repr=False)
    agent_id: str | None
    team: str | None
    queue: str | None
    started_at: datetime | None
    duration_s: float | None
    curve: tuple[tuple[float, float], ...]
    marks: tuple[dict[str, Any], ...]
    unresolved: bool
    doubtful: bool
    reviewed: bool
    disputed: bool
    appealed: bool
    judged: int
    holder: int | None
    found: tuple[str, str, str, bool] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the queue: its rows, how many there are in all, what they last, the dates they were looked for in; counts: calls of every flag."""

    rows: tuple[Row, ...]
    total: int
    duration_s: float
    first: str
    last: str
    pages: int
    counts: dict[str, int] = field(default_factory=dict)


def days(index: Index, f: Filters) -> tuple[str, str]:
    """First and last date of the view. Explicit dates win over a span; a span counts back from the latest night."""
    latest = index.rows("SELECT max(date) AS d, min(date) AS e FROM calls")[0]
    newest, oldest = latest["d"] or "", latest["e"] or ""
    if f.first or f.last:
        return f.first or oldest, f.last or newest
    if not newest or f.span == "latest":
        return newest, newest
    if f.span == "all":
        return oldest, newest
    return (date.fromisoformat(newest) - timedelta(days=int(f.span) - 1)).isoformat(), newest


def conditions(f: Filters, user: User, first: str, last: str) -> tuple[str, list[object]]:
    """The WHERE of the view over `calls c LEFT JOIN work.states s`, and its parameters."""
    scope, values = user.scope()
    parts = [scope, "c.status = 'ok'", "c.date BETWEEN ? AND ?"]
    values += [first, last]
    now = int(time.time() * 1000)
    match f.state:
        case "open":
            parts.append("coalesce(s.reviewed, false) = false")
        case "mine":
            parts.append("s.holder = ? AND s.until_ms > ?")
            values += [user.id, now]
        case "reviewed" | "disputed" | "appealed":
            parts.append(f"s.{f.state}")
    match f.flag:
        case "flagged":
            parts.append("c.flag IN ('urgent', 'review')")
        case "urgent" | "review" | "none":
            parts.append("c.flag = ?")
            values.append(f.flag)
    if f.type:
        parts.append("list_contains(c.types, ?)")
        values.append(f"{f.kind}/{f.type}" if f.kind else f.type)
    elif f.kind:
        parts.append("list_bool_or([starts_with(t, ?) for t in c.types])")
        values.append(f"{f.kind}/")
    for column, wanted in (("agent_id", f.agent), ("team", f.team), ("queue", f.queue)):
        if wanted:
            parts.append(f"c.{column} = ?")
            values.append(wanted)
    match f.apology:
        case "warm":
            parts.append("c.apology_warm > 0")
        case "formula":
            parts.append("c.apology_formula > 0 AND coalesce(c.apology_warm, 0) = 0")
        case "absent":
            parts.append("coalesce(c.apology_formula, 0) + coalesce(c.apology_warm, 0) = 0")
        case "worse":
            parts.append("c.apology_effect > 0")
    if f.unresolved:
        parts.append("c.unresolved")
    if f.doubtful:
        parts.append("c.doubtful")
    return " AND ".join(f"({p})" for p in parts), values


COLUMNS = (
    "c.call_id, c.date, c.flag, c.priority, c.reasons, c.agent_id, c.team, c.queue, c.started_at, c.duration_s, c.curve, c.marks, c.unresolved, c.doubtful, "
    "coalesce(s.reviewed, false) AS reviewed, coalesce(s.disputed, false) AS disputed, "
    "coalesce(s.appealed, false) AS appealed, coalesce(s.judged, 0) AS judged, "
    "CASE WHEN s.until_ms > ? THEN s.holder END AS holder"
)
SOURCE = "FROM calls c LEFT JOIN work.states s USING (call_id)"
SHOWN = {"flagged": ("urgent", "review"), "all": ("urgent", "review", "none")}  # a filter's flags; the others stand for themselves
ORDER = "ORDER BY c.priority DESC NULLS LAST, c.call_id"


def page(index: Index, f: Filters, user: User) -> Page:
    """The view: one page of rows, worst first (with a search: exact words before what sounds like them), counted in all."""
    first, last = days(index, f)
    if not first:
        return Page((), 0, 0.0, "", "", 0)
    words, sound = sounds.asked(f.q)
    if words:
        chosen, tallies = _searched(index, f, user, first, last, words, sound)
    else:
        tallies = tally(index, f, user, first, last)
        where, values = conditions(f, user, first, last)
        chosen = index.rows(f"SELECT c.rowid AS place, c.call_id {SOURCE} WHERE {where} {ORDER} LIMIT {SIZE} OFFSET ?", [*values, (f.page - 1) * SIZE])
    total, duration_s = (sum(tallies[x][i] for x in SHOWN.get(f.flag, (f.flag,)) if x in tallies) for i in (0, 1))
    found = rows_of(index, [r["place"] for r in chosen], [r["call_id"] for r in chosen])
    if words:
        found = _with_snippets(index, found, words, sound)
    return Page(tuple(found), int(total), duration_s or 0.0, first, last, -(-int(total) // SIZE), {flag: n for flag, (n, _) in tallies.items()})


def _searched(index: Index, f: Filters, user: User, first: str, last: str, words: str, sound: str) -> tuple[list[dict[str, Any]], dict[str, tuple[int, float]]]:
    """Places of one page of a search, and calls and seconds of every flag among all that it found; what was said is gone through once."""
    where, values = conditions(replace(f, flag="all"), user, first, last)
    condition = "contains(lower(t.text), ?)" if len(sound) < 2 else "contains(t.sound, ?)"
    shown = SHOWN.get(f.flag, (f.flag,))
    rows = index.rows(
        f"""
        WITH hits AS (SELECT call_id, contains(lower(text), ?) AS exactly FROM said t WHERE {condition}),
        found AS MATERIALIZED (
            SELECT c.rowid AS place, h.exactly, c.priority, c.call_id, c.duration_s AS s, c.flag {SOURCE} JOIN hits h USING (call_id) WHERE {where}),
        chosen AS (
            SELECT place, call_id, row_number() OVER (ORDER BY exactly DESC, priority DESC NULLS LAST, call_id) AS number
            FROM found WHERE flag IN ({", ".join("?" * len(shown))}) ORDER BY number LIMIT {SIZE} OFFSET ?)
        SELECT NULL AS flag, place, call_id, number, NULL AS n, NULL AS s FROM chosen
        UNION ALL SELECT flag, NULL, NULL, 0, count(*), sum(s) FROM found GROUP BY flag
        ORDER BY number
        """,
        [words, words if len(sound) < 2 else sound, *values, *shown, (f.page - 1) * SIZE],
    )
    return [r for r in rows if r["flag"] is None], {r["flag"]: (r["n"], r["s"] or 0.0) for r in rows if r["flag"] is not None}


def rows_of(index: Index, places: list[int], call_ids: list[str]) -> list[Row]:
    """Rows at these places of the index (which spares looking for them), in the order of the ids."""
    if not places:
        return []
    marks = ", ".join("?" * len(places))
    got = {r["call_id"]: r for r in index.rows(f"SELECT {COLUMNS} {SOURCE} WHERE c.rowid IN ({marks})", [int(time.time() * 1000), *places])}
    return [_row(got[i]) for i in call_ids if i in got]


def _row(r: dict[str, Any]) -> Row:
    r["curve"] = tuple((p[0], p[1]) for p in r["curve"] or ())
    r["marks"], r["reasons"] = tuple(r["marks"] or ()), tuple(r["reasons"] or ())
    return Row(**r)


def _with_snippets(index: Index, rows: list[Row], words: str, sound: str) -> list[Row]:
    if not rows:
        return []
    marks = ", ".join("?" * len(rows))
    said = {r["call_id"]: r["text"] for r in index.rows(f"SELECT call_id, text FROM said WHERE call_id IN ({marks})", [r.call_id for r in rows])}
    return [replace(r, found=snippet(said.get(r.call_id, ""), words, sound)) for r in rows]


def snippet(said: str, words: str, sound: str, around: int = 14) -> tuple[str, str, str, bool] | None:
    """Where a call's text holds the words, else what sounds like them: (before, hit, after, exact), masked."""
    lines = said.split("\n")
    exactly = [line for line in lines if words in line.lower()]
    for line in exactly or [line for line in lines if len(sound) > 1 and sound in sounds.sound_of(line)]:
        hit = sounds.found_at(line, words, sound)
        if hit is not None:
            a, b, exact = hit
            line = masking.line(line)
            return ("…" if a > around else "") + line[max(0, a - around) : a], line[a:b], line[b : b + around] + ("…" if b + around < len(line) else ""), exact
    return None


def next_call(index: Index, f: Filters, user: User, after: str) -> str | None:
    """The next call of the view that nobody else holds and is not `after`: the worst one left, going on below `after` first."""
    first, last = days(index, f)
    if not first:
        return None
    where, values = conditions(f, user, first, last)
    now = int(time.time() * 1000)
    free = "(s.until_ms IS NULL OR s.until_ms <= ? OR s.holder = ? OR s.holder IS NULL)"
    here = index.rows("SELECT priority, call_id FROM calls WHERE call_id = ? LIMIT 1", [after])
    if here and here[0]["priority"] is not None:
        below = "(c.priority < ? OR (c.priority = ? AND c.call_id > ?))"
        more = [now, user.id, here[0]["priority"], here[0]["priority"], after]
        rows = index.rows(f"SELECT c.call_id {SOURCE} WHERE {where} AND {free} AND {below} {ORDER} LIMIT 1", [*values, *more])
        if rows:
            return rows[0]["call_id"]
    rows = index.rows(f"SELECT c.call_id {SOURCE} WHERE {where} AND {free} AND c.call_id <> ? {ORDER} LIMIT 1", [*values, now, user.id, after])
    return rows[0]["call_id"] if rows else None


def tally(index: Index, f: Filters, user: User, first: str, last: str) -> dict[str, tuple[int, float]]:
    """How many calls of each flag this view has, whatever flag it shows, and the seconds they last."""
    first, last = days(index, f)
    if not first:
        return {}
    where, values = conditions(replace(f, flag="all", q=""), user, first, last)
    return {
        r["flag"]: (r["n"], r["s"] or 0.0)
        for r in index.rows(f"SELECT c.flag, count(*) AS n, sum(c.duration_s) AS s {SOURCE} WHERE {where} GROUP BY c.flag", values)
    }


@dataclass(frozen=True, slots=True)
class Choices:
    """What the filters can be set to, for this user."""

    agents: tuple[str, ...]
    teams: tuple[str, ...]
    queues: tuple[str, ...]
    nights: tuple[str, ...]


def choices(index: Index, user: User) -> Choices:
    scope, values = user.scope()

    def distinct(column: str) -> tuple[str, ...]:
        return tuple(r["v"] for r in index.rows(f"SELECT DISTINCT c.{column} AS v FROM calls c WHERE {scope} AND c.{column} IS NOT NULL ORDER BY v", values))

    return Choices(distinct("agent_id"), distinct("team"), distinct("queue"), tuple(reversed(distinct("date"))))


def not_heard(index: Index, user: User, first: str, last: str) -> list[dict[str, Any]]:
    """The recordings of these dates that gave no call, or gave it with a note that a reviewer should know."""
    scope, values = user.scope()
    columns = "c.call_id, c.date, c.status, c.error_code, c.error, c.team, c.queue, c.agent_id"
    where = f"{scope} AND c.date BETWEEN ? AND ? AND (c.status <> 'ok' OR c.error_code IS NOT NULL)"
    return index.rows(f"SELECT {columns} FROM calls c WHERE {where} ORDER BY c.status, c.date DESC, c.call_id LIMIT 500", [*values, first, last])
