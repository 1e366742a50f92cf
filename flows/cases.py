"""Stored calls of some customers → their cases as rows, by the date of each case's last call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flows.store import StoredCall


def cases_of(calls: Sequence[StoredCall]) -> dict[date, list[dict[str, Any]]]:
    """Rows of the `cases` table for every customer among `calls` (all of whose calls must be there)."""
    return {}
