"""The tables of the verdict store: people's work, apart from everything the pipeline writes.

Append-only where it is anybody's word: a change of mind is a new row. No caller's words are kept (a quote is looked up in the night's
tables when it is shown); comments are the reviewers' own. Times are milliseconds since 1970, UTC: the same on SQLite and PostgreSQL.
"""

from __future__ import annotations

import sqlalchemy as sa

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite counts only INTEGER keys up by itself


def _anchor() -> list[sa.Column]:
    """Where in a call a verdict or an appeal stands, as the machine had it when a person spoke: enough to find it again after a rerun."""
    return [
        sa.Column("kind", sa.String(40)),
        sa.Column("type", sa.String(40)),
        sa.Column("side", sa.String(20)),
        sa.Column("start_s", sa.Float),
        sa.Column("end_s", sa.Float),
        sa.Column("turn", sa.Integer),
        sa.Column("char_start", sa.Integer),
        sa.Column("char_end", sa.Integer),
        sa.Column("rule_id", sa.String(200)),
        sa.Column("rules_version", sa.String(80)),
        sa.Column("score", sa.Float),
        sa.Column("run_id", sa.String(80)),
    ]


users = sa.Table(
    "users",
    METADATA,
    sa.Column("id", ID, primary_key=True, autoincrement=True),
    sa.Column("name", sa.String(80), nullable=False, unique=True),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("password", sa.String(200), nullable=False),
    sa.Column("agent_id", sa.String(80)),
    sa.Column("teams", sa.JSON, nullable=False),
    sa.Column("queues", sa.JSON, nullable=False),
    sa.Column("demo", sa.Boolean, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)
sessions = sa.Table(
    "sessions",
    METADATA,
    sa.Column("token_hash", sa.String(64), primary_key=True),
    sa.Column("user_id", ID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("csrf", sa.String(64), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("seen_ms", sa.BigInteger, nullable=False),
)
attempts = sa.Table(
    "attempts",
    METADATA,
    sa.Column("id", ID, primary_key=True, autoincrement=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("address", sa.String(80), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
)
verdicts = sa.Table(
    "verdicts",
    METADATA,
    sa.Column("id", ID, primary_key=True, autoincrement=True),
    sa.Column("call_id", sa.String(300), nullable=False, index=True),
    sa.Column("target", sa.String(10), nullable=False),
    sa.Column("answer", sa.String(12), nullable=False),
    sa.Column("why", sa.String(20)),
    sa.Column("comment", sa.Text),
    sa.Column("author", ID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("takes_back", ID),
    sa.Column("settles", sa.Boolean, nullable=False),
    sa.Column("blind", ID),
    *_anchor(),
)
appeals = sa.Table(
    "appeals",
    METADATA,
    sa.Column("id", ID, primary_key=True, autoincrement=True),
    sa.Column("call_id", sa.String(300), nullable=False, index=True),
    sa.Column("grounds", sa.Text, nullable=False),
    sa.Column("author", ID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    *_anchor(),
)
decisions = sa.Table(  # one an appeal: the second lead to press the button is told that it is settled
    "decisions",
    METADATA,
    sa.Column("appeal", ID, sa.ForeignKey("appeals.id"), primary_key=True),
    sa.Column("upheld", sa.Boolean, nullable=False),
    sa.Column("comment", sa.Text),
    sa.Column("author", ID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)
assignments = sa.Table(  # (call, step) is unique: of two who take a call at once, one gets it
    "assignments",
    METADATA,
    sa.Column("id", ID, primary_key=True, autoincrement=True),
    sa.Column("call_id", sa.String(300), nullable=False),
    sa.Column("step", sa.Integer, nullable=False),
    sa.Column("user_id", ID, sa.ForeignKey("users.id")),
    sa.Column("author", ID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
    sa.Column("until_ms", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("call_id", "step"),
)
corrections = sa.Table(
    "corrections",
    METADATA,
    sa.Column("id", ID, primary_key=True, autoincrement=True),
    sa.Column("call_id", sa.String(300), nullable=False, index=True),
    sa.Column("swapped", sa.Boolean, nullable=False),
    sa.Column("run_id", sa.String(80)),
    sa.Column("author", ID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)
samples = sa.Table(
    "samples",
    METADATA,
    sa.Column("id", ID, primary_key=True, autoincrement=True),
    sa.Column("first_date", sa.String(10), nullable=False),
    sa.Column("last_date", sa.String(10), nullable=False),
    sa.Column("flagged", sa.Integer, nullable=False),
    sa.Column("unflagged", sa.Integer, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("author", ID, sa.ForeignKey("users.id"), nullable=False),
    sa.Column("at_ms", sa.BigInteger, nullable=False),
)
sample_calls = sa.Table(
    "sample_calls",
    METADATA,
    sa.Column("sample", ID, sa.ForeignKey("samples.id"), primary_key=True),
    sa.Column("place", sa.Integer, primary_key=True),
    sa.Column("call_id", sa.String(300), nullable=False, index=True),
    sa.Column("flagged", sa.Boolean, nullable=False),
)
audit = sa.Table(
    "audit",
    METADATA,
    sa.Column("id", ID, primary_key=True, autoincrement=True),
    sa.Column("at_ms", sa.BigInteger, nullable=False, index=True),
    sa.Column("user_id", ID),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("action", sa.String(40), nullable=False),
    sa.Column("call_id", sa.String(300)),
    sa.Column("detail", sa.String(500)),
    sa.Column("address", sa.String(80)),
)


def new_id(result: sa.CursorResult) -> int:
    """The number that an inserted row was given."""
    key = result.inserted_primary_key
    if key is None:
        raise RuntimeError("the database gave no number for an inserted row")
    return int(key[0])
