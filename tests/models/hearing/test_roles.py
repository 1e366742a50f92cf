"""Roles from words, order and metadata: the prior is only a prior."""

from __future__ import annotations

import pytest

from models.hearing.roles import Side, agent_side, agentness, company_roles

AGENT = ("您好，很高兴为您服务，请问有什么可以帮您？", "我帮您查一下，请您稍等。", "系统显示您的订单已经签收了。", "感谢您的来电，祝您生活愉快。")
CUSTOMER = ("喂，我上周买的洗衣机到现在没送。", "你们怎么回事，打了几次电话都没人管。", "我要退款，你们给我退了吧。", "行吧，知道了。")


@pytest.mark.parametrize("direction", ["inbound", "outbound", None])
@pytest.mark.parametrize("customer_first", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
def test_words_of_service_decide(direction: str | None, customer_first: bool, swapped: bool) -> None:
    agent = Side(AGENT, 3.0 if customer_first else 0.5, 1 if swapped else 0)
    customer = Side(CUSTOMER, 0.5 if customer_first else 3.0, 0 if swapped else 1)
    who, sure = agent_side([customer, agent] if swapped else [agent, customer], direction)
    assert who == (1 if swapped else 0)
    assert sure > 0.8


def test_without_telling_words_the_first_speaker_is_the_agent_and_the_doubt_shows() -> None:
    who, sure = agent_side([Side(("今天天气不错。",), 4.0), Side(("是的。",), 0.3)])
    assert who == 1
    assert 0.5 < sure < 0.9


def test_the_manifest_knows_the_channel() -> None:
    who, sure = agent_side([Side(AGENT, 0.5, 0), Side(CUSTOMER, 3.0, 1)], agent_channel=1)
    assert who == 1
    assert sure < 0.9, "words that contradict the manifest lower the confidence"


def test_one_side_alone_is_judged_by_its_words() -> None:
    assert agent_side([Side(AGENT, 0.5)])[0] == 0
    assert agent_side([Side(CUSTOMER, 0.5)])[0] == -1


def test_agentness_has_a_sign_and_a_ceiling() -> None:
    assert agentness(AGENT) > 3 > 0 > -3 > agentness(CUSTOMER)
    assert agentness(AGENT * 50) < 60, "a long call is not a hundred times surer"


COMPANY = ["您好，请讲。", "我帮您看一下。", "这个需要请主管来处理。", "您好，我是值班经理，情况我了解了。", "今天之内给您退款。", "感谢您的来电。"]


def test_a_supervisor_takes_over() -> None:
    assert company_roles(COMPANY, (3, 6, 0.2)) == ["agent"] * 3 + ["supervisor"] * 3
    assert company_roles(COMPANY, (0, 3, 0.2)) == ["agent"] * 3 + ["supervisor"] * 3, "the block may be the agent"


def test_an_announcement_is_an_ivr() -> None:
    texts = ["欢迎致电，普通话请按一，为保证服务质量通话将被录音。", "您好，请讲。", "我帮您看一下。", "好的。", "再见。"]
    assert company_roles(texts, (0, 1, 0.25)) == ["ivr"] + ["agent"] * 4
    assert company_roles(texts, (1, 5, 0.25)) == ["ivr"] + ["agent"] * 4


def test_one_voice_is_one_agent() -> None:
    assert company_roles(COMPANY, (3, 6, 0.03)) == ["agent"] * 6
    assert company_roles([], (0, 0, 0.0)) == []
