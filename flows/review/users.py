"""Accounts: who may see and say what. Passwords are kept as argon2id hashes; scope is by team and queue, an agent's by agent id.

The surprising choice: an account is never deleted, only switched off: verdicts and the audit log go on naming their author.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.engine import Engine, Row

from flows.review import tables
from models.errors import ConfigError

ROLES = ("agent", "reviewer", "lead", "admin")  # each may do what the ones before may, but an agent sees own calls alone
HASHER = PasswordHasher()  # argon2-cffi's defaults: RFC 9106, low-memory profile
SHORTEST = 10  # characters of a password; length is what counts (NIST SP 800-63B asks for 8, and no composition rules)
_DUMMY = HASHER.hash("so that an unknown name takes as long as a wrong password")


@dataclass(frozen=True, slots=True)
class User:
    """A signed-in person. Empty teams and queues mean all of them."""

    id: int
    name: str
    role: str
    agent_id: str | None = None
    teams: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    demo: bool = False
    active: bool = True

    def may(self, role: str) -> bool:
        """Whether this user's role is `role` or above it."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def scope(self) -> tuple[str, list[object]]:
        """An SQL condition on the index's `calls` (as `c`) that keeps what this user may see, and its parameters."""
        if self.role == "agent":
            return "c.agent_id = ?", [self.agent_id or ""]
        parts, values = [], []
        for column, allowed in (("team", self.teams), ("queue", self.queues)):
            if allowed:
                parts.append(f"c.{column} IN ({', '.join('?' * len(allowed))})")
                values.extend(allowed)
        return " AND ".join(parts) or "true", values


def _user(row: Row) -> User:
    return User(row.id, row.name, row.role, row.agent_id, tuple(row.teams), tuple(row.queues), row.demo, row.active)


def add(
    engine: Engine,
    name: str,
    role: str,
    password: str,
    agent_id: str | None = None,
    teams: tuple[str, ...] = (),
    queues: tuple[str, ...] = (),
    demo: bool = False,
) -> User:
    """A new account. Raises ConfigError where the name is taken, the role unknown or the password too short."""
    if role not in ROLES:
        raise ConfigError(f"role {role!r} is unknown; choose one of {', '.join(ROLES)}")
    if role == "agent" and not agent_id:
        raise ConfigError("an agent's account needs --agent-id: it shows the calls of that agent and no others")
    if not name or len(name) > 80 or not name.isprintable():
        raise ConfigError("a user's name has 1 to 80 printable characters")
    if len(password) < SHORTEST:
        raise ConfigError(f"the password is shorter than {SHORTEST} characters; choose a longer one")
    row = {
        "name": name,
        "role": role,
        "password": HASHER.hash(password),
        "agent_id": agent_id,
        "teams": list(teams),
        "queues": list(queues),
        "demo": demo,
        "active": True,
    }
    with engine.begin() as connection:
        if connection.execute(sa.select(tables.users.c.id).where(tables.users.c.name == name)).first():
            raise ConfigError(f"user {name!r} is there already; remove it first or choose another name")
        made = connection.execute(tables.users.insert().values(**row, at_ms=int(time.time() * 1000)))
        return User(tables.new_id(made), name, role, agent_id, teams, queues, demo)


def remove(engine: Engine, name: str) -> None:
    """Switch an account off and end its sessions. Its verdicts stay. Raises ConfigError where there is no such account."""
    with engine.begin() as connection:
        row = connection.execute(sa.select(tables.users.c.id).where(tables.users.c.name == name, tables.users.c.active)).first()
        if row is None:
            raise ConfigError(f"there is no user {name!r}; `futing user list` shows who there is")
        connection.execute(tables.sessions.delete().where(tables.sessions.c.user_id == row.id))
        connection.execute(tables.users.update().where(tables.users.c.id == row.id).values(active=False, name=f"{name} #{row.id}"))


def everybody(engine: Engine) -> list[User]:
    """All active accounts, by name; demo accounts too."""
    with engine.connect() as connection:
        return [_user(r) for r in connection.execute(sa.select(tables.users).where(tables.users.c.active).order_by(tables.users.c.name))]


def names(engine: Engine) -> dict[int, str]:
    """Every account's name by id, the switched-off ones too: authors keep their names."""
    with engine.connect() as connection:
        return {r.id: r.name for r in connection.execute(sa.select(tables.users.c.id, tables.users.c.name))}


def find(engine: Engine, user_id: int) -> User | None:
    with engine.connect() as connection:
        row = connection.execute(sa.select(tables.users).where(tables.users.c.id == user_id, tables.users.c.active)).first()
        return None if row is None else _user(row)


def has_accounts(engine: Engine) -> bool:
    """Whether there is an account besides the demo ones."""
    with engine.connect() as connection:
        return connection.execute(sa.select(tables.users.c.id).where(tables.users.c.active, ~tables.users.c.demo).limit(1)).first() is not None


def check(engine: Engine, name: str, password: str) -> User | None:
    """The user whose password this is, else None: an unknown name takes as long as a wrong password."""
    with engine.connect() as connection:
        row = connection.execute(sa.select(tables.users).where(tables.users.c.name == name, tables.users.c.active, ~tables.users.c.demo)).first()
    try:
        HASHER.verify(row.password if row is not None else _DUMMY, password)
    except (VerificationError, InvalidHashError):
        return None
    return _user(row) if row is not None else None


def demo(engine: Engine, role: str, agent_id: str | None) -> User:
    """The demo account of a role, made when first asked for; nobody can sign in to it with a password."""
    name = f"demo-{role}"
    with engine.connect() as connection:
        row = connection.execute(sa.select(tables.users).where(tables.users.c.name == name, tables.users.c.demo)).first()
    if row is not None:
        return _user(row)
    import secrets

    return add(engine, name, role, secrets.token_urlsafe(32), agent_id or "A1000" if role == "agent" else None, demo=True)
