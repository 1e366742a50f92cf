"""The verdict store's database: a URL in, an engine with its tables up to date out.

SQLite runs with a write-ahead log and full fsync: what was answered with "saved" is on the disk, kill -9 or not. Migrations are Alembic's,
run at the door; two pages that start at once wait for each other.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy import event, exc
from sqlalchemy.engine import Engine, make_url

from models.errors import ConfigError

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x4675  # of PostgreSQL's advisory locks, the one this store takes while it migrates
BUSY_S = 15.0


def default_url(out: Path) -> str:
    """Beside the nights, but outside every table folder."""
    return f"sqlite:///{(out / '.futing' / 'verdicts.sqlite').resolve()}"


def connect(url: str) -> Engine:
    """An engine on an up-to-date store. Raises ConfigError where the store cannot be reached or written."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise ConfigError(f"--db {url!r} is no database URL; write sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME") from error
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "sqlite":
        if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(parsed, connect_args={"timeout": BUSY_S, "check_same_thread": False})
        event.listen(engine, "connect", _careful)
        event.listen(engine, "begin", _immediate)
    elif parsed.get_backend_name() == "postgresql":
        engine = sa.create_engine(parsed, pool_pre_ping=True, pool_size=10, max_overflow=20)
    else:
        raise ConfigError(f"--db: {parsed.get_backend_name()} is not supported; write sqlite:///PATH or postgresql+psycopg://USER@HOST/NAME")
    try:
        upgrade(engine)
    except exc.SQLAlchemyError as error:
        raise ConfigError(
            f"the verdict store {parsed.render_as_string(hide_password=True)} cannot be opened ({type(error).__name__}); "
            "check that it runs and that you may write to it"
        ) from error
    return engine


def upgrade(engine: Engine) -> None:
    """Bring the tables to the newest migration."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _careful(connection, _record) -> None:
    connection.isolation_level = None  # SQLAlchemy's `begin` below opens the transactions, not the driver
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _immediate(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later would meet a busy store half-way; one that says at once that it will write, waits.
    writes = connection.get_execution_options().get("reads_only") is not True
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
