"""Ctrl-C may come while a call's bill is being settled: it is settled all the same."""

from __future__ import annotations

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
