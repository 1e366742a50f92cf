"""The page itself: a folder of nights and a verdict store in, an ASGI application out.

The surprising choice: everything a browser may run or draw comes from here and from files. The policy below allows no inline script or
style (one nonce, for the waveform's shadow root), no other host, no frame around us.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from zoneinfo import ZoneInfo

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

import flows.quiet  # noqa: F401 (no telemetry)
from flows.review import corrections, database, language, users
from flows.review.index import Index
from flows.review.routes import appealing, auditing, blinding, calling, exporting, hearing, judging, queueing, ruling, signing
from flows.review.states import States
from flows.review.verdicts import VerdictError
from flows.review.web import HERE, Desk, SignInNeeded, show, tongue
from models.errors import ConfigError, FutingError

LOG = logging.getLogger(__name__)
LOOPBACK = ("127.0.0.1", "::1", "localhost")
ROUTERS = (signing, queueing, calling, hearing, judging, appealing, blinding, ruling, exporting, auditing)
Next = Callable[[Request], Awaitable[Response]]


def create_app(out: Path, db: str | None = None, host: str = "127.0.0.1", zone: str = "Asia/Shanghai") -> FastAPI:
    """The application. Raises ConfigError where the store cannot be opened, or the address is open to others and nobody has an account."""
    out = out.resolve()
    if not out.is_dir():
        raise ConfigError(f"--out {out}: there is no such folder; give the folder that futing run wrote")
    loopback = host in LOOPBACK
    engine = database.connect(db or database.default_url(out))
    if not loopback and not users.has_accounts(engine):
        engine.dispose()
        raise ConfigError(f"--host {host} is open to other machines, but there are no accounts; make one with: futing user add NAME --role admin")
    clock = ZoneInfo(zone)
    index = Index(out, then=lambda index: corrections.show(engine, index, clock))
    index.refresh(force=True)
    app = FastAPI(title="Futing", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.desk = Desk(out, engine, index, States(engine, index), loopback, clock)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    for module in ROUTERS:
        app.include_router(module.router)
    app.middleware("http")(_guard)
    if loopback:  # a page elsewhere that lets its own name point at 127.0.0.1 gets nothing
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])
    app.add_exception_handler(SignInNeeded, _sign_in_needed)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(FutingError, _cannot)
    return app


async def _guard(request: Request, call_next: Next) -> Response:
    request.state.nonce = secrets.token_urlsafe(16)
    try:
        response = await call_next(request)
    except Exception as error:  # the last door: what is logged must not hold a caller's words
        LOG.error("%s %s failed: %s", request.method, request.url.path.split("/")[1], type(error).__name__, exc_info=LOG.isEnabledFor(logging.DEBUG))
        response = PlainTextResponse("服务器没能完成这一步。 The server could not do this.", status_code=500)
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{request.state.nonce}'; img-src 'self' data:; media-src 'self'; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    response.headers.update(
        {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
        }
    )
    if request.url.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "public, max-age=3600")
    else:
        response.headers.setdefault("Cache-Control", "no-store")
    return response


async def _sign_in_needed(request: Request, _error: Exception) -> Response:
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"HX-Redirect": "/login"})
    to = f"/login?to={request.url.path}" if request.method == "GET" and request.url.path != "/" else "/login"
    return RedirectResponse(to, status_code=303)


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    key = error.detail if isinstance(error, HTTPException) and error.detail in ("csrf_failed", "audio_missing", "text_only", "not_kept") else ""
    name = "forbidden" if status == 403 else "not_found" if status == 404 else "error"
    return show(request, "refused.html", status, title=name, why=key or f"{name}_why", detail="")


async def _malformed(request: Request, _error: Exception) -> Response:
    return show(request, "refused.html", 422, title="error", why="error_why", detail="")


async def _cannot(request: Request, error: Exception) -> Response:
    detail = language.word(error.key, tongue(request), **error.values) if isinstance(error, VerdictError) else str(error)
    return show(request, "refused.html", 409, title="error", why="", detail=detail)
