"""How far two labellings of the unseen calls agree: moments by F1, flags by share and Cohen's kappa.

In: two label files and the calls they label. Out: a table on standard output. The surprising choice: a moment is compared by call, turn, side,
kind and type, never by its quote, because two careful readers cut a quote differently and mean the same; a turn labelled twice with one type
counts twice. F1 is symmetric, so neither reader is the truth. What the readers leave open here is what no reading of these calls can be judged on.

    python -m bench.agreement
    python -m bench.agreement --show     every moment that one reader alone labelled
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "data" / "reading"


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """One labelled moment without its quote; `side` is company or customer."""

    call_id: str
    turn: int
    side: str
    kind: str
    type: str


@dataclass(frozen=True, slots=True)
class Match:
    """Counts of moments: `both` readers agree on, `first` and `second` reader in all."""

    both: int
    first: int
    second: int

    @property
    def f1(self) -> float:
        """2·both / (first + second); 1.0 where neither reader found anything."""
        total = self.first + self.second
        return 2 * self.both / total if total else 1.0


@dataclass(frozen=True, slots=True)
class Labelling:
    """All moments of one reader, and one flag (`none`, `review`, `urgent`) a call."""

    marks: Counter[Mark]
    flags: dict[str, str]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """JSON Lines as a list of objects. Raises OSError where the file is missing, ValueError where a line is no JSON."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_roles(path: Path) -> dict[str, list[str]]:
    """The role of every turn (`agent`, `customer`, …), in order, by call."""
    return {call["call_id"]: [turn["role"] for turn in call["turns"]] for call in read_lines(path)}


def read_labelling(path: Path, roles: dict[str, list[str]]) -> Labelling:
    """One reader's labels. Raises ValueError where a call or turn is none of `roles`."""
    marks: Counter[Mark] = Counter()
    flags: dict[str, str] = {}
    for call in read_lines(path):
        call_id = call["call_id"]
        if call_id not in roles:
            raise ValueError(f"{path.name}: {call_id} is none of the labelled calls; label the calls file that is read here")
        flags[call_id] = call["flag"]
        for turn in call["turns"]:
            number = turn["turn"]
            if not 0 <= number < len(roles[call_id]):
                raise ValueError(f"{path.name}: {call_id} has no turn {number}; turns count from 0")
            side = "customer" if roles[call_id][number] == "customer" else "company"
            marks.update(Mark(call_id, number, side, moment["kind"], moment["type"]) for moment in turn["moments"])
    return Labelling(marks, flags)


def compare(first: Counter[Mark], second: Counter[Mark]) -> Match:
    """Moments that both readers gave to the same turn, side, kind and type."""
    return Match((first & second).total(), first.total(), second.total())


def only(marks: Counter[Mark], *, kind: str, type_: str | None = None) -> Counter[Mark]:
    """The marks of one kind, or of one type of it."""
    return Counter({mark: count for mark, count in marks.items() if mark.kind == kind and type_ in (None, mark.type)})


def observed_agreement(pairs: list[tuple[str, str]]) -> float:
    """Share of pairs with two equal values; 1.0 for no pairs."""
    return sum(a == b for a, b in pairs) / len(pairs) if pairs else 1.0


def cohen_kappa(pairs: list[tuple[str, str]]) -> float:
    """Cohen (1960), unweighted: (observed - expected) / (1 - expected); 1.0 where both readers gave one and the same value throughout."""
    if not pairs:
        return 1.0
    firsts, seconds = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    expected = sum(firsts[value] * seconds[value] for value in firsts) / len(pairs) ** 2
    return 1.0 if expected == 1.0 else (observed_agreement(pairs) - expected) / (1.0 - expected)


def table(first: Labelling, second: Labelling) -> list[str]:
    """The lines of the report: all moments, each kind with its types, then the flags."""
    rows = [("all moments", compare(first.marks, second.marks))]
    for kind in sorted({mark.kind for mark in first.marks | second.marks}):
        rows.append((kind, compare(only(first.marks, kind=kind), only(second.marks, kind=kind))))
        types = sorted({mark.type for mark in first.marks | second.marks if mark.kind == kind})
        rows += [(f"  {name}", compare(only(first.marks, kind=kind, type_=name), only(second.marks, kind=kind, type_=name))) for name in types]
    lines = [f"{'':<22}{'F1':>7}{'both':>7}{'first':>7}{'second':>7}"]
    lines += [f"{name:<22}{match.f1:>7.3f}{match.both:>7}{match.first:>7}{match.second:>7}" for name, match in rows]
    shared = sorted(first.flags.keys() & second.flags.keys())
    pairs = [(first.flags[call_id], second.flags[call_id]) for call_id in shared]
    equal = sum(a == b for a, b in pairs)
    lines.append(f"flags: {equal} of {len(pairs)} calls agree ({observed_agreement(pairs):.3f}), Cohen's kappa {cohen_kappa(pairs):.3f}")
    lines += [f"  {call_id}: {a} / {b}" for call_id, (a, b) in zip(shared, pairs, strict=True) if a != b]
    alone = first.flags.keys() ^ second.flags.keys()
    return lines + ([f"labelled by one reader alone: {len(alone)} calls"] if alone else [])


def lone_marks(first: Labelling, second: Labelling) -> list[str]:
    """Every moment of one reader that the other lacks, in order of call and turn; `<` the first reader's, `>` the second's."""
    lone = [(mark, "<") for mark in (first.marks - second.marks).elements()] + [(mark, ">") for mark in (second.marks - first.marks).elements()]
    return [f"{sign} {mark.call_id} turn {mark.turn} {mark.side} {mark.kind}/{mark.type}" for mark, sign in sorted(lone)]


def main() -> None:
    """Print the agreement of the two labellings of the unseen calls."""
    parser = argparse.ArgumentParser(description="Agreement of two labellings of the unseen calls.", epilog="Example: python -m bench.agreement --show")
    parser.add_argument("--calls", type=Path, default=FOLDER / "calls.jsonl")
    parser.add_argument("--first", type=Path, default=FOLDER / "labels-a.jsonl")
    parser.add_argument("--second", type=Path, default=FOLDER / "labels-b.jsonl")
    parser.add_argument("--show", action="store_true", help="list the moments that one reader alone labelled")
    options = parser.parse_args()
    roles = read_roles(options.calls)
    first, second = read_labelling(options.first, roles), read_labelling(options.second, roles)
    print("\n".join(table(first, second) + (lone_marks(first, second) if options.show else [])))


if __name__ == "__main__":
    main()
