"""Addresses said in a call, as far down as they find a door.

In: the turns of one call. Out: spans (turn, start, end, "address"). The surprising choice: places are kept. A province, a city, a district,
a branch on 青石路 name nobody's home; masked is a chain that reaches a house, a building, a flat — or a road or estate given as an answer to
a question for the address. So QA staff still see that a parcel went to 西安.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.reading.personal_numbers import Span
from models.records import Turn

_N = r"[0-9０-９零〇一二三四五六七八九十百千幺两]+"
_HAN = r"[\u4e00-\u9fff]"
# Where a place name cannot reach back over: what people say before one.
_BEFORE = (
    "收货地址|收件地址|详细地址|家庭住址|家庭地址|地址|住址|住在|家住|寄到|寄给|送到|送去|发到|搬到|改成|改为|改到|换成|位于|就在|在|到|是|住|往|去|我家|我们家|我们|你们|您家|你家|咱们|我|你|您|他|她|的|那个|这个|个|写|叫"
    "|系统里|填|从|于|给|把|就|还有|应该|呃|嗯|啊|哦|旁边|对面|隔壁|附近|里面|一个|来|了|都|不|要|请|让|有|没|过|着|别"
)
_SEPARATOR = r"(?:[，,、\s]|的|呃|嗯|那个|啊){0,3}"
_PIECES: tuple[tuple[str, str], ...] = (
    ("door", rf"{_N}(?:号楼|栋|幢|座|单元|号院|室|户)(?!钱|话)|[A-Za-z甲乙丙丁]\s?[栋座]"),
    ("door", rf"{_N}(?:层|楼)(?!主|盘|市)"),
    ("phase", rf"{_N}期(?!账单|还款|免息|间)"),
    ("house", rf"{_N}(?:弄|号|组|队)(?!文|线|码|前|后|之前|以前|开始|发|到|晚|早|下午|上午|的时候)"),
    ("room", r"(?<![0-9])[0-9０-９]{3,4}(?![0-9])|(?<![零一二三四五六七八九幺])[零〇一二三四五六七八九幺]{3,4}(?![零一二三四五六七八九十百千幺])"),
    ("road", rf"{_HAN}{{1,6}}?(?:大道|大街|胡同|路|街|巷)(?:[东南西北中]段|[一二三四五六七八九十]+段|[东南西北]?口)?"),
    (
        "estate",
        rf"{_HAN}{{1,7}}?(?:小区|花园|家园|公寓|大厦|新村|山庄|写字楼|宿舍|社区|科技园|工业园|产业园|软件园|名苑|嘉苑|苑|府邸|雅居|华庭|新城|豪庭|公馆|广场|城中村|家属院|大院)",
    ),
    ("village", rf"{_HAN}{{1,4}}?(?:庄村|村|屯|庄)"),
    ("area", rf"{_HAN}{{2,7}}?(?:自治区|自治州|省|市)|{_HAN}{{1,4}}?(?:区|县|旗|镇|乡|街道)|北京|上海|天津|重庆"),
)
_PIECE = re.compile("|".join(f"(?P<{kind}{k}>{pattern})" for k, (kind, pattern) in enumerate(_PIECES)))
# Words that end like a road, an estate or a village and are none.
_NO_PLACE = re.compile(
    r"(?:[一二两三半这那上走问探赶认迷绕堵]|线|电|网|铁|公|马|套|思|销|回|后|退|出|生|短|通|宽带光|高速)路|(?:逛|上|满|过|扫)街"
    r"|(?:这个|那个|你们|我们|哪个|什么|本|小|老|同一个?)?(?:小区|社区|公寓|大厦|花园|家园|宿舍|广场|新村|村|写字楼)|农村|全村|北京|上海|天津|重庆"
)
_PUBLIC_AFTER = re.compile(r"支行|分行|营业厅|营业部|网点|门店|分店|专卖店|店|驿站|站|派出所|分局|法院|医院|银行")
_CUT = re.compile(rf".*(?:{_BEFORE})")
_GAP = re.compile(_SEPARATOR)
_ASKED = re.compile(r"地址|住址|住哪|住在哪|哪个小区|几号楼|几栋|门牌|寄到哪|送到哪|送哪|位置")
_HOME = re.compile(r"地址|住址|住在|家住|寄到|寄给|送到|搬到|我家|我住|您家|你家")
_REACH_TURNS = 4


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    end: int
    kind: str


def _pieces(text: str) -> list[_Piece]:
    """Parts of addresses in order, none overlapping, each cut free of the words before it."""
    pieces: list[_Piece] = []
    at = 0
    while found := _PIECE.search(text, at):
        kind = next(name for name, value in found.groupdict().items() if value is not None).rstrip("0123456789")
        start, end = found.span()
        if kind in {"road", "estate", "village", "area"}:
            cut = _CUT.match(text, start, end - 1)
            if cut is not None:
                start = cut.end()
            if end - start < 2 or (kind != "area" and (_NO_PLACE.fullmatch(text, start, end) or _PUBLIC_AFTER.match(text, end))):
                at = end
                continue
        pieces.append(_Piece(start, end, kind))
        at = end
    return pieces


def _chains(text: str) -> Iterator[list[_Piece]]:
    chain: list[_Piece] = []
    for piece in _pieces(text):
        if chain and _GAP.fullmatch(text, chain[-1].end, piece.start) is None:
            yield chain
            chain = []
        chain.append(piece)
    if chain:
        yield chain


def _finds_a_door(chain: Sequence[_Piece], asked: bool, home: bool) -> bool:
    kinds = [p.kind for p in chain]
    placed = any(k in {"road", "estate", "village"} for k in kinds)
    fine = sum(k in {"door", "house"} for k in kinds)
    if placed and (fine or (asked or home)):
        return True
    if kinds.count("door") >= 2 or ("door" in kinds and ("room" in kinds or "house" in kinds)):
        return True
    return (asked and "door" in kinds) or (home and "door" in kinds and "area" in kinds)


def find_addresses(turns: Sequence[Turn]) -> list[Span]:
    """Spans of addresses; the coarse parts before the first road, estate, village or door stay."""
    spans: list[Span] = []
    for k, turn in enumerate(turns):
        before = [t for t in turns[max(0, k - _REACH_TURNS) : k] if t.by_customer != turn.by_customer]
        asked = any(_ASKED.search(t.text) for t in before)
        for chain in _chains(turn.text):
            home = _HOME.search(turn.text, 0, chain[0].end) is not None
            while (
                chain
                and chain[-1].kind in {"room", "area", "phase"}
                and not (chain[-1].kind == "room" and len(chain) > 1 and chain[-2].kind in {"door", "house"})
            ):
                chain = chain[:-1]
            while chain and chain[0].kind in {"area", "room", "phase"}:
                chain = chain[1:]
            if chain and _finds_a_door(chain, asked, home):
                spans.append(Span(k, chain[0].start, chain[-1].end, "address"))
    return spans
