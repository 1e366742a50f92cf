"""The page of one call, the swap of its roles, who hears it, and the unmasking of a number."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Form, HTTPException, Request, Response

from flows.review import appeals, assignments, audio, audit, blinds, call, corrections, queue, users, verdicts
from flows.review.sessions import Session
from flows.review.web import Desk, Reader, TheDesk, Writer, address, back, need, show, slug, unslug

router = APIRouter()


def find(desk: Desk, session: Session, text: str) -> call.Row:
    """The call of an address, if this user may see it; 404 either way, so that nobody learns which ids there are."""
    desk.index.refresh()
    row = call.find(desk.index, unslug(text), session.user)
    if row is None:
        raise HTTPException(404, "not_found")
    return row


def load(desk: Desk, row: call.Row) -> call.CallView:
    call_id = row["call_id"]
    return call.view(desk.index, row, verdicts.of_call(desk.engine, call_id), corrections.of_call(desk.engine, call_id), desk.zone)


def wave_data(page: call.CallView) -> str:
    """What the player draws and follows, as JSON for a data attribute: times, kinds, numbers; no words."""
    turns = [t.row for t in page.turns]
    timed = [t for t in turns if t["start_s"] is not None and t["end_s"] is not None]
    data = {
        "duration": page.row["duration_s"] or max([t["end_s"] for t in timed], default=0),
        "turns": [[t["turn"], t["start_s"], t["end_s"], t["role"]] for t in timed],
        "moments": [[i, m["start_s"], m["end_s"], m["kind"], m["score"] >= 0.5, m["role"]] for i, m in enumerate(page.moments)],
        "heat": [[t["start_s"], t["end_s"], t["heat"]] for t in timed if t["heat"] is not None],
        "silences": page.silences,
        "overlaps": call.overlaps(turns),
    }
    return json.dumps(data, separators=(",", ":"))


@router.get("/calls/{text}")
def call_page(request: Request, desk: TheDesk, session: Reader, text: str, tasks: BackgroundTasks) -> Response:
    row = find(desk, session, text)
    waiting = blinds.waiting(desk.engine, row["call_id"]) if session.user.role == "reviewer" else None
    if waiting is not None:  # it would no longer be blind
        return back(request, f"/blind/{waiting[0]}/{waiting[1]}")
    page = load(desk, row)
    holder = None
    if session.user.may("reviewer") and row["flag"] in ("urgent", "review") and page.whole is None:
        holder = assignments.take(desk.engine, session.user, row["call_id"])
    f = queue.filters(request.query_params)
    audit.note(desk.engine, session.user, "open", row["call_id"], address=address(request))
    if row["recording"]:
        tasks.add_task(prepare, desk, row, page)
    everybody = [u for u in users.everybody(desk.engine) if u.may("reviewer")] if session.user.may("lead") else []
    return show(
        request,
        "call.html",
        page=page,
        row=page.row,
        wave=wave_data(page),
        case=call.case_of(desk.index, row, session.user),
        appeals=appeals.read(desk.engine, row["call_id"]),
        names=users.names(desk.engine),
        holder=holder,
        f=f,
        kept=f.query(),
        blind=None,
        whys=verdicts.WHYS,
        everybody=everybody,
    )


def prepare(desk: Desk, row: call.Row, page: call.CallView) -> None:
    """Make the sound ready while the page is being read, so that the first key plays at once. A failure shows when it is asked for."""
    try:
        audio.browser_file(desk.out, row["call_id"], row["recording"], row["run_id"], [t.row for t in page.turns])
    except audio.AudioError:
        return


@router.post("/calls/{text}/swap")
def swap(request: Request, desk: TheDesk, session: Writer, text: str) -> Response:
    need(session, "reviewer")
    row = find(desk, session, text)
    wanted = corrections.swap(desk.engine, desk.out, session.user, row["call_id"], row["run_id"])
    corrections.show(desk.engine, desk.index, desk.zone)
    audit.note(desk.engine, session.user, "swap", row["call_id"], "swapped" if wanted else "as heard", address(request))
    return back(request, f"/calls/{slug(row['call_id'])}" + (f"?{request.url.query}" if request.url.query else ""))


@router.post("/calls/{text}/assign")
def assign(request: Request, desk: TheDesk, session: Writer, text: str, to: Annotated[str, Form()] = "") -> Response:
    """A lead gives the call to somebody or frees it; a reviewer may free an own one."""
    need(session, "reviewer")
    row = find(desk, session, text)
    known = {u.id for u in users.everybody(desk.engine) if u.may("reviewer")}
    wanted = int(to) if to.isdigit() and int(to) in known else None
    assignments.give(desk.engine, session.user, row["call_id"], wanted)
    audit.note(desk.engine, session.user, "assign", row["call_id"], str(wanted or "-"), address(request))
    desk.states.follow()
    return back(request, "/" if wanted is None else f"/calls/{slug(row['call_id'])}")


@router.post("/calls/{text}/unmask")
def unmask(request: Request, desk: TheDesk, session: Writer, text: str, turn: Annotated[int, Form()]) -> Response:
    """The original of a masked turn, where the night kept it: a lead's act, noted before it is shown."""
    need(session, "lead")
    row = find(desk, session, text)
    audit.note(desk.engine, session.user, "unmask", row["call_id"], f"turn {turn}", address(request))
    found = [t for t in call.turns_of(desk.index, row) if t["turn"] == turn and not t["redactions"]]
    original = found[0]["text"] if found else None  # a night that masked what it stored has no original to show
    return show(request, "unmasked.html", original=original)
