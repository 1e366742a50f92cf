"""One run at a time on an output folder.

In: the output folder. Out: a held lock, or an error that says who holds it since when. The surprising choice: the kernel's file
lock decides, not the record beside it: it goes when its process goes, so a lock left by a dead process is simply taken over.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from flows.disk import disk_full_is_clear
from models.errors import FutingError

log = logging.getLogger(__name__)


@contextmanager
def hold(out: Path, command: str) -> Iterator[None]:
    """Hold `out` for writing; raises FutingError while another process does."""
    folder = out / ".futing"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise FutingError(f"{out}: cannot be written to ({error.strerror}); choose another --out or mend its permissions") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FutingError(f"{out}: another run holds it: {_holder(folder / 'lock')}; wait for it, or end that process first") from None
        before = _holder(folder / "lock")
        if before:
            log.warning("%s: taken over from a run that died: %s", out, before)
        os.ftruncate(handle, 0)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        record = json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since, "command": command})
        try:
            with disk_full_is_clear(out):
                os.write(handle, record.encode())
                os.fsync(handle)
            yield
        finally:
            os.ftruncate(handle, 0)  # whatever went wrong, it ended in order: nobody died
    finally:
        os.close(handle)


def _holder(path: Path) -> str:
    """Who wrote the lock's record, in words; empty when nobody did or it was left in order."""
    try:
        record = json.loads(path.read_text(encoding="utf-8") or "null")
        return f"`futing {record['command']}`, process {record['pid']} on {record['host']}, since {record['since']}" if record else ""
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown process"
