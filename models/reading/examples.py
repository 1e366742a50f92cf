"""A rule book, in; which of its rules do not do what their own examples say, out.

The surprising choice: an example is read with the whole book, so that anchors, lexicons and heat work as in a night; only the rule itself is
asked about. Heat is felt as in a night, unless the example gives its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from models.reading.heat import feel
from models.reading.rule import Example, Rule
from models.reading.rulebook import RuleBook
from models.reading.rules import find_hits
from models.records import ASSERTED, HeardCall, Turn, Word


@dataclass(frozen=True, slots=True)
class Failure:
    """An example that came out otherwise. hit: what it should have been. score: the best hit's, where there was one."""

    rule_id: str
    file: str
    line: int
    hit: bool
    said: str = field(repr=False)
    score: float | None = None

    def __str__(self) -> str:
        if self.hit and self.score is not None:
            what = f"only possible (score {self.score:g} < {ASSERTED:g}), not asserted"
        else:
            what = "not hit" if self.hit else f"hit with score {self.score:g}"
        return f"{self.file}:{self.line}: {self.rule_id}: {what}, should be {'hit' if self.hit else 'missed'}: {self.said}"


def run_examples(book: RuleBook) -> Iterator[Failure]:
    """Every example of every rule that fails. A hit must be asserted (score ≥ 0.5), unless the rule can give no such score; a miss must not be."""
    for rule in book.rules:
        for example in rule.examples:
            call = example_call(example)
            heat = example.heat if example.heat is not None else tuple(None if h is None else h.value for h in feel(call))
            hits = find_hits(call, book, heat).get(rule.id, ())
            best = max((h.score for h in hits), default=None)
            wanted = ASSERTED if rule.score >= ASSERTED else 0.0
            if (best is not None and best >= wanted) != example.hit:
                yield Failure(rule.id, rule.file, example.line, example.hit, " / ".join(text for _, text, _ in example.turns), best)


def example_call(example: Example) -> HeardCall:
    """The dialogue of an example as a heard call."""
    turns = []
    for i, (role, text, facts) in enumerate(example.turns):
        known = dict(facts)
        words = tuple(Word(str(w[0]), float(w[1]), float(w[2]), float(w[3])) for w in known.pop("words", ()))  # type: ignore[union-attr, index]
        turns.append(Turn(index=i, role=role, text=text, words=words, **{k: float(v) for k, v in known.items()}))  # type: ignore[arg-type]
    call = dict(example.call)
    layout = call.pop("layout", "text")
    return HeardCall(call_id="example", turns=tuple(turns), layout=layout, **call)  # type: ignore[arg-type]


def examples_of(book: RuleBook) -> Iterator[tuple[Rule, Example]]:
    for rule in book.rules:
        for example in rule.examples:
            yield rule, example
