"""Former names of modules and classes: they work, and warn."""

from __future__ import annotations

import pytest

from prompture.drivers import generate


def test_faces() -> None:
    from prompture.drivers import faces

    with pytest.warns(
        DeprecationWarning, match=r"is now prompture\.drivers\.generate\.SyncGenerate"
    ):
        assert faces.SyncFaces is generate.SyncGenerate
    with pytest.warns(DeprecationWarning):
        assert faces.request_of is generate.request_of
    with pytest.raises(AttributeError):
        _ = faces.nothing_of_the_kind
