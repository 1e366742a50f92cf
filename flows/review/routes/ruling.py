"""Per rule: hits, precision from the verdicts, examples. And the page where disputes and orphans are settled."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from flows.review import call, precision, standing, statistics, users
from flows.review.sessions import Session
from flows.review.verdicts import Verdict
from flows.review.web import Desk, Reader, TheDesk, need, show

router = APIRouter()
EXAMPLES = 20


def _visible(desk: Desk, session: Session) -> dict[str, list[Verdict]]:
    """Every judged call that this user may see, with its verdicts."""
    desk.states.follow()
    said = desk.states.all_calls()
    scope, values = session.user.scope()
    if scope == "true" or not said:
        return said
    seen = {r["call_id"] for r in desk.index.rows(f"SELECT call_id FROM calls c WHERE {scope}", values)}
    return {k: v for k, v in said.items() if k in seen}


@router.get("/rules")
def rules_page(request: Request, desk: TheDesk, session: Reader) -> Response:
    need(session, "reviewer")
    desk.index.refresh()
    scope, values = session.user.scope()
    counted = (
        "rule_id, any_value(m.kind) AS kind, any_value(m.type) AS type, count(*) FILTER (m.score >= 0.5) AS hits, count(*) FILTER (m.score < 0.5) AS possible"
    )
    rows = desk.index.rows(f"SELECT {counted} FROM moments m JOIN calls c USING (call_id) WHERE {scope} GROUP BY rule_id", values)
    figures = precision.of_rules(_visible(desk, session))
    known = {r["rule_id"] for r in rows}
    rows += [{"rule_id": f.rule_id, "kind": f.kind, "type": f.type, "hits": 0, "possible": 0} for f in figures.values() if f.rule_id not in known]
    order = {k: i for i, k in enumerate(("abuse", "escalation", "conduct", "apology", "resolution"))}
    rows.sort(key=lambda r: (r["rule_id"] not in figures, order.get(r["kind"], 9), r["type"] or "", r["rule_id"] or ""))
    return show(request, "rules.html", rows=rows, figures=figures, nothing=statistics.wilson(0, 0))


@router.get("/rules/{rule_id:path}")
def rule_page(request: Request, desk: TheDesk, session: Reader, rule_id: str) -> Response:
    need(session, "reviewer")
    desk.index.refresh()
    scope, values = session.user.scope()
    nights = desk.index.rows(
        f"SELECT m.date AS date, count(*) AS n FROM moments m JOIN calls c USING (call_id) WHERE rule_id = ? AND m.score >= 0.5 AND {scope} "
        "GROUP BY m.date ORDER BY m.date DESC LIMIT 60",
        [rule_id, *values],
    )
    found = precision.of_rules(_visible(desk, session)).get(rule_id)
    if found is None and not nights:
        raise HTTPException(404, "not_found")
    shown = {}
    for answer in ("right", "wrong"):
        examples = [e for e in (found.examples if found else ()) if e.answer == answer][-EXAMPLES:]
        shown[answer] = [(e, _quote(desk, session, e)) for e in reversed(examples)]
    return show(request, "rule.html", rule_id=rule_id, found=found, nights=list(reversed(nights)), shown=shown)


def _quote(desk: Desk, session: Session, example: precision.Example) -> str | None:
    """What was said there, as the tables have it now."""
    row = call.find(desk.index, example.call_id, session.user)
    if row is None:
        return None
    hit = [m for m in call.moments_of(desk.index, example.call_id) if standing.same(example.at, call.anchor(m, row))]
    return call.masking.line(hit[0]["quote"]) if hit else None


@router.get("/settle")
def settle_page(request: Request, desk: TheDesk, session: Reader) -> Response:
    """Disputes, and verdicts that a rerun left without a moment."""
    need(session, "reviewer")
    desk.index.refresh()
    disputes, orphans = [], []
    for call_id, said in _visible(desk, session).items():
        parts, whole = standing.groups(said), standing.groups(said, "call")
        contested = [g for g in (*whole, *parts) if g.answer == "disputed"]
        row = None
        if contested or parts:
            row = call.find(desk.index, call_id, session.user)
        if row is None:
            if call_id and session.user.may("lead") and (parts or whole):
                orphans += [(call_id, None, g) for g in parts]  # the call itself is gone from the tables
            continue
        disputes += [(call_id, row, g) for g in contested]
        if parts:
            anchors = [call.anchor(m, row) for m in call.moments_of(desk.index, call_id)]
            orphans += [(call_id, row, g) for g in standing.attach(parts, anchors)[1] if not g.missed]
    return show(request, "settle.html", disputes=disputes, orphans=orphans, names=users.names(desk.engine))
