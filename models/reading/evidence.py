"""A hit in its turn, in; whether it was denied, quoted, about somebody else, supposed, asked, offered or taken back, out.

Mandarin puts what changes a claim before it, in the same clause or sentence, so each detector looks left of the hit over a window that the punctuation
bounds; only withdrawal looks both ways. The surprising choice: a negator counts only if the stretch between it and the hit is made of words
that hand negation on (来, 想, 是, 打算, …). Everything else — 再不退我就投诉, 受不了了我要投诉 — breaks its scope, and an ultimatum
stands. All offsets are of the normal text (`Text.norm`).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from models.reading.text import HARD_MARKS, Text, clause_span, sentence_span
from models.records import Role

_CLAUSE = "，。！？；：… "
# Words through which negation reaches the hit: modals, coming and going, prepositions, persons, fillers.
_HANDS_ON = re.compile(
    r"(?:是|系|非要|非得|来|要|想|说|话|去|过|打算|准备|为了|在|跟|和|对|向|找|拿|给|把|让|叫|你们?|您|我们?|咱们?|真|真的|故意|有意|任何|什么|有|会|能|可以|可能|想着|专门|特意|特地|一定|必须|需要|需|用|必|"
    r"至于|值得|舍得|敢|肯|愿意|算|属于|存在|到|个|一个|这个|那种|那么|这么|意思|的意思|随便|动不动|老|总|总是|天天|再|又|真正|觉得|认为|以为|提|提过|讲|讲过|谈|什么的|在说|在跟|成|得上|上升到)*"
)
_NEGATOR = re.compile(
    r"并不是|并没有|并非|从来没有?|从不|从未|没有|没想|没打算|没说|没必要|不是|不用|不想|不要|不会|不必|不需要|不打算|不至于|不准备|不应该|不该|不能|不可能|不愿意?|不敢|用不着|犯不着|犯不上|谈不上|"
    r"算不上|称不上|说不上|懒得|冇|唔系|唔使|唔想|唔会|唔|没得|不系|无须|无需|何必|无意|未曾|未|没|别|莫|甭|勿|不"
)
# A 不 that denies nothing: potential complements, A-not-A questions, double negation, set words.
_NO_DENIAL = re.compile(
    r"(?:受|忍|等|解决|管|做|办|说|打|联系|查|看|听|收|找|弄|退|拿|给|想|睡|吃|咽|修|登|进|接|对|差|了|恨|忍|动|巴|少|来|赶|离|免|舍)不(?:了|住|到|起|通|清|懂|明白|出|上|下|得|过|及|开|着|多|动|下去|惯)|"
    r"不得不|不能不|不会不|不可不|没有不|无不|不只|不仅|不光|不但|不管|不论|不然|不过|不错|不好意思|不行|不断|不停|不对|对不对|不知道|不晓得|没完|没准|没法|没办法|没用|没人|没脸|没良心|没素质|别人|别的|特别|个别|分别|区别|级别|性别|类别|"
    r"(\w)[不唔]\1|唔该|[顶受忍]唔[顺了住]|有冇|有没有|是不是|能不能|会不会|要不要|可不可以|可不是|要不是|要不然|要不|岂不|难道不|凭什么不|为什么不|怎么不|何不|不如|非\w{1,6}不可|动不动|莫名|未必|莫非|不就是?|不都是?|不也|不正是|这不|那不|还不|再不|若不|如不|如果不|你不|你们不|您不|他们不|还没|再没"
)
# 谁要投诉你啊, 我怎么会骗您, 我哪里骂人了: a question that denies. Not 谁让…, 谁在骗人.
_WHO_WOULD = re.compile(r"(?:谁|哪里|哪儿|哪有|怎么会|怎么可能|用得着|犯得着|干嘛要)(?:要|会|想|说要|是要|说|去)?$")
_BREAKS_SCOPE = re.compile(r"就|便|才|否则|不然|那我|那就|所以|但是?|可是|只好|只能|直接|反正|我要|我得|我必须|我一定|我现在|我马上|我今天|必须|一定")

_THIRD = (
    r"他们?(?!妈|娘|奶|姥)|佢哋?|人哋|她们?|它们?|人家|别人|别家|有人|有些人|有的人|某些人|某人|人们|大家|网友|群友|邻居|隔壁\w{0,2}|对门|楼[上下]|对方|那家|那个(?:人|骗子|男的|女的|商家|卖家|老板)|"
    r"我(?:的)?(?:一个|有个|有一个)?(?:朋友|同事|同学|室友|妈妈?|爸爸?|老公|老婆|先生|太太|爱人|媳妇|对象|男朋友|女朋友|儿子|女儿|孩子|闺女|哥哥?|姐姐?|弟弟?|妹妹?|表哥|表姐|表弟|表妹|叔叔?|舅舅?|姑姑?|阿姨|爷爷|奶奶|姥姥|婆婆|公公|岳母|岳父|亲戚|邻居|老板|领导|家里人|家人|师傅|客户|舅子|小舅子|大舅子|侄子|外甥|姐夫|妹夫|姨妈|姨父|老头子?|老太婆|老太太|老伴|房东|租客|合伙人)|"
    r"那?(?:小伙子?|小姑娘|老师傅|大哥|大姐|大爷|老头子?|老太太)(?=[^，。！？；]{0,10}(?:说|讲|喊|骂|回))|朋友|新闻|电视|报纸|网上|报道|短信|电影|小说|视频里?|骗子"
)
_PERSON = re.compile(rf"(?P<third>{_THIRD})|(?P<second>你们?|您们?|贵公司|贵司|你家)|(?P<first>我们?|俺|咱们?|本人|老子|自己)")
_SPEECH = r"(?:说|讲|骂|喊|吼|嚷|写|称|问|回|回复|告诉|跟我说|和我说|对我说|提到|提醒|承诺|宣传|表示|嘀咕|念叨|劝|教|叫)"
_SPEAKER = (
    rf"(?:{_THIRD}|你们?(?:的)?(?:广告|官网|宣传|客服|同事|销售|业务员|店员|师傅|骑手|快递员|经理|主管|领导|那个\w{{1,3}}|公司|老师|页面|合同|协议|公告|短信|人员|人)|销售|骑手|师傅|快递员|业务员|中介|店员|店家|商家|卖家|老板|"
    r"那?(?:小伙子?|小姑娘|老师傅|大哥|大姐|大爷|老头子?|老太太)|上次(?:那个|的)?(?:客服|人)?|上回(?:那个|的)?人?|之前(?:那个|的)?(?:客服|人)?|刚才(?:那个|的|那位)?(?:客服|人)?|前面(?:那个|的)?(?:客服|人)?|当时|当初|广告|宣传|合同|协议|说明书|页面|公告)"
)
_QUOTES = re.compile(
    rf"{_SPEAKER}(?:[^。！？；你您我]|[你您我](?!就要?|要|得|必须|现在|今天|马上|看|们就)){{0,12}}?{_SPEECH}(?:了|过|的|着|是|我|你们?|您|他们?|她|人家|道|一句|什么|：|，|\"|那|说){{0,5}}"
)
_SPOKEN_TO_ME = re.compile(r"(?:骂|说|喊|叫|吼|骂过|说过)(?:了|过|的是)?(?:我们?|人|他们?|她|人家|客户|顾客)(?:们)?(?:是|：|，|说|\")?(?:个|一句|什么)?$")
_OWN_VOICE = re.compile(
    r"(?:^|[，。！？；： ])(?:那|所以|可是|但是|反正|现在|今天)?(?:我(?!们?(?:朋友|同事|妈|爸|老公|老婆|领导|老板))|咱|你们?|您|赶紧|马上|现在|必须)"
)
_SAYING = re.compile(rf"{_SPEECH}(?:了|过|的|着|道|一句|什么)?(?:：|，|\s)?\"[^\"]*$")
_INFORM = re.compile(
    r"(?:您|你|您们|用户|客户|消费者|顾客|大家)(?:也|还|是|都|这边|那边|到时候|之后|后续|随时|完全|自己|可能)?(?:可以|能|可|有权|有权利|能够|需要|得|如果|若|如|要是|想|要)|如需|如有|如果|若有|若需|若要|要是有|建议(?:您|你)?|欢迎|可拨打|可以拨打|"
    r"可以向|可向|请拨打|拨打|(?:我们|我司|公司|本公司|官方)?(?:设有|开通了?|提供|的)?(?:监督|服务|客服|受理)(?:热线|电话|渠道)|受理|通过\w{0,6}(?:渠道|热线|电话)|所谓|属于|依据|根据|按照"
)
_ASKS_ABOUT = re.compile(
    r"(?:什么是|是什么|什么意思|怎么(?:打|找|联系|去|办理|走|写|填)|电话(?:号码)?(?:是)?(?:多少|几)|(?:号码|地址|流程|入口)(?:是)?(?:什么|多少|在哪)|在哪|哪里|管不管用|有没有用|有用吗|多久|几天)"
)
_SUPPOSE = re.compile(
    r"要是|如果|假如|假设|倘若|万一|若是|假使|要不是|哪怕|就算|即使|即便|除非|如若|设若|比如|比方|例如|好比|譬如|像是|免得|省得|以免|以防|怕|担心|害怕|防止|避免|以为|还以为"
)
_CONSEQUENCE = re.compile(r"就|那我|那么|否则|不然|我只好|只能|我可|我一定|我直接|我马上")
_RHETORICAL = re.compile(
    r"难道|怎么能|怎么可以|凭什么|这不是|这不就|不就是|那不是|不是\S{1,12}吗|算什么|有什么用|还会什么|还能|是不是(?:你|没|有病|脑|傻|疯|聋|瞎|想|以为|觉得我|欺负|人)|什么东西|谁稀罕|有你这|你以为|能当|还是人吗|听不懂|配吗|好意思吗|要脸|信不信"
)
_ASKING = re.compile(r"[吗么](?:啊|呀)?$|(?:能不能|可不可以|是不是|会不会|要不要|有没有|行不行|好不好|可以不|对不对|怎么|什么|多少|哪|几|谁|为什么)")
_WITHDRAWN_RIGHT = re.compile(
    r"^\w{0,4}?(?:(?:就|也|都|我|那|先|还是|的事|这事|这个|那个|什么的|单|电话|了){0,5}(?:算了|不必了|不用了|免了|作罢|撤了|撤销了?|撤回了?|取消了|撤掉|不了了|不追究了?|不计较了?|先不\w{0,3}了|不\w{0,3}了|不至于|没必要))"
)
_WITHDRAWN_LEFT = re.compile(
    r"(?:撤销|撤回|撤掉|取消|撤了|放弃)(?:了|掉|刚才|之前|这个|那个|我的|我|的|对|你们?|上次|一下|本次|此次){0,5}$|(?:不|先不|就不|也不|不再|不想|懒得)(?:去|再|想|要|打算|找|打|跟|提|走)?$"
)
_LET_IT_BE = re.compile(r"算了|不用了|不必了|罢了|作罢")
_PLACE_AFTER = re.compile(
    r"^(?:路|街|大厦|大楼|小区|家属院|宿舍|公寓|广场|对面|旁边|附近|隔壁|门口|楼下|后面|前面|站(?!不)|村|镇|花园|院内|院里|大院|号楼|东门|西门|南门|北门|斜对面|那边住|这边住|地铁)"
)


def _left(text: Text, start: int, sentence: bool = False) -> str:
    """What stands before the hit in its clause (or sentence)."""
    low, _ = (sentence_span if sentence else clause_span)(text, start, start)
    return text.norm[low:start]


def negated(text: Text, start: int, end: int, role: Role) -> bool:
    """不是来投诉的, 没骂你, 别投诉, 没打算找律师: a negator whose scope reaches the hit."""
    left = _left(text, start)
    if _WHO_WOULD.search(left) and not text.norm.startswith("谁", end):
        return True
    clear = [m.span() for m in _NO_DENIAL.finditer(left + text.norm[start:end])]
    for m in _NEGATOR.finditer(left):
        if any(s < m.end() and m.start() < e for s, e in clear):
            continue
        gap = left[m.end() :]
        if len(gap) <= 10 and _HANDS_ON.fullmatch(gap) and not _BREAKS_SCOPE.search(gap):
            if _asks_back(text, start, end, m[0]):
                continue
            return True
    return False


def negated_within(text: Text, gap_start: int, gap_end: int) -> bool:
    """A negator in a gap of the phrase whose scope reaches what follows the gap: 我｜没想｜打官司 for the phrase 我*打官司."""
    low, _ = clause_span(text, gap_start, gap_start)
    gap = text.norm[gap_start:gap_end]
    around = text.norm[low : gap_end + 4]
    clear = [(m.start() + low - gap_start, m.end() + low - gap_start) for m in _NO_DENIAL.finditer(around)]
    for m in _NEGATOR.finditer(gap):
        rest = gap[m.end() :]
        if not any(s < m.end() and m.start() < e for s, e in clear) and _HANDS_ON.fullmatch(rest) and not _BREAKS_SCOPE.search(rest):
            return True
    return False


def _asks_back(text: Text, start: int, end: int, negator: str) -> bool:
    """你们不是骗人吗 affirms; 你没骗我吗 does too: a negative question of this kind expects yes."""
    _, high = sentence_span(text, start, end)
    rest = text.norm[end : min(len(text.norm), high + 1)]
    return negator in ("不是", "没有", "没", "并不是") and bool(re.match(r"^\w{0,5}(?:吗|么|嘛|？)", rest)) and negator == "不是"


def quoted(text: Text, start: int, end: int, role: Role) -> bool:
    """In somebody else's mouth: 他说…, 你们广告上写…, 骂我…, or in quotation marks after a verb of saying."""
    left = _left(text, start, sentence=True)
    if _SAYING.search(left) or _SPOKEN_TO_ME.search(left):
        return True
    last = None
    for m in _QUOTES.finditer(left):
        last = m
    if last is None:
        return False
    return not _OWN_VOICE.search(left[last.end() :])


def person(text: Text, start: int) -> str | None:
    """Whom the words are about, by the nearest person before them in the sentence: `first`, `second`, `third` or None."""
    for left in (_left(text, start), _left(text, start, sentence=True)):
        found = None
        for m in _PERSON.finditer(left):
            found = m.lastgroup
        if found:
            return found
    return None


def third_person(text: Text, start: int, end: int, role: Role) -> bool:
    """About somebody who is not in this call: 我朋友…, 隔壁…, 他…. A consequence (…就投诉) is the speaker's own."""
    if person(text, start) != "third":
        return False
    left = _left(text, start)
    return not re.search(r"再不|就$|我就|那就", left)


def about_self(text: Text, start: int, end: int, role: Role) -> bool:
    """我真是个傻子, 怪我自己笨: the speaker speaks of himself."""
    if re.search(r"[你您]", text.norm[start:end]):
        return False
    left = _left(text, start)
    return bool(
        re.search(
            r"(?:我|自己|本人|俺|咱)(?:自己|这人|当时|也|都|就|可|才|真|真的|还|太|怎么|是|真是|就是|当初|那么|这么|简直|这个|那个|个|像个|跟个|确实|又|当|一时|有点|那时候|的|脑子|人){0,6}$",
            left,
        )
    ) and not re.search(r"你|您|(?:骂|说|叫|当)我", left[-8:])


def information(text: Text, start: int, end: int, role: Role) -> bool:
    """Offered (您可以拨打12315) or asked after (12315怎么打): no demand and no threat."""
    _, high = sentence_span(text, start, end)
    right = text.norm[end:high]
    if role == "customer":
        return bool(_ASKS_ABOUT.search(right[:12]))
    return bool(_INFORM.search(_left(text, start, sentence=True))) or bool(re.match(r"^(?:的)?(?:热线|电话|渠道|部门|流程|时效|入口)", right))


def hypothetical(text: Text, start: int, end: int, role: Role) -> bool:
    """In the condition, not in its consequence: 要是有人骂你; but 如果不退我就投诉 stands."""
    low, _ = sentence_span(text, start, end)
    marker = None
    for m in _SUPPOSE.finditer(text.norm[low:start]):
        marker = m
    if marker is None:
        return False
    return not _CONSEQUENCE.search(text.norm[low + marker.end() : start]) and not re.match(
        r"[^，]*，\w*(?:就|那)", text.norm[low + marker.end() : start] + "\0"
    )


def is_question(text: Text, start: int, end: int) -> bool:
    """A real question: its sentence asks and is not rhetorical."""
    low, high = sentence_span(text, start, end)
    said = text.norm[low:high]
    marked = high < len(text.norm) and text.norm[high] == "？"
    if not (marked or _ASKING.search(said)):
        return False
    return not _RHETORICAL.search(said)


def question(text: Text, start: int, end: int, role: Role) -> bool:
    return is_question(text, start, end)


def withdrawn(text: Text, start: int, end: int, role: Role) -> bool:
    """Taken back: 算了，消协我先不找了; 投诉我撤了; 我撤销这个投诉; 不投诉了; 投诉就不用了."""
    low, high = sentence_span(text, start, end)
    right = text.norm[end:high]
    if _WITHDRAWN_RIGHT.match(right.lstrip("，")):
        return True
    left = text.norm[low:start]
    clause_left = _left(text, start)
    if re.search(r"(?:撤销|撤回|撤掉|取消|放弃)(?:了|掉|刚才|之前|这个|那个|我的|我|的|对|你们?|上次|一下){0,5}$", clause_left):
        return True
    finished = bool(re.match(r"^\w{0,4}了", right))
    if (
        finished
        and re.search(r"(?:不|先不|就不|也不|不再|不想|懒得)(?:去|再|想|要|打算|找|打|跟|提|走){0,2}$", clause_left)
        and not _NO_DENIAL.search(clause_left[-4:])
    ):
        return True
    whole_left = text.norm[max(0, low - 16) : start] if low > 0 and text.norm[low - 1] in HARD_MARKS else left
    return bool(_LET_IT_BE.search(whole_left) and re.search(r"不|别", clause_left[-6:]) and not re.search(r"再不|不行|受不了", clause_left))


def part_of_name(text: Text, start: int, end: int, role: Role) -> bool:
    """An address or a place: 人民法院对面, 消协大厦, 工商路."""
    return bool(_PLACE_AFTER.match(text.norm[end : end + 4]))


DETECTORS: dict[str, Callable[[Text, int, int, Role], bool]] = {
    "negated": negated,
    "quoted": quoted,
    "third_person": third_person,
    "self": about_self,
    "information": information,
    "hypothetical": hypothetical,
    "question": question,
    "withdrawn": withdrawn,
}

_FUNCTION_RIGHT = frozenset("有是们的了吗呢吧啊呀嘛呗着过得儿地")
_FUNCTION_LEFT = frozenset("0123456789零一二三四五六七八九十两半几说讲是就都也又还真太很再这那你我他有要给把被让在和跟会能可不没请去来")


def cuts_a_word(norm: str, words: list[tuple[int, int]], start: int, end: int) -> bool:
    """Does norm[start:end] begin or end inside a word of jieba? A word that only adds a particle or a function word to the hit is none (你|们, 真|是)."""
    for s, e in words:
        if s >= end:
            break
        if s < start < e and not all(c in _FUNCTION_LEFT for c in norm[s:start]):
            return True
        if s < end < e and not all(c in _FUNCTION_RIGHT for c in norm[end:e]):
            return True
    return False
