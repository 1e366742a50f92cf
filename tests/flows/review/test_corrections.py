"""Roles swapped by a reviewer: everything is read again with them, on the call and in every list, and stays so until they are swapped back."""

from __future__ import annotations

import io

import pyarrow.parquet as pq
import pytest

from bench.synthetic_nights import write_night
from flows.review import corrections
from flows.review.app import create_app
from flows.review.call import in_order, view
from tests.flows.review.house import DAY, Night, token_of


def worst(night: Night) -> str:
    return str(night.worst.call["call_id"])


def test_a_swap_is_recomputed_everywhere_and_back(sign_in, night: Night, engine) -> None:
    """Queue, filters, moments, settling and exports show the call as it reads with its roles swapped; a restart and an indexing anew do too."""
    call_id = worst(night)
    me = sign_in("zheng")

    def state(browser=me) -> tuple[str, list[tuple[str, str, str]], dict]:
        desk = browser.client.app.state.desk
        row = desk.index.rows("SELECT * FROM calls WHERE call_id = ?", [call_id])[0]
        moments = pq.read_table(io.BytesIO(browser.get("/export/moments.parquet").content)).to_pylist()
        shown = view(desk.index, row, [], corrections.of_call(engine, call_id), desk.zone)
        assert [(m["kind"], m["type"], m["role"]) for m in shown.moments] == [
            (m["kind"], m["type"], m["role"]) for m in in_order(desk.index.rows("SELECT * FROM moments WHERE call_id = ?", [call_id]))
        ]
        assert (shown.row["flag"], shown.row["reasons"], shown.row["agent_talk_s"]) == (row["flag"], row["reasons"], row["agent_talk_s"])
        return row["flag"], [(m["kind"], m["type"], m["role"]) for m in moments if m["call_id"] == call_id and m["score"] >= 0.5], row

    _, found, row = state()
    assert me.post(f"/calls/{call_id}/swap").status_code == 303
    flag_swapped, found_swapped, row_swapped = state()
    assert found_swapped != found and {r for _, _, r in found_swapped} <= {"agent", "customer"}
    assert row_swapped["agent_talk_s"] == pytest.approx(row["customer_talk_s"], abs=0.2)
    listed = me.get("/?state=all&flag=all").text.split(f'href="/calls/{call_id}?', 1)[1].split("</li>", 1)[0]
    assert f"flag-{flag_swapped}" in listed and listed.count("<rect") == len(found_swapped)

    # a verdict on a moment of the swapped call stands on it, and is no orphan
    page = me.get(f"/calls/{call_id}").text
    assert me.post(f"/calls/{call_id}/verdict", {"target": "moment", "moment": "0", "answer": "right", "run": token_of(page, "run")}).status_code == 303
    assert me.get(f"/calls/{call_id}").text.count("is-right") == 1 and call_id not in me.get("/settle").text

    # the night is indexed again, and the page starts again
    write_night(night.out, DAY, list(night.made), None, "run-1")
    me.client.app.state.desk.index.refresh(force=True)
    assert state()[:2] == (flag_swapped, found_swapped)
    me.client.app.state.desk.index.close()
    again = create_app(night.out)
    assert again.state.desk.index.rows("SELECT flag, swapped FROM calls WHERE call_id = ?", [call_id]) == [{"flag": flag_swapped, "swapped": True}]
    again.state.desk.index.close()


def test_a_swap_taken_back_shows_the_night_as_it_was(sign_in, night: Night) -> None:
    me = sign_in("zhou")
    index = me.client.app.state.desk.index
    tables = [f"SELECT * EXCLUDE (types), list_sort(types) FROM calls WHERE call_id = '{worst(night)}'", "SELECT * FROM moments ORDER BY call_id, moment"]
    before = [index.rows(sql) for sql in tables]
    me.post(f"/calls/{worst(night)}/swap")
    assert [index.rows(sql) for sql in tables] != before
    me.post(f"/calls/{worst(night)}/swap")
    assert [index.rows(sql) for sql in tables] == before
