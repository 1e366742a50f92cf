"""Tell somebody's web address how a run ended: counts only, no ids, no text.

In: the summary and the address. Out: one POST. The surprising choice: a webhook that fails is a warning and never changes how
the run ended; what it would have said stands in the tables and in .futing/last_night.json.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flows.night import Summary

log = logging.getLogger(__name__)


def tell(address: str | None, summary: Summary) -> None:
    """POST the counts to `address`; nothing without one."""
    counts = {"ok": summary.ok, "failed": summary.failed, "skipped": summary.skipped, "duplicates": summary.duplicates}
    _post(address, {"run_id": summary.run_id, "state": summary.state, **counts, "flags": dict(summary.flags), "audio_s": round(summary.audio_s)})


@contextmanager
def failure_told(address: str | None) -> Iterator[None]:
    """POST that a night could not run, when what is inside fails; why is for the log, not for somebody else's server."""
    try:
        yield
    except Exception:
        _post(address, {"run_id": None, "state": "failure"})
        raise


def _post(address: str | None, body: dict[str, Any]) -> None:
    if not address:
        return
    import httpx

    try:
        httpx.post(address, json=body, timeout=10.0).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        log.warning("the webhook did not take the counts (%s)", type(error).__name__)
