"""Marks of cues and components in a company turn → formula, warm, or no apology, and why.

In: the look at a call, its hits (the `apology.*` marks of configs/rules/apology.yaml) and the moments found so far. Out:
apology moments with their components. An apology is weighed by what research on service recovery found to matter — naming
the wrong, responsibility, empathy for this caller, repair, commitment; explanation is kept but weighs nothing, since an
explanation without ownership angers. Formula: cue words and nothing of substance, or a refusal in apology's clothes. Warm:
two components or more. Exactly one: nothing is claimed. Warm words prove nothing, a tie to this caller's own complaint does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from models.reading.looking import Hit, Look
from models.reading.text import clause_span
from models.records import COMPANY, Component, Match, Moment, Turn

WEIGHED = ("responsibility", "repair", "empathy", "naming", "commitment")  # in the order of their effect on forgiveness
COMPONENTS = (*WEIGHED, "explanation")
LIKE = 0.5  # likelihood from which labelled examples alone make an apology
UNLIKE = 0.05  # and below which they unmake one
_THANKS = re.compile(r"(?:感谢|谢谢|多谢)[^，。！？；]{0,4}(?:谅解|理解|体谅|包涵|支持|配合)")
SHORT = 16  # characters of a turn that has no room for the two things a warm apology needs, unless they were found
SOFT_TIE = 2  # words of the caller's own complaint that make a turn name it
# Words too common in any call to tie an apology to a complaint.
_COMMON = """
我们 你们 您的 我的 这个 那个 一个 没有 现在 今天 明天 昨天 什么 怎么 可以 已经 就是 还是
但是 因为 所以 如果 知道 时候 东西 问题 情况 一下 电话 客服 这样 那样 这么 那么 不是 是的
好的 谢谢 您好 先生 女士 请问 麻烦 自己 不能 不会 需要 处理 联系 公司 服务 一直 帮忙 说话
告诉 觉得 到底 为什么 多少 不了 出来 起来 给您 帮您 非常 真的 确实
"""
COMMON = frozenset(_COMMON.split())


@dataclass(frozen=True, slots=True)
class Weighed:
    """One company turn with an apology in it. quote: offsets in the turn as heard. tie: 0–1, repeats: 0–1."""

    turn: int
    start: int
    end: int
    norm_start: int
    norm_end: int
    components: tuple[tuple[str, str], ...] = field(repr=False)
    refused: bool
    tie: float
    repeats: float
    match: Match
    meant: str | None = field(repr=False)

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(name for name, _ in self.components if name in WEIGHED)


def apologies(scan: Look, hits: Mapping[str, Sequence[Hit]], moments: Sequence[Moment]) -> tuple[Moment, ...]:
    """Formula and warm moments of a call, unnumbered. Their index is set by whoever puts all moments together."""
    turns = scan.call.turns
    by_turn: dict[int, dict[str, list[Hit]]] = {}
    for rule_id, some in hits.items():
        if rule_id.startswith("apology."):
            for hit in some:
                by_turn.setdefault(hit.turn, {}).setdefault(rule_id.split(".")[1], []).append(hit)
    brushed = {m.turn for m in moments if m.asserted and m.kind == "conduct" and m.type in ("deflect", "stall")}
    out: list[Moment] = []
    said: list[str] = []
    for index, turn in enumerate(turns):
        marks = by_turn.get(index, {})
        like = _like_examples(scan, index)
        if turn.role not in COMPANY or not ("cue" in marks or max(like.values(), default=0.0) >= LIKE):
            continue
        weighed = _weigh(scan, index, marks, index in brushed, said)
        said.append(turn.text)
        moment = _settled(weighed, _claim(weighed, marks, turn, scan) if "cue" in marks else None, like, scan)
        if moment is not None:
            out.append(moment)
    return tuple(out)


def _like_examples(scan: Look, index: int) -> dict[str, float]:
    """How like labelled examples of each type a turn is, 0–1; empty without a learned model."""
    learned, found = scan.book.learned, scan.likelihoods[index]
    columns = {name: learned.column("apology", name) for name in ("formula", "warm")} if learned and found is not None else {}
    return {name: found[column] for name, column in columns.items() if found is not None and column is not None}


def _settled(w: Weighed, claim: Moment | None, like: Mapping[str, float], scan: Look) -> Moment | None:
    """The components' claim, unless labelled examples speak plainly against it; and what only they can tell."""
    if not like:
        return claim
    best = max(like, key=lambda name: like[name])
    if claim is not None and like[claim.type] < UNLIKE:
        claim = None
    if like[best] < LIKE or (claim is not None and claim.type == best):
        return claim
    if claim is not None and like[claim.type] >= LIKE / 2:
        return claim  # both are likely: the components know better
    if best == "warm" and len(w.kinds) < 2 and len(scan.texts[w.turn].bare) < SHORT:
        return claim  # 您是我们的大客户: ours, and no fault
    if claim is None and not w.kinds and _THANKS.search(scan.texts[w.turn].norm):
        return None
    return _moment(w, best, round(0.5 + 0.4 * (like[best] - LIKE) / (1 - LIKE), 3), f"apology.{best}.learned", "similar", scan)


def _weigh(scan: Look, index: int, marks: Mapping[str, list[Hit]], brushed: bool, said: Sequence[str]) -> Weighed:
    turn, text = scan.call.turns[index], scan.texts[index]
    cues = sorted(marks.get("cue", ()), key=lambda h: h.norm_start)
    found: dict[str, str] = {}
    places = [(h.norm_start, h.norm_end) for h in cues]
    stock = [(h.norm_start, h.norm_end) for h in marks.get("stock", [])]
    for name in COMPONENTS:
        for h in marks.get(name, []):
            if name in ("naming", "empathy") and any(a < h.norm_end and h.norm_start < b for a, b in stock):
                continue  # 给您带来不便 names nothing, whatever it stands in
            if name not in found:
                found[name] = turn.text[h.start : h.end]
            if name in ("responsibility", "empathy", "naming"):
                places.append((h.norm_start, h.norm_end))
    tie = _tie(scan, index)
    if "naming" not in found and tie[0] >= SOFT_TIE and len(found.keys() & {"responsibility", "empathy", "repair", "commitment"}) == 1:
        found["naming"] = tie[1]  # it speaks of the caller's own matter beside one thing of substance
    start, end = _span(text.norm, places, cues) if cues else _learned_span(scan, index)
    low, _ = clause_span(text, start, start)
    _, high = clause_span(text, end, end)
    first, last = text.original_span(low, high)
    components = tuple((name, found[name]) for name in COMPONENTS if name in found)
    surest = max(cues, key=lambda h: h.score, default=None)
    heard: tuple[Match, str | None] = (surest.match, surest.meant) if surest else ("similar", None)
    refused = brushed or "refusal" in marks
    return Weighed(index, first, last, low, high, components, refused, min(1.0, tie[0] / 4.0), _repeats(turn.text, said), *heard)


def _learned_span(scan: Look, index: int) -> tuple[int, int]:
    learned, found = scan.book.learned, scan.likelihoods[index]
    columns = [c for c in (learned.column("apology", "formula"), learned.column("apology", "warm")) if c is not None] if learned else []
    if learned is None or found is None or not columns:
        return 0, len(scan.texts[index].norm)
    return scan.learned_place(index, max(columns, key=lambda c: found[c]))


def _claim(w: Weighed, marks: Mapping[str, list[Hit]], turn: Turn, scan: Look) -> Moment | None:
    kinds = w.kinds
    doubt = max(h.score for h in marks["cue"]) / 0.9  # 1 for a plain hit of a cue, less for a sound-alike
    worded = any(h.rule.id == "apology.cue.words" for h in marks["cue"])
    # 是我们扫错了区号 without a word of apology only explains; with what it cost the caller, or what is done about it, it apologises
    counted = kinds if worded else kinds - {"naming"}
    warm = len(counted) >= 2 and (not w.refused or "responsibility" in kinds)
    if warm:
        score = (0.56 + 0.07 * len(kinds) + 0.12 * w.tie) * (1.0 - 0.5 * w.repeats) * doubt
    elif not kinds or (w.refused and "responsibility" not in kinds):
        if not worded:
            return None
        score = (0.84 + 0.1 * w.repeats) * doubt
    else:
        return None
    name = "warm" if warm else "formula"
    return _moment(w, name, round(min(0.98, score), 3), "apology.warm.components" if warm else "apology.formula.stock", w.match, scan)


def _moment(w: Weighed, name: str, score: float, rule_id: str, match: Match, scan: Look) -> Moment:
    turn = scan.call.turns[w.turn]
    times = scan.clocks[w.turn].times(w.start, w.end)
    return Moment(
        index=0,
        kind="apology",
        type=name,
        role=turn.role,
        turn=w.turn,
        quote=turn.text[w.start : w.end],
        char_start=w.start,
        char_end=w.end,
        rule_id=rule_id,
        score=score,
        match=match,
        severity=1,
        start_s=times[0] if times else None,
        end_s=times[1] if times else None,
        meant=w.meant,
        components=tuple(Component(name, quote) for name, quote in w.components),
    )


def _span(norm: str, places: Sequence[tuple[int, int]], cues: Sequence[Hit]) -> tuple[int, int]:
    """From the first mark to the last, as long as they stand in the sentence of a cue or right beside it."""
    start, end = cues[0].norm_start, cues[0].norm_end
    for a, b in sorted(places):
        between = norm[min(end, b) : max(start, a)] if a > end or b < start else ""
        if len(re.sub(r"\W", "", between)) <= 24 and not re.search(r"[。！？；].*[。！？；]", between):
            start, end = min(start, a), max(end, b)
    return start, end


def content_words(words: Sequence[str]) -> frozenset[str]:
    """The words that can tie an apology to a matter: two characters and more, not in everybody's mouth."""
    return frozenset(w for w in words if len(w) >= 2 and w not in COMMON and not w.isdigit())


def _tie(scan: Look, index: int) -> tuple[int, str]:
    """How many of the turn's content words the customer had said before, and the first of them."""
    norm = scan.texts[index].norm
    theirs = " ".join(scan.texts[i].norm for i in range(index) if scan.call.turns[i].by_customer)
    mine = content_words([norm[a:b] for a, b in scan.words(index, 0, len(norm))])
    shared = [w for w in sorted(mine, key=norm.find) if w in theirs and not re.fullmatch(r"对不起|抱歉|道歉|不好意思|不便|歉意|理解|谅解", w)]
    return len(shared), shared[0] if shared else ""


def _bigrams(text: str) -> frozenset[str]:
    bare = re.sub(r"\W", "", text)
    return frozenset(bare[i : i + 2] for i in range(len(bare) - 1))


def likeness(a: str, b: str) -> float:
    """Dice coefficient of character bigrams, 0–1."""
    x, y = _bigrams(a), _bigrams(b)
    return 2 * len(x & y) / (len(x) + len(y)) if x or y else 1.0


def _repeats(text: str, said: Sequence[str]) -> float:
    """How like an earlier apology of this call it is, 0 below a likeness of one half."""
    return max((s if s >= 0.5 else 0.0 for s in (likeness(text, other) for other in said)), default=0.0)


def template_likeness(quotes: Sequence[str]) -> tuple[float, ...]:
    """For each apology of one agent, the mean likeness to their three nearest others, 0–1: near 1 is a text read from a screen.

    quotes: the apologies of one agent over many calls, one a call. Fewer than two: nothing to compare, 0.
    """
    out: list[float] = []
    for i, quote in enumerate(quotes):
        near = sorted((likeness(quote, other) for j, other in enumerate(quotes) if j != i), reverse=True)[:3]
        out.append(sum(near) / len(near) if near else 0.0)
    return tuple(out)
