"""Masking at the page's edge: a night that kept its originals is still shown masked.

In: turns and moments as stored. Out: the same, masked. Nights are masked as they are written (models.reading.redact); only one that was
told to keep the originals holds numbers and names, and there a lead's unmasking shows them, one turn at a time, noted in the audit log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.reading.redact import mask_text, mask_turn, redact
from models.records import Turn, Word

Row = dict[str, Any]


def _turn(row: Mapping[str, Any], index: int) -> Turn:
    words = tuple(Word(w["text"], w["start_s"], w["end_s"], w["probability"]) for w in row.get("words") or ())
    return Turn(index, row["role"], row["text"] or "", row["start_s"], row["end_s"], words)


def masked(turns: Sequence[Row], moments: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Turns with text, words and redactions masked, and moments whose quotes follow. A call that is masked already is left alone."""
    if any(t["redactions"] for t in turns):
        return list(turns), list(moments)
    records = [_turn(t, i) for i, t in enumerate(turns)]
    spans = redact(records)
    if not any(spans):
        return list(turns), list(moments)
    out: list[Row] = []
    for row, record, marks in zip(turns, records, spans, strict=True):
        covered = mask_turn(record, marks)
        words = [{"text": w.text, "start_s": w.start_s, "end_s": w.end_s, "probability": w.probability} for w in covered.words]
        out.append(
            row
            | {
                "text": covered.text,
                "words": words,
                "redactions": [{"start": m.start, "end": m.end, "kind": m.kind} for m in marks],
                "has_original": bool(marks),
            }
        )
    texts = {t["turn"]: t["text"] for t in out}
    quoted: list[Row] = [m | {"quote": (texts.get(m["turn"]) or "")[m["char_start"] : m["char_end"]] or m["quote"]} for m in moments]
    return out, [m | {"components": [_component(c) for c in m["components"] or ()]} for m in quoted]


def _component(c: Row) -> Row:
    return c | {"quote": line(c["quote"])}


def line(text: str) -> str:
    """One line on its own, masked: a snippet of the search, a quote in an export."""
    return mask_text(text, redact([Turn(0, "customer", text)])[0]) if text else text
