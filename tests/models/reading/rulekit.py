"""Small rule books and calls for the tests of reading: YAML and texts in, compiled books and heard calls out."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from models.reading.rulebook import RuleBook, read_book
from models.reading.rulefile import Problem
from models.reading.rules import find_hits
from models.records import HeardCall, Role, Turn, Word

EXAMPLES = "examples: {hit: [x], miss: [y]}"


def write(folder: Path, rules: str, lexicons: str = "", name: str = "escalation") -> Path:
    """Put one rule file and one lexicon file into a configuration folder."""
    for part, text in (("rules", rules), ("lexicons", lexicons)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        if text.strip():
            (folder / part / f"{name}.yaml").write_text(textwrap.dedent(text), encoding="utf-8")
    return folder


def compiled(folder: Path, rules: str, lexicons: str = "", **more: Any) -> RuleBook:
    """The compiled book; the test fails with the problems where there are any."""
    book, problems = read_book(write(folder, rules, lexicons), **more)
    assert book is not None, "\n".join(map(str, problems))
    return book


def problems(folder: Path, rules: str, lexicons: str = "") -> list[Problem]:
    return read_book(write(folder, rules, lexicons))[1]


def one(folder: Path, body: str, lexicons: str = "", **more: Any) -> RuleBook:
    """A book of one rule, `escalation.complaint.x`, by anybody, with this body."""
    rule = f"kind: escalation\nrules:\n  - id: escalation.complaint.x\n    {EXAMPLES}\n" + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ") + "\n"
    return compiled(folder, rule, lexicons, **more)


def call(*texts: str, role: Role = "customer", times: bool = False, **more: Any) -> HeardCall:
    """A call of turns; `agent: …` at the start of a text names another role."""
    turns = []
    for i, text in enumerate(texts):
        speaker: Any = role
        for name in ("agent", "customer", "supervisor", "ivr"):
            if text.startswith(name + ": "):
                speaker, text = name, text.removeprefix(name + ": ")
        turns.append(Turn(i, speaker, text, i * 10.0 if times else None, i * 10.0 + 8.0 if times else None))
    return HeardCall("c", tuple(turns), "text", **more)


def worded(text: str, probability: float = 0.9, start_s: float = 0.0, each_s: float = 0.2) -> Turn:
    """A customer's turn whose every letter is a word of `each_s` seconds."""
    letters = [c for c in text if c.isalnum()]
    words = tuple(Word(c, start_s + i * each_s, start_s + (i + 1) * each_s, probability) for i, c in enumerate(letters))
    return Turn(0, "customer", text, start_s, start_s + len(letters) * each_s, words)


def quotes(book: RuleBook, heard: HeardCall, rule: str = "escalation.complaint.x", heat: Any = None) -> list[tuple[int, str]]:
    """(turn, quoted words) of every hit of one rule."""
    return [(h.turn, heard.turns[h.turn].text[h.start : h.end]) for h in find_hits(heard, book, heat).get(rule, ())]
