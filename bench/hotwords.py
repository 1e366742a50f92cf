"""What the hotwords mend and what they invent: names said in labelled calls against the same names in a finished run.

In: a truth.jsonl (call_id, turns of text) and the tables of a run over its calls. Out: for each name of configs/hotwords.txt how often it was said, heard,
missed, and heard more often than said in a call (false insertions), and the sums. Run it over two nights, one with `hearing.wording: false`, to see
what the list and the sentences are worth.

    python -m bench.hotwords TRUTH --out NIGHTS [--hotwords configs/hotwords.txt]
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow.parquet as pq

from flows.figures import spoken_form
from models.hearing.wording import read_hotwords


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the run's tables")
    parser.add_argument("--hotwords", type=Path, default=Path("configs/hotwords.txt"))
    a = parser.parse_args()
    words = read_hotwords(a.hotwords)
    heard: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for path in sorted((a.out / "turns").rglob("part-0.parquet")):
        for row in pq.ParquetFile(path).read(columns=["call_id", "start_s", "text"]).to_pylist():
            heard[row["call_id"]].append((row["start_s"] or 0.0, row["text"]))
    said, right, false = Counter[str](), Counter[str](), Counter[str]()
    for line in a.truth.read_text(encoding="utf-8").splitlines():
        call = json.loads(line)
        truth = "|".join(spoken_form(t["text"]) for t in call["turns"])
        found = "|".join(spoken_form(text) for _, text in sorted(heard[call["call_id"]]))
        for word in words:
            meant, got = truth.count(word), found.count(word)
            said[word] += meant
            right[word] += min(meant, got)
            false[word] += max(0, got - meant)
    print(f"{'':<10}{'said':>6}{'right':>6}{'missed':>8}{'false':>6}")
    for word in sorted(words, key=lambda w: -said[w] - false[w]):
        if said[word] or false[word]:
            print(f"{word:<10}{said[word]:>6}{right[word]:>6}{said[word] - right[word]:>8}{false[word]:>6}")
    print(f"{'all':<10}{said.total():>6}{right.total():>6}{said.total() - right.total():>8}{false.total():>6}")


if __name__ == "__main__":
    main()
