"""The queue against a plain filter over the rows; the address; the search by sound; the index after a rewrite."""

from __future__ import annotations

import random
import shutil
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.synthetic_nights import make_call, nights, write_night
from flows.review import database, queue, sounds, states
from flows.review.index import Index
from flows.review.users import User
from tests.flows.review.house import DAY, Night

LEAD = User(1, "lead", "lead")
ALL = {"span": "all", "flag": "all", "state": "all"}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    out = tmp_path_factory.mktemp("nights")
    for _ in nights(out, 240, 3, seed=3):
        pass
    index = Index(out)
    index.refresh(force=True)
    states.States(database.connect(database.default_url(out)), index)
    return index


def ids(index: Index, user: User = LEAD, **query: str) -> list[str]:
    found, page = [], 1
    while True:
        part = queue.page(index, queue.filters(ALL | query | {"page": str(page)}), user)
        found += [r.call_id for r in part.rows]
        if page >= part.pages:
            assert part.total == len(found)
            return found
        page += 1


@pytest.mark.parametrize(
    ("query", "keep"),
    [
        ({}, lambda c: True),
        ({"flag": "urgent"}, lambda c: c["flag"] == "urgent"),
        ({"flag": "flagged"}, lambda c: c["flag"] != "none"),
        ({"team": "会员组"}, lambda c: c["team"] == "会员组"),
        ({"unresolved": "1"}, lambda c: c["unresolved"]),
        ({"kind": "abuse", "type": "threat"}, lambda c: "abuse/threat" in c["types"]),
        ({"kind": "escalation"}, lambda c: any(t.startswith("escalation/") for t in c["types"])),
        ({"apology": "warm"}, lambda c: c["apology_warm"] > 0),
        ({"apology": "formula"}, lambda c: c["apology_formula"] > 0 and not c["apology_warm"]),
        ({"apology": "absent"}, lambda c: not c["apology_formula"] and not c["apology_warm"]),
        ({"apology": "worse"}, lambda c: (c["apology_effect"] or -1) > 0),
        ({"doubtful": "1"}, lambda c: c["doubtful"]),
    ],
)
def test_filters_keep_what_a_plain_loop_keeps(index: Index, query: dict[str, str], keep) -> None:
    calls = index.rows("SELECT * FROM calls WHERE status = 'ok' ORDER BY priority DESC, call_id")
    expected = [c["call_id"] for c in calls if keep(c)]
    assert ids(index, **query) == expected and (expected or query.get("apology") == "warm")


def test_scope_is_part_of_every_view(index: Index) -> None:
    narrow = User(2, "n", "reviewer", teams=("夜班组",), queues=("账单",))
    rows = index.rows("SELECT call_id FROM calls WHERE status = 'ok' AND team = '夜班组' AND queue = '账单'")
    assert sorted(ids(index, narrow)) == sorted(r["call_id"] for r in rows) and rows
    assert queue.choices(index, narrow).teams == ("夜班组",)
    seat = User(3, "s", "agent", agent_id="A1001")
    assert all(r["agent_id"] == "A1001" for r in index.rows("SELECT agent_id, call_id FROM calls") if r["call_id"] in ids(index, seat))


def test_search_finds_words_and_what_sounds_like_them(index: Index) -> None:
    said = {r["call_id"]: r["text"] for r in index.rows("SELECT call_id, text FROM said")}
    exact = {c for c, text in said.items() if "经理来听" in text}
    alike = {c for c, text in said.items() if "经历来听" in text}
    assert exact and alike and set(ids(index, q="经理来听")) == exact | alike
    first = queue.page(index, queue.filters(ALL | {"q": "经理来听"}), LEAD).rows
    flags = [r.found[3] for r in first if r.found]
    assert flags == sorted(flags, reverse=True), "exact words come first"
    assert ids(index, q="完全没有人说过的一句话") == []
    by_flag = {r["call_id"]: r["flag"] for r in index.rows("SELECT call_id, flag FROM calls")}
    for flag in ("urgent", "flagged", "none", "all"):
        found = queue.page(index, queue.filters(ALL | {"q": "经理来听", "flag": flag}), LEAD)
        wanted = [c for c in exact | alike if by_flag[c] in queue.SHOWN.get(flag, (flag,))]
        assert found.total == len(wanted) and sum(found.counts.values()) == len(exact | alike), "the counts are those of the search"


@pytest.mark.parametrize(
    ("asked", "text", "hit"),
    [
        ("经理", "叫你们经历来", "经历"),
        ("12315", "我打幺二三一五还是一二三一五", "一二三一五"),
        ("VIP", "我是vip客户", "vip"),
        ("投诉", "要 头，数 的", "头，数"),
        ("法院", "我要花钱", None),
        ("理", "经历", None),
    ],
)
def test_found_at(asked: str, text: str, hit: str | None) -> None:
    words, sound = sounds.asked(asked)
    found = sounds.found_at(text, words, sound)
    assert (None if found is None else text[found[0] : found[1]]) == hit


def test_codes_do_not_depend_on_what_was_asked_before() -> None:
    import subprocess
    import sys

    code = "from models.reading.sounds import code; code('饕'); from flows.review import sounds; print(sounds.version())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert other == sounds.version()


@given(st.dictionaries(st.sampled_from([f.name for f in fields(queue.Filters)]), st.text(max_size=12)))
def test_any_address_is_a_view_and_its_url_says_the_same(query: dict[str, str]) -> None:
    f = queue.filters(query)
    url = f.url(page=f.page)
    from urllib.parse import parse_qsl

    assert queue.filters(dict(parse_qsl(url.partition("?")[2]))) == f


def test_next_goes_down_and_skips_what_others_hold(night: Night, engine) -> None:
    from flows.review import assignments, users

    index = Index(night.out)
    index.refresh(force=True)
    following = states.States(engine, index)
    zhou, wu = (next(u for u in users.everybody(engine) if u.name == n) for n in ("zhou", "wu"))
    f = queue.filters({})
    order = [r.call_id for r in queue.page(index, f, zhou).rows]
    assignments.take(engine, wu, order[1])
    following.follow()
    assert queue.next_call(index, f, zhou, order[0]) == order[2]
    assert queue.next_call(index, f, wu, order[0]) == order[1]
    assert queue.next_call(index, f, zhou, order[-1]) == order[0]


def test_following_writes_only_what_changed(night: Night, engine, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.review import assignments, users, verdicts

    index = Index(night.out)
    index.refresh(force=True)
    following = states.States(engine, index)
    zhou, lead = (next(u for u in users.everybody(engine) if u.name == n) for n in ("zhou", "zheng"))
    written = []
    upsert = index.upsert
    monkeypatch.setattr(index, "upsert", lambda table, block: (written.append(block.column("call_id").to_pylist()), upsert(table, block)))
    assignments.take(engine, zhou, "a")
    assignments.give(engine, lead, "a", lead.id)
    verdicts.give(engine, zhou, "b", "call", "right")
    for _ in range(3):
        following.follow()
    assert written == [["a", "b"]] and following.state("a").holder == lead.id and following.state("b").reviewed


def test_a_rewritten_night_is_seen_and_a_removed_one_is_gone(tmp_path: Path) -> None:
    rng = random.Random(1)
    write_night(tmp_path, DAY, [make_call(i, DAY, rng, "a") for i in range(5)])
    index = Index(tmp_path)
    assert index.refresh(force=True) == 1 and index.refresh(force=True) == 0
    write_night(tmp_path, DAY, [make_call(i, DAY, rng, "b") for i in range(7)])
    assert index.refresh(force=True) == 1
    assert {r["run_id"] for r in index.rows("SELECT run_id FROM calls")} == {"b"} and len(index.rows("SELECT * FROM said")) == 7
    index.close()
    again = Index(tmp_path)
    assert again.refresh(force=True) == 0, "a kept index is not built twice"
    for table in ("calls", "turns", "moments", "cases"):
        shutil.rmtree(tmp_path / table)
    assert again.refresh(force=True) == 1 and again.rows("SELECT * FROM calls") == []


def test_nothing_of_the_review_page_loads_torch() -> None:
    import subprocess
    import sys

    code = "import flows.review.app, flows.review.commands, flows.review.audio, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
