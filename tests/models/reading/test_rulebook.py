"""Rule and lexicon files: what is refused, with line and mend; the version; fuzz of files."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.reading.rulebook import read_book
from tests.models.reading.rulekit import compiled, one, problems, write

HEAD = "kind: escalation\nrules:\n"
RULE = "  - id: escalation.complaint.x\n    phrases: [投诉]\n    examples: {hit: [投诉], miss: [好]}\n"


@pytest.mark.parametrize(
    ("rules", "line", "what", "mend"),
    [
        pytest.param(HEAD + RULE + "    colour: red\n", 6, "unknown key 'colour'", "known:", id="unknown-key"),
        pytest.param(HEAD + RULE + "    severty: 3\n", 6, "unknown key 'severty'", "did you mean 'severity'", id="misspelt-key"),
        pytest.param(HEAD + RULE + "    unless: {negatd: true}\n", 6, "unknown key 'negatd'", "did you mean 'negated'", id="misspelt-exception"),
        pytest.param(HEAD + RULE + "    when: {sound: {loudness: {at_least: 3}}}\n", 6, "unknown key 'loudness'", "", id="unknown-measure"),
        pytest.param(HEAD + RULE + RULE, 6, "stands twice", "another name", id="same-id"),
        pytest.param(HEAD + RULE.replace("escalation.c", "abuse.c"), 3, "stands in kind 'escalation'", "kind", id="wrong-kind"),
        pytest.param(HEAD + RULE.replace("complaint", "grumble"), 3, "unknown type", "mark", id="unknown-type"),
        pytest.param(HEAD + RULE + "    severity: 9\n", 6, "`severity` is 9", "from 1 to 5", id="severity"),
        pytest.param(HEAD + RULE + "    score: '0.5'\n", 6, "`score` is '0.5'", "number", id="score-as-text"),
        pytest.param(HEAD + RULE + "    role: boss\n", 6, "role 'boss'", "customer", id="role"),
        pytest.param(HEAD + RULE + "    status: maybe\n", 6, "status 'maybe'", "draft", id="status"),
        pytest.param(HEAD + RULE + "    regex: x\n", 3, "phrases and regex", "`all` or `any`", id="two-operators"),
        pytest.param(HEAD + "  - id: escalation.complaint.x\n    examples: {hit: [x], miss: [y]}\n", 3, "nothing to look for", "one of", id="no-operator"),
        pytest.param(HEAD + RULE.replace("[投诉]", "['(投诉']", 1), 4, "never closed", "add ')'", id="bracket"),
        pytest.param(HEAD + RULE.replace("[投诉]", "['{nobody}来']", 1), 4, "no lexicon 'nobody'", "", id="lexicon"),
        pytest.param(HEAD + RULE.replace("phrases: [投诉]", "regex: '(a+)+b'"), 4, "can hang", "bound", id="regex-that-hangs"),
        pytest.param(HEAD + RULE.replace("phrases: [投诉]", "regex: '(a'"), 4, "no regex", "re", id="no-regex"),
        pytest.param(HEAD + RULE.replace("phrases: [投诉]", "regex: 'a?'"), 4, "matches nothing", "", id="empty-regex"),
        pytest.param(HEAD + RULE.replace("phrases: [投诉]", "n_of: {n: 3, of: [a, b]}"), 4, "never met: 3 of 2", "lower", id="n-of-too-few"),
        pytest.param(HEAD + RULE.replace("phrases: [投诉]", "all: [投诉, none: [投诉]]"), 3, "must and must not", "", id="contradiction"),
        pytest.param(HEAD + RULE + "    unless: {phrases: [诉]}\n", 3, "one of its own exceptions", "narrow", id="shadowed-by-its-exception"),
        pytest.param(HEAD + RULE + "    when: {first: {percent: 20}, last: {percent: 30}}\n", 6, "do not meet", "", id="windows-apart"),
        pytest.param(HEAD + RULE + "    when: {first: {turns: 0}}\n", 6, "is empty", "", id="empty-window"),
        pytest.param(HEAD + RULE + "    when: {sound: {heat: {at_least: 1.5}}}\n", 6, "between 0 and 1", "", id="heat-above-one"),
        pytest.param(HEAD + RULE + "    when: {sound: {overlap_s: {at_least: 5, at_most: 2}}}\n", 6, "never met", "", id="bounds-crossed"),
        pytest.param(HEAD + RULE + "    when: {after: {rule: escalation.churn.*}}\n", 3, "no rule is called", "", id="anchor-on-nothing"),
        pytest.param(HEAD + RULE + "    when: {after: {rule: escalation.complaint.x}}\n", 3, "on itself", "repeats", id="anchor-on-itself"),
        pytest.param(HEAD + RULE + "    when: {after: {rule: x, nth: 0}}\n", 6, "is no hit", "", id="the-0th-hit"),
        pytest.param(HEAD + "  - id: escalation.complaint.x\n    phrases: [x]\n", 3, "no examples", "hit", id="no-examples"),
        pytest.param(HEAD + RULE.replace("miss: [好]", "miss: []"), 5, "no example of a miss", "", id="no-miss"),
        pytest.param(HEAD + RULE.replace("hit: [投诉]", "hit: [['boss: 投诉']]"), 5, "unknown role 'boss'", "", id="role-in-an-example"),
        pytest.param(HEAD + RULE.replace("phrases: [投诉]", "phrases: [yes, no]"), 4, "list of strings", "quotes", id="yaml-booleans"),
        pytest.param("kind: escalation\nkind: abuse\nrules: []\n", 2, "stands twice", "", id="key-twice"),
        pytest.param("kind: escalation\nrules: [\n", 3, "not YAML", "indentation", id="broken-yaml"),
        pytest.param("- a\n", 1, "mapping with `kind`", "", id="a-list"),
    ],
)
def test_what_is_refused_with_line_and_mend(tmp_path: Path, rules: str, line: int, what: str, mend: str) -> None:
    found = problems(tmp_path, rules)
    match = [p for p in found if what in p.what and mend in p.mend]
    assert match, "\n".join(map(str, found))
    assert match[0].file == "rules/escalation.yaml" and line in {p.line for p in match}


def test_a_circle_of_anchors_is_refused(tmp_path: Path) -> None:
    rules = HEAD + "".join(
        f"  - id: escalation.complaint.{a}\n    phrases: [投诉]\n    when: {{after: {{rule: escalation.complaint.{b}}}}}\n"
        "    examples: {hit: [x], miss: [y]}\n"
        for a, b in ("ab", "bc", "ca")
    )
    assert any(
        "circle: escalation.complaint.a → escalation.complaint.b → escalation.complaint.c → escalation.complaint.a" in p.what for p in problems(tmp_path, rules)
    )


@pytest.mark.parametrize(
    ("lexicons", "what"),
    [
        ("a: {words: [x], from: [b]}\nb: {words: [y], from: [a]}", "circle"),
        ("a: {words: [x], from: [nobody]}", "not there"),
        ("a: {words: []}", "no words"),
        ("a: {words: [x], without: [z]}", "not in it"),
        ("a: {words: [x], synonyms: {q: [z]}}", "no word of"),
        ("a: {wrds: [x]}", "unknown key 'wrds'"),
        ("a: {words: ['x*y']}", "holds a gap"),
    ],
)
def test_lexicons_that_are_refused(tmp_path: Path, lexicons: str, what: str) -> None:
    assert any(what in p.what and p.file.startswith("lexicons/") for p in problems(tmp_path, HEAD + RULE, lexicons))


def test_lexicons_inherit_leave_out_and_know_synonyms(tmp_path: Path) -> None:
    book = one(tmp_path, "phrases: ['{all}']", "some: [领导, 主管]\nall: {from: [some], words: [经理], without: [主管], synonyms: {领导: [头儿]}}")
    assert book.lexicons["all"] == ("领导", "经理", "头儿")


def test_defaults_are_merged_key_by_key(tmp_path: Path) -> None:
    rules = "kind: escalation\ndefaults: {severity: 4, unless: {negated: true, phrases: [a]}}\nrules:\n" + RULE + "    unless: {quoted: true, phrases: [b]}\n"
    [rule] = compiled(tmp_path, rules).rules
    assert rule.severity == 4 and {n for n, _ in rule.unless.detectors} == {"negated", "quoted"} and len(rule.unless.phrases) == 2


def test_disabled_rules_are_not_read(tmp_path: Path) -> None:
    book = compiled(tmp_path, HEAD + RULE + RULE.replace(".x", ".y") + "    status: disabled\n")
    assert [r.id for r in book.rules] == ["escalation.complaint.x"]


def test_rules_come_after_those_they_anchor_on(tmp_path: Path) -> None:
    rules = HEAD + RULE + "    when: {after: {rule: 'escalation.[a-b]*.*'}}\n" + "".join(RULE.replace("complaint.x", f"accusation.{n}") for n in "ab")
    ids = [r.id for r in compiled(tmp_path, rules).rules]
    assert ids[-1] == "escalation.complaint.x" and len(ids) == 3


def test_the_version_is_of_the_content_not_of_the_layout(tmp_path: Path) -> None:
    first = compiled(tmp_path, HEAD + RULE, "a: [x]").version
    assert re.fullmatch("[0-9a-f]{12}", first)
    assert compiled(tmp_path, "# a comment\n" + HEAD + "\n" + RULE.replace("[投诉]", "['投诉']", 1), "a: [x]").version == first
    assert compiled(tmp_path, HEAD + RULE + "    score: 0.7\n", "a: [x]").version != first
    assert compiled(tmp_path, HEAD + RULE, "a: [y]").version != first


def test_a_folder_without_rules_says_so(tmp_path: Path) -> None:
    book, found = read_book(tmp_path)
    assert book is None and "no rule files" in found[0].what


def test_the_folder_of_the_rule_files_will_do_too(tmp_path: Path) -> None:
    write(tmp_path, HEAD + RULE)
    assert read_book(tmp_path / "rules")[0] is not None


GOOD = (
    HEAD
    + """  - id: escalation.complaint.x
    role: customer
    all: [投诉, {any: [你们, {regex: '我(要|得)'}]}, none: [撤销]]
    within: sentence
    when: {first: {percent: 90}, after: {rule: escalation.churn.y, turns: 3}, sound: {heat: {at_least: 0.2}}}
    unless: {negated: true, question: 0.5, phrases: [投诉科], regex: '投诉.{0,2}电话'}
    evidence: [{when: {turn: {chars: {at_most: 5}}}, lower: 0.2}]
    examples: {hit: [投诉], miss: [好]}
  - id: escalation.churn.y
    n_of: {n: 2, of: [退订, {entity: amount}, {similar: {to: [我不用了]}}]}
    examples: {hit: [{turns: [{role: customer, text: x, start_s: 1, end_s: 2}], heat: [0.5], call: {queue: vip}}], miss: [[ 'agent: x', 'customer: y' ]]}
"""
)
ODD = [
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    float("nan"),
    "",
    "x",
    "(",
    "*",
    "^$",
    "a|b",
    "{",
    "{x}",
    [],
    [None],
    [[]],
    {},
    {"x": 1},
    {"rule": "*"},
    "(a+)+",
    ["yes", True],
    "2026-01-01",
]


def mutated(value: object, rng: random.Random) -> object:
    """The value with something in it exchanged, dropped or added."""
    if rng.random() < 0.12:
        return rng.choice(ODD)
    if isinstance(value, dict):
        out = {k: mutated(v, rng) for k, v in value.items() if rng.random() > 0.04}
        if rng.random() < 0.1:
            out[rng.choice(["x", "phrases", "near", "repeats", "when", "id", "of"])] = rng.choice(ODD)
        return out
    if isinstance(value, list):
        return [mutated(v, rng) for v in value if rng.random() > 0.05]
    return value


@pytest.mark.parametrize("seed", range(300))
def test_mangled_rule_files_are_refused_or_read_and_never_crash(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    rules = yaml.safe_dump(mutated(yaml.safe_load(GOOD), rng), allow_unicode=True)
    if rng.random() < 0.3:  # mangle the text of the file too
        at = rng.randrange(len(rules))
        rules = rules[:at] + rng.choice([":", "\t", "{", "'", "\x00", "- ", "\n"]) + rules[at + rng.randrange(4) :]
    write(tmp_path, rules)
    book, found = read_book(tmp_path)
    assert (book is None) == bool(found)
    for problem in found:
        assert problem.line >= 1 and problem.what and problem.file


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_for_a_rule_file_are_no_crash(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "rules").mkdir(exist_ok=True)
    (tmp_path / "rules" / "x.yaml").write_bytes(data)
    book, found = read_book(tmp_path)
    assert book is None and found


def test_the_good_file_is_good(tmp_path: Path) -> None:
    assert len(compiled(tmp_path, GOOD).rules) == 2
