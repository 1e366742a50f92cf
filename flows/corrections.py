"""Role corrections made by people → who is who in a call, applied whenever it is heard or read again.

In: OUT/.futing/corrections.jsonl, one object a line: {"call_id", "roles": {speaker: role}} or {"call_id", "swap": true}; the last
line about a call counts. Out: the heard call with its roles put right. The surprising choice: a correction by swap is kept as
such and not as speakers, because another hearing of the same recording may number its speakers the other way round.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from models.records import ROLES, HeardCall, Role

log = logging.getLogger(__name__)
FILE = Path(".futing") / "corrections.jsonl"
_SWAPPED: dict[str, Role] = {"agent": "customer", "supervisor": "customer", "customer": "agent", "ivr": "ivr"}


@dataclass(frozen=True, slots=True)
class RoleCorrection:
    """What a person said of one call's roles. roles: (speaker, role) pairs; swap: agent and customer stand the wrong way round."""

    call_id: str
    roles: tuple[tuple[str, Role], ...] = ()
    swap: bool = False

    def apply(self, heard: HeardCall) -> HeardCall:
        """The call with the corrected roles. The call's confidence is then 1; the turns keep what hearing thought of its own."""
        by_speaker = dict(self.roles)

        def corrected(role: Role, speaker: str | None) -> Role:
            if speaker is not None and speaker in by_speaker:
                return by_speaker[speaker]
            return _SWAPPED[role] if self.swap else role

        turns = tuple(replace(t, role=corrected(t.role, t.speaker)) for t in heard.turns)
        return replace(heard, turns=turns, role_confidence=1.0)


Corrections = Callable[[str], RoleCorrection | None]
"""What people said of a call's roles, by call id."""


def load_corrections(out: Path) -> Corrections:
    """The corrections kept beside the tables; a line that cannot be used is skipped with a warning."""
    known: dict[str, RoleCorrection] = {}
    path = out / FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            given = sorted((row.get("roles") or {}).items())
            roles: tuple[tuple[str, Role], ...] = tuple((speaker, role) for speaker, said in given for role in ROLES if role == said)
            known[row["call_id"]] = RoleCorrection(row["call_id"], roles, bool(row.get("swap")))
        except (ValueError, KeyError, TypeError, AttributeError):
            log.warning("%s:%d: no role correction; skipped", path, number)
    return known.get
