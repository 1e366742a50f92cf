"""`futing review` serves the page; `futing user` keeps its accounts. Mounted by flows/cli.py when one of them is called.

In: the command line. Out: an exit code. The surprising choice: a password is never an argument, where every user of the machine could read
it; it is asked for, or read from standard input with --password-stdin.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from models.errors import ConfigError

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from flows.review.users import User

OUT = Annotated[Path, typer.Option("--out", help="The folder that futing run wrote.")]
DB = Annotated[
    str | None, typer.Option("--db", help="The verdict store: sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME. Default: OUT/.futing/verdicts.sqlite.")
]
user_app = typer.Typer(name="user", help="Accounts of the review page: add, list, remove.", no_args_is_help=True)


class Role(StrEnum):
    agent = "agent"
    reviewer = "reviewer"
    lead = "lead"
    admin = "admin"


def review(
    out: OUT = Path("nights"),
    host: Annotated[str, typer.Option(help="The address to listen on. Anything but loopback needs accounts first.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8765,
    db: DB = None,
    zone: Annotated[str, typer.Option(help="The time zone that times are shown in.")] = "Asia/Shanghai",
    certificate: Annotated[Path | None, typer.Option(help="A TLS certificate (PEM), to serve https without a proxy.")] = None,
    key: Annotated[Path | None, typer.Option(help="The certificate's private key (PEM).")] = None,
) -> None:
    """Serve the review page over the nights in OUT.

    Example: futing review --out nights --port 8765
    """
    import uvicorn

    from flows.review.app import create_app

    if (certificate is None) != (key is None):
        raise ConfigError("--certificate and --key belong together; give both or neither")
    application = create_app(out, db, host, zone)
    typer.echo(f"Futing review: {'https' if certificate else 'http'}://{host}:{port}/")
    uvicorn.run(  # no access log: an address carries what people search for; proxies on this machine may say https
        application,
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips="127.0.0.1",
        ssl_certfile=certificate,
        ssl_keyfile=str(key) if key else None,
    )


@user_app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    role: Annotated[
        Role, typer.Option(help="agent sees and appeals own calls; reviewer judges; lead settles and unmasks; admin reads the audit log too.")
    ] = Role.reviewer,
    agent_id: Annotated[str | None, typer.Option(help="For role agent: whose calls, as agent_id in the tables.")] = None,
    team: Annotated[list[str] | None, typer.Option(help="A team that this user may see; may be given again. Default: all.")] = None,
    queue: Annotated[list[str] | None, typer.Option(help="A queue that this user may see; may be given again. Default: all.")] = None,
    out: OUT = Path("nights"),
    db: DB = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")] = False,
) -> None:
    """Make an account.

    Example: futing user add zhang --role lead --team 售后一组 --out nights
    """
    from flows.review import users

    engine = _store(out, db)
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    made = users.add(engine, name, role.value, password, agent_id, tuple(team or ()), tuple(queue or ()))
    typer.echo(f"{made.name}: {made.role}, sees {_scope(made)}")


@user_app.command("list")
def list_users(out: OUT = Path("nights"), db: DB = None) -> None:
    """Show all accounts.

    Example: futing user list --out nights
    """
    from flows.review import users

    for user in users.everybody(_store(out, db)):
        typer.echo(f"{user.name}\t{user.role}\t{_scope(user)}{' (demo)' if user.demo else ''}")


@user_app.command("remove")
def remove(name: Annotated[str, typer.Argument(help="Whose account.")], out: OUT = Path("nights"), db: DB = None) -> None:
    """Switch an account off; its verdicts stay.

    Example: futing user remove zhang --out nights
    """
    from flows.review import users

    users.remove(_store(out, db), name)
    typer.echo(f"{name}: removed")


def _store(out: Path, db: str | None) -> Engine:
    from flows.review import database

    if db is None and not out.is_dir():
        raise ConfigError(f"--out {out}: there is no such folder; give the folder that futing run wrote, or --db")
    return database.connect(db or database.default_url(out))


def _scope(user: User) -> str:
    if user.role == "agent":
        return f"calls of agent {user.agent_id}"
    parts = [f"teams {', '.join(user.teams)}"] if user.teams else []
    parts += [f"queues {', '.join(user.queues)}"] if user.queues else []
    return "; ".join(parts) or "every call"
