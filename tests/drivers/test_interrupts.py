"""Ctrl-C may come while a call's bill is being settled: it is settled all the same."""

from __future__ import annotations

from queue import Empty, Full
from typing import Any

import pytest

from prompture import Budget
from prompture.drivers.meter import ChargeRecorder, metering
from prompture.money import Charge
from tests import server as on
from tests.drivers.colours import COLOURS, Colour, quick
from tests.server import serving


class Interrupted(ChargeRecorder):
    """Ctrl-C comes when it is called for the first time."""

    pressed = False

    def after(self, token: object, charge: Charge) -> None:
        if not self.pressed:
            self.pressed = True
            raise KeyboardInterrupt
        super().after(token, charge)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("step", [on.good(), on.cut(on.answer(), 20), on.fails(401)])
def test_an_interrupt_while_a_call_is_settled(colour: type[Colour], step: on.Step) -> None:
    recorder, budget, last = Interrupted(), Budget(calls=9), ChargeRecorder()
    with serving(step) as server, colour() as run:
        driver = run.driver(server.url, retry=quick(1))
        pressed = pytest.raises(KeyboardInterrupt)
        with metering(last), metering(recorder), metering(budget), pressed:
            run.complete(driver)
        assert len(recorder.charges) == len(last.charges) == 1
        assert not budget._accounts.look().holds


def test_an_interrupt_while_the_partial_answer_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    step = on.streams(on.event("hel"), ended=False)
    recorder = ChargeRecorder()
    with serving(step) as server, COLOURS[0]() as run:
        driver = run.driver(server.url)
        decoder = driver.provider.codec.stream_decoder(driver.endpoint)

        def partial(self: Any) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(type(decoder), "partial", partial)
        with metering(recorder), pytest.raises(KeyboardInterrupt):
            run.stream(driver)
    assert [(c.status, c.cost.usd) for c in recorder.charges] == [("cancelled", None)]


def test_a_pool_has_no_lock_that_an_interrupt_leaves_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """``with condition:`` is Python: Ctrl-C between its lines leaves the lock to nobody."""
    with serving(on.good()) as server, COLOURS[0]() as run:
        driver = run.driver(server.url)
        assert run.complete(driver).text == "hello"

        def interrupted(self: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("threading.Condition.__enter__", interrupted)
        for _ in range(2):
            assert run.complete(driver).text == "hello"
        monkeypatch.undo()
        assert server.accepted == 1


def test_a_pool_keeps_so_many_connections_and_drops_the_rest() -> None:
    from prompture.drivers.sync_network import _Idle

    idle = _Idle(1)
    idle.put("a")
    with pytest.raises(Full):
        idle.put("b")
    assert (idle.qsize(), idle.get(), idle.qsize()) == (1, "a", 0)
    with pytest.raises(Empty):
        idle.get()
