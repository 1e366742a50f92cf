"""A folder, file or fsspec URL, and perhaps a manifest → what lies there and what is known of it.

In: the address of the input. Out: `Found` recordings in order of their address, each with the metadata that the manifest (CSV,
JSON Lines or Parquet) or the `<stem>.json` beside it gives. The surprising choice: nothing is opened here. Who is a duplicate
of whom is decided later (flows.plan), where it is known what earlier runs have heard.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

import fsspec
from fsspec.core import url_to_fs

from models.errors import ConfigError

log = logging.getLogger(__name__)

FIELDS = ("call_id", "path", "started_at", "agent_id", "team", "queue", "direction", "customer_ref", "agent_channel")


@dataclass(frozen=True, slots=True)
class Meta:
    """What a manifest or a sidecar says of a call; everything may be missing."""

    call_id: str | None = None
    path: str | None = field(default=None, repr=False)
    started_at: datetime | None = None
    agent_id: str | None = field(default=None, repr=False)
    team: str | None = None
    queue: str | None = None
    direction: str | None = None
    customer_ref: str | None = field(default=None, repr=False)
    agent_channel: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A recording as it lies there. size: bytes; mtime_s: seconds since 1970; None where the store does not say. seen_s: when it was looked at.

    missing: the manifest names it and nothing lies there.
    """

    source: str = field(repr=False)
    name: str = field(repr=False)  # the id it has without further knowledge: the manifest's, else the file's stem
    size: int | None
    mtime_s: float | None
    meta: Meta
    missing: bool = False
    seen_s: float = field(default_factory=time.time, compare=False, repr=False)

    def call_date(self, given: date | None, zone: ZoneInfo) -> date:
        """started_at in the configured zone, else the date given, else the day the file was last changed."""
        if self.meta.started_at is not None:
            return self.meta.started_at.astimezone(zone).date()
        if given is not None:
            return given
        return datetime.fromtimestamp(self.mtime_s, zone).date() if self.mtime_s is not None else datetime.now(zone).date()


def find(where: str, *, extensions: Sequence[str], zone: ZoneInfo, manifest: str | None = None, leave_out: Path | None = None) -> list[Found]:
    """Every recording at `where`, ordered by address. leave_out: a local folder never looked into (the output).

    Raises ConfigError when nothing can be listed there or the manifest cannot be read.
    """
    listed = {f.source: f for f in _list(where, tuple(e.lower() for e in extensions), leave_out)}
    if manifest is None:
        found = [_with_sidecar(f, listed.keys(), zone) for f in listed.values() if not f.source.endswith(".json")]
    else:
        recordings = {s: f for s, f in listed.items() if not s.endswith(".json")}
        rows = _with_manifest(recordings, list(read_manifest(manifest, zone)), where, manifest)
        found = [_with_sidecar(f, listed.keys(), zone) if f.meta == Meta() else f for f in rows]
    return sorted(found, key=lambda f: f.source)


def look_again(found: Found) -> Found:
    """The same recording with its size and time as they are now; size None when it is gone."""
    fs, path = url_to_fs(found.source)
    try:
        info = fs.info(path)
    except Exception:  # every file system has its own exceptions
        return replace(found, size=None, seen_s=time.time())
    return replace(found, size=info.get("size"), mtime_s=_mtime(info), seen_s=time.time())


def read_bytes(source: str) -> bytes:
    """The encoded recording; raises OSError (and what an fsspec file system raises) when it cannot be had."""
    if "://" not in source:
        return Path(source).read_bytes()
    with fsspec.open(source, "rb") as stream:
        return stream.read()  # type: ignore[union-attr]


def read_manifest(manifest: str, zone: ZoneInfo) -> Iterator[Meta]:
    """The rows of a CSV, JSON Lines or Parquet manifest; raises ConfigError with the row that cannot be used."""
    suffix = PurePosixPath(manifest).suffix.lower()
    try:
        if suffix in (".parquet", ".pq"):
            import pyarrow.parquet as pq

            with fsspec.open(manifest, "rb") as stream:
                rows: list[dict[str, Any]] = pq.read_table(stream).to_pylist()
        else:
            text = _decoded(read_bytes(manifest))
            rows = list(csv.DictReader(io.StringIO(text))) if suffix == ".csv" else _json_lines(text, manifest)
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"{manifest}: the manifest cannot be read ({error}); give CSV with a header line, JSON Lines or Parquet") from error
    unknown = sorted({str(k) for row in rows for k in row} - set(FIELDS))
    if unknown:
        log.warning("%s: columns not used: %s (known: %s)", manifest, ", ".join(unknown), ", ".join(FIELDS))
    if rows and not any(row.get("call_id") or row.get("path") for row in rows):
        raise ConfigError(f"{manifest}: no row has a call_id or a path, so none can be matched to a recording; add one of these columns")
    for number, row in enumerate(rows, start=1):
        yield parse_meta(row, f"{manifest}, row {number}", zone)


def parse_meta(row: Mapping[str, Any], where: str, zone: ZoneInfo) -> Meta:
    """One row's metadata. A value that cannot be used is left out with a warning: the call is heard all the same."""

    def text(name: str) -> str | None:
        value = row.get(name)
        return str(value).strip() or None if value is not None else None

    started_at, channel = None, None
    if (value := row.get("started_at")) not in (None, ""):
        try:
            started_at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
            started_at = started_at.astimezone(zone) if started_at.tzinfo else started_at.replace(tzinfo=zone)  # 六点半 is on the zone's clock
        except ValueError:
            log.warning("%s: started_at is no ISO 8601 time; left out (write 2026-11-21T09:30:00+08:00)", where)
    if (value := row.get("agent_channel")) not in (None, ""):
        try:
            channel = int(value)
            if channel < 0:
                raise ValueError
        except (TypeError, ValueError):
            log.warning("%s: agent_channel is no channel number; left out (write 0 or 1)", where)
            channel = None
    return Meta(
        call_id=text("call_id"),
        path=text("path"),
        started_at=started_at,
        agent_id=text("agent_id"),
        team=text("team"),
        queue=text("queue"),
        direction=text("direction"),
        customer_ref=text("customer_ref"),
        agent_channel=channel,
    )


def _decoded(encoded: bytes) -> str:
    """UTF-8, else GB 18030, which is what spreadsheets on a Chinese Windows save."""
    try:
        return encoded.decode("utf-8-sig")
    except UnicodeDecodeError:
        return encoded.decode("gb18030")


def _json_lines(text: str, manifest: str) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ConfigError(f"{manifest}:{number}: not a JSON object ({error.msg}); one object a line") from error
        if not isinstance(row, dict):
            raise ConfigError(f"{manifest}:{number}: not a JSON object; one object a line")
        rows.append(row)
    return rows


def _list(where: str, extensions: tuple[str, ...], leave_out: Path | None) -> Iterator[Found]:
    """Recordings and, for their metadata, JSON files. A single file counts whatever its extension."""
    seen_s = time.time()  # before, not after: a long listing knows the first files as they were when it began
    try:
        fs, root = url_to_fs(where)
        single = fs.isfile(root)
        if not single and not fs.isdir(root):
            raise ConfigError(f"{where}: no such folder or file; is the disk mounted and the address right?")
        names = [n for n in (root, _sidecar(root)) if fs.exists(n)] if single else []
        entries = {n: fs.info(n) for n in names} if single else fs.find(root, detail=True)
    except ConfigError:
        raise
    except Exception as error:  # every file system has its own exceptions
        raise ConfigError(f"{where}: cannot be listed ({type(error).__name__}: {error}); is it mounted, and may this user read it?") from error
    local = "file" in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,))
    outside = str(leave_out.resolve()) + "/" if leave_out is not None and local else None
    for path, info in entries.items():
        pure = PurePosixPath(path)
        if info.get("type") != "file" or pure.name.startswith(".") or (outside and str(path).startswith(outside)):
            continue
        if not single and pure.suffix.lower() not in extensions and pure.suffix != ".json":
            continue
        source = str(path) if local else fs.unstrip_protocol(path)
        yield Found(source=source, name=pure.stem, size=info.get("size"), mtime_s=_mtime(info), meta=Meta(), seen_s=seen_s)


def _sidecar(source: str) -> str:
    folder, slash, name = source.rpartition("/")
    return f"{folder}{slash}{PurePosixPath(name).stem}.json"


def _mtime(info: Mapping[str, Any]) -> float | None:
    for key in ("mtime", "LastModified", "last_modified", "updated", "created"):
        value = info.get(key)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
        if isinstance(value, int | float):
            return float(value)
    return None


def _with_sidecar(found: Found, listed: Collection[str], zone: ZoneInfo) -> Found:
    """`<stem>.json` beside the recording; one that cannot be read is warned of and the call is heard without it."""
    sidecar = _sidecar(found.source)
    if sidecar not in listed:
        return found
    try:
        row = json.loads(read_bytes(sidecar).decode("utf-8-sig"))
        if not isinstance(row, dict):
            raise ValueError("not an object")
    except (OSError, ValueError) as error:
        log.warning("the .json beside call %s cannot be read (%s); heard without metadata", found.name, type(error).__name__)
        return found
    meta = parse_meta(row, f"the .json beside call {found.name}", zone)
    return replace(found, meta=meta, name=meta.call_id or found.name)


def _exists(source: str) -> bool:
    fs, path = url_to_fs(source)
    return fs.exists(path)


def _with_manifest(listed: dict[str, Found], rows: list[Meta], where: str, manifest: str) -> list[Found]:
    """Rows matched by path (absolute, or relative to the input or the manifest), else by call_id = stem.

    A row whose path leads nowhere is a call that could not be had: it is returned, missing. A recording no row names is heard
    with no metadata.
    """
    found = dict(listed)
    by_stem: dict[str, list[str]] = {}
    for source, recording in listed.items():
        by_stem.setdefault(recording.name, []).append(source)
    bases = [where if PurePosixPath(where).suffix == "" else str(PurePosixPath(where).parent), str(PurePosixPath(manifest).parent)]
    loose = 0
    for meta in rows:
        if meta.path is None:
            sources = by_stem.get(meta.call_id or "", [])
            loose += not sources
            for source in sources:
                found[source] = replace(found[source], meta=meta)
            continue
        candidates = [meta.path] if "://" in meta.path or meta.path.startswith("/") else [f"{base.rstrip('/')}/{meta.path}" for base in bases]
        resolved = [c if "://" in c else str(Path(c).absolute()) for c in candidates]
        source = next((c for c in resolved if c in found), None)
        name = meta.call_id or PurePosixPath(meta.path).stem
        if source is None:
            there = next((c for c in resolved if _exists(c)), None)
            source = there or resolved[0]
            found[source] = look_again(Found(source, name, None, None, meta)) if there else Found(source, name, None, None, meta, missing=True)
        found[source] = replace(found[source], meta=meta, name=name)
    if loose:
        log.warning("%s: %d rows name a call_id that no recording has; they have no path, so there is nothing to hear", manifest, loose)
    return list(found.values())
