"""Rules tested by their own examples."""

from __future__ import annotations

from pathlib import Path

from models.reading.examples import run_examples
from models.reading.rules import load_rulebook
from tests.models.reading.rulekit import compiled

RULES = """
kind: escalation
rules:
  - id: escalation.complaint.x
    phrases: [投诉]
    score: SCORE
    unless: {negated: true}
    examples:
      hit: [我要投诉, ["agent: 您好", "customer: 投诉你"], {turns: [{role: customer, text: 投诉, start_s: 1, end_s: 2}], heat: [0.5]}]
      miss: [我不是来投诉的, MISS]
"""


def test_examples_that_hold_and_one_that_does_not(tmp_path: Path) -> None:
    assert list(run_examples(compiled(tmp_path, RULES.replace("SCORE", "0.8").replace("MISS", "好的")))) == []
    [failure] = run_examples(compiled(tmp_path, RULES.replace("SCORE", "0.8").replace("MISS", "还是投诉")))
    assert not failure.hit and "rules/escalation.yaml:10: escalation.complaint.x: hit with score 0.8, should be missed: 还是投诉" in str(failure)


def test_a_single_line_may_name_who_says_it(tmp_path: Path) -> None:
    said = RULES.replace("score: SCORE", "score: 0.8\n    role: customer").replace("MISS", "'agent: 我要投诉你'")
    book = compiled(tmp_path, said)
    assert [e.turns for e in book.rules[0].examples if not e.hit][-1] == (("agent", "我要投诉你", ()),)
    assert list(run_examples(book)) == []  # the rule listens to the customer alone


def test_a_rule_that_is_only_possible_may_hit_below_the_line(tmp_path: Path) -> None:
    assert list(run_examples(compiled(tmp_path, RULES.replace("SCORE", "0.4").replace("MISS", "好的")))) == []


def test_the_shipped_rules_do_what_their_examples_say(root: Path) -> None:
    failures = list(run_examples(load_rulebook(root / "configs")))
    assert not failures, "\n".join(map(str, failures))
