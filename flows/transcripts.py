"""Transcripts and chats made elsewhere → heard calls, one JSON object a line.

In: a path or URL of JSON Lines. Out: a `HeardCall` a line, or a `NotHeard` that says what is wrong with which line; the rest
of the file is read all the same. Accepted: `call_id` (or `dialogue_id`), metadata beside it or below `metadata`, and `turns`
of `role` and `text`, where known with `start_s`, `end_s`, `words`, `loudness_db`. The surprising choice: dirt is the rule in
exports, so a line is decoded by itself (UTF-8, then GB18030), roles may be called 客服 or user, traditional script, entities
and tags are resolved, and impossible times count as unknown rather than as an error.
"""

from __future__ import annotations

import hashlib
import html
import json
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import fsspec
from opencc import OpenCC

from models.errors import ConfigError
from models.records import HeardCall, NotHeard, Role, Turn, Word

ROLE_NAMES: dict[str, Role] = {
    **dict.fromkeys(("agent", "坐席", "座席", "客服", "人工", "staff", "seller", "商家", "servicer", "operator", "assistant", "a", "接线员"), "agent"),
    **dict.fromkeys(("customer", "客户", "用户", "顾客", "user", "buyer", "买家", "client", "caller", "c", "来电者", "消费者", "q"), "customer"),
    **dict.fromkeys(("supervisor", "主管", "经理", "班长", "组长", "s", "manager", "值班经理"), "supervisor"),
    **dict.fromkeys(("ivr", "bot", "机器人", "语音导航", "system", "系统", "robot", "自动应答"), "ivr"),
}  # fmt: skip
_TAG = re.compile(r"<(?:/?[a-zA-Z][^<>]{0,60}|!--.{0,200}?--)>")
_to_simplified = OpenCC("t2s").convert


class _BadLine(Exception):
    """What is wrong with one line and how to mend it; never leaves this file."""


def read_transcripts(path: str) -> Iterator[HeardCall | NotHeard]:
    """Read a file of transcripts lazily, a line at a time. Raises ConfigError where the file itself cannot be opened."""
    name = str(path).rsplit("/", 1)[-1]
    try:
        found = fsspec.open(str(path), "rb", compression="infer")
        opened = found.open()  # type: ignore[union-attr]
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(f"{path}: cannot be opened ({error}); give a JSON Lines file of transcripts") from error
    seen: set[str] = set()
    with opened as lines:
        for number, raw in enumerate(lines, 1):
            line = _decoded(raw)
            if not line.strip():
                continue
            call_id = f"{name.split('.')[0]}-line-{number}"
            try:
                row = _object(line)
                call_id = _text(row.get("call_id") or row.get("dialogue_id") or row.get("id")) or call_id
                if call_id in seen:  # same id, other content: kept under an id of its own, as recordings are
                    call_id = f"{call_id}-{hashlib.sha256(raw).hexdigest()[:8]}"
                seen.add(call_id)
                yield _call(call_id, row)
            except _BadLine as bad:
                yield NotHeard(call_id, "undecodable", f"{name}, line {number}: {bad}")


def _decoded(raw: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("utf-8", "replace")


def _object(line: str) -> Mapping[str, Any]:
    line = line.strip().strip("\ufeff").rstrip(",")  # a comma is left where an array was cut into lines
    if line in ("[", "]"):
        raise _BadLine("a bare bracket; write one call a line, without the array around them")
    try:
        row = json.loads(line, strict=False)
    except (ValueError, RecursionError) as error:
        raise _BadLine(f"not JSON ({_short(error)}); one JSON object a line is expected") from None
    if not isinstance(row, dict):
        raise _BadLine(f"a JSON {type(row).__name__} where an object with call_id and turns is expected")
    return row


def _short(error: Exception) -> str:
    """The parser's complaint without a caller's words in it."""
    return re.sub(r":.*", "", str(error))[:80]


def _call(call_id: str, row: Mapping[str, Any]) -> HeardCall:
    spoken = row.get("turns")
    if not isinstance(spoken, list):
        raise _BadLine("no list `turns`; each turn is an object with role and text")
    turns = [t for i, item in enumerate(spoken) if (t := _turn(i, item)) is not None]
    if all(t.start_s is not None for t in turns):
        turns.sort(key=lambda t: (t.start_s, t.index))
    below = row.get("metadata")
    meta = {**(below if isinstance(below, dict) else {}), **row}
    duration = _number(meta.get("duration_s", meta.get("duration")))
    ends = [t.end_s for t in turns if t.end_s is not None]
    return HeardCall(
        call_id=call_id,
        turns=tuple(replace(t, index=i) for i, t in enumerate(turns)),
        layout="text",
        duration_s=duration if duration is not None and duration >= 0 else max(ends, default=None),
        started_at=_moment(meta.get("started_at")),
        agent_id=_text(meta.get("agent_id")) or None,
        team=_text(meta.get("team")) or None,
        queue=_text(meta.get("queue")) or None,
        direction=_text(meta.get("direction")) or None,
        customer_ref=_text(meta.get("customer_ref")) or None,
    )


def _turn(index: int, item: object) -> Turn | None:
    if not isinstance(item, dict):
        raise _BadLine(f"turn {index} is no object with role and text")
    said = item.get("text", item.get("content", item.get("utterance")))
    if said is None:
        return None
    if not isinstance(said, str | int | float):
        raise _BadLine(f"turn {index} has no text but a {type(said).__name__}")
    role = ROLE_NAMES.get(str(item.get("role", item.get("speaker", ""))).strip().lower())
    if role is None:
        raise _BadLine(f"turn {index} has no role that is known; write agent, customer, supervisor or ivr")
    start, end = _number(item.get("start_s", item.get("start"))), _number(item.get("end_s", item.get("end")))
    if start is None or end is None or not 0 <= start <= end:
        start = end = None
    words = tuple(w for one in item.get("words") or () if (w := _word(one)) is not None) if isinstance(item.get("words"), list) else ()
    return Turn(index, role, clean(str(said)), start, end, words, speaker=_text(item.get("speaker")) or None, confidence=_number(item.get("confidence")),
                loudness_db=_number(item.get("loudness_db")), pitch_hz=_number(item.get("pitch_hz")), chars_per_min=_number(item.get("chars_per_min")),
                overlap_s=_number(item.get("overlap_s")))  # fmt: skip


def _word(item: object) -> Word | None:
    if not isinstance(item, dict):
        return None
    start, end = _number(item.get("start_s", item.get("start"))), _number(item.get("end_s", item.get("end")))
    probability = _number(item.get("probability", item.get("confidence", 1.0)))
    if start is None or end is None or start > end or probability is None:
        return None
    return Word(clean(str(item.get("text", item.get("word", "")))), start, end, min(1.0, max(0.0, probability)))


def clean(text: str) -> str:
    """Readable simplified text: entities and tags resolved, full-width Latin and digits narrowed, control characters dropped, one line."""
    text = html.unescape(html.unescape(text))
    text = _TAG.sub("", text)
    text = "".join(unicodedata.normalize("NFKC", c) if "\uff10" <= c <= "\uff5a" and c.isalnum() else c for c in text)
    text = "".join(c if c >= " " else " " for c in text if unicodedata.category(c) not in ("Cs", "Co", "Cn", "Cf") and c != "\ufffd")
    return _to_simplified(re.sub(r"\s+", " ", text)).strip()


def _text(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _moment(value: object) -> datetime | None:
    """ISO 8601 with a zone; without one the time is not known well enough to date a promise."""
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return when if when.tzinfo is not None else None
