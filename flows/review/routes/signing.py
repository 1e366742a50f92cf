"""Signing in and out, and the language. A wrong password tells nothing but that it is wrong, and only so often."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

from flows.review import audit, language, sessions, users
from flows.review.web import COOKIE, LANGUAGE_COOKIE, PRE_COOKIE, Desk, TheDesk, Writer, address, back, same_origin, show

router = APIRouter()
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def offers_demo(request: Request, desk: Desk) -> bool:
    """Demo accounts: on loopback, asked from loopback, through no proxy, while nobody has an account."""
    local = desk.loopback and address(request) in ("127.0.0.1", "::1") and not any(h in request.headers for h in FORWARDED)
    return local and not users.has_accounts(desk.engine)


@router.get("/healthz")
def healthz() -> Response:
    return PlainTextResponse("ok")


@router.get("/login")
def login_page(request: Request, desk: TheDesk, to: str = "/") -> Response:
    return _page(request, desk, to)


def _page(request: Request, desk: Desk, to: str, problem: str = "", wait_s: int = 0, status: int = 200) -> Response:
    token = request.cookies.get(PRE_COOKIE) or secrets.token_urlsafe(24)
    response = show(request, "login.html", status, to=to, form=token, demo=offers_demo(request, desk), roles=users.ROLES, problem=problem, wait_s=wait_s)
    response.set_cookie(PRE_COOKIE, token, httponly=True, samesite="strict", secure=request.url.scheme == "https", max_age=3600)
    if wait_s:
        response.headers["Retry-After"] = str(wait_s)
    return response


def _own_form(request: Request, form: str) -> None:
    if not secrets.compare_digest(form.encode(), request.cookies.get(PRE_COOKIE, "").encode()) or not form or not same_origin(request):
        raise HTTPException(403, "csrf_failed")


def _enter(request: Request, desk: Desk, user: users.User, to: str) -> Response:
    token = sessions.start(desk.engine, user)
    audit.note(desk.engine, user, "sign_in", address=address(request))
    response = back(request, to)
    response.set_cookie(COOKIE, token, httponly=True, samesite="lax", secure=request.url.scheme == "https", max_age=int(sessions.LONGEST_S))
    response.delete_cookie(PRE_COOKIE)
    return response


@router.post("/login")
def login(
    request: Request,
    desk: TheDesk,
    name: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    form: Annotated[str, Form()] = "",
    to: Annotated[str, Form()] = "/",
) -> Response:
    _own_form(request, form)
    wait = sessions.wait_s(desk.engine, name[:80], address(request))
    if wait:
        return _page(request, desk, to, "too_many_tries", wait, 429)
    user = users.check(desk.engine, name[:80], password[:1000])
    if user is None:
        sessions.failed(desk.engine, name, address(request))
        audit.note(desk.engine, None, "sign_in_failed", address=address(request))
        return _page(request, desk, to, "wrong_login", status=401)
    sessions.succeeded(desk.engine, name)
    return _enter(request, desk, user, to)


@router.post("/login/demo")
def demo(request: Request, desk: TheDesk, role: Annotated[str, Form()], form: Annotated[str, Form()] = "", to: Annotated[str, Form()] = "/") -> Response:
    _own_form(request, form)
    if role not in users.ROLES or not offers_demo(request, desk):
        raise HTTPException(403, "forbidden")
    agents = desk.index.rows("SELECT agent_id AS a FROM calls WHERE agent_id IS NOT NULL ORDER BY priority DESC NULLS LAST LIMIT 1")
    return _enter(request, desk, users.demo(desk.engine, role, agents[0]["a"] if agents else None), to)


@router.post("/logout")
def logout(request: Request, desk: TheDesk, session: Writer) -> Response:
    sessions.end(desk.engine, request.cookies[COOKIE])
    audit.note(desk.engine, session.user, "sign_out", address=address(request))
    response = back(request, "/login")
    response.delete_cookie(COOKIE)
    return response


@router.get("/language/{name}")
def switch(request: Request, name: str, to: str = "/") -> Response:
    """A preference, not a secret: no token needed."""
    safe = to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/"
    response = RedirectResponse(safe, status_code=303)
    if name in language.LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, name, samesite="lax", max_age=365 * 86400, httponly=True, secure=request.url.scheme == "https")
    return response
