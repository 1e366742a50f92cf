"""Written call scenes for synthetic nights: what two people say, which words are moments, how hot each customer turn is.

In: nothing. Out: `SCENES`, parsed once. The surprising choice: scenes are a tiny mark-up (spaces between words, `[kind/type …]` around a
moment, `{name}` for a slot, a heat after the role), because a page can only be judged on calls that read like calls. None of it is real.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SLOTS: dict[str, tuple[str, ...]] = {
    "item": ("血压计", "婴儿车", "净水器", "降压药", "毕业证", "空气炸锅", "学步鞋", "行车记录仪"),
    "day": ("上周四", "礼拜二", "大前天", "五号", "月初", "上个周末"),
    "place": ("虹桥", "龙岗", "武侯", "江汉", "天河", "浑南"),
    "sum": ("三百二十块", "一百九十八", "两千六百块", "八十八块", "一千零五十"),
    "when": ("今晚八点前", "明天中午十二点前", "后天上午十点", "今天下午五点之前"),
    "owner": ("我本人", "我们值班主管", "仓库的刘组长", "我和配送站长"),
    "plan": ("全家享套餐", "年度会员", "夜间流量包", "千兆宽带"),
    "phone": ("138****2231", "186****9047", "159****6610", "177****3358"),
}

RAW: tuple[tuple[str, str, str], ...] = (
    (
        "courier-warm",
        "review",
        """
a 您好 ， 很 高兴 为 您 服务 ， 请问 有 什么 可以 帮 您 ？
c.30 我 {day} 寄 的 {item} ， 到 今天 都 没 到 ， [escalation/repeat 我 前天 就 打过 一次 电话 问 这 事] 。
a 您 先 别急 ， 单号 方便 报 一下 吗 ？
c.42 尾号 六六零八 ， 家里 老人 等着 用 呢 ， 再 拖 可 怎么办 啊 。
a [conduct/empathy 家里 老人 等着 用 ， 确实 耽误 不起] ， 我 马上 调 记录 。
c.48 每次 都 说 马上 ， 我 都 听 腻 了 。
a [apology/warm 真的 对不起 ， 这 一单 是 我们 分拣 的 时候 发错 了 方向 ， 责任 在 我们] ， 您 的 {item} 现在 在 {place} 。
c.35 那 到底 什么 时候 能 送到 ？
a [conduct/commit {owner} {when} 给 您 送到 门口 ， 送不到 我 亲自 给 您 回电话] 。
c.15 行 ， [resolution/accepted 你 这么 说 我 就 放心 了] 。
a 好的 ， 您 的 电话 还是 {phone} 对 吗 ？
c.10 对 ， 就 这个 。
a 感谢 您 的 理解 ， [conduct/evaluation 稍后 请 您 对 我 的 服务 做 个 评价] 。
""",
    ),
    (
        "refund-furious",
        "urgent",
        """
a 您好 ， 请讲 。
c.45 你们 {sum} 的 退款 拖 了 半个月 了 ， 到底 退 还是 不 退 ？
a [apology/formula 很 抱歉 给 您 带来 不便] ， 我 帮 您 看 一下 。
c.55 [escalation/repeat 这 已经 是 我 第四次 打 电话 了] ， 每次 都 是 帮 我 看 一下 。
a [conduct/stall 这个 还 在 处理 中 ， 请 您 耐心 等待] 。
c.72 [escalation/rejects_apology 道歉 有 什么 用] ， 你们 [escalation/accusation 就是 在 忽悠 人] ！
a [conduct/deflect 退款 是 财务 那边 的 事 ， 我 也 没有 办法] 。
c.80 那 [escalation/supervisor 你 叫 你们 经理 来 听 电话] 。
a [conduct/deflect 公司 规定 我 这边 不能 转] 。
c.93 行 ， [escalation/ultimatum 今天 下班 之前 不 到账] ， [escalation/regulator 我 就 打 12315 举报 你们] ， [escalation/media 抖音 上 我 也 给 你们 曝光] 。
a [apology/formula 非常 抱歉 ， 还请 您 谅解] 。
c.95 [escalation/rejects_apology 除了 抱歉 你们 还 会 说 什么] ！
a [conduct/stall 我 这边 给 您 催 一下 ， 有 结果 会 联系 您] 。
c.90 [abuse/profanity 他妈的] ， 就 知道 会 这么 说 。
a 请问 还有 其他 可以 帮 您 的 吗 ？
""",
    ),
    (
        "agent-contempt",
        "urgent",
        """
a 喂 ， 说 吧 。
c.20 我 想 问 一下 我 的 {plan} 为什么 多 扣 了 {sum} ？
a 合同 上 写 得 清清楚楚 ， [conduct/taboo 你 自己 不会 看 吗] ？
c.45 合同 里 没有 这 一条 啊 ， 你 能 帮 我 查 一下 吗 ？
a [conduct/taboo 我 都 说 几遍 了 ， 听不懂 吗] ？
c.60 你 这 是 什么 态度 ？ [escalation/complaint 我 要 投诉 你] 。
a [conduct/taboo 随便 你 ， 爱 找 谁 找 谁] 。
c.70 你 工号 多少 ？
a [abuse/insult 你 这种 人 脑子 有 问题] ， 我 没 空 跟 你 耗 。
c.85 好 ， [escalation/regulator 我 现在 就 向 通信 管理局 反映] ， [escalation/legal 该 起诉 起诉] 。
a 那 就 这样 ， 再见 。
""",
    ),
    (
        "threat",
        "urgent",
        """
a 您好 ， 请问 怎么 称呼 您 ？
c.50 别 问 我 叫 什么 ， 我 卡 里 的 {sum} 呢 ？
a 先生 ， 我 需要 核实 一下 您 的 身份 。
c.66 [escalation/repeat 上回 你们 就 核实 过 了] ， 核实 完 就 没 人 管 了 ！
a [conduct/ask_again 麻烦 您 再 报 一下 手机号] 。
c.88 [abuse/profanity 你 他妈 听 不 见 是 吧] ， {phone} ！
a 先生 请 您 冷静 ， 这边 正在 查询 。
c.97 [abuse/threat 你们 网点 就 在 {place} 是 吧 ， 你 下班 路上 小心 点] 。
a 先生 ， 这个 通话 是 有 录音 的 。
c.90 [abuse/insult 废物] ， [escalation/supervisor 让 你们 领导 给 我 滚 过来] 。
a 我 给 您 转接 主管 ， 请 稍等 。
s 您好 ， 我 是 值班 主管 ， [apology/warm 刚才 的 情况 我 都 听 了 ， 这笔 钱 是 系统 重复 扣 的 ， 确实 是 我们 的 错] 。
c.60 那 什么 时候 退 ？
s [conduct/commit {when} 由 {owner} 原路 退回] ， 您 看 可以 吗 ？
c.40 行 ， 我 等着 。
""",
    ),
    (
        "churn-soft",
        "review",
        """
a 您好 ， {plan} 专席 ， 很 高兴 为 您 服务 。
c.20 我 想 把 {plan} 退 了 。
a 请问 是 哪里 让 您 不 满意 呢 ？
c.34 {day} 报修 到 现在 没 人 上门 ， [escalation/churn 我 不想 用 你们 家 了 ， 我 换 别家] 。
a [apology/warm 是 我们 派单 漏 了 ， 让 您 空 等 了 好 几天 ， 这个 是 我们 的 失误] 。
c.28 你们 每年 都 这样 。
a [conduct/commit 我 安排 师傅 {when} 上门] ， 这个月 的 月租 给 您 免 掉 。
c.12 那 好吧 ， [resolution/accepted 就 按 你 说 的 办] 。
a [conduct/evaluation 挂机 后 麻烦 您 按 一 评价] ， 祝 您 生活 愉快 。
""",
    ),
    (
        "repeat-only",
        "review",
        """
a 您好 ， 请问 有 什么 需要 帮助 ？
c.12 你好 ， [escalation/repeat 我 昨天 打过 电话 问 {item} 的 发票] ， 想 再 确认 一下 抬头 。
a 好的 ， 您 说 一下 订单号 。
c.08 尾号 二零七四 。
a 查 到 了 ， 抬头 是 个人 ， 需要 修改 吗 ？
c.06 不用 ， 谢谢 。
a 不客气 ， [conduct/evaluation 请 您 稍后 对 我 的 服务 打分] 。
""",
    ),
    (
        "ordinary-question",
        "none",
        """
a 您好 ， 很 高兴 为 您 服务 。
c.05 你好 ， 我 想 问 下 {plan} 怎么 开通 。
a 您 在 首页 点 我的 ， 再 点 套餐 就 可以 了 。
c.04 哦 ， 看 到 了 ， 多少 钱 一个 月 ？
a 每月 {sum} ， 首月 减半 。
c.03 好的 ， 那 我 自己 弄 ， 谢谢 啊 。
a 不客气 ， [conduct/evaluation 请 您 对 我 的 服务 做 评价] ， 再见 。
""",
    ),
    (
        "ordinary-address",
        "none",
        """
a 您好 ， 请讲 。
c.06 我 {day} 买 的 {item} ， 想 改 一下 收货 地址 。
a 可以 的 ， 请问 改 到 哪里 ？
c.05 改 到 {place} 人民法院 旁边 那个 小区 ， 电话 {phone} 。
a 好的 ， 已经 帮 您 修改 ， [apology/formula 让 您 久等 了] 。
c.04 没事 ， 挺 快 的 。
a 还有 什么 可以 帮 您 的 吗 ？
c.03 没有 了 ， 再见 。
""",
    ),
    (
        "ordinary-withdrawn",
        "none",
        """
a 您好 ， 工号 零三一七 为 您 服务 。
c.18 我 不是 来 投诉 的 ， 就是 想 问 问 {item} 的 保修 。
a 您 的 {item} 保修 一年 ， {place} 有 维修点 。
c.12 那 周末 开门 吗 ？
a 周末 也 开门 ， 早上 九点 到 下午 五点 。
c.05 行 ， 那 我 周六 过去 。
a 好的 ， 祝 您 生活 愉快 。
""",
    ),
    (
        "ordinary-bill",
        "none",
        """
a 您好 ， 请问 有 什么 可以 帮 您 ？
c.10 我 这个月 账单 怎么 多 了 {sum} ？
a 我 看 一下 ， 是 {day} 开通 的 {plan} 。
c.15 哦 对 ， 我 想 起来 了 ， 是 我 自己 开 的 。
a 没 关系 ， 需要 我 帮 您 取消 吗 ？
c.06 先 不用 ， 我 用 用 看 。
a 好的 ， [conduct/evaluation 请 您 稍后 评价] ， 感谢 来电 。
""",
    ),
)

SEVERITY = {
    "insult": 4,
    "profanity": 3,
    "threat": 5,
    "harassment": 5,
    "regulator": 4,
    "media": 4,
    "legal": 4,
    "supervisor": 3,
    "ultimatum": 3,
    "complaint": 3,
    "accusation": 3,
    "taboo": 3,
    "deflect": 2,
    "stall": 2,
    "repeat": 2,
    "churn": 3,
    "rejects_apology": 3,
}
PUNCTUATION = "，。？！、"


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a punctuation mark or a slot; `moment` numbers the moment it belongs to within its turn."""

    text: str
    moment: int | None


@dataclass(frozen=True, slots=True)
class SceneTurn:
    role: str
    heat: float | None
    tokens: tuple[Token, ...]
    moments: tuple[tuple[str, str], ...]  # (kind, type), numbered as the tokens say


@dataclass(frozen=True, slots=True)
class Scene:
    name: str
    flag: str
    turns: tuple[SceneTurn, ...]


def parse(name: str, flag: str, text: str) -> Scene:
    """A scene's mark-up as values. Raises ValueError on a line that is no turn."""
    turns = []
    for line in text.strip().splitlines():
        head = re.match(r"([acs])(?:\.(\d\d))? (.+)", line)
        if head is None:
            raise ValueError(f"scene {name}: no turn: {line!r}")
        tokens: list[Token] = []
        moments: list[tuple[str, str]] = []
        inside: int | None = None
        for piece in head[3].replace("[", " [").replace("]", " ] ").split():
            if piece.startswith("["):
                kind, kind_type = piece[1:].split("/")
                inside = len(moments)
                moments.append((kind, kind_type))
            elif piece == "]":
                inside = None
            else:
                tokens.append(Token(piece, inside))
        role = {"a": "agent", "c": "customer", "s": "supervisor"}[head[1]]
        turns.append(SceneTurn(role, int(head[2]) / 100 if head[2] else None, tuple(tokens), tuple(moments)))
    return Scene(name, flag, tuple(turns))


MIDDLE: tuple[str, ...] = (
    """
a 您 稍等 ， 我 看 一下 系统 。
c.12 好 ， 你 看 吧 。
""",
    """
a 请问 订单 是 哪天 下 的 呢 ？
c.14 {day} 下午 下 的 。
""",
    """
a 收货 是 {place} 那边 对 吧 ？
c.10 对 ， {place} 。
""",
    """
a 我 这边 显示 金额 是 {sum} 。
c.16 对 ， 就是 这个 数 。
""",
    """
a 您 用 的 是 {plan} 还是 单独 买 的 {item} ？
c.11 {item} ， 单独 买 的 。
""",
    """
a 嗯 ， 我 记 一下 。
c.09 你 记 吧 。
""",
)  # ordinary exchanges: some of them in the middle of a scene bring a call to the twenty turns that real ones have
FILLERS: tuple[Scene, ...] = tuple(parse(f"middle-{i}", "none", text) for i, text in enumerate(MIDDLE))
SCENES: tuple[Scene, ...] = tuple(parse(*raw) for raw in RAW)
