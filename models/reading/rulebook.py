"""A folder of rule files and lexicons, in; compiled rules with a content hash, or every mistake with file, line and mend, out.

`read_book` collects all problems instead of stopping at the first; `load_rulebook` (rules.py) raises them. The surprising choice: the version is a hash of
the parsed content, so that comments and layout change nothing that a row must remember.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.errors import ConfigError
from models.reading.compiling import Compiler
from models.reading.conditions import Anchor, Branch, Embed, Phrases, Sounds
from models.reading.learned import Learned, load_learned
from models.reading.patterns import Gate, Matcher
from models.reading.rule import Rule, branches_of, conditions_of, with_anchors
from models.reading.rulefile import Document, Problem, read_yaml
from models.reading.text import Cutter
from models.records import ROLES

MISHEARD = 0.03  # the most that is asked of a sound-alike's likelihood


class Branches:
    """All alternatives of the regexes of some rules, in; which of them can match a text, by the literals that stand in it, out."""

    __slots__ = ("_always", "_by_literal")

    def __init__(self, branches: Iterable[Branch]) -> None:
        self._always: set[int] = set()
        self._by_literal: dict[int, list[tuple[int, tuple[frozenset[int], ...]]]] = {}
        for branch in dict.fromkeys(branches):
            if not branch.needed:
                self._always.add(branch.number)
            for literal in sorted(branch.needed[0]) if branch.needed else ():
                self._by_literal.setdefault(literal, []).append((branch.number, branch.needed[1:]))

    def possible(self, literals: Set[int]) -> set[int]:
        """Numbers of the alternatives of which every set has a literal here."""
        out = set(self._always)
        for literal in literals:
            for branch, others in self._by_literal.get(literal, ()):
                for needed in others:
                    if needed.isdisjoint(literals):
                        break
                else:
                    out.add(branch)
        return out


@dataclass(frozen=True, slots=True)
class Likely:
    """The rules that wait for a likelihood: of which column, of how much at least, and their indices."""

    columns: npt.NDArray[np.int64]
    bars: npt.NDArray[np.float64]
    rules: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules of a folder in the order of their anchors, ready to read calls. version: content hash, 12 hexadecimal digits.

    matchers, branches: by role, what the rules look for in turns of that role; exceptions: what takes hits away, asked only where there are hits.
    by_chain, by_branch, by_likelihood: which rules wait for what. untriggered: rules that wait for nothing.
    """

    version: str
    rules: tuple[Rule, ...]
    lexicons: Mapping[str, tuple[str, ...]]
    matchers: Mapping[str, Matcher] = field(repr=False)
    exceptions: Mapping[str, Matcher] = field(repr=False)
    cutter: Cutter = field(repr=False)
    by_chain: tuple[tuple[int, ...], ...] = field(repr=False)
    by_branch: tuple[tuple[int, ...], ...] = field(repr=False)
    branches: Mapping[str, Branches] = field(repr=False)
    untriggered: tuple[int, ...] = field(repr=False)
    names: frozenset[int] = field(repr=False, default=frozenset())
    embed: Embed | None = field(repr=False, default=None)
    learned: Learned | None = field(repr=False, default=None)
    by_likelihood: Likely | None = field(repr=False, default=None)
    gates: tuple[Gate | None, ...] = field(repr=False, default=())  # by chain, the likelihood below which every rule that asks for it is hopeless

    def rule(self, rule_id: str) -> Rule:
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise KeyError(rule_id)


def read_book(folder: Path, embed: Embed | None = None) -> tuple[RuleBook | None, list[Problem]]:
    """Compile configs/rules and configs/lexicons of `folder`. The book is None if anything is wrong with it."""
    if folder.name == "rules" and not (folder / "rules").is_dir():  # the folder of the rule files themselves
        folder = folder.parent
    problems: list[Problem] = []
    lexicon_files = documents(folder, "lexicons", problems)
    rule_files = documents(folder, "rules", problems)
    if not rule_files and not problems:
        problems.append(Problem(f"{folder.name}/rules", 1, "no rule files here", "put *.yaml files there or name another folder"))
    learned = None
    try:
        learned = load_learned(folder)
    except ConfigError as error:
        problems.append(Problem("learned.npz", 1, str(error)))
    compiler = Compiler(problems, learned)
    compiler.lexicons(lexicon_files)
    read = [rule for document in rule_files for rule in compiler.rule_file(document)]
    _unique(read, problems)
    rules = _resolved_and_ordered(read, problems)
    if problems:
        return None, sorted(problems)
    by_chain: list[list[int]] = [[] for _ in compiler.chains]
    by_branch: list[list[int]] = [[] for _ in range(compiler.alternatives)]
    by_likelihood = []
    untriggered = []
    for index, rule in enumerate(rules):
        if rule.triggers is None:
            untriggered.append(index)
            continue
        for chain in rule.triggers.chains:
            by_chain[chain].append(index)
        for branch in rule.triggers.branches:
            by_branch[branch].append(index)
        by_likelihood += [(likely.column, likely.at_least, index) for likely in rule.triggers.likely]
    book = RuleBook(
        version=_version([*lexicon_files, *rule_files], learned),
        rules=tuple(rules),
        lexicons={name: tuple(words) for name, words in compiler.words.items()},
        matchers=_matchers(rules, compiler, exceptions=False),
        exceptions=_matchers(rules, compiler, exceptions=True),
        cutter=Cutter(compiler.jieba_words),
        by_chain=tuple(map(tuple, by_chain)),
        by_branch=tuple(map(tuple, by_branch)),
        branches=_branches(rules),
        untriggered=tuple(untriggered),
        names=frozenset(compiler.name_chains),
        embed=embed,
        learned=learned,
        by_likelihood=Likely(np.array([c for c, _, _ in by_likelihood]), np.array([b for _, b, _ in by_likelihood]), tuple(r for _, _, r in by_likelihood))
        if by_likelihood
        else None,
        gates=_gates(rules, len(compiler.chains)) if learned else (),
    )
    return book, []


def floor(rule: Rule) -> Gate | None:
    """The column and the likelihood below which `unlikely` takes away whatever the rule finds; None where nothing does."""
    # what was misheard is spelt unlike any example: likeness then says little, and little is asked of a sound-alike's
    return None if rule.unless.unlikely is None else (rule.unless.unlikely[0], min(rule.unless.unlikely[1], MISHEARD))


def _gates(rules: Sequence[Rule], chains: int) -> tuple[Gate | None, ...]:
    out: list[Gate | None] = [None] * chains
    asked: set[int] = set()
    for rule in rules:
        mine = floor(rule)
        for chain in {chain for c in conditions_of(rule) if isinstance(c, Phrases) for chain in c.chains}:
            known = out[chain]
            if chain not in asked:
                out[chain] = mine
            else:
                out[chain] = (known[0], min(known[1], mine[1])) if known and mine and known[0] == mine[0] else None
            asked.add(chain)
    return tuple(out)


def _branches(rules: Sequence[Rule]) -> dict[str, Branches]:
    return {role: Branches(b for rule in rules if role in rule.roles for b in branches_of(rule)) for role in ROLES}


def _matchers(rules: Sequence[Rule], compiler: Compiler, exceptions: bool) -> dict[str, Matcher]:
    """A matcher for each role; roles that the same rules look at share one."""
    made: dict[frozenset[int], Matcher] = {}
    out = {}
    for role in ROLES:
        mine = [rule for rule in rules if role in rule.roles]
        if exceptions:
            used = frozenset(compiler.name_chains).union(*(r.unless.phrases | r.unless.clause | r.unless.sentence | r.unless.turn for r in mine))
        else:
            used = frozenset().union(*(c.chains for r in mine for c in conditions_of(r) if isinstance(c, Phrases)))
        if used not in made:
            made[used] = Matcher(compiler.chains, () if exceptions else compiler.literals, used)
        out[role] = made[used]
    return out


def documents(folder: Path, part: str, problems: list[Problem]) -> list[Document]:
    """The YAML files of one part of a configuration folder, `rules` or `lexicons`."""
    found = []
    for path in sorted((folder / part).glob("*.y*ml")):
        if path.suffix in (".yaml", ".yml"):
            document = read_yaml(path, f"{part}/{path.name}", problems)
            if document is not None and document.value is not None:
                found.append(document)
    return found


def _version(documents: Sequence[Document], learned: Learned | None) -> str:
    content = json.dumps([[d.file, d.value] for d in documents], ensure_ascii=False, sort_keys=True, default=str)
    content += learned.version if learned else ""
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _unique(rules: Sequence[Rule], problems: list[Problem]) -> None:
    first: dict[str, Rule] = {}
    for rule in rules:
        if rule.id in first:
            other = first[rule.id]
            problems.append(Problem(rule.file, rule.line, f"rule id '{rule.id}' stands twice (also {other.file}:{other.line})", "give one another name"))
        first.setdefault(rule.id, rule)


def _resolved_and_ordered(rules: Sequence[Rule], problems: list[Problem]) -> list[Rule]:
    """Anchors' patterns turned into ids, rules after those they anchor on, and whether they need heat; a circle is a problem."""
    ids = [rule.id for rule in rules]
    needs: dict[str, list[str]] = {}
    resolved: dict[str, Rule] = {}
    for rule in rules:
        wanted: set[str] = set()
        resolved[rule.id] = with_anchors(rule, lambda anchor, rule=rule, wanted=wanted: _resolved(anchor, rule, ids, wanted, problems))
        needs[rule.id] = sorted(wanted)
    done: dict[str, int] = {}
    out: list[Rule] = []
    for rule_id in resolved:
        _visit(rule_id, needs, resolved, done, out, [], problems)
    hot: set[str] = set()
    for rule in out:
        if any(isinstance(c, Sounds) and c.needs_heat for c in conditions_of(rule)) or not hot.isdisjoint(needs[rule.id]):
            hot.add(rule.id)
    return [replace(rule, needs_heat=rule.id in hot) for rule in out]


def _resolved(anchor: Anchor, rule: Rule, ids: Sequence[str], wanted: set[str], problems: list[Problem]) -> Anchor:
    """The anchor with the ids that its patterns stand for. A pattern never means the rule itself."""
    found: set[str] = set()
    for pattern in anchor.rules:
        named = fnmatch.filter(ids, pattern)
        if not named:
            what = f"'{rule.id}' is anchored on '{pattern}', which no rule is called"
            problems.append(Problem(rule.file, rule.line, what, "name a rule that is there and not disabled (`futing rules list`)"))
        elif set(named) == {rule.id}:
            problems.append(Problem(rule.file, rule.line, f"'{rule.id}' is anchored on itself", "use `repeats`, or name another rule"))
        found.update(i for i in named if i != rule.id)
    wanted |= found
    return replace(anchor, rules=tuple(sorted(found)))


def _visit(
    rule_id: str, needs: Mapping[str, list[str]], rules: Mapping[str, Rule], done: dict[str, int], out: list[Rule], path: list[str], problems: list[Problem]
) -> None:
    """Depth first: a rule after everything it needs."""
    if done.get(rule_id) == 2:
        return
    if done.get(rule_id) == 1:
        circle = [*path[path.index(rule_id) :], rule_id]
        rule = rules[rule_id]
        problems.append(Problem(rule.file, rule.line, f"anchors run in a circle: {' → '.join(circle)}", "take one of these anchors out"))
        return
    done[rule_id] = 1
    for other in needs[rule_id]:
        _visit(other, needs, rules, done, out, [*path, rule_id], problems)
    done[rule_id] = 2
    out.append(rules[rule_id])
