"""docs/rules.md cannot drift: every YAML block in it compiles, and every key, operator and measure of the language stands in it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from models.reading.compiling import QUOTES, RULE_KEYS, UNLESS_KEYS, WHEN_KEYS
from models.reading.entities import ENTITY_KINDS
from models.reading.examples import run_examples
from models.reading.operators import OPERATORS, SOUND_MEASURES
from models.reading.rule import STATUSES
from models.reading.rulebook import read_book
from tests.models.reading.rulekit import write

DOCS = (Path(__file__).resolve().parents[3] / "docs" / "rules.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", DOCS, re.S)
LEXICONS = "leaders: [领导, 主管]\nregulators: [消协, '12315']\nshop_leaders: [店长, 经理人]\n"
OTHERS = [("escalation", "regulator.x"), ("escalation", "accepted"), ("conduct", "deflect.x"), ("abuse", "insult.x"), ("resolution", "accepted.x")]


def as_files(block: str) -> tuple[str, str]:
    """The block as a rule file and a lexicon file; a fragment of a rule is put into one."""
    values = [yaml.safe_load(part) for part in re.split(r"\n(?=entity: \{is: )", block)]  # several ways to write one operator
    first = values[0]
    if "rules" in first:
        return block, LEXICONS
    if all(isinstance(v, dict) and "words" in v for v in first.values()):
        own = yaml.safe_dump({k: v for k, v in yaml.safe_load(LEXICONS).items() if k not in first}, allow_unicode=True)
        return "", own + block
    rules = []
    for i, value in enumerate(values):
        rule = {"id": f"escalation.complaint.r{i}", "examples": {"hit": ["x"], "miss": ["y"]}} | value
        if not any(k in rule for k in OPERATORS):
            rule["phrases"] = ["投诉"]
        if isinstance(rule.get("when"), dict) and rule["when"].get("any") == ["…"]:
            rule["when"].pop("any")
        rules.append(rule)
    return yaml.safe_dump({"kind": "escalation", "rules": rules}, allow_unicode=True), LEXICONS


@pytest.mark.parametrize("block", [pytest.param(b, id=f"block-{i}-{b.split(':')[0].strip()}") for i, b in enumerate(BLOCKS)])
def test_every_block_compiles(tmp_path: Path, block: str) -> None:
    rules, lexicons = as_files(block)
    anchored_on = "".join(
        f"  - {{id: {kind}.{name}, phrases: [很久以前], examples: {{hit: [很久以前], miss: [y]}}}}\n"
        for kind, name in OTHERS
        if kind == "escalation" and name.count(".")
    )
    plain = "kind: escalation\nrules:\n" + anchored_on
    write(tmp_path, rules or plain, lexicons)
    if rules and "rule:" in rules:
        for kind in ("escalation", "conduct", "abuse", "resolution"):
            names = [n for k, n in OTHERS if k == kind and n.count(".")]
            text = f"kind: {kind}\nrules:\n" + "".join(
                f"  - {{id: {kind}.{n}, phrases: [很久以前], examples: {{hit: [很久以前], miss: [y]}}}}\n" for n in names
            )
            write(tmp_path, text, "", name=f"more-{kind}")
    shutil.copy(Path(__file__).resolve().parents[3] / "configs" / "learned.npz", tmp_path)
    book, problems = read_book(tmp_path)
    assert book is not None, "\n".join(map(str, problems))


def test_the_first_rule_of_the_documentation_does_what_its_examples_say(tmp_path: Path) -> None:
    book, problems = read_book(write(tmp_path, BLOCKS[0], LEXICONS))
    assert book is not None, problems
    assert list(run_examples(book)) == []


@pytest.mark.parametrize(
    "word",
    sorted({*RULE_KEYS, *OPERATORS, *WHEN_KEYS, *UNLESS_KEYS, *SOUND_MEASURES, *QUOTES, *ENTITY_KINDS, *STATUSES, "nth", "possible", "at_least", "at_most"}),
)
def test_every_word_of_the_language_is_documented(word: str) -> None:
    assert re.search(rf"(?<![a-z_]){re.escape(word)}(?![a-z_])", DOCS)
