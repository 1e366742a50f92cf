"""`futing rules`: check, test, list and diff as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.intake import find
from flows.night import Night, open_book
from flows.plan import plan_input
from flows.rules_cli import rules_app
from flows.settings import load_settings
from models.errors import ConfigError
from models.hearing.scripted import ScriptedEars
from tests.factories import folder_of, recording, script
from tests.models.reading.rulekit import write

RULES = """
kind: escalation
rules:
  - id: escalation.complaint.plain
    phrases: [投诉]
    examples: {hit: [我要投诉], miss: [好的]}
"""
MORE = """  - id: escalation.legal.lawyer
    phrases: [找律师]
    examples: {hit: [我找律师], miss: [好的]}
"""
run = CliRunner().invoke


def test_check_says_what_is_sound_and_what_is_not(tmp_path: Path) -> None:
    good = run(rules_app, ["check", "--config", str(write(tmp_path / "good", RULES))])
    assert good.exit_code == 0 and "1 rules and 0 lexicons are sound" in good.output
    bad = run(rules_app, ["check", "--config", str(write(tmp_path / "bad", RULES + "    severty: 2\n"))])
    assert bad.exit_code == 1 and "bad/rules/escalation.yaml:7: unknown key 'severty'" in bad.output and "did you mean 'severity'" in bad.output


def test_test_runs_the_examples(tmp_path: Path) -> None:
    good = run(rules_app, ["test", "--config", str(write(tmp_path / "good", RULES + MORE))])
    assert good.exit_code == 0 and "4 of 4 examples of 2 rules hold" in good.output
    some = run(rules_app, ["test", "--config", str(tmp_path / "good"), "--rule", "escalation.legal.*"])
    assert "2 of 2 examples of 1 rules hold" in some.output
    bad = run(rules_app, ["test", "--config", str(write(tmp_path / "bad", RULES.replace("miss: [好的]", "miss: [投诉]")))])
    assert bad.exit_code == 1 and "should be missed" in bad.output
    assert run(rules_app, ["test", "--config", str(tmp_path / "good"), "--rule", "nothing"]).exit_code == 1


def test_list_shows_every_rule(tmp_path: Path) -> None:
    shown = run(rules_app, ["list", "--config", str(write(tmp_path, RULES + MORE))])
    assert shown.exit_code == 0 and "escalation.legal.lawyer" in shown.output and "2 rules (2 active)" in shown.output


def test_a_folder_without_rules_is_one_clear_error(tmp_path: Path) -> None:
    result = run(rules_app, ["check", "--config", str(tmp_path)])
    assert result.exit_code != 0 and isinstance(result.exception, ConfigError)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """Two stored dates of one call each."""
    folder = tmp_path_factory.mktemp("nights")
    lines = [("agent", "您好"), ("customer", "我要投诉你们，再找律师"), ("agent", "好的")]
    recordings = folder_of(folder / "rec", {f"call-{k}.wav": recording(script(lines), k) for k in (1, 2)})
    manifest = folder / "calls.jsonl"
    manifest.write_text("\n".join(json.dumps({"path": f"call-{k}.wav", "started_at": f"2026-11-0{k}T10:00:00+08:00"}) for k in (1, 2)), encoding="utf-8")
    settings = load_settings(root / "configs")
    found = find(str(recordings), extensions=settings.intake.extensions, zone=settings.zone, manifest=str(manifest))
    with Night(folder / "out", settings, open_book(settings), ears=ScriptedEars) as night:
        night.plan(plan_input(found, night.journal, zone=settings.zone))
        night.hear_all()
        night.finish()
    return folder / "out"


def test_diff_prints_what_is_gained_and_lost_over_stored_nights_and_writes_nothing(tmp_path: Path, nights: Path) -> None:
    before = {p: p.read_bytes() for p in nights.rglob("*.parquet")}
    old, new = write(tmp_path / "old", RULES), write(tmp_path / "new", "\nkind: escalation\nrules:\n" + MORE)
    shown = run(rules_app, ["diff", "--from", str(old), "--config", str(new), "--out", str(nights)])
    assert shown.exit_code == 0, shown.output
    assert "2026-11-01 call-1" in shown.output and "2026-11-02 call-2" in shown.output
    assert "+ escalation/legal turn 1 by customer, score 0.8, escalation.legal.lawyer" in shown.output
    assert "− escalation/complaint turn 1" in shown.output and "moments +2 −2" in shown.output
    assert "律师" not in shown.output  # a customer's words only where they are asked for
    assert "律师" in run(rules_app, ["diff", "--from", str(old), "--config", str(new), "--out", str(nights), "--quotes"]).output
    one = run(rules_app, ["diff", "--from", str(old), "--config", str(new), "--out", str(nights), "--date", "2026-11-02"])
    assert "call-1" not in one.output and "moments +1 −1" in one.output
    none = run(rules_app, ["diff", "--from", str(old), "--config", str(write(tmp_path / "none", RULES.replace("投诉", "退订"))), "--out", str(nights)])
    assert "flag urgent → none" in none.output and "flags changed 2, urgent→none 2" in none.output
    same = run(rules_app, ["diff", "--from", str(old), "--config", str(old), "--out", str(nights)])
    assert "moments +0 −0" in same.output and "call-1" not in same.output
    assert {p: p.read_bytes() for p in nights.rglob("*.parquet")} == before


def test_diff_counts_drafts_where_asked(tmp_path: Path, nights: Path) -> None:
    old = write(tmp_path / "old", RULES)
    new = write(tmp_path / "new", RULES + MORE + "    status: draft\n")
    assert "moments +0 −0" in run(rules_app, ["diff", "--from", str(old), "--config", str(new), "--out", str(nights)]).output
    assert "moments +2 −0" in run(rules_app, ["diff", "--from", str(old), "--config", str(new), "--out", str(nights), "--drafts"]).output


@pytest.mark.parametrize(("day", "what"), [("2026-10-01", "no stored night"), ("yesterday", "YYYY-MM-DD"), ("2026-11-01..x", "YYYY-MM-DD")])
def test_diff_refuses_dates(tmp_path: Path, nights: Path, day: str, what: str) -> None:
    config = str(write(tmp_path, RULES))
    result = run(rules_app, ["diff", "--from", config, "--config", config, "--out", str(nights), "--date", day])
    assert isinstance(result.exception, ConfigError) and what in str(result.exception)


def test_diff_refuses_dates_that_are_not_stored(tmp_path: Path) -> None:
    result = run(rules_app, ["diff", "--from", str(write(tmp_path / "r", RULES)), "--config", str(tmp_path / "r"), "--out", str(tmp_path / "none")])
    assert isinstance(result.exception, ConfigError) and "no stored nights" in str(result.exception)
