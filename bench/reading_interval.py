"""How sure the reading scores are: moment F1, precision and recall with 95 % bootstrap intervals over calls.

usage: python bench/reading_interval.py CALLS.jsonl LABELS.jsonl [--configs configs] [--show]

A moment is right when call, turn, side, kind and type agree (as in bench/agreement.py, so the agreement of two labellings is the
ceiling in the same unit); several of one type in one turn count once. Calls are drawn with replacement 2,000 times.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bench.score_reading import heard
from models.reading.read import read
from models.reading.rules import load_rulebook

Counts = tuple[int, int, int]  # right, false, missed


def counts(rows: list[dict], labels: dict[str, dict], configs: Path, show: bool) -> tuple[dict[str, dict[str, Counts]], dict[str, tuple[str, str]]]:
    """Per group (all, kind, kind/type), per call: right, false, missed. And per call the true and the given flag."""
    book = load_rulebook(configs)
    out: dict[str, dict[str, Counts]] = defaultdict(dict)
    flags = {}
    for row in rows:
        call = heard(row)
        reading = read(call, book)
        truth = {(t["turn"], m["kind"], m["type"]) for t in labels[call.call_id]["turns"] for m in t["moments"]}
        quotes = {(t["turn"], m["kind"], m["type"]): m["quote"] for t in labels[call.call_id]["turns"] for m in t["moments"]}
        said = {(m.turn, m.kind, m.type): m for m in reading.moments if m.asserted}
        flags[call.call_id] = (labels[call.call_id]["flag"], reading.flag)
        for name in {"all"} | {k for _, k, _ in truth | said.keys()} | {f"{k}/{t}" for _, k, t in truth | said.keys()}:
            mine = [{x for x in group if name in ("all", x[1], f"{x[1]}/{x[2]}")} for group in (truth, said.keys())]
            out[name][call.call_id] = (len(mine[0] & mine[1]), len(mine[1] - mine[0]), len(mine[0] - mine[1]))
        if show:
            for x in sorted(said.keys() - truth):
                print(f"false  {call.call_id}:{x[0]} {x[1]}/{x[2]} [{said[x].rule_id}] {said[x].quote} | {call.turns[x[0]].text}")
            for x in sorted(truth - said.keys()):
                print(f"missed {call.call_id}:{x[0]} {x[1]}/{x[2]} {quotes[x]} | {call.turns[x[0]].text}")
            if flags[call.call_id][0] != reading.flag:
                print(f"flag   {call.call_id} true {flags[call.call_id][0]} given {reading.flag}: {[r.code for r in reading.reasons]}")
    return out, flags


def prf(found: list[Counts]) -> tuple[float, float, float]:
    tp, fp, fn = (sum(c[i] for c in found) for i in range(3))
    p, r = tp / (tp + fp) if tp + fp else 0.0, tp / (tp + fn) if tp + fn else 0.0
    return p, r, 2 * p * r / (p + r) if p + r else 0.0


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("calls", type=Path)
    ap.add_argument("labels", type=Path)
    ap.add_argument("--configs", type=Path, default=Path(__file__).resolve().parent.parent / "configs")
    ap.add_argument("--show", action="store_true")
    a = ap.parse_args()
    rows = [json.loads(line) for line in a.calls.read_text(encoding="utf-8").splitlines() if line.strip()]
    labels = {x["call_id"]: x for x in map(json.loads, a.labels.read_text(encoding="utf-8").splitlines())}
    found, flags = counts(rows, labels, a.configs, a.show)
    ids = sorted(labels)
    rng = random.Random(20261122)
    draws = [[rng.choice(ids) for _ in ids] for _ in range(2000)]
    print("| | P | R | F1 | 95 % | n |\n|---|---|---|---|---|---|")
    for name in sorted(found, key=lambda n: (n != "all", "/" in n, n)):
        p, r, f = prf(list(found[name].values()))
        spread = sorted(prf([found[name].get(c, (0, 0, 0)) for c in draw])[2] for draw in draws) if "/" not in name else []
        interval = f"{spread[50]:.2f}–{spread[1949]:.2f}" if spread else ""
        print(f"| {name} | {p:.2f} | {r:.2f} | {f:.2f} | {interval} | {sum(c[0] + c[2] for c in found[name].values())} |")
    print(f"flags right {sum(a == b for a, b in flags.values())} of {len(flags)}")
    for flag in ("urgent", "review", "none"):
        print(f"  {flag}: recall {sum(a == b == flag for a, b in flags.values())}/{sum(a == flag for a, _ in flags.values())}, "
              f"precision {sum(a == b == flag for a, b in flags.values())}/{sum(b == flag for _, b in flags.values())}")  # fmt: skip


if __name__ == "__main__":
    main()
