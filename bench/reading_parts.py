"""The parts of the reading that no score of moments shows: promises' due times, heat, noise, what apologies did.

In: the written calls of tests/data/reading and, with --eval, labelled calls with sound (truth.jsonl, recordings beside it). Out: one figure a line.
Heat is judged by AUC: how surely a customer turn labelled escalation or abuse is hotter than one that is not, within one set; text and sound each
alone. Noise replaces characters by others of the same syllable, or drops them, as recognition does; the labels stay. The surprising choice:
everything is read by the shipped rules as a night reads it.

    python -m bench.reading_parts [--eval DIR]
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from statistics import mean
from typing import Any

from bench.reading_interval import prf
from bench.score_reading import heard
from models.hearing.acoustics import loudness_db
from models.hearing.audio import SAMPLE_RATE_HZ, decode
from models.mandarin import syllable, word_counts
from models.reading.heat import feel, settled_words
from models.reading.promises import due_at
from models.reading.read import effects, read
from models.reading.rulebook import RuleBook
from models.reading.rules import load_rulebook
from models.records import HeardCall

ROOT = Path(__file__).resolve().parent.parent
WRITTEN = ROOT / "tests" / "data" / "reading"
SETS = ("", "fresh", "strangers", "later")
SEED = 7


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def labelled(folder: Path) -> list[tuple[HeardCall, set[tuple[int, str, str]]]]:
    """Calls of one set with their moments as (turn, kind, type)."""
    labels = {row["call_id"]: {(t["turn"], m["kind"], m["type"]) for t in row["turns"] for m in t["moments"]} for row in rows(folder / "labels-a.jsonl")}
    return [(heard(row), labels[row["call_id"]]) for row in rows(folder / "calls.jsonl")]


def truth(path: Path) -> list[tuple[HeardCall, set[tuple[int, str, str]]]]:
    """The same from a truth.jsonl, whose moments stand in the turns."""
    return [(heard(row), {(i, m["kind"], m["type"]) for i, t in enumerate(row["turns"]) for m in t.get("moments", [])}) for row in rows(path)]


def auc(hot: Sequence[float], cool: Sequence[float]) -> float:
    """Chance that a hot turn is hotter than a cool one, ties half (Hanley and McNeil 1982)."""
    return mean((h > c) + 0.5 * (h == c) for h in hot for c in cool)


def heat_auc(calls: Iterable[tuple[HeardCall, set[tuple[int, str, str]]]], book: RuleBook, part: str) -> float:
    """part: `text` (words and what the rules found in them), `words` (without rules) or `sound`."""
    hot, cool = [], []
    for call, moments in calls:
        felt = feel(call)
        settled = settled_words(felt, read(call, book).moments, call.turns)
        for i, f in enumerate(felt):
            value = None if f is None else f.sound if part == "sound" else f.words if part == "words" else settled[i]
            if value is not None:
                (hot if any(t == i and kind in ("escalation", "abuse") for t, kind, _ in moments) else cool).append(value)
    return auc(hot, cool)


def with_loudness(calls: Iterable[tuple[HeardCall, set[tuple[int, str, str]]]], folder: Path) -> list[tuple[HeardCall, set[tuple[int, str, str]]]]:
    """True turns with the loudness of their stretch of the recording."""
    files = {row["call_id"]: row for row in rows(folder / "truth.jsonl")}
    out = []
    for call, moments in calls:
        audio = decode((folder / files[call.call_id]["file"]).read_bytes())
        turns = []
        for t in call.turns:
            pieces = [x[int((t.start_s or 0) * SAMPLE_RATE_HZ) : int((t.end_s or 0) * SAMPLE_RATE_HZ)] for x in audio.samples]
            levels = [level for level in map(loudness_db, pieces) if level is not None]
            turns.append(replace(t, loudness_db=max(levels, default=None)))
        out.append((replace(call, turns=tuple(turns)), moments))
    return out


def noisy(text: str, share: float, rng: random.Random, alike: dict[str, list[str]]) -> str:
    """A share of the characters replaced by one that sounds the same (nine of ten) or dropped."""
    out = []
    for char in text:
        same = alike.get(syllable(char), []) if "\u4e00" <= char <= "\u9fff" else []
        if not same or rng.random() >= share:
            out.append(char)
        elif rng.random() < 0.9:
            out.append(rng.choice(same))
    return "".join(out) or text


def f1(calls: Iterable[tuple[HeardCall, set[tuple[int, str, str]]]], book: RuleBook, kind: str | None = None) -> tuple[float, float]:
    """Moment F1 and precision, by turn, kind and type."""
    right = false = missed = 0
    for call, moments in calls:
        said = {(m.turn, m.kind, m.type) for m in read(call, book).moments if m.asserted and kind in (None, m.kind)}
        true = {m for m in moments if kind in (None, m[1])}
        right, false, missed = right + len(said & true), false + len(said - true), missed + len(true - said)
    precision, _, both = prf([(right, false, missed)])
    return both, precision


def promises(book: RuleBook) -> tuple[int, int, int, int]:
    """Due times exact from the labelled words; promises found; exact through the whole reading; all."""
    calls = {row["call_id"]: heard(row) for name in ("calls", "cases") for row in rows(WRITTEN / f"{name}.jsonl")}
    exact = found = through = 0
    asked = rows(WRITTEN / "promises.jsonl")
    for p in asked:
        call, fair = calls[p["call_id"]], {datetime.fromisoformat(d) for d in (p["due_at"], *p["fair"])}
        exact += due_at(p["quote"], call.started_at) in fair
        mine = [m for m in read(call, book).moments if m.asserted and m.type == "commit" and m.turn == p["turn"]]
        found += bool(mine)
        through += any(m.due_at in fair for m in mine)
    return exact, found, through, len(asked)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configs", type=Path, default=ROOT / "configs")
    parser.add_argument("--eval", type=Path, help="folder of labelled recordings with a truth.jsonl")
    a = parser.parse_args()
    book = load_rulebook(a.configs)
    exact, found, through, n = promises(book)
    print(f"due_at_exact {exact} of {n} from the labelled words, {through} through the whole reading ({found} promises found)")
    sets = {name or "unseen": labelled(WRITTEN / name) for name in SETS}
    if a.eval:
        sets["sound"] = truth(a.eval / "truth.jsonl")
    for name, calls in sets.items():
        print(f"heat_auc_text {name} {heat_auc(calls, book, 'text'):.2f} (words without rules {heat_auc(calls, book, 'words'):.2f})")
    if a.eval:
        print(f"heat_auc_sound sound {heat_auc(with_loudness(sets['sound'], a.eval), book, 'sound'):.2f}")
    alike: dict[str, list[str]] = defaultdict(list)
    for char, count in sorted(word_counts().items()):
        if len(char) == 1 and count > 500:
            alike[syllable(char)].append(char)
    for name in [x for x in ("sound", "strangers") if x in sets]:
        for share in (0.0, 0.1, 0.2):
            rng = random.Random(SEED)
            calls = [(replace(c, turns=tuple(replace(t, text=noisy(t.text, share, rng, alike)) for t in c.turns)), m) for c, m in sets[name]]
            print(f"noise {share:.0%} {name} moment_f1 {f1(calls, book)[0]:.2f} abuse_precision {f1(calls, book, 'abuse')[1]:.2f}")
    changed: dict[str, list[float]] = defaultdict(list)
    for calls in sets.values():
        for call, _ in calls:
            reading = read(call, book)
            for m, e in zip(reading.moments, effects(reading.moments, call.turns, reading.heat), strict=True):
                if e is not None:
                    changed[m.type].append(e)
    for name, values in sorted(changed.items()):
        print(f"apology_effect {name} {mean(values):+.2f} (n {len(values)})")


if __name__ == "__main__":
    main()
