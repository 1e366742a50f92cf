"""A customer's anger per turn, 0–1: what the words show, what the voice shows, and both together.

In: a heard call, later also its moments. Out: `Heat` a customer turn (None elsewhere). The two parts are kept apart so
that each can be judged alone: `words` never looks at the sound, `sound` never at the words. Sound is always measured
against the same speaker's own calm in the same call: a loud line or a fast talker is no anger.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

from models.reading.measures import interrupts, said
from models.records import HeardCall, Moment, Turn

# What words add to heat (1 - exp(-sum)): one strong cue alone gives 0.45, a light one 0.16. Grouped by what they do; the
# groups follow the trade's signals of escalation: emotion words, rhetorical questions, saying it again, repeat calls.
CUES: tuple[tuple[float, re.Pattern[str]], ...] = tuple(
    (weight, re.compile(pattern))
    for weight, pattern in (
        (
            0.6,
            r"他妈|妈的|特么|[我卧]操|放屁|有屁用|狗屁|混蛋|王八|[滚]蛋|滚开|给我滚|有病吧|神经病|脑子|"
            r"不要脸|缺德|无赖|流氓|垃圾(?!桶|袋|分类|站|短信)|废物|畜生|傻[逼叉子]|白痴|良心|仆街|"
            r"扑街|瓜娃子|龟儿|搞毛|扯淡|扯犊子",
        ),
        (
            0.6,
            r"投诉(?!部)|举报|曝光|律师|起诉|法院见|法庭|告你们?|12315|一二三一五|消协|工信部|报警|"
            r"骗子|诈骗|欺诈|忽悠|糊弄|坑人|坑我|耍我|撒谎|说瞎话|黑心|奸商",
        ),
        (
            0.5,
            r"忍无可忍|受够|太过分|过分了|岂有此理|荒唐|可笑|开什么玩笑|欺负人|欺人太甚|气死|火大|恼火|窝火|"
            r"发火|丢死人|恶心|离谱|无语|什么玩意|什么东西|什么态度|你这态度|心都凉|寒心|够了",
        ),
        (
            0.45,
            r"凭什么|凭啥|合着|敢情|当我是|把我当|有没有在听|听没听|听不懂|说人话|别跟我|少跟我|少来|废话|"
            r"谁稀罕|推来推去|踢皮球|打太极|敷衍|推脱|推卸|不管不问|没人[管理]|没一个|甩锅|[糊]弄|拖到|"
            r"一拖再拖|干什么吃",
        ),
        (
            0.35,
            r"到底|究竟|难道|怎么能|怎么就|怎么又|怎么还|怎么会|哪有这样|有你们这样|还想怎|算什么|管不管|能不能行|"
            r"行不行|什么意思|什么时候才|还要[我等]|等到什么|几时|叫你们|找你们|换个?人|换一?个能|主管|领导来|"
            r"经理来|给我叫|负责人",
        ),
        (
            0.3,
            r"[第打说问讲]了?[一二三四五六七八九十两几好多]+[次回遍趟通]|好几[次回遍趟天]|多少[次回遍]|上[次回]|"
            r"天天|每次|老是|总是|一直|反反复复|来来回回|半天|这么久|又是|还是没|还没|都没",
        ),
        (
            0.2,
            r"居然|竟然|根本|压根|明明|偏偏|连.{1,6}都|必须|马上给我|赶紧|赶快|快点|立刻|别再|不要再|"
            r"我不[听想管要]|谁[信管说负知]|赔|损失|耽误|害我|害得|算了吧|不可能",
        ),
    )
)
# Polite fury and roundabout anger carry no strong word: address, irony, reckoning and the turn to consequences do.
CUES += tuple(
    (weight, re.compile(pattern))
    for weight, pattern in (
        (
            0.3,
            r"我(?:跟你|告诉你|跟您|把话|也不|今天就|现在就|明天就)(?:讲|说|撂|放|怕)?|你给我(?:听|记)|听好了|麻烦(?:你|您)转告|把我(?:的)?话|说句不好听|丑话|话说(?:在)?前头|不(?:是)?吓唬|走着瞧|等着|奉陪",
        ),
        (0.25, r"你们?(?:管|当|以为|倒是|就是|就会|就这|还|怎么|这|那|一个个|这帮|这群|自己|家)|贵(?:公司|司|行)|你这(?:个|种|人|话|叫)"),
        (0.2, r"(?:怎么|为什么|哪|谁|什么|几|多少)[^，。！？]{0,12}[？?]|不是吗|是吧[？?]|难不成|敢不敢|好意思"),
        (0.2, r"(?:退|赔|还|撤|删|注销|转走|挪走|剪了|卸)(?:了|掉|给我|我)|材料|证据|录音|截图|立案|写(?:信|一篇|帖)|发(?:出去|到)|交给"),
        (0.2, r"(?:都|已经|整整|前后|一共|足足)[^，。！？]{0,6}(?:天|次|遍|个月|个小时|年|趟|回)了?"),
    )
)
COOL = re.compile(r"谢谢|多谢|感谢|麻烦[你您]了?|辛苦|请问|不好意思|没事|没关系|不要紧|不急|太好了|挺好|真周到|好嘞|妥了|明白了|原来|哈哈|呵呵(?!了)|放心|理解")
SHOUT = re.compile(r"[!！]")
RHETORIC = re.compile(r"[?？][!！]|[吗呢吧啊呀嘛]?[!！]|[?？].*[?？]")
COOLING = 0.35
CARRY = 0.45  # anger does not vanish between two turns: this share of the turn before stays

# What a voice adds: one unit is a clear rise (6 dB, a third faster, a major third higher), from the ranges that studies of
# hot anger agree on; loudness and taking the floor count most, pitch on an 8 kHz line least.
LOUD_DB = 6.0
FASTER = 0.33
HIGHER = math.log(5 / 4)
AT_ONCE_S = 0.15  # answering before the other has quite finished

SETTLED: dict[str, float] = {"abuse": 0.85, "escalation": 0.65, "repeat": 0.4}


@dataclass(frozen=True, slots=True)
class Heat:
    """One customer turn. words, sound: each 0–1 on its own; sound is None where nothing was measured. value: both together."""

    value: float
    words: float
    sound: float | None


def feel(call: HeardCall) -> tuple[Heat | None, ...]:
    """Heat a turn, before any rule has been read."""
    mine = [t for t in call.turns if t.by_customer]
    voices = dict(zip((t.index for t in mine), _sound(mine, call.turns), strict=True))
    out: list[Heat | None] = []
    before = 0.0
    earlier: list[str] = []
    for turn in call.turns:
        if not turn.by_customer:
            out.append(None)
            continue
        words, sound = heat_of_words(turn.text, earlier), voices[turn.index]
        raw = words if sound is None else min(1.0, 0.7 * words + 0.5 * sound)
        value = max(raw, CARRY * before)
        earlier.append(turn.text)
        out.append(Heat(round(value, 4), round(words, 4), None if sound is None else round(sound, 4)))
        before = value
    return tuple(out)


def settle(felt: Sequence[Heat | None], moments: Sequence[Moment], turns: Sequence[Turn]) -> tuple[float | None, ...]:
    """Heat a turn, once the moments are known: whoever swears or threatens is not cool, however calm the voice."""
    floor: dict[int, float] = {}
    for m in moments:
        if m.asserted and m.role == "customer":
            least = SETTLED.get(m.type if m.type == "repeat" else m.kind, 0.0)
            floor[m.turn] = max(floor.get(m.turn, 0.0), least)
    accepted = {m.turn for m in moments if m.asserted and m.kind == "resolution"}
    out: list[float | None] = []
    for turn, heat in zip(turns, felt, strict=True):
        if heat is None:
            out.append(None)
            continue
        value = max(heat.value, floor.get(turn.index, 0.0))
        out.append(round(min(value, heat.words) if turn.index in accepted else value, 4))
    return tuple(out)


def settled_words(felt: Sequence[Heat | None], moments: Sequence[Moment], turns: Sequence[Turn]) -> tuple[float | None, ...]:
    """Heat from the text alone — words and what the rules found in them — with no look at the sound: the part to be judged apart."""
    silent = [None if h is None else Heat(h.words, h.words, None) for h in felt]
    return settle(silent, moments, turns)


def heat_of_words(text: str, earlier: Sequence[str] = ()) -> float:
    """0–1 from one turn's text and what the same customer said before (saying it again is heat)."""
    total = sum(weight * min(2, len(pattern.findall(text))) for weight, pattern in CUES)
    total += 0.2 * min(3, len(SHOUT.findall(text))) + 0.1 * min(2, len(RHETORIC.findall(text)))
    total += 0.4 * _again(text, earlier)
    total -= COOLING * min(2, len(COOL.findall(text)))
    return 1.0 - math.exp(-max(0.0, total))


def _again(text: str, earlier: Sequence[str]) -> float:
    """Share of this turn's character bigrams that an earlier turn had, or a phrase said twice in a row (冯岚,冯岚,冯岚!)."""
    if re.search(r"(\w{2,8})[,，、。!！?？\s]*\1", text):
        return 1.0
    mine = _bigrams(text)
    if len(mine) < 4:
        return 0.0
    return max((len(mine & _bigrams(e)) / len(mine) for e in earlier), default=0.0)


@lru_cache(maxsize=256)  # each turn is compared with all after it
def _bigrams(text: str) -> frozenset[str]:
    bare = re.sub(r"\W", "", text)
    return frozenset(bare[i : i + 2] for i in range(len(bare) - 1))


def _sound(mine: Sequence[Turn], turns: Sequence[Turn]) -> list[float | None]:
    """Sound-only heat of each of the customer's turns, None where neither loudness nor rate is known for at least three."""
    loud = _rise([t.loudness_db for t in mine], lambda x, base: (x - base) / LOUD_DB)
    fast = _rise([_rate(t) for t in mine], lambda x, base: (x / base - 1.0) / FASTER if base > 0 else 0.0)
    high = _rise([t.pitch_hz for t in mine], lambda x, base: math.log(x / base) / HIGHER if base > 0 and x > 0 else 0.0)
    position = {t.index: i for i, t in enumerate(turns)}
    out: list[float | None] = []
    for i, turn in enumerate(mine):
        if loud[i] is None and fast[i] is None:
            out.append(None)
            continue
        before = turns[max(0, position[turn.index] - 3) : position[turn.index]]
        cut_in = interrupts(turn, [t for t in before if not t.by_customer])
        total = 1.1 * _clip(loud[i]) + 0.35 * _clip(fast[i]) + 0.3 * _clip(high[i]) + (1.6 if cut_in else 0.4 if _at_once(turn, before) else 0.0)
        out.append(1.0 / (1.0 + math.exp(-(total - 1.0) * 2.0)))
    return out


def _clip(x: float | None) -> float:
    return 0.0 if x is None else max(-1.5, min(1.5, x))


def _rise(values, unit) -> list[float | None]:
    known = [v for v in values if v is not None]
    if len(known) < 3:
        return [None] * len(values)
    base = median(sorted(known)[: max(2, (len(known) + 1) // 2)])  # the calmer half is the speaker's own baseline
    return [None if v is None else unit(v, base) for v in values]


def _rate(turn: Turn) -> float | None:
    """Characters a minute; too short a turn says nothing about speed."""
    if said(turn.text) < 4:
        return None
    if turn.chars_per_min is not None:
        return turn.chars_per_min
    if turn.start_s is None or turn.end_s is None or turn.end_s - turn.start_s < 0.5:
        return None
    return 60.0 * said(turn.text) / (turn.end_s - turn.start_s)


def _at_once(turn: Turn, before: Sequence[Turn]) -> bool:
    if turn.start_s is None or not before or before[-1].end_s is None or before[-1].by_customer:
        return False
    return turn.start_s < before[-1].end_s + AT_ONCE_S
