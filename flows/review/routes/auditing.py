"""The audit log, for admins."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from flows.review import audit, users
from flows.review.web import Reader, TheDesk, need, show

router = APIRouter()
SIZE = 200


@router.get("/audit")
def audit_page(request: Request, desk: TheDesk, session: Reader, action: str = "", name: str = "", call: str = "", before: int = 0) -> Response:
    need(session, "admin")
    found = audit.read(desk.engine, action or None, name or None, call or None, SIZE, before or None)
    actions = (
        "sign_in",
        "sign_in_failed",
        "open",
        "hear",
        "verdict",
        "take_back",
        "settle",
        "appeal",
        "decide",
        "swap",
        "assign",
        "blind_draw",
        "blind",
        "export",
        "export_call",
        "unmask",
        "sign_out",
    )
    everybody = sorted(users.names(desk.engine).values())
    return show(
        request,
        "audit.html",
        found=found,
        action=action,
        who=name,
        call_id=call,
        actions=actions,
        everybody=everybody,
        more=found[-1][0] if len(found) == SIZE else None,
    )
