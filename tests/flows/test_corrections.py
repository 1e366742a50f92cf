"""What people said of a call's roles is read from the file beside the tables; the last line about a call counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.corrections import FILE, RoleCorrection, load_corrections
from models.records import HeardCall, Role, Turn


def heard(*roles: Role) -> HeardCall:
    return HeardCall("a", tuple(Turn(i, r, "…", speaker=f"s{i}", role_confidence=0.6) for i, r in enumerate(roles)), "mixed", role_confidence=0.6)


def test_the_last_line_counts_and_a_broken_one_costs_only_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).parent.mkdir()
    lines = [
        json.dumps({"call_id": "a", "swap": True}),
        "{",
        "[]",
        json.dumps({"swap": True}),
        json.dumps({"call_id": "a", "roles": {"s1": "supervisor", "s0": "clown"}}),
    ]
    (tmp_path / FILE).write_text("\n".join(lines), encoding="utf-8")
    corrections = load_corrections(tmp_path)
    assert corrections("a") == RoleCorrection("a", (("s1", "supervisor"),), False)
    assert corrections("b") is None
    assert caplog.text.count("no role correction; skipped") == 3


def test_no_file_means_no_corrections(tmp_path: Path) -> None:
    assert load_corrections(tmp_path)("a") is None


@pytest.mark.parametrize(
    ("correction", "roles"),
    [
        (RoleCorrection("a", swap=True), ["customer", "agent", "customer", "ivr"]),
        (RoleCorrection("a", (("s0", "supervisor"),)), ["supervisor", "customer", "supervisor", "ivr"]),
        (RoleCorrection("a", (("s0", "customer"), ("s1", "agent")), swap=True), ["customer", "agent", "customer", "ivr"]),
        (RoleCorrection("a"), ["agent", "customer", "supervisor", "ivr"]),
    ],
    ids=["swap", "one speaker", "speakers before swap", "taken back"],
)
def test_applied(correction: RoleCorrection, roles: list[str]) -> None:
    after = correction.apply(heard("agent", "customer", "supervisor", "ivr"))
    assert [t.role for t in after.turns] == roles
    assert after.role_confidence == 1.0 and {t.role_confidence for t in after.turns} == {0.6}
