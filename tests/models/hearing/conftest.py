"""The embedded weights and a call of the demo night, for tests that hear real audio."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.download import catalogue, ears_paths, folder_of
from models.hearing.audio import Audio, decode
from models.hearing.settings import HearingSettings
from models.hearing.weights import EarsPaths

DEMO = Path(__file__).parents[2] / "data" / "demo"


@pytest.fixture(scope="session")
def paths() -> EarsPaths:
    """Fails (and says `futing weights fetch`) rather than skips where the weights are missing."""
    return ears_paths(HearingSettings())


@pytest.fixture(scope="session")
def whisper_folder(paths: EarsPaths) -> Path:
    assert paths.whisper == folder_of(catalogue()["whisper-base"])
    return paths.whisper


@pytest.fixture(scope="session")
def courier() -> Audio:
    """A stereo call of 84 s."""
    return decode((DEMO / "courier.wav").read_bytes())
