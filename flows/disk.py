"""The disk under the output: how much is free, and a full one told in one clear sentence.

In: the output folder. Out: MiB free, and `disk_full_is_clear`, which turns whatever the system or SQLite says of a full disk into one
FutingError. The surprising choice: a disk that is full is no failure of a night, only an end in order; what was written before stays.
"""

from __future__ import annotations

import errno
import shutil
import sqlite3
from pathlib import Path

from models.errors import FutingError


def free_mib(out: Path) -> int:
    """MiB free where the output lies."""
    return shutil.disk_usage(out).free >> 20


class disk_full_is_clear:
    """A full disk inside becomes one clear FutingError; everything else passes."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        full = full or (isinstance(error, sqlite3.OperationalError) and ("full" in str(error) or "disk I/O" in str(error)))
        if full:
            raise FutingError(f"{self._out}: the disk is full; make room and run again, it goes on where it stopped") from error
