"""A heard call and a rule book, in; moments — quotes with a place, a score and its doubt — out.

`look` normalises the turns once and finds every phrase of every rule; `find_hits` asks the rules in the order of their anchors; `find` makes moments
of what the active rules hit. Rules may ask for heat, which is computed from moments, so `find` may be called twice: without heat for the rules that do
not ask for it, then with heat for all. The surprising choice: overlapping candidates of one rule are one cluster that gives at most one hit, decided
before exceptions are asked, so that an exception can only ever take away.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.errors import ConfigError
from models.reading.conditions import Embed, Phrases, Span, holds, spans
from models.reading.evidence import DETECTORS, negated_within, part_of_name
from models.reading.looking import Hit, Look, View, look
from models.reading.merging import merged
from models.reading.rule import Rule, Unless
from models.reading.rulebook import MISHEARD, RuleBook, floor, read_book
from models.reading.rulefile import Problem
from models.reading.text import Text, clause_span, sentence_span
from models.records import HeardCall, Moment


def load_rulebook(folder: Path, embed: Embed | None = None) -> RuleBook:
    """Compile the rules and lexicons of a configuration folder. Raises ConfigError with every problem, one a line.

    embed: sentences → vectors, for `similar: {by: embedding}`; such conditions are never met without it.
    """
    book, problems = read_book(Path(folder), embed)
    if book is None:
        raise ConfigError("rules that cannot be used:\n" + "\n".join(map(str, problems)))
    return book


def check_rules(folder: Path) -> list[Problem]:
    """Everything that is wrong with the rules and lexicons of a folder, by file and line; empty if they can be used."""
    return read_book(Path(folder))[1]


def find_hits(call: HeardCall, book: RuleBook, heat: Sequence[float | None] | None = None, *, scan: Look | None = None) -> dict[str, tuple[Hit, ...]]:
    """Every hit of every rule that hits (drafts and marks too), by rule id, by place. Without heat the rules that ask for it are left out."""
    scan = scan if scan is not None else look(call, book)
    if scan.warm is not None and heat is not None and scan.warm[0] == tuple(heat):
        return dict(scan.warm[1])
    hits: dict[str, tuple[Hit, ...]] = {}
    everywhere = range(len(call.turns))
    roles = [t.role for t in call.turns]
    for index in sorted({*scan.candidates, *book.untriggered}):  # the order of the rules is that of their anchors
        rule = book.rules[index]
        if rule.needs_heat and heat is None:
            continue
        some = None if rule.needs_heat else scan.cold.get(rule.id)
        if some is None:
            turns = everywhere if rule.triggers is None else scan.candidates[index]
            heard = (i for i in turns if roles[i] in rule.roles and scan.texts[i].bare and not _hopeless(rule, scan.likelihoods[i]))
            some = tuple(hit for i in heard for hit in _turn_hits(View(scan, i, rule, hits, heat), rule))
            if not rule.needs_heat:
                scan.cold[rule.id] = some
        if some:
            hits[rule.id] = some
    if heat is not None:
        scan.warm = (tuple(heat), dict(hits))
    return hits


def _hopeless(rule: Rule, likelihoods: Sequence[float] | None) -> bool:
    """Whether `unlikely` will take away whatever the rule finds in a turn, so that nothing need be looked for."""
    least = floor(rule)
    return least is not None and (0.0 if likelihoods is None else likelihoods[least[0]]) < least[1]


def find(
    call: HeardCall, book: RuleBook, heat: Sequence[float | None] | None = None, *, scan: Look | None = None, statuses: frozenset[str] = frozenset({"active"})
) -> tuple[Moment, ...]:
    """The moments of a call, by turn and offset, numbered. quote == turn.text[char_start:char_end]; times are None only where the turn has none."""
    scan = scan if scan is not None else look(call, book)
    hits = find_hits(call, book, heat, scan=scan)
    moments = []
    for claim in merged([h for some in hits.values() for h in some if h.rule.status in statuses], call):
        turn, rule = call.turns[claim.turn], claim.rule
        times = scan.clocks[claim.turn].times(claim.start, claim.end)
        moments.append(
            Moment(
                index=len(moments),
                kind=rule.kind,
                type=rule.type,
                role=turn.role,
                turn=turn.index,
                quote=turn.text[claim.start : claim.end],
                char_start=claim.start,
                char_end=claim.end,
                rule_id=rule.id,
                score=claim.score,
                match=claim.match,
                severity=rule.severity,
                start_s=times[0] if times else None,
                end_s=times[1] if times else None,
                meant=claim.meant,
            )
        )
    return tuple(moments)


def _turn_hits(view: View, rule: Rule) -> list[Hit]:
    candidates = [s for s in spans(rule.condition, view) if s.end > s.start]
    if not candidates:
        return []
    candidates.sort(key=lambda s: (s.start, -s.end))
    out = []
    cluster: list[Span] = []
    edge = -1
    for span in candidates:
        if cluster and span.start >= edge:
            out += _best(cluster, view, rule)
            cluster, edge = [], -1
        cluster.append(span)
        edge = max(edge, span.end)
    return out + _best(cluster, view, rule)


def _best(cluster: list[Span], view: View, rule: Rule) -> list[Hit]:
    """The strongest candidate of a cluster that no exception takes away, as a list of at most one hit."""
    best: tuple[float, int, Span] | None = None
    for span in dict.fromkeys(cluster) if len(cluster) > 1 else cluster:
        if best is not None and span.factor * rule.score < best[0] and not rule.evidence:
            continue
        soft = _spared(span, view, rule.unless)
        if soft is None or not all(holds(c, view, span) for c in rule.when):
            continue
        score = rule.score * span.factor * soft
        for e in rule.evidence:
            if all(holds(c, view, span) for c in e.when):
                score = score + (1 - score) * e.up if e.up else score * (1 - e.down)
        if best is None or (score, span.end - span.start) > best[:2]:
            best = (score, span.end - span.start, span)
    if best is None:
        return []
    score, _, span = best
    low, high = _quoted_span(view.text, span, rule)
    start, end = view.text.original_span(low, high)
    if end <= start:
        return []
    if span.match in ("exact", "pattern"):
        p = view.looking.clocks[view.here].probability(*view.text.original_span(span.start, span.end))
        if p is not None and p < 0.5:
            score *= 0.75 + 0.5 * p
    score = round(min(1.0, max(0.0, score)), 3)
    return [Hit(rule, view.here, view.turn.role, start, end, span.start, span.end, score, span.match, span.meant)]


def _spared(span: Span, view: View, unless: Unless) -> float | None:
    """The product of the soft exceptions that apply; None where one takes the hit away."""
    text, role = view.text, view.turn.role
    if unless.unlikely is not None:
        column, bar = unless.unlikely
        if view.likelihood(column) < (min(bar, MISHEARD) if span.match == "sounds_like" else bar):
            return None
    if not span.wordless:
        if unless.name and _is_name(span, view):
            return None
        for found in view.excepted(unless.phrases):
            a, b = text.norm_span(found.start, found.end)
            if a <= span.end and span.start <= b:
                return None
        for regex in unless.regexes:
            if any(s.start < span.end and span.start < s.end for s in spans(regex, view)):
                return None
    for chains, (low, high) in (
        (unless.clause, clause_span(text, span.start, span.end) if unless.clause else (0, 0)),
        (unless.sentence, sentence_span(text, span.start, span.end) if unless.sentence else (0, 0)),
        (unless.turn, (0, len(text.norm))),
    ):
        for found in view.excepted(chains):
            a, b = text.norm_span(found.start, found.end)
            if low <= a and b <= high:
                return None
    if any(holds(c, view, span) for c in unless.conditions):
        return None
    factor = 1.0
    if not span.wordless:
        for name, kept in unless.detectors:
            if DETECTORS[name](text, span.start, span.end, role) or (name == "negated" and any(negated_within(text, *gap) for gap in span.gaps)):
                if kept == 0.0:
                    return None
                factor *= kept
    return factor


def _is_name(span: Span, view: View) -> bool:
    """Followed by what makes it a place, or inside a longer name of a lexicon."""
    if part_of_name(view.text, span.start, span.end, view.turn.role):
        return True
    for found in view.excepted(view.looking.book.names):
        a, b = view.text.norm_span(found.start, found.end)
        if a <= span.start and span.end <= b and b - a > span.end - span.start:
            return True
    return False


def _quoted_span(text: Text, span: Span, rule: Rule) -> tuple[int, int]:
    match "turn" if span.wordless else rule.quote:
        case "turn":
            return 0, len(text.norm)
        case "clause":
            return clause_span(text, span.start, span.end)
        case "sentence":
            return sentence_span(text, span.start, span.end)
        case "to_end":
            return clause_span(text, span.start, span.end)[0], sentence_span(text, span.start, span.end)[1]
    return span.start, span.end


__all__ = ["Hit", "Look", "Phrases", "check_rules", "find", "find_hits", "load_rulebook", "look"]
