"""Names of people said in a call: introduced, asked for, addressed in full, or spelled out.

In: the turns of one call. Out: spans (turn, start, end, "name"). The surprising choice: a surname alone stays (王女士, 我姓温): it names a
million people, and a transcript without any 王女士 cannot be read. Full names are found only where speech announces one (我叫, 机主, 收货人,
an answer to 请问姓名, …先生 after a full name), because two or three characters that begin with a surname are mostly words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from models.reading.personal_numbers import Span
from models.records import Turn

# The commonest surnames, without those that are mostly other words (于, 任, 方, 安, 时 …).
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高梁郑罗宋谢唐韩曹许邓萧肖冯曾程蔡彭潘袁董余苏叶吕魏蒋田杜丁沈姜范江傅钟卢汪戴崔陆廖姚邱邹熊孟秦白阎闫薛侯雷龙段郝孔邵史毛万顾"
    "赖武康贺严尹钱施牛洪龚汤陶黎温莫樊葛颜倪章鲁常易乔庞聂齐庄焦翟伍岳柳兰齐梅骆翁甘童耿路欧祝柯霍涂纪舒尚管裴甄屈詹裘项席关阮游麦简喻邢卞岑柴苗冉桑蓝芦单季凌"
    "谭贾韦夏金石覃殷佟褚窦宫靳景鞠匡郎厉廉娄栾闵牟穆宁农蒲戚瞿饶荣沙申盛隋谈滕屠卫文闻巫奚辛晏阳尤虞苑臧湛卓宗左仇丘迟储楚丛党狄刁付符俞贝毕卜池宓桂郜耿弓华吉嵇"
)
_DOUBLE = "欧阳|司马|上官|诸葛|东方|皇甫|尉迟|公孙|慕容|司徒|令狐|夏侯|端木|独孤|南宫"
# Characters that hardly ever stand in a given name, and words whose characters do but that follow a name in speech.
_NOT_GIVEN = (
    "我你您他她它咱的了着过是在不要就这那也都还又和跟与吗呢啊吧哦嗯呃哈呀嘛啦把被给对从向到去来说讲打问听请让叫很太么什怎哪谁几个先姐傅板经主阿姨叔哥"
    "零一二三四五六七八九十百千幺两号位店里下后候钱块点但因所以如果能会已再昨电"
)
_FOLLOWS = (
    "小姐|女士|老师|老板|师傅|同志|明天|今天|每天|刚才|刚刚|可以|可是|有没|有人|有个|有一|想问|想要|上次|上面|前天|前面|时候|没有|手机"
    "|看看|看一|只有|只是|好的|好像"
)
# Everyday words that begin with a surname.
_WORDS = (
    "谢谢|马上|高兴|高级|高速|高铁|方便|白天|白色|黄色|黄金|蓝色|万一|万分|钱款|钱包|路上|路口|路由|单子|单独|单位|单元|单据|简直|简单|常常|常用|余额|余下|程序|程度|游戏|游客|毛病|石头|江苏|江西"
    "|温度|温馨|温州|严重|严格|施工|牛奶|许多|许久|陈旧|徐州|胡说|何必|何况|唐山|韩国|苏州|苏宁|叶子|杜绝|沈阳|范围|钟头|陆续|熊猫|顾客|顾问|武汉|康复|黎明|莫名|颜色|章程|常州|齐全|岳父|岳母|柳州"
    "|兰州|甘肃|童装|欧洲|祝您|祝你|纪念|尚未|管理|管家|管道|席位|关于|关机|关闭|关注|季度|季节|龙头|段时间|汤圆|戴着|蒋总|金额|金牌|金卡|文件|文明|申请|申报|申诉|石油|石材|夏天|夏季|农村|农行|农历|宁可|宁愿|盛大|荣幸|卫生|卫星|左右|左边|沙发|华为|吉利|阳台|阳光|代表|司机|景区|景点|宗旨|符合|付款|付费|付钱|党员|储蓄|储值|楚天"
)
_GIVEN = rf"(?!{_FOLLOWS})[^\W\d_a-zA-Z{_NOT_GIVEN}]"
_FULL = rf"(?!{_WORDS})(?:(?:{_DOUBLE}){_GIVEN}{{1,2}}|[{_SURNAMES}]{_GIVEN}{{1,2}})"
_TITLE = "先生|女士|小姐|同志|本人"
_ANNOUNCED = re.compile(
    rf"(?:我叫做?|名叫|名字(?:是|叫|就是)?|姓名(?:是|叫)?|收货人|收件人|寄件人|机主|户主|车主|业主|联系人|持卡人|投保人|被保人|被保险人|受益人|患者|乘客|旅客|入住人|户名|开户名|法人|担保人)"
    rf"(?:的?(?:名字|姓名))?(?:[是叫：:，, ]|写的是|登记的是|填的是|呃|嗯){{0,3}}(?P<name>{_FULL})"
)
_ADDRESSED = re.compile(rf"(?P<name>{_FULL})(?={_TITLE})")
_IS = re.compile(rf"(?:我是|您是|你是|请问是|是不是|找一下|我找|帮我找|联系一下|叫的是)(?P<name>{_FULL})(?=本人|先生|女士|小姐|[，。、！？,.!?]|吗|吧|呀|啊|$)")
_RELATIVE = re.compile(
    rf"(?:我(?:爱人|老公|老婆|儿子|女儿|妈妈?|爸爸?|母亲|父亲|妻子|丈夫|先生|太太|对象|朋友|同事)(?:叫|的名字(?:是|叫)|，?名字叫|是叫)|[他她的人]叫|(?:孩子|客服|姑娘|小伙子?|大姐|同事|师傅)叫)(?P<name>{_FULL})|，叫(?P<called>{_FULL})(?=[，。！？]|$)"
    rf"|(?:工程师|专员|同事|主管|经理|律师|维修员|快递员|安装员)(?P<colleague>{_FULL})(?=会|来|给|跟|负责|联系|[，。]|$)"
)
_ASKED = re.compile(r"姓名|全名|名字|怎么称呼|贵姓|叫什么|您是哪位|哪位|机主是|收货人|收件人|户主|持卡人|联系人")
_ANSWER = re.compile(
    rf"(?:[，。、！？,.!?\s]|呃|嗯|额|啊|哦|对|是的|好的|好|我叫|我是|叫|是|那个|写的|登记的|应该是|就是|我本人){{0,5}}(?P<name>{_FULL})(?=[，。、！？,.!?；;]|[0-9零一二三四五六七八九幺]|$|就是|啊|呀|吧|的)"
)
_SPELLED = re.compile(r"(?P<phrase>[^\W\d_，。、]{1,4}?)的(?P<char>[^\W\d_])(?=[，。、！？,.!?；;]|$|呃|嗯|啊|吧|嘛)")
_SPELL_PARTS = re.compile(
    "弓长张|立早章|耳东陈|木子李|双木林|草头黄|古月胡|口天吴|三横王|言午许|人可何|禾呈程|双口吕|走肖赵|木易杨|子小孙|刀口邵|马各骆|卯金刘|文刀刘|三点水江|单人旁"
)
_SPELL_REACH_TURNS = 3


def _surname_said(text: str) -> set[str]:
    return {m[1] for m in re.finditer(rf"(?:免贵|我|是|，|^)?姓((?:{_DOUBLE})|[{_SURNAMES}])(?=[，。、！？,.!?；;的]|$|先生|女士)", text)}


def _spelling(position: int, turns: Sequence[Turn], named: bool) -> Iterator[Span]:
    """静 in 安静的静, and 弓长张: characters spelled out near a name, not those of a bare surname."""
    text = turns[position].text
    around = " ".join(t.text for t in turns[max(0, position - _SPELL_REACH_TURNS) : position + 1])
    if not (named or _ASKED.search(around) or re.search(r"哪个字|怎么写|哪两个字|我叫", around)):
        return
    bare = set().union(*(_surname_said(t.text) for t in turns[max(0, position - _SPELL_REACH_TURNS) : position + 1]))
    for found in _SPELLED.finditer(text):
        if found["char"] in found["phrase"] and found["char"] not in bare:
            start = found.end("char") - 2 - max(len(found["phrase"]), 1)
            yield Span(position, max(start, found.start()), found.end("char"), "name")
    if named:
        for found in _SPELL_PARTS.finditer(text):
            yield Span(position, found.start(), found.end(), "name")


def find_names(turns: Sequence[Turn]) -> list[Span]:
    """Spans of full names and their spelling; every later or earlier mention of a name that was announced is found too."""
    spans: set[Span] = set()
    for k, turn in enumerate(turns):
        for pattern in (_ANNOUNCED, _ADDRESSED, _IS, _RELATIVE):
            spans |= {Span(k, *m.span(m.lastgroup or 0), "name") for m in pattern.finditer(turn.text)}
        asked = any(t.by_customer != turn.by_customer and _ASKED.search(t.text) for t in turns[max(0, k - 2) : k])
        answer = _ANSWER.match(turn.text) if asked else None
        if answer:
            spans.add(Span(k, answer.start("name"), answer.end("name"), "name"))
    names = {turns[s.turn].text[s.start : s.end] for s in spans}
    for k, turn in enumerate(turns):
        for name in names:
            spans |= {Span(k, m.start(), m.end(), "name") for m in re.finditer(re.escape(name), turn.text)}
    named = {s.turn for s in spans}
    for k in range(len(turns)):
        spans |= set(_spelling(k, turns, bool(named & set(range(k - _SPELL_REACH_TURNS, k + 2)))))
    return sorted(spans, key=lambda s: (s.turn, s.start, s.end))
