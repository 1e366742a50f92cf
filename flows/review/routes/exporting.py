"""Exports: tables of a view, one call's files, the printable page. Each is noted in the audit log before it is handed out."""

from __future__ import annotations

from datetime import date

from fastapi import APIRouter, HTTPException, Request, Response

from flows.review import audit, call_files, exports, queue, users
from flows.review.routes.calling import find, load
from flows.review.web import Reader, TheDesk, address, need, show, slug

router = APIRouter()


@router.get("/export")
def export_page(request: Request, desk: TheDesk, session: Reader) -> Response:
    need(session, "reviewer")
    desk.index.refresh()
    first, last = queue.days(desk.index, queue.Filters(span="7"))
    return show(request, "export.html", whats=exports.WHATS, formats=exports.FORMATS, first=first, last=last)


@router.get("/export/{what}.{form}")
def export(request: Request, desk: TheDesk, session: Reader, what: str, form: str) -> Response:
    """A table of a view; without dates or filters, of everything in the user's scope."""
    need(session, "reviewer")
    if what not in exports.WHATS or form not in exports.FORMATS:
        raise HTTPException(404, "not_found")
    desk.index.refresh()
    desk.states.follow()
    f = queue.filters({"state": "all", "flag": "all", "span": "all"} | {k: v for k, v in request.query_params.items() if v})
    if what == "verdicts":
        scope, values = session.user.scope()
        first, last = queue.days(desk.index, f)
        everything = scope == "true" and not (f.first or f.last)
        rows = [] if everything else desk.index.rows(f"SELECT call_id FROM calls c WHERE {scope} AND c.date BETWEEN ? AND ?", [*values, first, last])
        table = exports.verdict_table(desk.states, users.names(desk.engine), None if everything else {r["call_id"] for r in rows})
    else:
        table = exports.view_table(desk.index, what, f, session.user)
    audit.note(desk.engine, session.user, "export", None, f"{what}.{form}, {table.num_rows} rows", address(request))
    name = f"futing-{what}-{date.today().isoformat()}.{form}"
    return Response(exports.encode(table, form), media_type=exports.FORMATS[form], headers={"Content-Disposition": f'attachment; filename="{name}"'})


@router.get("/calls/{text}/export/{form}")
def export_call(request: Request, desk: TheDesk, session: Reader, text: str, form: str) -> Response:
    need(session, "reviewer")
    row = find(desk, session, text)
    page = load(desk, row)
    if form not in ("vtt", "rttm", "labelstudio", "print"):
        raise HTTPException(404, "not_found")
    audit.note(desk.engine, session.user, "export_call", row["call_id"], form, address(request))
    if form == "print":
        return show(request, "print.html", page=page, row=page.row, names=users.names(desk.engine))
    if form == "vtt":
        body, kind, ending = call_files.vtt(page), "text/vtt; charset=utf-8", "vtt"
    elif form == "rttm":
        body, kind, ending = call_files.rttm(page), "text/plain; charset=utf-8", "rttm"
    else:
        body, kind, ending = call_files.label_studio(page, str(request.url_for("sound", text=slug(row["call_id"])))), "application/json", "json"
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in row["call_id"])[:100]
    return Response(body, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{safe}.{ending}"'})
