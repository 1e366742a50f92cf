"""What every route shares: who asks, whether the form is ours, which language, and how a page is rendered.

In: a request. Out: `Session`, templates, errors as pages. The surprising choice: a form is believed only with the session's own token, in
a field or a header; SameSite cookies alone would leave a gap for older browsers.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Depends, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from sqlalchemy.engine import Engine

from flows.review import language, sessions, users
from flows.review.appeals import Appeal
from flows.review.index import Index
from flows.review.sessions import Session
from flows.review.sparkline import sparkline
from flows.review.standing import same
from flows.review.states import States
from flows.review.verdicts import Anchor
from models.reading.reasons import render as render_reason
from models.records import Reason

HERE = Path(__file__).parent
COOKIE, PRE_COOKIE, LANGUAGE_COOKIE = "futing_session", "futing_form", "futing_language"
PLAIN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,200}")


@dataclass(frozen=True, slots=True)
class Desk:
    """What the page works with. demo: demo accounts may be offered (loopback, and nobody has an account)."""

    out: Path
    engine: Engine
    index: Index
    states: States
    loopback: bool
    zone: ZoneInfo


class SignInNeeded(Exception):
    """Nobody is signed in."""


def desk(request: Request) -> Desk:
    return request.app.state.desk


def address(request: Request) -> str:
    return request.client.host if request.client else "-"


def signed_in(request: Request) -> Session:
    """The session of this request; raises SignInNeeded."""
    token = request.cookies.get(COOKIE)
    session = sessions.find(desk(request).engine, token) if token else None
    if session is None or (session.user.demo and users.has_accounts(desk(request).engine)):
        raise SignInNeeded
    request.state.session = session
    return session


async def posted(request: Request) -> Session:
    """The session of a form that carries its token. Raises 403 without it, or from another origin."""
    from fastapi.concurrency import run_in_threadpool

    session = await run_in_threadpool(signed_in, request)
    given = request.headers.get("x-csrf-token") or str((await request.form()).get("csrf") or "")
    if not secrets.compare_digest(given.encode(), session.csrf.encode()) or not same_origin(request):
        raise HTTPException(403, "csrf_failed")
    return session


def same_origin(request: Request) -> bool:
    """Browsers say where a form comes from; where they do, it must be here."""
    origin = request.headers.get("origin")
    return origin is None or origin == "null" or origin.partition("://")[2] == request.headers.get("host")


Reader = Annotated[Session, Depends(signed_in)]
Writer = Annotated[Session, Depends(posted)]
TheDesk = Annotated[Desk, Depends(desk)]


def need(session: Session, role: str) -> None:
    """Raise 403 for a role below `role`."""
    if not session.user.may(role):
        raise HTTPException(403, "forbidden")


def tongue(request: Request) -> str:
    chosen = request.cookies.get(LANGUAGE_COOKIE, "zh")
    return chosen if chosen in language.LANGUAGES else "zh"


def slug(call_id: str) -> str:
    """A call's id as it stands in an address: itself where that is safe, else encoded."""
    return call_id if PLAIN_ID.fullmatch(call_id) else "~" + base64.urlsafe_b64encode(call_id.encode()).decode().rstrip("=")


def unslug(text: str) -> str:
    if not text.startswith("~"):
        return text
    try:
        return base64.urlsafe_b64decode(text[1:] + "=" * (-len(text[1:]) % 4)).decode()
    except (ValueError, UnicodeDecodeError):
        return ""


def clock(seconds: float | None) -> str:
    """65.2 → 1:05; hours where there are any."""
    if seconds is None:
        return "–"
    s = round(seconds)
    return f"{s // 3600}:{s // 60 % 60:02d}:{s % 60:02d}" if s >= 3600 else f"{s // 60}:{s % 60:02d}"


def exact_clock(seconds: float | None) -> str:
    return "–" if seconds is None else f"{int(seconds) // 60}:{seconds % 60:04.1f}"


def percent(x: float | None) -> str:
    return "–" if x is None else f"{100 * x:.0f}%"


def local_time(at: datetime | int | None, zone: ZoneInfo, form: str = "%m-%d %H:%M") -> str:
    """A moment of the tables (plain UTC) or of the store (ms) in the zone of the settings."""
    if at is None:
        return "–"
    moment = datetime.fromtimestamp(at / 1000, UTC) if isinstance(at, int) else at if at.tzinfo else at.replace(tzinfo=UTC)
    return moment.astimezone(zone).strftime(form)


def reason_sentence(reason: Mapping[str, Any], tongue_: str) -> str:
    params = tuple((p["key"], p["value"]) for p in reason["params"] or ())
    said = getattr(render_reason(Reason(reason["code"], reason["moment"], params)), tongue_)
    return said.replace(",", "，") if tongue_ == "zh" else said


def appeal_at(found: list[Appeal], at: Anchor) -> list[Appeal]:
    """The appeals that speak of this moment, newest first."""
    return [a for a in found if same(a.anchor, at)]


def make_templates() -> Jinja2Templates:
    templates = Jinja2Templates(directory=HERE / "templates")
    env = templates.env
    env.trim_blocks = env.lstrip_blocks = True
    env.filters |= {"clock": clock, "exact_clock": exact_clock, "percent": percent, "slug": slug}
    env.globals |= {"KINDS": language.KINDS, "BY_CUSTOMER": language.BY_CUSTOMER, "sparkline": sparkline, "appeal_at": appeal_at, "today": date.today}
    return templates


TEMPLATES = make_templates()


def show(request: Request, name: str, status: int = 200, **context: Any) -> Response:
    """A template with what all of them use: words in the reader's language, the session, the form token."""
    lang, at = tongue(request), desk(request)
    session: Session | None = getattr(request.state, "session", None)
    common = {
        "lang": lang,
        "t": lambda key, **values: language.word(key, lang, **values),
        "v": lambda key: language.value(key, lang),
        "sentence": lambda reason: reason_sentence(reason, lang),
        "when": lambda at_, form="%m-%d %H:%M": local_time(at_, at.zone, form),
        "session": session,
        "user": session.user if session else None,
        "csrf": session.csrf if session else "",
        "nonce": request.state.nonce,
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "partial": request.headers.get("hx-request") == "true",
    }
    return TEMPLATES.TemplateResponse(request, name, common | context, status_code=status)


def back(request: Request, to: str, target: str = "") -> Response:
    """After a form: a redirect, which htmx is told of in its own way. `to` must be an address of this page."""
    safe = to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/"
    if request.headers.get("hx-request") == "true":
        return Response(status_code=204, headers={"HX-Redirect": safe})
    return RedirectResponse(safe + target, status_code=303)
