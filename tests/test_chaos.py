"""The proofs of scripts/chaos.py in their short form, each a few seconds; see docs/reliability.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from chaos import deadlines, fallbacks, interrupts, outages, random_calls
from chaos.client import Server

BUSY = 5.0
"""Seconds past a deadline that a machine under load may take; what does not end takes minutes."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


def test_random_extractions(server: Server) -> None:
    wrong, figures = random_calls.run(server, 120, 7, heavy=False, most_late=BUSY)
    assert not wrong, figures


def test_interrupts(server: Server) -> None:
    wrong, figures = interrupts.run(server, 80, 7)
    assert not wrong, figures


def test_deadlines(server: Server) -> None:
    servers = ("silent-in-body", "drip-head", "drip-answer", "endless")
    wrong, figures = deadlines.run(server, 0.5, servers, late=BUSY)
    assert not wrong, figures


def test_faults_of_streams_with_a_healthy_fallback(server: Server) -> None:
    wrong, figures = fallbacks.run(server, faults=fallbacks.FAULTS[::3])
    assert not wrong, figures


def test_a_provider_that_is_down_gets_few_retries(server: Server) -> None:
    wrong, figures = outages.storm(server, 2.0, 60, before=2.0, after=3.0)
    assert not wrong, figures


def test_a_cascade_goes_on_while_its_first_provider_is_down(server: Server) -> None:
    wrong, figures = outages.cascade(server, 7.0, 4.0, 20)
    assert not wrong, figures
