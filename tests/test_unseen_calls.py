"""The hand-written calls that judge the reading are well-formed: quotes are literal, sides and types are right, flags follow.

Comes in: tests/data/reading/*.jsonl. Goes out: nothing. The surprising choice: the flag of every labelled call is worked out
again from its labels, so that a labelling slip shows here and not as an error of the reading.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "data" / "reading"
TYPES = {
    "abuse": {"insult", "profanity", "threat", "harassment"},
    "escalation": {"supervisor", "regulator", "media", "legal", "complaint", "ultimatum", "repeat", "accusation", "churn", "rejects_apology"},
    "apology": {"formula", "warm"},
    "conduct": {"deflect", "stall", "taboo", "ask_again", "commit", "empathy", "evaluation"},
    "resolution": {"accepted"},
}
COMPANY = {"agent", "supervisor", "ivr"}
BY_CUSTOMER = {"escalation", "resolution"}
BY_COMPANY = {"apology", "conduct"}
# Calls whose flag hangs on heat alone, which labels do not carry: a furious customer who threatens nothing is stalled.
HOT = {"unseen-011", "unseen-047", "fresh-009", "fresh-024", "fresh-032", "later-015"}
LABELLINGS = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("labels-*.jsonl"))
SETS = sorted(str(path.parent.relative_to(FOLDER)) for path in FOLDER.rglob("labels-a.jsonl"))


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines() if line.strip()]


def calls_by_id(*names: str) -> dict[str, dict[str, Any]]:
    return {call["call_id"]: call for name in names for call in rows(name)}


def flat(label: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(turn["turn"], moment["kind"], moment["type"]) for turn in label["turns"] for moment in turn["moments"]]


def flag_of(moments: list[tuple[int, str, str]], hot: bool) -> str:
    """design.md's flag rule, worked from labels; `hot` stands for heat of at least 0.6 before deflecting or stalling."""
    escalation = [(turn, kind) for turn, group, kind in moments if group == "escalation"]
    accepted = max((turn for turn, group, _ in moments if group == "resolution"), default=-1)
    serious = max((turn for turn, kind in escalation if kind != "repeat"), default=-1)
    if any(group == "abuse" for _, group, _ in moments) or serious > accepted:
        return "urgent"
    taboo = any(kind == "taboo" for _, _, kind in moments)
    stalled = hot and any(kind in {"deflect", "stall"} for _, _, kind in moments)
    return "review" if escalation or taboo or stalled else "none"


@pytest.mark.parametrize("name", [*(f"{folder}/calls.jsonl" for folder in SETS), "cases.jsonl"])
def test_calls_are_well_formed(name: str) -> None:
    calls = rows(name)
    assert len({call["call_id"] for call in calls}) == len(calls)
    for call in calls:
        where = call["call_id"]
        assert call["channels"] == "text" and call["domain"], where
        assert set(call["metadata"]) == {"agent_id", "team", "queue", "direction", "customer_ref", "started_at"}, where
        assert datetime.fromisoformat(call["metadata"]["started_at"]).utcoffset() == timedelta(hours=8), where
        assert call["metadata"]["direction"] in {"inbound", "outbound"}, where
        starts = [turn["start"] for turn in call["turns"]]
        assert starts == sorted(starts), where
        for turn in call["turns"]:
            assert turn["role"] in COMPANY | {"customer"}, where
            assert turn["text"].strip() == turn["text"] != "", where
            assert 0 <= turn["start"] < turn["end"] <= call["duration"], where
            assert set(turn) == {"role", "text", "start", "end"}, f"{where}: labels live in files of their own"


def test_calls_are_many_and_long_enough() -> None:
    calls = rows("calls.jsonl")
    assert len(calls) >= 48
    assert len({call["domain"] for call in calls}) >= 15
    assert all(14 <= len(call["turns"]) <= 26 for call in calls)
    texts = Counter(turn["text"] for call in calls for turn in call["turns"] if len(turn["text"]) >= 14)
    assert texts.most_common(1)[0][1] <= 2, "long turns are not stock sentences"


@pytest.mark.parametrize("name", LABELLINGS)
def test_labels_are_literal_and_said_by_the_right_side(name: str) -> None:
    calls = calls_by_id(str(Path(name).parent / "calls.jsonl"))
    labels = rows(name)
    assert {label["call_id"] for label in labels} <= set(calls)
    for label in labels:
        for turn in label["turns"]:
            said = calls[label["call_id"]]["turns"][turn["turn"]]
            for moment in turn["moments"]:
                where = f"{name} {label['call_id']} turn {turn['turn']} {moment['type']}"
                assert moment["type"] in TYPES[moment["kind"]], where
                assert moment["quote"] and moment["quote"] in said["text"], where
                assert moment["kind"] not in BY_CUSTOMER or said["role"] == "customer", where
                assert moment["kind"] not in BY_COMPANY or said["role"] in COMPANY, where
        assert sum(kind == "resolution" for _, kind, _ in flat(label)) <= 1, label["call_id"]


@pytest.mark.parametrize("folder", SETS)
def test_flags_of_the_first_labelling_follow_from_its_moments(folder: str) -> None:
    labels = rows(f"{folder}/labels-a.jsonl")
    assert {label["call_id"] for label in labels} == set(calls_by_id(f"{folder}/calls.jsonl"))
    wrong = {label["call_id"] for label in labels if flag_of(flat(label), label["call_id"] in HOT) != label["flag"]}
    assert wrong == set()


def test_every_type_and_every_rare_branch_is_there_six_times() -> None:
    calls, labels = calls_by_id("calls.jsonl"), rows("labels-a.jsonl")
    types = Counter((kind, type_) for label in labels for _, kind, type_ in flat(label))
    assert {(kind, type_): types[kind, type_] for kind, names in TYPES.items() for type_ in names if types[kind, type_] < 6} == {}
    branches: Counter[str] = Counter()
    for label in labels:
        moments = flat(label)
        role = {turn: calls[label["call_id"]]["turns"][turn]["role"] for turn, _, _ in moments}
        escalation = [type_ for _, kind, type_ in moments if kind == "escalation"]
        serious = [type_ for type_ in escalation if type_ != "repeat"]
        abusers = {role[turn] for turn, kind, _ in moments if kind == "abuse"}
        first_anger = min((turn for turn, kind, _ in moments if kind in {"escalation", "abuse"} and role[turn] == "customer"), default=999)
        branches["agent's abuse"] += bool(abusers & COMPANY)
        branches["customer's abuse, no escalation"] += abusers == {"customer"} and not escalation
        branches["lone repeat"] += bool(escalation) and not serious and not abusers
        branches["taboo, no escalation"] += any(type_ == "taboo" for _, _, type_ in moments) and not escalation and not abusers
        branches["brushed off when angry, review"] += label["flag"] == "review" and any(
            type_ in {"deflect", "stall"} and (turn > first_anger or label["call_id"] in HOT) for turn, _, type_ in moments
        )
        branches["escalation resolved"] += label["flag"] == "review" and bool(serious)
        branches["escalation unresolved"] += label["flag"] == "urgent" and bool(serious) and not abusers
    assert {name: count for name, count in branches.items() if count < 6} == {}
    withdrawn = {
        look["call_id"]
        for look in rows("lookalikes.jsonl")
        if any(word in look["why"] for word in ("negated", "withdrawn", "not wanted", "declined", "taken back"))
    }
    assert sum(label["flag"] == "none" for label in labels if label["call_id"] in withdrawn) >= 6


def test_lookalikes_carry_no_abuse_and_no_escalation() -> None:
    calls, looks = calls_by_id("calls.jsonl"), rows("lookalikes.jsonl")
    labelled = {(label["call_id"], turn["turn"]) for label in rows("labels-a.jsonl") for turn in label["turns"] if turn["moments"]}
    assert len({(look["call_id"], look["turn"]) for look in looks}) == len(looks) >= 60
    for look in looks:
        assert 0 <= look["turn"] < len(calls[look["call_id"]]["turns"]) and look["why"], look
        assert (look["call_id"], look["turn"]) not in labelled, look


def test_promises_are_said_by_the_company_and_fall_due_after_the_call_began() -> None:
    calls, promises = calls_by_id("calls.jsonl", "cases.jsonl"), rows("promises.jsonl")
    assert len(promises) >= 40
    for promise in promises:
        call = calls[promise["call_id"]]
        turn = call["turns"][promise["turn"]]
        assert turn["role"] in COMPANY and promise["quote"] in turn["text"], promise
        began = datetime.fromisoformat(call["metadata"]["started_at"])
        for due in (promise["due_at"], *promise["fair"]):
            assert began < datetime.fromisoformat(due) < began + timedelta(days=14), promise


def test_cases_cover_every_call_once_in_order_of_time() -> None:
    calls, cases = calls_by_id("cases.jsonl"), rows("cases-truth.jsonl")
    assert sorted(call_id for case in cases for call_id in case["calls"]) == sorted(calls)
    assert len({case["customer_ref"] for case in cases}) >= 14
    assert {case["tier"] for case in cases} == {"ordinary", "experienced", "high_risk", "habitual"}
    due = Counter(promise["call_id"] for promise in rows("promises.jsonl"))
    for case in cases:
        times = [datetime.fromisoformat(calls[call_id]["metadata"]["started_at"]) for call_id in case["calls"]]
        assert times == sorted(times), case
        assert {calls[call_id]["metadata"]["customer_ref"] for call_id in case["calls"]} == {case["customer_ref"]}, case
        assert case["contacts"] == len(case["calls"]) and (case["first_call"], case["last_call"]) == (case["calls"][0], case["calls"][-1]), case
        assert case["promises_kept"] + case["promises_broken"] <= sum(due[call_id] for call_id in case["calls"]), case
