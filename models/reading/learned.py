"""Labelled examples heard once, by a linear model, in; how like them a turn is, for every type of moment, out.

A rule names what people say; ten thousand callers say it in other words. The model is a logistic regression for each type over character n-grams
(1 to 3, weighed by rarity, unit length) of labelled examples (configs/examples), fitted by `futing rules learn` and kept in configs/learned.npz.
It has no words of its own to explain but the n-grams that spoke for a type, and those give the quote. The surprising choice: it never decides alone.
It speaks through rules (`learned: {at_least: …}`, `unless: {unlikely: …}`), with everything else a rule may ask for.

Source of the weighing: Wang and Manning (2012), Baselines and bigrams; of the term weights: Salton and Buckley (1988).
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.errors import ConfigError
from models.reading.text import HARD, Text, pieces
from models.reading.weighing import Scale, scales_from, scales_to

SHORTEST = 4  # sentences of fewer characters are like anything; they count within their turn
LONGEST = 3  # characters of an n-gram; four told nothing more on calls not learned from
KEEP_CLAUSE = 0.3  # a clause beside the strongest one belongs to the quote if it speaks with this share of its weight
BY_CUSTOMER = frozenset({"escalation", "resolution"})
BY_COMPANY = frozenset({"apology", "conduct"})
Vector = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]
_PLACE = 16  # bits of a character in the number of an n-gram
_NOWHERE = 0xFFFF  # the code of all characters that no n-gram holds


class Grams:
    """The n-grams of a model, looked for in many texts at once. names: in the order of their code points, each once.

    An n-gram is one number of 16-bit places, one a character, so that a whole call's are found by one search in a sorted array.
    """

    __slots__ = ("_codes", "_keys", "names")

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        alphabet = sorted(set("".join(self.names)))
        if len(alphabet) >= _NOWHERE or any(not 0 < len(name) <= LONGEST for name in self.names):
            raise ValueError(f"n-grams are 1 to {LONGEST} characters long")
        self._codes = np.full(sys.maxunicode + 1, _NOWHERE, np.uint16)
        self._codes[[ord(c) for c in alphabet]] = np.arange(1, len(alphabet) + 1)
        padded = np.array([self.names]).T if self.names else np.empty((0, 1), f"<U{LONGEST}")
        points = padded.astype(f"<U{LONGEST}").view(np.uint32)
        codes = np.where(points > 0, self._codes[points], 0).astype(np.uint64)
        self._keys = (codes << np.array([_PLACE * (LONGEST - 1 - i) for i in range(LONGEST)], np.uint64)).sum(1, dtype=np.uint64)
        if not (self._keys[1:] > self._keys[:-1]).all():
            raise ValueError("n-grams stand in no order")

    def found(self, bares: Sequence[str]) -> tuple[Numbers, Numbers]:
        """Which text holds which n-gram, each pair once: numbers of texts and of n-grams, in this order."""
        texts = [f"^{bare}$" for bare in bares]
        points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        whose = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
        codes = self._codes[points].astype(np.uint64)
        keys = codes << np.uint64(_PLACE * (LONGEST - 1))
        all_keys, all_whose = [keys], [whose]
        for k in range(1, min(LONGEST, len(codes))):
            keys = keys[:-1] | codes[k:] << np.uint64(_PLACE * (LONGEST - 1 - k))
            same = whose[k:] == whose[:-k]
            all_keys.append(keys[same])
            all_whose.append(whose[k:][same])
        wanted = np.concatenate(all_keys)
        at = self._keys.searchsorted(wanted)
        at[at == len(self._keys)] = 0
        known = self._keys[at] == wanted if len(self._keys) else np.zeros(len(at), bool)
        pairs = np.sort(np.concatenate(all_whose)[known] * len(self._keys) + at[known])
        once = np.ones(len(pairs), bool)
        np.not_equal(pairs[1:], pairs[:-1], out=once[1:])
        return np.divmod(pairs[once], max(1, len(self._keys)))


@dataclass(frozen=True, slots=True)
class Clauses:
    """A turn's clauses as norm offsets, the length of its norm, and which n-gram stands in which clause; None where there is one clause only."""

    length: int
    spans: list[tuple[int, int]]
    whose: Numbers | None = field(repr=False, default=None)
    which: Numbers | None = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class Learned:
    """A fitted model. types: `kind/type`, in the order of the columns. weights: (n-grams, types), already weighed by rarity; squares: (n-grams,) of
    the rarity weights; bias: (types,). examples: content hash of the examples it was fitted on. version: content hash of the model itself.
    scales: by kind, what weighs its moments (weighing.py)."""

    types: tuple[str, ...]
    grams: Grams = field(repr=False)
    weights: Vector = field(repr=False)
    squares: Vector = field(repr=False)
    bias: Vector = field(repr=False)
    examples: str
    version: str
    scales: Mapping[str, Scale] = field(repr=False, default_factory=dict)

    def column(self, kind: str, type_: str) -> int | None:
        """The column of a type; None where the model has never seen it."""
        name = f"{kind}/{type_}"
        return self.types.index(name) if name in self.types else None

    def likelihoods(self, texts: Sequence[Text]) -> Vector:
        """(texts, types) probability that a turn carries each type, 0–1: the surest of the whole turn and of each of its sentences."""
        bares: list[str] = []
        begin: list[int] = []
        for text in texts:
            begin.append(len(bares))
            said = sentences(text)
            bares += [text.bare, *(s for s in said if len(s) >= SHORTEST)] if len(said) > 1 else [text.bare]
        if not bares:
            return np.empty((0, len(self.types)), np.float32)
        scores = np.tile(self.bias, (len(bares), 1))
        whose, which = self.grams.found(bares)
        if len(whose):
            first = np.flatnonzero(np.diff(whose, prepend=-1))
            length = np.sqrt(np.add.reduceat(self.squares.take(which), first))
            scores[whose[first]] += np.add.reduceat(self.weights.take(which, 0), first) / length[:, None]
        return (1.0 / (1.0 + np.exp(-np.maximum.reduceat(scores, begin)))).astype(np.float32)

    def clauses(self, texts: Sequence[Text]) -> list[Clauses]:
        """Of each turn its clauses and the n-grams in them: what `place` asks for any type. One search for all turns."""
        split = [pieces(text, hard_only=False) for text in texts]
        bares = ["".join(c for c in text.norm[a:b] if c.isalnum()) for text, spans in zip(texts, split, strict=True) if len(spans) > 1 for a, b in spans]
        whose, which = self.grams.found(bares) if bares else (np.empty(0, int), np.empty(0, int))
        out, begin = [], 0
        for text, spans in zip(texts, split, strict=True):
            if len(spans) < 2:
                out.append(Clauses(len(text.norm), spans))
                continue
            low, high = whose.searchsorted([begin, begin + len(spans)])
            out.append(Clauses(len(text.norm), spans, whose[low:high] - begin, which[low:high]))
            begin += len(spans)
        return out

    def place(self, within: Clauses, column: int) -> tuple[int, int]:
        """norm offsets of the clauses that speak most for a type: the strongest, and its neighbours as far as they speak too."""
        clauses = within.spans
        if within.whose is None or within.which is None:
            return (0, within.length)
        speaks = np.bincount(within.whose, self.weights[within.which, column], len(clauses)).tolist()
        first = last = max(range(len(clauses)), key=speaks.__getitem__)
        enough = KEEP_CLAUSE * max(speaks[first], 0.0)
        while first > 0 and speaks[first - 1] > enough:
            first -= 1
        while last + 1 < len(clauses) and speaks[last + 1] > enough:
            last += 1
        return clauses[first][0], clauses[last][1]


def sentences(text: Text) -> list[str]:
    """The bare texts of a turn's sentences."""
    out, begin = [], 0
    while begin < len(text.bare):
        end = text.breaks.find(HARD, begin + 1)
        out.append(text.bare[begin:end])
        begin = end
    return out


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
            known = Grams(names)
            types, examples = tuple(facts["types"]), str(facts["examples"])
            scales = scales_from(facts.get("scales", {}))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ConfigError(f"{path} cannot be read ({type(error).__name__}); make it anew with `futing rules learn`") from error
    if weights.shape != (len(names), len(types)) or squares.shape != (len(names),) or bias.shape != (len(types),):
        raise ConfigError(f"{path} does not fit together; make it anew with `futing rules learn`")
    return Learned(
        types=types,
        grams=known,
        weights=weights,
        squares=squares,
        bias=bias,
        examples=examples,
        version=hashlib.sha256(data).hexdigest()[:12],
        scales=scales,
    )


def save_learned(path: Path, model: Learned) -> None:
    """Write a fitted model: weights as 8-bit numbers with a scale for each type, so that a repository can hold it."""
    scale = np.maximum(np.abs(model.weights).max(0), 1e-9) / 127.0
    facts = json.dumps({"types": list(model.types), "examples": model.examples, "scales": scales_to(model.scales)}).encode("utf-8")
    with path.open("wb") as out:
        np.savez_compressed(
            out,
            facts=np.frombuffer(facts, np.uint8),
            features=np.frombuffer("\n".join(model.grams.names).encode("utf-8"), np.uint8),
            weights=np.round(model.weights / scale).astype(np.int8),
            scale=scale.astype(np.float32),
            squares=model.squares.astype(np.float16),
            bias=model.bias.astype(np.float32),
        )


def said_by(kind: str, role: str) -> bool:
    """Whether moments of a kind are looked for in turns of a role."""
    if role == "ivr":
        return False
    customer = role == "customer"
    return not ((kind in BY_CUSTOMER and not customer) or (kind in BY_COMPANY and customer))
