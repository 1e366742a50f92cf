"""Appeals: made by the agent of the call, decided by a lead."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response

from flows.review import appeals, audit, call, masking, users
from flows.review.routes.calling import find, load
from flows.review.web import Reader, TheDesk, Writer, address, back, need, show, slug

router = APIRouter()


@router.post("/calls/{text}/appeal")
def make(
    request: Request,
    desk: TheDesk,
    session: Writer,
    text: str,
    moment: Annotated[int, Form()],
    grounds: Annotated[str, Form()],
    run: Annotated[str, Form()] = "",
) -> Response:
    """An agent objects to a moment of an own call."""
    row = find(desk, session, text)
    if session.user.role != "agent" or row["agent_id"] != session.user.agent_id:
        raise HTTPException(403, "forbidden")
    page = load(desk, row)
    if run != (row["run_id"] or "") or not 0 <= moment < len(page.anchors):
        raise HTTPException(409, "error")
    appeals.make(desk.engine, session.user, row["call_id"], page.anchors[moment], grounds)
    audit.note(desk.engine, session.user, "appeal", row["call_id"], page.anchors[moment].type, address(request))
    desk.states.follow()
    return back(request, f"/calls/{slug(row['call_id'])}", f"#m{moment}")


@router.get("/appeals")
def appeals_page(request: Request, desk: TheDesk, session: Reader) -> Response:
    """Open ones first; an agent sees own ones, everybody else those of the calls they may see."""
    desk.index.refresh()
    seen = []
    for a in appeals.read(desk.engine):
        row = call.find(desk.index, a.call_id, session.user)
        if row is not None:
            quotes = [m for m in call.moments_of(desk.index, a.call_id) if call.same_place(a.anchor, call.anchor(m, row))]
            seen.append((a, row, masking.line(quotes[0]["quote"]) if quotes else None))
    seen.sort(key=lambda x: (x[0].upheld is not None, -x[0].id))
    return show(request, "appeals.html", found=seen, names=users.names(desk.engine))


@router.post("/appeals/{number}")
def decide(request: Request, desk: TheDesk, session: Writer, number: int, upheld: Annotated[str, Form()], comment: Annotated[str, Form()] = "") -> Response:
    need(session, "lead")
    found = next((a for a in appeals.read(desk.engine) if a.id == number), None)
    if found is None or call.find(desk.index, found.call_id, session.user) is None:
        raise HTTPException(404, "not_found")
    appeals.decide(desk.engine, session.user, number, upheld == "1", comment.strip() or None)
    audit.note(desk.engine, session.user, "decide", found.call_id, "upheld" if upheld == "1" else "dismissed", address(request))
    desk.states.follow()
    return back(request, "/appeals")
