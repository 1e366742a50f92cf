"""How fast reading is: milliseconds for a call of 20 turns, how it grows with rules and turns, and what a month of calls would take.

In: the rules of a configuration folder and written calls (tests/data/reading, or --calls FILE.jsonl with call_id and turns of role and text).
Out: one figure a line. Every call is cut or repeated to 20 turns, so that figures compare; CPU time of one core is taken, the best of several
passes, and the wall clock beside it. The surprising choice: both phases are timed (rules without heat, then all rules with heat on the same
scan), and the growth with rules is measured by taking away rules of the book at random, since invented rules would be of the wrong kind.

    python bench/reading.py
    python bench/reading.py --month 300000        also reads that many calls in a row (from memory) and watches the process grow
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from models.reading.read import read  # noqa: E402
from models.reading.rulebook import RuleBook  # noqa: E402
from models.reading.rules import find, load_rulebook, look  # noqa: E402
from models.records import HeardCall, Turn, Word  # noqa: E402

TURNS = 20


def written_calls(paths: Sequence[Path]) -> list[HeardCall]:
    """Calls from JSON Lines, with times and a word for each character, as hearing gives them."""
    calls = []
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            turns, at = [], 0.0
            for i, t in enumerate(row["turns"]):
                letters = [c for c in t["text"] if c.isalnum()]
                words = tuple(Word(c, at + 0.2 * k, at + 0.2 * (k + 1), 0.9) for k, c in enumerate(letters))
                turns.append(Turn(i, t["role"], t["text"], at, at + 0.2 * len(letters), words))
                at += 0.2 * len(letters) + 0.5
            if turns:
                calls.append(HeardCall(str(row.get("call_id", len(calls))), tuple(turns), "stereo", duration_s=at))
    return calls


def of_length(call: HeardCall, turns: int) -> HeardCall:
    """The call cut, or said again from the start, to so many turns."""
    many = [call.turns[i % len(call.turns)] for i in range(turns)]
    return replace(call, turns=tuple(replace(t, index=i, start_s=None, end_s=None, words=()) for i, t in enumerate(many)))


def best_of(passes: int, work: Callable[[], object]) -> tuple[float, float]:
    """The least CPU and wall seconds of several passes."""
    cpu, wall = float("inf"), float("inf")
    for _ in range(passes):
        began_cpu, began = time.process_time(), time.perf_counter()
        work()
        cpu, wall = min(cpu, time.process_time() - began_cpu), min(wall, time.perf_counter() - began)
    return cpu, wall


def both_phases(calls: Sequence[HeardCall], book: RuleBook) -> None:
    for call in calls:
        scan = look(call, book)
        find(call, book, scan=scan)
        find(call, book, [0.5 if t.by_customer else None for t in call.turns], scan=scan)


def fewer_rules(config: Path, share: float, seed: int) -> RuleBook:
    """The book compiled of a random share of its rules (anchors on what is gone are taken out with their rules)."""
    import tempfile

    import yaml

    from models.reading.rulebook import read_book

    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        for part in ("rules", "lexicons"):
            (Path(folder) / part).mkdir()
            for path in sorted((config / part).glob("*.y*ml")):
                document = yaml.safe_load(path.read_text(encoding="utf-8"))
                if part == "rules":
                    document["rules"] = [r for r in document["rules"] if rng.random() < share]
                (Path(folder) / part / path.name).write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
        if (config / "learned.npz").is_file():
            (Path(folder) / "learned.npz").write_bytes((config / "learned.npz").read_bytes())
        for _ in range(50):
            book, problems = read_book(Path(folder))
            if book is not None:
                return book
            gone = {(p.file, p.what.split("'")[1]) for p in problems if "no rule is called" in p.what}
            if not gone:
                raise SystemExit("\n".join(map(str, problems)))
            for file in {f for f, _ in gone}:
                path = Path(folder) / file
                document = yaml.safe_load(path.read_text(encoding="utf-8"))
                document["rules"] = [r for r in document["rules"] if (file, r["id"]) not in gone]
                path.write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
    raise SystemExit("no sound book of fewer rules was found")


def memory_mb() -> float:
    """Resident memory of this process, now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0], epilog="example: python bench/reading.py --month 20000")
    parser.add_argument("--config", type=Path, default=ROOT / "configs")
    parser.add_argument("--calls", type=Path, action="append", help="JSON Lines of written calls; may be repeated")
    parser.add_argument("--passes", type=int, default=7)
    parser.add_argument("--month", type=int, default=0, help="also read this many calls in a row")
    args = parser.parse_args(argv)

    begin = time.perf_counter()
    book = load_rulebook(args.config)
    print(f"rules {len(book.rules)}, phrases {len(book.matchers['customer'].chains)}, lexicons {len(book.lexicons)}, version {book.version}")
    print(f"load_s {time.perf_counter() - begin:.2f}")
    heard = written_calls(args.calls or sorted((ROOT / "tests" / "data" / "reading").glob("*calls*.jsonl")))
    if not heard:
        raise SystemExit("no written calls; name some with --calls")
    twenty = [of_length(c, TURNS) for c in heard]
    both_phases(twenty, book)  # warm: jieba's dictionary, characters met for the first time
    characters = sum(len(t.text) for c in twenty for t in c.turns) / len(twenty)
    print(f"calls {len(twenty)} of {TURNS} turns, {characters:.0f} characters each")
    cpu, wall = best_of(args.passes, lambda: both_phases(twenty, book))
    print(f"rules_ms_per_call {1000 * cpu / len(twenty):.2f} cpu, {1000 * wall / len(twenty):.2f} wall")
    cpu, _ = best_of(args.passes, lambda: [look(c, book) for c in twenty])
    print(f"of_which_scan_ms {1000 * cpu / len(twenty):.2f} cpu")
    cpu, wall = best_of(args.passes, lambda: [read(c, book) for c in twenty])
    print(f"read_ms_per_call {1000 * cpu / len(twenty):.2f} cpu, {1000 * wall / len(twenty):.2f} wall (heat, apologies, measures and flag included)")
    full = best_of(3, lambda: [read(c, book) for c in heard])
    print(f"read_ms_per_call_as_written {1000 * full[0] / len(heard):.2f} cpu ({sum(len(c.turns) for c in heard) / len(heard):.1f} turns, with words)")

    for turns in (10, 20, 40, 80, 160):
        some = [of_length(c, turns) for c in heard[:12]]
        cpu, _ = best_of(3, lambda some=some: both_phases(some, book))
        print(f"turns {turns}: {1000 * cpu / len(some):.2f} ms a call, {1e6 * cpu / len(some) / turns:.0f} µs a turn")
    for share in (0.25, 0.5, 1.0):
        fewer = book if share == 1.0 else fewer_rules(args.config, share, 1)
        cpu, _ = best_of(3, lambda fewer=fewer: both_phases(twenty, fewer))
        print(f"rules {len(fewer.rules)}: {1000 * cpu / len(twenty):.2f} ms a call")

    if args.month:
        start, began = memory_mb(), time.perf_counter()
        peak, done = start, 0
        while done < args.month:
            read(heard[done % len(heard)], book)
            done += 1
            if done % 500 == 0:
                peak = max(peak, memory_mb())
        took = time.perf_counter() - began
        print(f"read {done} calls in {took:.1f} s: {done / took:.0f} calls/s on one core, 300,000 calls in {300_000 / (done / took) / 60:.1f} min")
        print(f"memory_mb {start:.0f} before, {peak:.0f} at most, {memory_mb():.0f} after")


if __name__ == "__main__":
    main()
