"""What every test shares: telemetry off, the repository's folder, the embedded weights, and no silent skips.

The surprising choice: with CI=true in the environment a skipped test is a failed one. A prerequisite that is missing on a
developer's laptop is worth a line in the summary; on the machine that decides whether a change is good it would be a hole.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest

import flows.quiet  # noqa: F401  (before any library that reads its switches while it is imported)

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="session")
def demo_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables of the demo night as scripted ears hear it: six calls and one that cannot be heard. To be read, not written."""
    from tests.demo_night import scripted_demo_night

    return scripted_demo_night(tmp_path_factory.mktemp("demo"))


@cache
def _weights_missing() -> str | None:
    """Fetch the embedded weights once a session, unless they are there; why that did not work, if it did not."""
    fetch = subprocess.run([sys.executable, "-m", "flows.cli", "weights", "fetch"], cwd=ROOT, capture_output=True, text=True, timeout=900)
    return None if fetch.returncode == 0 else (fetch.stderr.strip().splitlines() or ["no reason given"])[-1]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("weights") and (why := _weights_missing()) is not None:
        pytest.skip(f"the embedded weights cannot be fetched: {why}")


def pytest_configure(config: pytest.Config) -> None:
    # A night heard in one test must not read what another test's night configured.
    for name in ("FUTING_CONFIG", "PREFECT_API_URL", "PREFECT_PROFILE"):
        os.environ.pop(name, None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI does not allow: {call.excinfo.value if call.excinfo else 'no reason given'}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} was skipped whole, which CI does not allow: {report.longrepr}"
    return report
