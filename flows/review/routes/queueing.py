"""The queue, what could not be heard, and the way to the next call."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from flows.review import assignments, queue, users
from flows.review.users import User
from flows.review.web import Desk, Reader, TheDesk, back, show, slug

router = APIRouter()
TRIES = 20
_CHOICES: dict[tuple[int, User], queue.Choices] = {}  # what the filters offer changes only with the index


def _choices(desk: Desk, user: User) -> queue.Choices:
    key = (desk.index.version, user)
    if key not in _CHOICES:
        if len(_CHOICES) > 200:
            _CHOICES.clear()
        _CHOICES[key] = queue.choices(desk.index, user)
    return _CHOICES[key]


@router.get("/")
def queue_page(request: Request, desk: TheDesk, session: Reader) -> Response:
    desk.index.refresh()
    desk.states.follow()
    f = queue.filters(request.query_params)
    if session.user.role == "agent":  # an agent comes to look at own calls, reviewed or not
        f = queue.filters({"state": "all", "span": "all"} | dict(request.query_params))
    found = queue.page(desk.index, f, session.user)
    return show(
        request, "queue.html", f=f, page=found, counts=found.counts, choices=_choices(desk, session.user), names=users.names(desk.engine), states=queue.STATES
    )


@router.get("/not-heard")
def not_heard(request: Request, desk: TheDesk, session: Reader) -> Response:
    desk.index.refresh()
    f = queue.filters(request.query_params)
    first, last = queue.days(desk.index, f)
    rows = queue.not_heard(desk.index, session.user, first, last) if first else []
    return show(request, "not_heard.html", rows=rows, f=f, first=first, last=last)


@router.get("/next")
def next_call(request: Request, desk: TheDesk, session: Reader, after: str = "") -> Response:
    """The next call of the view in the address; back to the queue when there is none."""
    desk.states.follow()
    query = {k: v for k, v in request.query_params.items() if k != "after"}
    f = queue.filters(query)
    found = queue.next_call(desk.index, f, session.user, after)
    for _ in range(TRIES):  # taken here and now: of ten who press n at the same instant, each gets another call
        if found is None or not session.user.may("reviewer") or assignments.take(desk.engine, session.user, found) == session.user.id:
            break
        desk.states.follow()
        found = queue.next_call(desk.index, f, session.user, after)
    kept = f.query()
    return back(request, f"/calls/{slug(found)}" + (f"?{kept}" if kept else "") if found else "/?" + urlencode(query))
