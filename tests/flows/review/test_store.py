"""The verdict store under strain: ten reviewers at once, kill -9 while writing, a rerun of the night, SQLite and a real PostgreSQL."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from bench.synthetic_nights import write_night
from flows.review import appeals, assignments, blinds, database, standing, tables, users, verdicts
from flows.review.index import Index
from flows.review.verdicts import Anchor, VerdictError
from tests.flows.review.house import DAY, Night, token_of

AT = Anchor("escalation", "media", "customer", 10.0, 12.0, 3, 4, 9, "escalation.media.1", "v1", 0.8, "run-1")
PASSWORD = "long enough for this"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        engine = database.connect(f"sqlite:///{tmp_path / 'v.sqlite'}")
    else:
        engine = database.connect(request.getfixturevalue("postgres_url"))
        with engine.begin() as connection:
            for table in reversed(tables.METADATA.sorted_tables):
                connection.execute(table.delete())
    yield engine
    engine.dispose()


def test_give_take_back_settle(store: Engine) -> None:
    one, two, lead = (users.add(store, n, r, PASSWORD) for n, r in (("one", "reviewer"), ("two", "reviewer"), ("lead", "lead")))
    first = verdicts.give(store, one, "c", "moment", "right", AT)
    verdicts.give(store, two, "c", "moment", "wrong", AT, why="quoted", comment="转述")
    assert standing.groups(verdicts.of_call(store, "c"))[0].answer == "disputed"
    with pytest.raises(VerdictError, match="author"):
        verdicts.take_back(store, two, first)
    with pytest.raises(VerdictError, match="lead"):
        verdicts.give(store, two, "c", "moment", "wrong", AT, settles=True)
    verdicts.give(store, lead, "c", "moment", "right", AT, settles=True)
    assert standing.groups(verdicts.of_call(store, "c"))[0].answer == "right"
    verdicts.take_back(store, one, first)
    verdicts.take_back(store, one, first)  # twice is once
    assert [v.answer for v in verdicts.of_call(store, "c")] == ["right", "wrong", "right", "taken_back"]
    assert verdicts.of_call(store, "c")[1].anchor == AT


@pytest.mark.parametrize(
    ("target", "answer", "more"),
    [
        ("moment", "maybe", {}),
        ("moment", "taken_back", {}),
        ("thing", "right", {}),
        ("moment", "missed", {}),
        ("moment", "right", {"why": "quoted"}),
        ("moment", "wrong", {"why": "mood"}),
        ("call", "right", {"comment": "x" * 4000}),
    ],
)
def test_answers_that_make_no_sense(store: Engine, target: str, answer: str, more: dict[str, str]) -> None:
    user = users.add(store, "one", "lead", PASSWORD)
    with pytest.raises(VerdictError):
        verdicts.give(store, user, "c", target, answer, AT, **more)
    assert verdicts.since(store, 0) == []


def test_an_appeal_is_decided_once(store: Engine) -> None:
    seat, lead = users.add(store, "seat", "agent", PASSWORD, agent_id="A1"), users.add(store, "lead", "lead", PASSWORD)
    number = appeals.make(store, seat, "c", AT, "不是这个意思")
    with pytest.raises(VerdictError, match="already"):
        appeals.make(store, seat, "c", replace(AT, start_s=10.2), "again")
    assert appeals.decide(store, lead, number, True, "同意").upheld is True
    with pytest.raises(VerdictError, match="decided"):
        appeals.decide(store, lead, number, False)
    group = standing.groups(verdicts.of_call(store, "c"))[0]
    assert group.answer == "wrong" and group.settled and len(group.said) == 1


def test_ten_reviewers_at_once(store: Engine) -> None:
    everybody = [users.add(store, f"r{i}", "reviewer", PASSWORD) for i in range(10)]

    def work(user: users.User) -> list[int]:
        for i in range(20):
            verdicts.give(store, user, f"c{i}", "call", "right")
        return [i for i in range(30) if assignments.take(store, user, f"take{i}") == user.id]

    with ThreadPoolExecutor(10) as pool:
        taken = list(pool.map(work, everybody))
    assert len(verdicts.since(store, 0)) == 200
    assert sorted(i for t in taken for i in t) == list(range(30)), "each call was taken by exactly one"


def test_a_lease_ends_and_a_lead_gives(store: Engine) -> None:
    one, two, lead = (users.add(store, n, r, PASSWORD) for n, r in (("one", "reviewer"), ("two", "reviewer"), ("lead", "lead")))
    now = 1_000_000.0
    assert assignments.take(store, one, "c", now) == one.id
    assert assignments.take(store, two, "c", now + 60) == one.id
    assert assignments.take(store, two, "c", now + assignments.LEASE_S + 1) == two.id
    assert assignments.give(store, one, "c", one.id, now + 4000) == two.id
    assert assignments.give(store, lead, "c", one.id, now + 4000) == one.id


def test_what_was_answered_is_there_after_kill_9(tmp_path: Path) -> None:
    """A child writes verdicts and says each number after it was saved; it is killed in the middle; every number said is there."""
    url = f"sqlite:///{tmp_path / 'v.sqlite'}"
    engine = database.connect(url)
    users.add(engine, "one", "reviewer", PASSWORD)
    code = (
        "import sys\nfrom flows.review import database, users, verdicts\n"
        f"e = database.connect({url!r}); u = users.everybody(e)[0]\n"
        "while True:\n    print(verdicts.give(e, u, 'c', 'call', 'right'), flush=True)\n"
    )
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        said = [int(child.stdout.readline()) for _ in range(25)]
        child.send_signal(signal.SIGKILL)
        said += [int(x) for x in child.stdout.read().split()]
        child.wait()
        kept = {v.id for v in verdicts.since(engine, 0)}
        assert set(said) <= kept
    with engine.connect() as connection:
        assert connection.execute(sa.text("PRAGMA integrity_check")).scalar() == "ok"


def test_verdicts_survive_a_rerun_of_their_night(night: Night, sign_in: Callable, engine: Engine) -> None:
    """The night is read again: one moment moved a little, one is gone. The first verdict is found again, the second is listed as an orphan."""
    call_id = str(night.worst.call["call_id"])
    me = sign_in("zheng")
    run = token_of(me.get(f"/calls/{call_id}").text, "run")
    for number in ("0", "1"):
        assert me.post(f"/calls/{call_id}/verdict", {"target": "moment", "moment": number, "answer": "right", "run": run}).status_code == 303
    rerun = []
    for m in night.made:
        moments = [x | {"run_id": "run-2"} for x in m.moments]
        if m.call["call_id"] == call_id:
            ordered = sorted(moments, key=lambda x: x["start_s"])
            ordered[0] |= {"start_s": ordered[0]["start_s"] + 0.2, "end_s": ordered[0]["end_s"] + 0.2, "moment": 50}
            moments = [ordered[0], *ordered[2:]]
        rerun.append(replace(m, call=m.call | {"run_id": "run-2"}, turns=[t | {"run_id": "run-2"} for t in m.turns], moments=moments))
    write_night(night.out, DAY, rerun, None, "run-2")
    me.client.app.state.desk.index.refresh(force=True)
    text = me.get(f"/calls/{call_id}").text
    assert text.count("is-right") == 1 and "失去落点的结论" in text
    assert call_id in me.get("/settle").text
    assert len(verdicts.of_call(engine, call_id)) == 2


def test_a_blind_sample_estimates_from_both_sides(night: Night, engine: Engine) -> None:
    index = Index(night.out)
    index.refresh(force=True)
    lead = next(u for u in users.everybody(engine) if u.name == "zheng")
    with pytest.raises(VerdictError):
        blinds.draw(engine, index, lead, "2020-01-01", "2020-01-02", 5)
    number = blinds.draw(engine, index, lead, DAY.isoformat(), DAY.isoformat(), 5, seed=1)
    places = blinds.places(engine, number)
    assert sum(p.flagged for p in places) == 5 and len({p.call_id for p in places}) == 10
    for p in places:
        blinds.answer(engine, lead, number, p.place, "right" if p.flagged else "wrong", None)
    with pytest.raises(VerdictError, match="blind"):
        blinds.answer(engine, lead, number, 1, "wrong", None)
    found = blinds.estimate(engine, blinds.samples(engine)[0])
    assert found.value == 1.0 and found.low < 0.9 and found.high == 1.0
    index.close()


def test_migrations_make_the_tables_that_the_code_knows(store: Engine) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with store.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.METADATA) == []
    database.upgrade(store)  # once more changes nothing
