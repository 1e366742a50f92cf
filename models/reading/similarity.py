"""A turn and model sentences, in; the clauses and sentences of the turn that are close to a model, with their similarity, out.

Similarity is the mean of two Dice coefficients, over character bigrams and over jieba words, so that neither word order nor one other word decides.
The surprising choice: jieba is asked only where the bigrams alone leave a chance, because almost nothing is similar to anything.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from models.reading.conditions import Embed, Similar
from models.reading.text import Cutter, Text, normal_phrase, normalise, pieces

Bag = Counter[str]


def dice(a: Bag, b: Bag) -> float:
    """Dice coefficient of two bags: twice the shared over the sum, 0–1."""
    total = a.total() + b.total()
    return 2 * (a & b).total() / total if total else 0.0


def bigrams(bare: str) -> Bag:
    """Character bigrams of a bare text, with its edges."""
    padded = f"^{bare}$"
    return Counter(padded[i : i + 2] for i in range(len(padded) - 1))


def likeness(a: str, b: str, cutter: Cutter) -> float:
    """Similarity of two sentences, 0–1. Source: Dice (1945), over bigrams and words."""
    na, nb = normalise(a), normalise(b)
    return (dice(bigrams(na.bare), bigrams(nb.bare)) + dice(Counter(cutter.words(na.norm)), Counter(cutter.words(nb.norm)))) / 2


def similarities(text: Text, models: Similar, cutter: Cutter, embed: Embed | None) -> list[tuple[int, int, float]]:
    """(start, end, similarity) of every clause and sentence of the turn that is close enough to one of the models; norm offsets."""
    places = list(dict.fromkeys(pieces(text, hard_only=True) + pieces(text, hard_only=False)))
    if models.by == "embedding":
        return [] if embed is None else _embedded(text, models, embed, places)
    out = []
    for start, end in places:
        said = "".join(c for c in text.norm[start:end] if c.isalnum())
        mine, grams_here = frozenset(said), bigrams(said)
        best = 0.0
        for model in models.models:
            characters, grams, words = _model(model, cutter)
            if mine.isdisjoint(characters):
                continue
            by_grams = dice(grams_here, grams)
            if (by_grams + 1) / 2 < models.at_least:  # even with equal words
                continue
            best = max(best, (by_grams + dice(Counter(cutter.words(text.norm[start:end])), words)) / 2)
        if best >= models.at_least:
            out.append((start, end, best))
    return out


@lru_cache(maxsize=4096)
def _model(model: str, cutter: Cutter) -> tuple[frozenset[str], Bag, Bag]:
    bare = normal_phrase(model)
    return frozenset(bare), bigrams(bare), Counter(cutter.words(normalise(model).norm))


def _embedded(text: Text, models: Similar, embed: Embed, places: Sequence[tuple[int, int]]) -> list[tuple[int, int, float]]:
    said = [text.norm[a:b] for a, b in places]
    vectors = embed([*said, *models.models])
    theirs = vectors[len(said) :]
    out = []
    for (start, end), vector in zip(places, vectors[: len(said)], strict=True):
        best = max(_cosine(vector, other) for other in theirs)
        if best >= models.at_least:
            out.append((start, end, min(1.0, best)))
    return out


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    norm = math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / norm if norm else 0.0
