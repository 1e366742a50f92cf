"""A small version of bench/chaos.py: kills, a full disk and a full memory, and nothing lost, doubled or different."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import chaos
from flows.settings import Settings, load_settings
from tests.factories import configs_of, folder_of, tables_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = load_settings(configs_of(tmp_path / "configs"))
    return replace(settings, night=replace(settings.night, shard_calls=4, publish_every_s=0.1))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    chaos.recordings(tmp_path / "in", 24, tmp_path / "heard.log")
    return tmp_path / "in"


@pytest.mark.timeout(300)
def test_kills_disks_and_memories_lose_nothing(source: Path, tmp_path: Path, settings: Settings) -> None:
    rng = random.Random(7)
    killed = chaos.kills(source, tmp_path, settings, 8, rng, tmp_path / "heard.log")
    assert (killed.kills, killed.lost, killed.doubled, killed.different) == (8, 0, 0, 0)
    assert killed.most_repeated <= settings.night.shard_calls
    for changed in (chaos.killed_reruns(tmp_path, settings, 3, rng), chaos.killed_purges(tmp_path, settings, 3, rng)):
        assert (changed.kills, changed.lost, changed.doubled, changed.different) == (3, 0, 0, 0)
    full = chaos.full_disks(source, tmp_path, settings, 2, rng)
    assert (full.lost, full.doubled, full.different) == (0, 0, 0)
    memory = chaos.full_memories(source, tmp_path, settings, 1)
    assert (memory.lost, memory.doubled, memory.different) == (0, 0, 0)


@pytest.mark.weights
@pytest.mark.timeout(600)
def test_a_night_with_real_models_is_killed_and_ends_equal(tmp_path: Path, root: Path) -> None:
    shortest = min((root / "tests" / "data" / "demo").glob("*.wav"), key=lambda p: p.stat().st_size)
    source = folder_of(tmp_path / "in", {f"{i}.wav": shortest.read_bytes()[: 44 + 160_000 * (i + 1)] for i in range(2)})
    # a process of its own: this one has loaded half the test suite's libraries, and models are no thing to fork beside them
    command = [sys.executable, "bench/chaos.py", "--kills", "2", "--seed", "3", "--real", str(source)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 survived, 0 lost, 0 doubled, 0 different" in done.stdout


def test_the_comparison_notices_what_it_is_there_for(source: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A control: a row taken out, doubled or changed is counted."""
    assert chaos.in_child(lambda: chaos.night(source, tmp_path / "alone", settings)) == 0
    whole = tables_of(tmp_path / "alone")
    one = whole["turns"][3]
    for turns, expected in (
        ([t for t in whole["turns"] if t is not one], (1, 0, 0)),
        ([*whole["turns"], one], (0, 1, 0)),
        ([{**t, "text": "…"} if t is one else t for t in whole["turns"]], (0, 0, 1)),
    ):
        monkeypatch.setattr(chaos, "tables_of", lambda out, turns=turns: whole | ({"turns": turns} if out.name == "changed" else {}))
        assert chaos.compare(tmp_path / "alone", tmp_path / "changed") == expected
