"""Silence ends with the work for which it was made, in threads too."""

from __future__ import annotations

import threading
import warnings

import pytest

from prompture.quiet import without_warnings


def test_nothing_warns_inside_and_all_does_after() -> None:
    before = list(warnings.filters)
    with without_warnings():
        warnings.warn("a slip", UserWarning, stacklevel=1)
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="a slip"):
        warnings.warn("a slip", UserWarning, stacklevel=1)


def test_threads_that_overlap_leave_no_silence() -> None:
    before = list(warnings.filters)
    both_begin, first_is_out = threading.Barrier(2), threading.Event()

    def second() -> None:
        both_begin.wait(10)
        with without_warnings():
            first_is_out.wait(10)

    thread = threading.Thread(target=second)
    thread.start()
    with without_warnings():
        both_begin.wait(10)
        # Time for the other to come in, if it could.
        thread.join(0.1)
    first_is_out.set()
    thread.join(10)
    assert list(warnings.filters) == before
