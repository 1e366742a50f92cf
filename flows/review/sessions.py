"""Sessions and sign-in attempts. A session is a random token in a cookie; the store keeps its hash, so that a stolen table opens no door.

Sessions end after a working day or after two idle hours. Attempts are limited by name and by address, counted in the store: a restart
forgives nobody.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from flows.review import tables, users
from flows.review.users import User

LONGEST_S, IDLE_S = 12 * 3600.0, 2 * 3600.0
SEEN_EVERY_S = 60.0  # how precisely idleness is known; a write a request would be a write too many
WINDOW_S, PER_NAME, PER_ADDRESS = 900.0, 5, 30


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser: whose, and the token that its forms must carry."""

    token_hash: str
    user: User
    csrf: str


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def start(engine: Engine, user: User, now_s: float | None = None) -> str:
    """A new session's token, for the cookie."""
    token, now = secrets.token_urlsafe(32), int((now_s or time.time()) * 1000)
    with engine.begin() as connection:
        connection.execute(tables.sessions.delete().where(tables.sessions.c.at_ms < now - LONGEST_S * 1000))
        connection.execute(tables.sessions.insert().values(token_hash=_hash(token), user_id=user.id, csrf=secrets.token_urlsafe(24), at_ms=now, seen_ms=now))
    return token


def find(engine: Engine, token: str, now_s: float | None = None) -> Session | None:
    """The living session of this token, else None."""
    now, key = int((now_s or time.time()) * 1000), _hash(token)
    with engine.connect().execution_options(reads_only=True) as connection:
        row = connection.execute(sa.select(tables.sessions).where(tables.sessions.c.token_hash == key)).first()
    if row is None or now - row.at_ms > LONGEST_S * 1000 or now - row.seen_ms > IDLE_S * 1000:
        return None
    user = users.find(engine, row.user_id)
    if user is None:
        return None
    if now - row.seen_ms > SEEN_EVERY_S * 1000:
        with engine.begin() as connection:
            connection.execute(tables.sessions.update().where(tables.sessions.c.token_hash == key).values(seen_ms=now))
    return Session(key, user, row.csrf)


def end(engine: Engine, token: str) -> None:
    with engine.begin() as connection:
        connection.execute(tables.sessions.delete().where(tables.sessions.c.token_hash == _hash(token)))


def wait_s(engine: Engine, name: str, address: str, now_s: float | None = None) -> int:
    """Seconds until this name, or this address, may try again; 0 when it may now."""
    now, t = now_s or time.time(), tables.attempts.c
    since = int((now - WINDOW_S) * 1000)
    with engine.connect().execution_options(reads_only=True) as connection:
        for column, value, most in ((t.name, name, PER_NAME), (t.address, address, PER_ADDRESS)):
            times = [r[0] for r in connection.execute(sa.select(t.at_ms).where(column == value, t.at_ms > since).order_by(t.at_ms.desc()).limit(most))]
            if len(times) == most:
                return max(1, int(times[-1] / 1000 + WINDOW_S - now) + 1)
    return 0


def failed(engine: Engine, name: str, address: str, now_s: float | None = None) -> None:
    """Count a failed attempt."""
    now = int((now_s or time.time()) * 1000)
    with engine.begin() as connection:
        connection.execute(tables.attempts.delete().where(tables.attempts.c.at_ms < now - WINDOW_S * 1000))
        connection.execute(tables.attempts.insert().values(name=name[:80], address=address[:80], at_ms=now))


def succeeded(engine: Engine, name: str) -> None:
    """A right password clears the name's failures (not the address's)."""
    with engine.begin() as connection:
        connection.execute(tables.attempts.delete().where(tables.attempts.c.name == name))
