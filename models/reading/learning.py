"""Labelled examples → the model of learned.py, and how well it would do on calls it has not seen.

In: configs/examples/*.jsonl, one snippet of a call a line: call_id, turns of role and text, moments of turn, kind, type and the literal quote. Out: a fitted
`learned.npz`, and precision and recall by type from five folds that share no snippet. A turn of several sentences is also learned sentence by
sentence; one that holds only a part of a quote teaches nothing about its type. The surprising choice: no library for learning is needed, L-BFGS of
torch fits all types at once in seconds.
"""

from __future__ import annotations

import hashlib
import json
import math
import warnings
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import ConfigError
from models.reading.calibrating import calibrate, whole_calls
from models.reading.compiling import TYPES, Compiler
from models.reading.learned import Grams, Learned, grams, said_by, save_learned
from models.reading.rulebook import documents
from models.reading.rulefile import Problem
from models.reading.rules import load_rulebook
from models.reading.text import normalise, pieces
from models.reading.weighing import ANSWERED
from models.records import ROLES

FOLDS = 5
STRENGTH = 40.0  # how freely weights may grow (C of a logistic regression); 20 to 60 differ by less than chance
RARE = 3  # an n-gram that fewer lessons hold is no feature; on calls not learned from as good as 2, with a third of the n-grams
STEPS = 250
LADDER = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
ANSWERS = frozenset(f"answer/{kind}" for kind in ANSWERED)
WHOLE_QUOTE, WHOLE_SENTENCE = 0.6, 0.9


@dataclass(frozen=True, slots=True)
class Lesson:
    """One text to learn from. yes: types it carries; open: types it may or may not carry. group: the snippet it comes from."""

    bare: str = field(repr=False)
    role: str
    yes: frozenset[str]
    open: frozenset[str]
    group: str
    whole: bool


def read_examples(folder: Path) -> tuple[list[dict[str, Any]], str]:
    """Every snippet of configs/examples and a content hash. Raises ConfigError with file and line where one cannot be used."""
    out: list[dict[str, Any]] = []
    digest = hashlib.sha256()
    for path in sorted((folder / "examples").glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            digest.update(line.encode("utf-8"))
            try:
                snippet = json.loads(line)
                _check(snippet)
            except (ValueError, KeyError, IndexError, TypeError) as error:
                form = "a line is call_id, turns (role, text), moments (turn, kind, type, quote)"
                raise ConfigError(f"examples/{path.name}:{number}: {error!r}; {form}") from error
            out.append(snippet)
    return out, digest.hexdigest()[:12]


def _check(snippet: dict[str, Any]) -> None:
    """Raises ValueError, KeyError, IndexError or TypeError where a snippet cannot be learned from."""
    if not snippet["call_id"] or not all(isinstance(t["text"], str) and t["role"] in ROLES for t in snippet["turns"]):
        raise ValueError("a turn without a known role and a text")
    for m in snippet["moments"]:
        if m["quote"] not in snippet["turns"][m["turn"]]["text"]:
            raise ValueError("a quote that does not stand in its turn")
        if m["type"] not in TYPES.get(m["kind"], ()):
            raise ValueError(f"unknown type {m['kind']}/{m['type']}")


def lessons(snippets: Sequence[dict[str, Any]]) -> list[Lesson]:
    """Turns, and the sentences of turns that have several, with what they carry."""
    out = []
    for snippet in snippets:
        said = defaultdict(list)
        for m in snippet["moments"]:
            said[m["turn"]].append((f"{m['kind']}/{m['type']}", normalise(m["quote"]).norm.strip("，。！？；： ")))
        for i, turn in enumerate(snippet["turns"]):
            text = normalise(turn["text"])
            group = str(snippet["call_id"])
            answers, unknown = _answers(snippet, i)
            out.append(Lesson(text.bare, turn["role"], answers.union(name for name, _ in said[i]), unknown, group, True))
            parts = pieces(text, hard_only=True)
            for a, b in parts if len(parts) > 1 else ():
                yes, unsure = set(), set()
                for name, quote in said[i]:
                    at = text.norm.find(quote)
                    shared = min(b, at + len(quote)) - max(a, at)
                    # a long apology says many things: the sentence with the deadline alone is none
                    within = shared >= WHOLE_SENTENCE * (b - a) and not name.startswith("apology/")
                    if within or shared >= WHOLE_QUOTE * len(quote):
                        yes.add(name)
                    elif shared > 0 or at < 0:
                        unsure.add(name)
                bare = "".join(c for c in text.norm[a:b] if c.isalnum())
                out.append(Lesson(bare, turn["role"], frozenset(yes), ANSWERS | (unsure - yes), group, False))
    return out


def _answers(snippet: dict[str, Any], i: int) -> tuple[frozenset[str], frozenset[str]]:
    """What a turn answers, as `answer/kind`, and what it may or may not: anything where the other side did not speak right before it."""
    turns = snippet["turns"]
    if i == 0 or (turns[i - 1]["role"] == "customer") == (turns[i]["role"] == "customer"):
        return frozenset(), ANSWERS
    return frozenset(f"answer/{m['kind']}" for m in snippet["moments"] if m["turn"] == i - 1 and m["kind"] in ANSWERED), frozenset()


def rule_lessons(folder: Path) -> list[Lesson]:
    """What the rules' own examples teach: each is a yes or a no of its rule's type, and says nothing of any other."""
    problems: list[Problem] = []  # rules that ask for a learned model cannot be read before there is one, and need not be
    compiler = Compiler(problems)
    compiler.lexicons(documents(folder, "lexicons", problems))
    others = ANSWERS | frozenset(f"{kind}/{type_}" for kind, types in TYPES.items() for type_ in types)
    out = []
    for document in documents(folder, "rules", problems):
        for rule in compiler.rule_file(document):
            name = f"{rule.kind}/{rule.type}"
            for example in rule.examples if name in others else ():
                said = [(role, text) for role, text, _ in example.turns if role in rule.roles]
                if said:
                    yes = frozenset({name}) if example.hit else frozenset[str]()
                    out.append(Lesson(normalise(said[-1][1]).bare, said[-1][0], yes, others - {name}, rule.id, True))
    return out


@dataclass(frozen=True, slots=True)
class Judged:
    """Of one type at one bar: how often it was right, false, and missed."""

    at_least: float
    right: int
    false: int
    missed: int


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted model before it is rounded and stored; fields as in Learned."""

    types: tuple[str, ...]
    names: tuple[str, ...]
    weights: np.ndarray
    squares: np.ndarray
    bias: np.ndarray

    def model(self, examples: str = "") -> Learned:
        return Learned(self.types, Grams(self.names), self.weights, self.squares, self.bias, examples, "")


def fit(taught: Sequence[Lesson]) -> Fit:
    """Logistic regressions of all types at once, over unit-length vectors of rarity-weighed n-grams."""
    import torch  # here alone: reading never loads it

    found = [grams(lesson.bare) for lesson in taught]
    counts = Counter(g for f in found for g in f)
    names = sorted(g for g, c in counts.items() if c >= RARE)
    index = {g: i for i, g in enumerate(names)}
    rarity = np.array([math.log((1 + len(taught)) / (1 + counts[g])) + 1 for g in names], np.float32)
    starts, columns, values = [0], [], []
    for f in found:
        mine = sorted(index[g] for g in f if g in index)
        x = rarity[mine]
        columns += mine
        values.append(x / max(float(np.sqrt((x**2).sum())), 1e-9))
        starts.append(len(columns))
    with warnings.catch_warnings():  # torch calls its sparse matrices a beta
        warnings.simplefilter("ignore", UserWarning)
        matrix = torch.sparse_csr_tensor(
            torch.tensor(starts), torch.tensor(columns), torch.from_numpy(np.concatenate(values)), size=(len(taught), len(names)), check_invariants=False
        )
    types = sorted({name for lesson in taught for name in lesson.yes})
    truth = torch.tensor([[float(name in lesson.yes) for name in types] for lesson in taught])
    counted = torch.tensor([[float(said_by(name.split("/")[0], lesson.role) and name not in lesson.open) for name in types] for lesson in taught])

    weights = torch.zeros(len(names), len(types), requires_grad=True)
    bias = torch.full((len(types),), -4.0, requires_grad=True)
    descent = torch.optim.LBFGS([weights, bias], max_iter=STEPS, history_size=6, line_search_fn="strong_wolfe")

    turned = matrix.to_sparse_coo().t().to_sparse_csr()

    def loss() -> torch.Tensor:
        """The gradient by hand: torch would multiply by the turned matrix far more slowly."""
        with torch.no_grad():
            scores = torch.sparse.mm(matrix, weights) + bias
            wrong = torch.nn.functional.binary_cross_entropy_with_logits(scores, truth, reduction="none")
            slope = (torch.sigmoid(scores) - truth) * counted
            weights.grad = torch.sparse.mm(turned, slope) + weights / STRENGTH
            bias.grad = slope.sum(0)
            return (wrong * counted).sum() + (weights**2).sum() / (2 * STRENGTH)

    descent.step(loss)
    w = weights.detach().numpy() * rarity[:, None]
    return Fit(tuple(types), tuple(names), w.astype(np.float32), rarity**2, bias.detach().numpy())


def learn(folder: Path, tell: Callable[[str], None] = lambda _: None) -> list[dict[str, Any]]:
    """Fit the examples of a configuration folder, write its learned.npz, and give the snippets back.

    Raises ConfigError where there are no examples, or rules that cannot be used: the moments that are weighed are theirs."""
    snippets, digest = read_examples(folder)
    if not snippets:
        raise ConfigError(f"no examples in {folder / 'examples'}; put labelled snippets there, one JSON object a line")
    beside = rule_lessons(folder)
    taught = [*lessons(snippets), *beside]
    tell(f"{len(snippets)} snippets, {len(taught)} lessons")
    whole = fit(taught).model(digest)
    save_learned(folder / "learned.npz", whole)
    tell(f"fitted {len(whole.grams.names)} n-grams for {len(whole.types)} types")
    calls = whole_calls(snippets)
    if calls:
        scales = calibrate(snippets, load_rulebook(folder), lambda some: fit([*lessons(some), *beside]).model(), tell)
        save_learned(folder / "learned.npz", replace(whole, scales=scales))
        tell(f"weighed the moments of {', '.join(scales)} on {len(calls)} whole calls")
    return snippets


def judged(snippets: Sequence[dict[str, Any]], beside: Sequence[Lesson] = (), tell: Callable[[str], None] = lambda _: None) -> dict[str, list[Judged]]:
    """Five folds by snippet: what each type would find and miss at bars of 0.2 to 0.8 in snippets it was not fitted on."""
    table: dict[str, list[list[int]]] = defaultdict(lambda: [[0, 0, 0] for _ in LADDER])
    for fold in range(FOLDS):
        held = [s for s in snippets if zlib.crc32(str(s["call_id"]).encode()) % FOLDS == fold]
        model = fit([*lessons([s for s in snippets if zlib.crc32(str(s["call_id"]).encode()) % FOLDS != fold]), *beside]).model()
        for snippet in held:
            likely = model.likelihoods([normalise(turn["text"]) for turn in snippet["turns"]])
            for i, (turn, p) in enumerate(zip(snippet["turns"], likely, strict=True)):
                truth = {f"{m['kind']}/{m['type']}" for m in snippet["moments"] if m["turn"] == i}
                for k, name in enumerate(model.types):
                    if said_by(name.split("/")[0], turn["role"]) and name not in ANSWERS:
                        for row, at in zip(table[name], LADDER, strict=True):
                            row[0 if name in truth and p[k] >= at else 1 if p[k] >= at else 2] += name in truth or p[k] >= at
        tell(f"fold {fold + 1} of {FOLDS}")
    return {name: [Judged(at, *row) for at, row in zip(LADDER, table[name], strict=True)] for name in sorted(table)}
