"""Blind listening: drawing a sample, hearing it without a hint, and the recall it tells."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Form, HTTPException, Request, Response

from flows.review import audit, blinds, call, queue, users, verdicts
from flows.review.call import blinded
from flows.review.routes.calling import load, prepare, wave_data
from flows.review.web import Desk, Reader, TheDesk, Writer, address, back, need, show

router = APIRouter()


def _sample(desk: Desk, number: int) -> blinds.Sample:
    found = next((s for s in blinds.samples(desk.engine) if s.id == number), None)
    if found is None:
        raise HTTPException(404, "not_found")
    return found


@router.get("/blind")
def samples_page(request: Request, desk: TheDesk, session: Reader) -> Response:
    need(session, "reviewer")
    desk.index.refresh()
    shown = []
    for sample in blinds.samples(desk.engine):
        places = blinds.places(desk.engine, sample.id)
        shown.append((sample, sum(p.answer is not None for p in places), len(places), blinds.estimate(desk.engine, sample)))
    first, last = queue.days(desk.index, queue.Filters(span="7"))
    return show(request, "blind.html", shown=shown, names=users.names(desk.engine), first=first, last=last)


@router.post("/blind")
def draw(
    request: Request, desk: TheDesk, session: Writer, first: Annotated[str, Form()], last: Annotated[str, Form()], each: Annotated[int, Form()]
) -> Response:
    need(session, "lead")
    number = blinds.draw(desk.engine, desk.index, session.user, first, last, each)
    audit.note(desk.engine, session.user, "blind_draw", None, f"sample {number}, {each} of each", address(request))
    return back(request, f"/blind/{number}")


@router.get("/blind/{number}")
def sample_page(request: Request, desk: TheDesk, session: Reader, number: int) -> Response:
    """The sample: how far it is, what it tells; the machine's answer only of calls that were judged."""
    need(session, "reviewer")
    desk.index.refresh()
    sample = _sample(desk, number)
    places = blinds.places(desk.engine, number)
    flags = {}
    for p in places:
        row = call.find(desk.index, p.call_id, session.user) if p.answer is not None else None
        flags[p.place] = row
    ahead = next((p.place for p in places if p.answer is None and call.find(desk.index, p.call_id, session.user) is not None), None)
    return show(
        request,
        "sample.html",
        sample=sample,
        places=places,
        flags=flags,
        ahead=ahead,
        found=blinds.estimate(desk.engine, sample),
        names=users.names(desk.engine),
    )


@router.get("/blind/{number}/{place}")
def listen(request: Request, desk: TheDesk, session: Reader, number: int, place: int, tasks: BackgroundTasks) -> Response:
    """One call of the sample, with nothing on the page of what the machine found."""
    need(session, "reviewer")
    desk.index.refresh()
    _sample(desk, number)
    places = blinds.places(desk.engine, number)
    at = next((p for p in places if p.place == place), None)
    row = call.find(desk.index, at.call_id, session.user) if at is not None else None
    if at is None or row is None:
        raise HTTPException(404, "not_found")
    if at.answer is not None:
        return back(request, f"/blind/{number}")
    page = load(desk, row)
    hidden = blinded(page)
    audit.note(desk.engine, session.user, "open", at.call_id, f"blind, sample {number}", address(request))
    if row["recording"]:
        tasks.add_task(prepare, desk, row, page)
    return show(
        request,
        "call.html",
        page=hidden,
        row=hidden.row,
        wave=wave_data(hidden),
        blind={"sample": number, "place": place, "total": len(places)},
        names={},
        holder=None,
        f=None,
        kept="",
        case=None,
        appeals=[],
        whys=verdicts.WHYS,
        everybody=[],
    )


@router.post("/blind/{number}/{place}")
def answer(
    request: Request, desk: TheDesk, session: Writer, number: int, place: int, answer: Annotated[str, Form()], comment: Annotated[str, Form()] = ""
) -> Response:
    need(session, "reviewer")
    _sample(desk, number)
    at = next((p for p in blinds.places(desk.engine, number) if p.place == place), None)
    if at is None or call.find(desk.index, at.call_id, session.user) is None:
        raise HTTPException(404, "not_found")
    found = blinds.answer(desk.engine, session.user, number, place, answer, comment.strip() or None)
    audit.note(desk.engine, session.user, "blind", found.call_id, f"sample {number} {answer}", address(request))
    desk.states.follow()
    return back(request, f"/blind/{number}")
