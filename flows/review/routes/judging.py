"""Verdicts: on a moment, on the call, on what the machine missed; taking back; a lead's settling of a dispute."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response

from flows.review import appeals, audit, language, users, verdicts
from flows.review.routes.calling import find, load
from flows.review.sessions import Session
from flows.review.verdicts import Anchor, VerdictError
from flows.review.web import Desk, TheDesk, Writer, address, back, need, show, slug

router = APIRouter()


@router.post("/calls/{text}/verdict")
def give(
    request: Request,
    desk: TheDesk,
    session: Writer,
    text: str,
    target: Annotated[str, Form()],
    answer: Annotated[str, Form()],
    run: Annotated[str, Form()] = "",
    moment: Annotated[int, Form()] = -1,
    why: Annotated[str, Form()] = "",
    comment: Annotated[str, Form()] = "",
    settles: Annotated[str, Form()] = "",
) -> Response:
    """Save one answer and show what stands now. 409 where the night was read again since the page was opened: its numbers may mean others."""
    need(session, "reviewer")
    row = find(desk, session, text)
    page = load(desk, row)
    if target == "call":
        anchor = Anchor(rules_version=row["rules_version"], run_id=row["run_id"], kind=row["flag"])
    elif target == "moment" and (run != (row["run_id"] or "") or not 0 <= moment < len(page.moments)):
        raise HTTPException(409, "error")
    else:
        anchor = page.anchors[moment] if target == "moment" else Anchor()
    if target == "missed":
        raise HTTPException(422, "error")
    wrong_why = why if answer == "wrong" and why else None
    verdicts.give(desk.engine, session.user, row["call_id"], target, answer, anchor, wrong_why, comment.strip() or None, settles == "1")
    audit.note(
        desk.engine,
        session.user,
        "settle" if settles == "1" else "verdict",
        row["call_id"],
        f"{target} {anchor.type or ''} {answer}".replace("  ", " "),
        address(request),
    )
    return answered(request, desk, session, text, moment if target == "moment" else None)


@router.post("/calls/{text}/missed")
def missed(
    request: Request,
    desk: TheDesk,
    session: Writer,
    text: str,
    turn: Annotated[int, Form()],
    char_start: Annotated[int, Form()],
    char_end: Annotated[int, Form()],
    what: Annotated[str, Form()],
    comment: Annotated[str, Form()] = "",
    blind: Annotated[int, Form()] = 0,
) -> Response:
    """A moment that the machine missed: selected words and their type."""
    need(session, "reviewer")
    row = find(desk, session, text)
    page = load(desk, row)
    kind, _, kind_type = what.partition("/")
    found = next((t for t in page.turns if t.row["turn"] == turn), None)
    if kind_type not in language.KINDS.get(kind, ()) or found is None or not 0 <= char_start < char_end <= len(found.row["text"] or ""):
        raise VerdictError("missed")
    inside = [p for _, pieces in found.runs for p in pieces if p.start < char_end and p.start + len(p.text) > char_start and p.s is not None]
    start_s = inside[0].s if inside else found.row["start_s"]
    end_s = inside[-1].e if inside else found.row["end_s"]
    anchor = Anchor(kind, kind_type, found.row["role"], start_s, end_s, turn, char_start, char_end, None, row["rules_version"], None, row["run_id"])
    verdicts.give(desk.engine, session.user, row["call_id"], "missed", "missed", anchor, None, comment.strip() or None, blind=blind or None)
    audit.note(desk.engine, session.user, "verdict", row["call_id"], f"missed {kind_type}", address(request))
    if blind:
        return show(request, "saved.html", what=kind_type)
    return answered(request, desk, session, text, None)


@router.post("/calls/{text}/take-back")
def take_back(request: Request, desk: TheDesk, session: Writer, text: str, verdict: Annotated[int, Form()], moment: Annotated[int, Form()] = -1) -> Response:
    need(session, "reviewer")
    row = find(desk, session, text)
    if verdict not in {v.id for v in verdicts.of_call(desk.engine, row["call_id"])}:
        raise HTTPException(404, "not_found")
    verdicts.take_back(desk.engine, session.user, verdict)
    audit.note(desk.engine, session.user, "take_back", row["call_id"], address=address(request))
    return answered(request, desk, session, text, moment if moment >= 0 else None)


def answered(request: Request, desk: Desk, session: Session, text: str, moment: int | None) -> Response:
    """What stands now: the judged moment's card and the call's own (htmx), or the page again."""
    desk.states.follow()
    row = find(desk, session, text)
    if request.headers.get("hx-request") != "true":
        return back(request, f"/calls/{slug(row['call_id'])}")
    page = load(desk, row)
    return show(
        request,
        "answered.html",
        page=page,
        row=page.row,
        number=moment,
        names=users.names(desk.engine),
        whys=verdicts.WHYS,
        appeals=appeals.read(desk.engine, row["call_id"]),
        blind=None,
    )
