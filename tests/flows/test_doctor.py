"""The doctor names every fault with its mend, and notices a night that did not happen."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.doctor import examine, last_night
from tests.factories import configs_of


def facts(out: Path, config: Path, max_age_h: float | None = None) -> dict[str, tuple[bool, str]]:
    return {f.name: (f.good, f.says) for f in examine(out, max_age_h, config)}


def test_a_machine_that_can_hear_is_all_good(tmp_path: Path) -> None:
    found = facts(tmp_path / "out", configs_of(tmp_path / "configs"))
    assert all(good for good, _ in found.values()), found
    assert "2 rules" in found["rules"][1] and "scripted" in found["hearing"][1]


def test_one_fault_does_not_hide_the_others(tmp_path: Path) -> None:
    config = configs_of(tmp_path / "configs", "hearing: {engine: scripted}\nnight: {free_space_mib: 999999999}\n", rules="kind: [")
    found = facts(tmp_path / "out", config, max_age_h=26)
    assert {name for name, (good, _) in found.items() if not good} == {"rules", "output", "last night"}
    assert "make room" in found["output"][1]


@pytest.mark.parametrize(("age_h", "good"), [(3.0, True), (27.0, False)])
def test_a_missed_night_is_noticed(age_h: float, good: bool, tmp_path: Path) -> None:
    (tmp_path / ".futing").mkdir()
    ended = (datetime.now(UTC) - timedelta(hours=age_h)).isoformat()
    record = {"run_id": "r", "finished_at": ended, "state": "partial", "ok": 9, "failed": 1, "skipped": 0}
    (tmp_path / ".futing" / "last_night.json").write_text(json.dumps(record))
    fact = last_night(tmp_path, 26.0)
    assert fact.good == good and "partial" in fact.says and ("a night was missed" in fact.says) != good
    assert last_night(tmp_path, None).good
