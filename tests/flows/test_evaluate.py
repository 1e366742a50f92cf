"""Evaluation of a small run whose every figure is worked out by hand, and its errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from flows.evaluate import command, evaluate
from flows.schemas import TABLES
from models.errors import ConfigError

Row = dict[str, Any]


def write(out: Path, table: str, rows: list[Row], date: str = "2026-01-05") -> None:
    folder = out / table / f"date={date}"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=TABLES[table]), folder / "part-0.parquet")


@pytest.fixture
def night(tmp_path: Path) -> tuple[Path, Path]:
    """Two calls. c1 (stereo, urgent) heard with one wrong character of ten and 0.5 s late; c2 (mono, none) failed."""
    truth = [
        {"call_id": "c1", "duration": 36.0, "channels": "stereo", "flag": "urgent", "turns": [
            {"role": "agent", "start": 0.0, "end": 4.0, "text": "您好，请讲。", "moments": []},
            {"role": "customer", "start": 4.0, "end": 8.0, "text": "你们是骗子！", "moments": [{"kind": "escalation", "type": "accusation", "quote": "骗子"}]},
            {"role": "agent", "start": 8.0, "end": 9.0, "text": "", "moments": []},
        ]},
        {"call_id": "c2", "duration": 36.0, "channels": "mono", "flag": "none", "turns": [
            {"role": "customer", "start": 0.0, "end": 2.0, "text": "谢谢", "moments": []},
        ]},
    ]  # fmt: skip
    path = tmp_path / "truth.jsonl"
    path.write_text("\n".join(json.dumps(c, ensure_ascii=False) for c in truth) + "\n\n", encoding="utf-8")
    out = tmp_path / "out"
    write(out, "calls", [{"call_id": "c1", "status": "ok", "flag": "urgent", "priority": 0.9}, {"call_id": "c2", "status": "failed"}])
    heard = [("agent", 0.0, 4.5, "您好请讲"), ("customer", 4.5, 8.0, "你们是篇子"), ("agent", 8.0, 9.0, "")]
    write(out, "turns", [{"call_id": "c1", "turn": k, "role": r, "start_s": a, "end_s": b, "text": t} for k, (r, a, b, t) in enumerate(heard)])
    moment = {"call_id": "c1", "role": "customer", "turn": 1, "start_s": 6.0, "end_s": 7.0, "quote": "篇子"}
    write(out, "moments", [
        moment | {"moment": 0, "kind": "escalation", "type": "accusation", "score": 0.9},
        moment | {"moment": 1, "kind": "abuse", "type": "insult", "score": 0.5},
        moment | {"moment": 2, "kind": "abuse", "type": "threat", "score": 0.49},
    ])  # fmt: skip
    return path, out


def test_figures_by_hand(night: tuple[Path, Path]) -> None:
    got = evaluate(*night).values
    by_hand = {
        "calls": 2, "calls_ok": 1, "hours": 0.02,
        "cer": 3 / 11, "role_cer": 3 / 11,  # one of nine characters wrong in c1, both of c2 missing
        "cer.stereo": 1 / 9, "cer.mono": 1.0,
        # the borders at 4, 8 and 9 s each take 26 frames before and 24 after; 24 of the 50 wrong ones fall away
        "der.stereo": 26 / (900 - 50 - 50 - 26), "role_der.stereo": 26 / 774, "der0.stereo": 50 / 900, "der.mono": 1.0,
        "overlap_f1": 0.0, "role4.stereo": 850 / 900,
        "moment_p": 0.5, "moment_r": 1.0, "moment_f1": 2 / 3, "false_per_hour": 50.0,
        "type.escalation/accusation.f1": 1.0, "type.escalation/accusation.n": 1, "type.abuse/insult.p": 0.0, "kind.abuse.n": 0, "kind_f1": 2 / 3,
        "seek_p50": abs(6.0 - (4.0 + 4.0 * 3 / 6)),
        "flag_accuracy": 0.5, "urgent_recall": 1.0, "urgent_precision": 1.0, "none_precision": 0.0,
        "found_at_10": 0.2, "found_at_30": 0.6, "listening_gain": 2.0,
    }  # fmt: skip
    assert {k: got[k] for k in by_hand} == pytest.approx(by_hand)
    assert not any(k.startswith("type.abuse/threat") for k in got)  # below 0.5 nothing is claimed


def test_misses_name_call_type_and_turn(night: tuple[Path, Path]) -> None:
    (miss,) = evaluate(*night).misses
    assert (miss.call_id, miss.what, miss.name, miss.turn) == ("c1", "false", "abuse/insult", 1)
    assert "篇子" not in repr(miss)


def test_a_truth_without_moments_gives_hearing_alone(night: tuple[Path, Path]) -> None:
    path, out = night
    plain = [{k: v for k, v in json.loads(line).items() if k != "flag"} for line in path.read_text("utf-8").split("\n") if line]
    for call in plain:
        call["turns"] = [{k: v for k, v in t.items() if k != "moments"} for t in call["turns"]]
    path.write_text("\n".join(map(json.dumps, plain)), encoding="utf-8")
    got = evaluate(path, out).values
    assert "cer" in got and not {"moment_f1", "flag_accuracy", "seek_p50"} & got.keys()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path, out: path.write_text("{broken\n"), r"truth\.jsonl:1: not a truth line"),
        (lambda path, out: path.write_text(""), "holds no calls"),
        (lambda path, out: path.unlink(), "cannot be read"),
        (
            lambda path, out: ([p.unlink() for p in out.rglob("*.parquet")] and (out / "calls/date=2026-01-05").rmdir()) or (out / "calls").rmdir(),
            "no calls/ table",
        ),
        (lambda path, out: write(out, "calls", [{"call_id": "c1", "status": "ok"}], "2026-01-06"), "stands twice"),
    ],
    ids=["not-json", "empty", "no-truth", "no-run", "doubled-call"],
)
def test_errors_say_what_and_where(night: tuple[Path, Path], spoil: Any, says: str) -> None:
    spoil(*night)
    with pytest.raises(ConfigError, match=says):
        evaluate(*night)


def test_the_command_prints_one_figure_a_line(night: tuple[Path, Path], tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(command)
    path, out = night
    done = CliRunner().invoke(app, [str(path), "--out", str(out), "--json", str(tmp_path / "f.json"), "--misses"])
    assert done.exit_code == 0, done.output
    assert "urgent_recall 1.0000" in done.output.splitlines() and "calls 2" in done.output.splitlines()
    assert "# c1 false abuse/insult turn 1: 篇子" in done.output
    assert json.loads((tmp_path / "f.json").read_text())["calls_ok"] == 1
