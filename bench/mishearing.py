"""What a recogniser mishears, and how sure it is: the figures that models/reading/mishearing.py draws from.

In: a night's folder, heard with `--keep-original` (else numbers and names are masked), and the truth of its calls (call_id; turns of role, text,
start, end). Out: of all characters said, the shares heard right and misheard in each way, and the share of errors a turn by its confidence. A side of
a call is aligned as one text, so that a turn cut elsewhere is no error. The surprising choice: one alignment of least edits is counted, of several
the one that substitutes.

    python -m bench.mishearing NIGHT TRUTH.jsonl
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from rapidfuzz.distance import Levenshtein

from models.mandarin import code, split, syllable
from models.reading.text import normalise


def aligned(said: str, heard: str) -> Iterator[tuple[str, str]]:
    """Pairs of characters of a least-edit alignment; "" where one was dropped or put in."""
    for op in Levenshtein.opcodes(said, heard):
        here, there = said[op.src_start : op.src_end], heard[op.dest_start : op.dest_end]
        if len(here) == len(there):
            yield from zip(here, there, strict=True)
        else:
            yield from ((c, "") for c in here)
            yield from (("", c) for c in there)


def kind_of(said: str, heard: str) -> str:
    """right, or how it was misheard, as in mishearing.SHARES; `confused`: the same coarse code (zh/z, n/l, …)."""
    if not said or not heard:
        return "inserted" if heard else "deleted"
    if said == heard:
        return "right"
    (i, f), (j, g) = split(syllable(said)), split(syllable(heard))
    if syllable(said) == syllable(heard):
        return "syllable"
    return "confused" if code(said) == code(heard) else "final" if f == g else "initial" if i == j else "other"


def turns_of(night: Path) -> list[dict[str, Any]]:
    rows = [r for path in sorted(night.glob("turns/**/*.parquet")) for r in pq.ParquetFile(path).read().to_pylist()]
    return sorted(rows, key=lambda r: (r["call_id"], r["start_s"] or 0.0))


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0], epilog="example: python -m bench.mishearing night truth.jsonl")
    parser.add_argument("night", type=Path)
    parser.add_argument("truth", type=Path)
    args = parser.parse_args(argv)

    truth = {row["call_id"]: row for row in map(json.loads, args.truth.read_text(encoding="utf-8").splitlines())}
    turns = [t for t in turns_of(args.night) if t["call_id"] in truth]
    if not turns:
        raise SystemExit(f"no turns of the calls of {args.truth} in {args.night}; name a night's folder and its calls' truth")
    heard: dict[tuple[str, bool], str] = defaultdict(str)
    for t in turns:
        heard[t["call_id"], t["role"] == "customer"] += normalise(t["text"]).bare
    counts: Counter[str] = Counter()
    for call_id, row in truth.items():
        for customer in (True, False):
            said = "".join(normalise(t["text"]).bare for t in row["turns"] if (t["role"] == "customer") == customer)
            counts.update(kind_of(a, b) for a, b in aligned(said, heard[call_id, customer]))
    total = sum(n for kind, n in counts.items() if kind != "inserted")
    wrong = sum(n for kind, n in counts.items() if kind != "right")
    print(f"characters said {total}, errors {wrong / total:.3f} of them")
    for kind, n in counts.most_common():
        print(f"{kind:10s} {n / total:.3f} of all" + ("" if kind == "right" else f", {n / wrong:.2f} of the errors"))

    by_confidence: dict[int, list[float]] = defaultdict(list)
    for t in turns:
        fits = [u for u in truth[t["call_id"]]["turns"] if _shared(t, u) > 0.8 and len(normalise(u["text"]).bare) >= 4]
        if fits and t["confidence"] is not None:
            said = normalise(fits[0]["text"]).bare
            errors = sum(a != b for a, b in aligned(said, normalise(t["text"]).bare))
            by_confidence[int(10 * t["confidence"])].append(errors / len(said))
    for tenth, errors in sorted(by_confidence.items()):
        print(f"confidence {tenth / 10:.1f} to {tenth / 10 + 0.1:.1f}: {len(errors)} turns, errors {np.mean(errors):.2f} of their characters")


def _shared(a: dict[str, Any], b: dict[str, Any]) -> float:
    """Overlap of two turns as a share of the longer one."""
    return (min(a["end_s"], b["end"]) - max(a["start_s"], b["start"])) / max(a["end_s"] - a["start_s"], b["end"] - b["start"], 1e-9)


if __name__ == "__main__":
    main()
