"""Moments in their call, in; the same moments with how likely each is true, out.

A rule hears words; whether they are meant shows in what stands around them. A threat is answered, a story about a neighbour is not; a customer
who gives in does so after a promise, and no harder word follows. For each kind a logistic regression weighs what the rules were sure of, the
likelihoods of learned.py in the moment's own turn and in its neighbours', and how the other side answered. It was fitted on whole labelled calls that
neither the likelihoods nor, when they were first weighed, the rules had met (calibrating.py). The surprising choice: a score of 0.5 is not an even
chance but the kind's BAR, since a queue full of false alarms is trusted by nobody.

Source of the stacking of one model's held-out answers under another: Wolpert (1992), Stacked generalization.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from models.records import ASSERTED, Moment

if TYPE_CHECKING:
    from models.reading.looking import Hit, Look

BAR = {"abuse": 0.5, "escalation": 0.5, "resolution": 0.65}  # the chance of being true from which a moment of a kind is asserted
ANSWERED = ("abuse", "escalation", "resolution")  # kinds whose answers are learned too: the columns `answer/…` of the model
NEVER_FAINT = ("abuse",)  # of these nothing is asserted that faint likeness (`*.weak`) alone speaks for
POSSIBLE = ASSERTED - 0.01  # the score of what something else than its chance keeps from being asserted
FAINT = 0.15  # what is weighed below this is not worth showing, not even greyed
NEAR = 4  # turns
GROUPS = {
    "abuse": r"abuse/.*",
    "escalation": r"escalation/.*",
    "resolution": r"resolution/.*",
    "trouble": r"abuse/.*|escalation/(?!repeat).*",
    "mended": r"apology/warm|conduct/(commit|empathy)",
    "brushed": r"conduct/(deflect|stall|taboo)",
}  # columns of the learned model, by name
FEATURES = (
    "likelihood", "score", "rival", "other_kind", "given_in", "near", "earlier", "later", "others", "answer", "unanswered", "mended", "brushed",
    "rules", "by_hand", "by_likeness", "length", "quote", "you", "they", "asks", "left", "company",
    "doubt", "sounds_like", "dulled",
)  # fmt: skip
# Doubt of the hearing multiplies the odds of a bar by e^(-this × doubt): a missed threat is worse than a false one, and a dispute taken for settled
# worse than one left open.
UNSURE = {"abuse": 1.0, "escalation": 1.0, "resolution": -1.5}
_DOUBT, _SCORE = FEATURES.index("doubt"), FEATURES.index("score")
_LOW = -9.0  # log odds of what was not looked for
_CLIP = 1e-4
_YOU, _THEY, _ASKS = (
    re.compile("[你您恁侬]"),
    re.compile("[他她]|人家|别人|儿子|女儿|闺女|老公|老婆|老头|邻居|同学|同事|朋友|亲戚"),
    re.compile("[？?吗呢么][。，]?$"),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """What weighs the moments of one kind. types: those of the kind, each with a weight of its own and one for its score, since rules for one type are
    surer than for another. mean, spread, weights: a number a column, FEATURES first; constant: log odds where all columns are at their means."""

    types: tuple[str, ...]
    mean: npt.NDArray[np.float64] = field(repr=False)
    spread: npt.NDArray[np.float64] = field(repr=False)
    weights: npt.NDArray[np.float64] = field(repr=False)
    constant: float

    def chances(self, features: npt.NDArray[np.float64], types: Sequence[str]) -> npt.NDArray[np.float64]:
        """(moments, FEATURES) and the type of each → the chance of each to be true, 0–1."""
        columns = by_type(features, types, self.types)
        return 1.0 / (1.0 + np.exp(-(((columns - self.mean) / self.spread) @ self.weights + self.constant)))


def by_type(features: npt.NDArray[np.float64], types: Sequence[str], known: Sequence[str]) -> npt.NDArray[np.float64]:
    """(moments, FEATURES) → (moments, FEATURES, whether it is of each known type, its score if it is)."""
    own = np.array([[float(t == k) for k in known] for t in types]).reshape(len(types), len(known))
    return np.hstack([features, own, own * features[:, [_SCORE]]])


def weighed(moments: Sequence[Moment], looking: Look, hits: Mapping[str, Sequence[Hit]]) -> list[Moment]:
    """The moments with scores that mean how likely they are true, 0.5 at their kind's bar; the faintest are left out. What was not learned of keeps its own."""
    learned = looking.book.learned
    if learned is None or not learned.scales:
        return list(moments)
    scales = learned.scales
    mine = [i for i, m in enumerate(moments) if m.kind in scales and f"{m.kind}/{m.type}" in learned.types]
    if not mine:
        return list(moments)
    out = list(moments)
    table = features([moments[i] for i in mine], moments, looking, hits)
    for kind in {moments[i].kind for i in mine}:
        rows = [k for k, i in enumerate(mine) if moments[i].kind == kind]
        for k, chance in zip(rows, scales[kind].chances(table[rows], [moments[mine[k]].type for k in rows]).tolist(), strict=True):
            bar = BAR[kind] / (1 - BAR[kind]) * math.exp(-UNSURE.get(kind, 0.0) * table[k, _DOUBT])
            score, m = chance / (chance + (1 - chance) * bar), moments[mine[k]]
            faint = kind in NEVER_FAINT and m.rule_id.endswith(".weak")
            out[mine[k]] = replace(m, score=round(min(score, POSSIBLE) if faint else score, 3))
    return [m for m in _one_of_rivals(out) if m.score >= FAINT or m.kind not in scales]


def _one_of_rivals(moments: list[Moment]) -> list[Moment]:
    """Of overlapping abuse of several types the likeliest alone: following somebody home is a threat or harassment, not both. One may swear all the while."""
    out = []
    for m in moments:
        beside = [o for o in moments if o.kind == m.kind == "abuse" and o.turn == m.turn and o.type != m.type and "profanity" not in (o.type, m.type)]
        rivals = [o for o in beside if o.char_start < m.char_end and m.char_start < o.char_end]
        out.append(replace(m, score=min(m.score, POSSIBLE)) if any(o.score > m.score for o in rivals) else m)
    return out


def features(wanted: Sequence[Moment], moments: Sequence[Moment], looking: Look, hits: Mapping[str, Sequence[Hit]]) -> npt.NDArray[np.float64]:
    """(wanted, FEATURES) what is known of each moment; moments: all of the call, as the rules scored them."""
    turns = looking.call.turns
    odds = log_odds(looking.likely)
    types = looking.book.learned.types if looking.book.learned else ()
    columns = {name: columns_of(types, name) for name in (*GROUPS, *{m.kind for m in wanted}, *{f"answer/{m.kind}" for m in wanted})}
    best = {name: odds[:, list(mine)].max(1, initial=_LOW).tolist() for name, mine in columns.items()}  # by turn
    trouble = best["trouble"]
    sides = {side: [i for i, t in enumerate(turns) if t.by_customer == side] for side in (True, False)}
    sure = [m.turn for m in moments if m.asserted and m.kind in ("abuse", "escalation") and m.type != "repeat"]
    struck: dict[tuple[int, str, str], set[str]] = {}
    for some in hits.values():
        for h in some:
            if h.rule.status == "active":
                struck.setdefault((h.turn, h.rule.kind, h.rule.type), set()).add(h.rule.id)
    out = []
    for m in wanted:
        i, side = m.turn, turns[m.turn].by_customer
        own, others = [k for k in sides[side] if k != i], sides[not side]
        before, after = max((k for k in others if k < i), default=None), min((k for k in others if k > i), default=None)
        column = types.index(f"{m.kind}/{m.type}")
        mine = float(odds[i, column])
        text = turns[i].text
        ids = struck.get((i, m.kind, m.type), set())
        by_likeness = sum(rule_id.endswith(".learned") for rule_id in ids)
        by_weakness = sum(rule_id.endswith(".weak") for rule_id in ids)
        sure_of_words = turns[i].confidence
        doubt = 0.0 if sure_of_words is None else 1.0 - sure_of_words
        score = min(max(m.score, 0.02), 0.98)
        known = {
            "likelihood": mine,
            "score": math.log(score / (1 - score)),
            "rival": max((float(odds[i, c]) for c in columns[m.kind] if c != column), default=_LOW),
            "other_kind": best[{"abuse": "escalation", "escalation": "abuse"}.get(m.kind, "trouble")][i],
            "given_in": best["resolution"][i] if side else _LOW,
            "near": max((trouble[k] for k in own if abs(k - i) <= NEAR), default=_LOW),
            "earlier": max((trouble[k] for k in own if k < i), default=_LOW),
            "later": max((trouble[k] for k in own if k > i), default=_LOW),
            "others": math.log1p(sum(k != i and turns[k].by_customer == side for k in sure)),
            "answer": _LOW / 2 if after is None else max(best[f"answer/{m.kind}"][after], _LOW / 2),
            "unanswered": float(after is None),
            "mended": _LOW if before is None else best["mended"][before],
            "brushed": _LOW if before is None else best["brushed"][before],
            "rules": math.log1p(len(ids)),
            "by_hand": float(len(ids) > by_likeness + by_weakness),
            "by_likeness": float(by_likeness > 0),
            "length": math.log1p(len(text)),
            "quote": math.log1p(m.char_end - m.char_start),
            "you": float(bool(_YOU.search(text))),
            "they": float(bool(_THEY.search(text))),
            "asks": float(bool(_ASKS.search(text))),
            "left": math.log1p(sum(k > i for k in own)),
            "company": float(not side),
            "doubt": doubt,
            "sounds_like": float(m.match == "sounds_like"),
            "dulled": doubt * mine,
        }
        out.append([known[name] for name in FEATURES])
    return np.array(out, np.float64).reshape(len(wanted), len(FEATURES))


@lru_cache(maxsize=256)
def columns_of(types: tuple[str, ...], group: str) -> tuple[int, ...]:
    """The columns of a name of GROUPS, of a kind, or of one type itself."""
    pattern = re.compile(GROUPS.get(group, rf"{re.escape(group)}(/.*)?"))
    return tuple(c for c, name in enumerate(types) if pattern.fullmatch(name))


def log_odds(likelihoods: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    p = np.clip(likelihoods.astype(np.float64), _CLIP, 1 - _CLIP)
    return np.log(p / (1 - p))


def scales_to(scales: Mapping[str, Scale]) -> dict[str, dict[str, list[float]]]:
    """Scales as learned.npz keeps them: by kind and column its mean, spread and weight, so that another order or set of features is noticed."""
    kept: dict[str, dict[str, list[float]]] = {}
    for kind, scale in sorted(scales.items()):
        rows = zip(scale.mean.tolist(), scale.spread.tolist(), scale.weights.tolist(), strict=True)
        names = (*FEATURES, *(f"is {t}" for t in scale.types), *(f"score of {t}" for t in scale.types))
        kept[kind] = {name: [float(f"{x:.6g}") for x in row] for name, row in zip(names, rows, strict=True)} | {"constant": [float(f"{scale.constant:.6g}")]}
    return kept


def scales_from(kept: Mapping[str, Mapping[str, Sequence[float]]]) -> dict[str, Scale]:
    """Raises KeyError, ValueError or TypeError where what was kept is not of these features."""
    out = {}
    for kind, rows in kept.items():
        types = tuple(name.removeprefix("is ") for name in rows if name.startswith("is "))
        table = np.array([rows[name] for name in (*FEATURES, *(f"is {t}" for t in types), *(f"score of {t}" for t in types))], np.float64)
        if table.shape != (len(FEATURES) + 2 * len(types), 3) or len(rows) != len(table) + 1:
            raise ValueError("scales of other features")
        out[kind] = Scale(types, table[:, 0], table[:, 1], table[:, 2], float(rows["constant"][0]))
    return out
