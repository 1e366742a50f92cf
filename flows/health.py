"""`python -m flows.health OUT HOURS`: whether nights happen here, for a container's health check or any monitor.

In: the output folder and the age in hours at which the last night is too old. Out: one line and exit code 0 or 1. The surprising
choice: it loads no model, reads no table (`futing doctor` does) and takes no lock, because it is asked every few minutes, also while
a night runs or is about to.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from flows.doctor import last_night


def health(out: Path, max_age_h: float) -> tuple[bool, str]:
    """Healthy while a run holds the folder, while the last one is young enough, and before the first one."""
    if not (out / ".futing").is_dir():
        return True, f"no night in {out} yet"
    if _under_way(out / ".futing" / "lock"):
        return True, "a night is under way"
    if not (out / ".futing" / "last_night.json").exists():
        return False, f"a night was begun in {out} and never ended; start it again, it goes on where it stopped"
    fact = last_night(out, max_age_h)
    return fact.good, fact.says


def _under_way(lock: Path) -> bool:
    """Whether the process that noted itself in the lock lives; one on another machine is believed."""
    try:
        record = json.loads(lock.read_text(encoding="utf-8"))
        if record["host"] == socket.gethostname():
            os.kill(record["pid"], 0)
        return True
    except PermissionError:
        return True  # somebody else's process, and alive
    except (OSError, ValueError, KeyError, TypeError):
        return False


def main(arguments: list[str]) -> int:
    out, hours = (arguments + ["nights", "26"][len(arguments) :])[:2]
    good, says = health(Path(out), float(hours))
    print(says)
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
