"""What a process knows of an endpoint is shared by all drivers that call it with one key."""

import pytest

from prompture import OpenAIDriver
from prompture.errors import ConfigurationError, ReadTimeout, ServerError
from prompture.wire.retry import RetryQuota

DOWN = ServerError("down", provider="openai", status=500)


def test_drivers_of_one_endpoint_and_key_share_a_route():
    one = OpenAIDriver("gpt-4o", api_key="a", base_url="http://127.0.0.1:9/v1")
    same = OpenAIDriver("gpt-4o-mini", api_key="a", base_url="http://127.0.0.1:9/v1")
    other_key = OpenAIDriver("gpt-4o", api_key="b", base_url="http://127.0.0.1:9/v1")
    elsewhere = OpenAIDriver("gpt-4o", api_key="a", base_url="http://127.0.0.1:10/v1")
    assert one.route is same.route
    assert len({id(driver.route) for driver in (one, other_key, elsewhere)}) == 3


def test_a_quota_of_retries_is_used_up_and_given_back_by_answers():
    quota = RetryQuota(20, cost=5, timeout_cost=10, refund=2)
    assert quota.take(DOWN)
    assert quota.take(ReadTimeout("silent"))
    assert quota.take(DOWN)
    assert not quota.take(DOWN)
    for _ in range(3):
        quota.succeeded()
    assert quota.left == 6
    assert not quota.take(ReadTimeout("silent"))
    assert quota.take(DOWN)
    for _ in range(100):
        quota.succeeded()
    assert quota.left == 20


def test_a_quota_below_zero_is_refused():
    with pytest.raises(ConfigurationError, match=r"RetryQuota.cost"):
        RetryQuota(cost=-1)
