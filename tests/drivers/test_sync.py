"""What only the sync transport has: threads, and a session of the caller's own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import requests

from tests import server as on
from tests.drivers.colours import ASK, Sync
from tests.server import EVENTS, serving


def test_threads_share_a_driver() -> None:
    with serving(on.good()) as server, Sync() as colour, ThreadPoolExecutor(8) as pool:
        driver = colour.driver(server.url)
        found = list(pool.map(lambda _: colour.complete(driver).text, range(80)))
        assert found == ["hello"] * 80
        assert len(server.asked) == 80
        assert server.most <= 8
        assert server.accepted <= 16


def test_a_session_of_ones_own() -> None:
    session = requests.Session()
    session.headers["x-mine"] = "yes"
    with serving(on.good(), on.streams(*EVENTS), on.good()) as server, Sync() as colour:
        driver = colour.driver(server.url, session=session)
        assert colour.complete(driver).text == "hello"
        assert colour.stream(driver)[-1].text == "hello"
        assert server.asked[0][1]["x-mine"] == "yes"
        driver.close()
        assert colour.complete(driver).text == "hello"
        assert server.accepted == 1
    session.close()


def test_closing_closes() -> None:
    with serving(on.good()) as server, Sync() as colour:
        driver = colour.driver(server.url)
        with driver:
            driver.complete(ASK)
        driver.complete(ASK)
        assert server.accepted == 2


def test_a_session_with_a_retrying_adapter_is_the_callers_affair() -> None:
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(max_retries=2))
    with serving(on.good()) as server, Sync() as colour:
        assert colour.complete(colour.driver(server.url, session=session)).text == "hello"
    session.close()
