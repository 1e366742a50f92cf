"""Labelled examples heard once, by a linear model, in; how like them a turn is, for every type of moment, out.

A rule names what people say; ten thousand callers say it in other words. The model is a logistic regression for each type over character n-grams
(1 to 4, weighed by rarity, unit length) of labelled examples (configs/examples), fitted by `futing rules learn` and kept in configs/learned.npz.
It has no words of its own to explain but the n-grams that spoke for a type, and those give the quote. The surprising choice: it never decides alone.
It speaks through rules (`learned: {at_least: …}`, `unless: {unlikely: …}`), with everything else a rule may ask for.

Source of the weighing: Wang and Manning (2012), Baselines and bigrams; of the term weights: Salton and Buckley (1988).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.errors import ConfigError
from models.reading.text import Text, pieces

LONGEST = 4  # characters of an n-gram
KEEP_CLAUSE = 0.3  # a clause beside the strongest one belongs to the quote if it speaks with this share of its weight
BY_CUSTOMER = frozenset({"escalation", "resolution"})
BY_COMPANY = frozenset({"apology", "conduct"})
Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Learned:
    """A fitted model. types: `kind/type`, in the order of the columns. weights: (features, types), already weighed by rarity; squares: (features,) of
    the rarity weights; bias: (types,). examples: content hash of the examples it was fitted on. version: content hash of the model itself."""

    types: tuple[str, ...]
    features: Mapping[str, int] = field(repr=False)
    weights: Vector = field(repr=False)
    squares: Vector = field(repr=False)
    bias: Vector = field(repr=False)
    examples: str
    version: str

    def column(self, kind: str, type_: str) -> int | None:
        """The column of a type; None where the model has never seen it."""
        name = f"{kind}/{type_}"
        return self.types.index(name) if name in self.types else None

    def likelihoods(self, text: Text) -> Vector:
        """(types,) probability that a turn carries each type, 0–1: the surest of the whole turn and of each of its sentences."""
        best = self._score(text.bare)
        sentences = pieces(text, hard_only=True)
        if len(sentences) > 1:
            for start, end in sentences:
                bare = "".join(c for c in text.norm[start:end] if c.isalnum())
                if bare:
                    best = np.maximum(best, self._score(bare))
        return (1.0 / (1.0 + np.exp(-best))).astype(np.float32)

    def place(self, text: Text, column: int) -> tuple[int, int]:
        """norm offsets of the clauses that speak most for a type: the strongest, and its neighbours as far as they speak too."""
        clauses = pieces(text, hard_only=False)
        if len(clauses) < 2:
            return (0, len(text.norm))
        speaks = [self._speaks("".join(c for c in text.norm[a:b] if c.isalnum()), column) for a, b in clauses]
        first = last = int(np.argmax(speaks))
        enough = KEEP_CLAUSE * max(speaks[first], 0.0)
        while first > 0 and speaks[first - 1] > enough:
            first -= 1
        while last + 1 < len(clauses) and speaks[last + 1] > enough:
            last += 1
        return clauses[first][0], clauses[last][1]

    def _score(self, bare: str) -> Vector:
        found = self._found(bare)
        if not found:
            return self.bias
        return self.bias + self.weights[found].sum(0) / np.sqrt(self.squares[found].sum())

    def _speaks(self, bare: str, column: int) -> float:
        found = self._found(bare)
        return float(self.weights[found, column].sum()) if found else 0.0

    def _found(self, bare: str) -> list[int]:
        known = self.features
        return [known[g] for g in grams(bare) if g in known]


def grams(bare: str) -> set[str]:
    """The character n-grams of a bare text with its edges, each once."""
    s = f"^{bare}$"
    n = len(s)
    return {s[i : i + k] for k in range(1, LONGEST + 1) for i in range(n - k + 1)}


def load_learned(folder: Path) -> Learned | None:
    """configs/learned.npz of a folder; None where there is none. Raises ConfigError where it cannot be used."""
    path = folder / "learned.npz"
    if not path.is_file():
        return None
    try:
        data = path.read_bytes()
        with np.load(path, allow_pickle=False) as kept:
            facts = json.loads(kept["facts"].tobytes().decode("utf-8"))
            names = kept["features"].tobytes().decode("utf-8").split("\n")
            scale = kept["scale"].astype(np.float32)
            weights = kept["weights"].astype(np.float32) * scale
            squares, bias = kept["squares"].astype(np.float32), kept["bias"].astype(np.float32)
    except (OSError, ValueError, KeyError, json.JSONDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({type(error).__name__}); make it anew with `futing rules learn`") from error
    if weights.shape != (len(names), len(facts["types"])) or squares.shape != (len(names),):
        raise ConfigError(f"{path} does not fit together; make it anew with `futing rules learn`")
    return Learned(
        types=tuple(facts["types"]),
        features={name: i for i, name in enumerate(names)},
        weights=weights,
        squares=squares,
        bias=bias,
        examples=facts["examples"],
        version=hashlib.sha256(data).hexdigest()[:12],
    )


def save_learned(path: Path, types: Sequence[str], names: Sequence[str], weights: Vector, squares: Vector, bias: Vector, examples: str) -> None:
    """Write a fitted model: weights as 8-bit numbers with a scale for each type, so that a repository can hold it."""
    scale = np.maximum(np.abs(weights).max(0), 1e-9) / 127.0
    facts = json.dumps({"types": list(types), "examples": examples}).encode("utf-8")
    with path.open("wb") as out:
        np.savez_compressed(
            out,
            facts=np.frombuffer(facts, np.uint8),
            features=np.frombuffer("\n".join(names).encode("utf-8"), np.uint8),
            weights=np.round(weights / scale).astype(np.int8),
            scale=scale.astype(np.float32),
            squares=squares.astype(np.float16),
            bias=bias.astype(np.float32),
        )


def said_by(kind: str, role: str) -> bool:
    """Whether moments of a kind are looked for in turns of a role."""
    if role == "ivr":
        return False
    customer = role == "customer"
    return not ((kind in BY_CUSTOMER and not customer) or (kind in BY_COMPANY and customer))
