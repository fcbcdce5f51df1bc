"""A schema in words, put into the system turn of wire messages."""

from typing import Any

import pytest

from prompture.codecs.schema_prompt import instruct, schema_words

USER = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("before", "first"),
    [
        ([], "words"),
        ([USER], "words"),
        ([{"role": "system", "content": "Be brief."}, USER], "Be brief.\n\nwords"),
        ([{"role": "system", "content": ""}], "words"),
        (
            [{"role": "system", "content": [{"type": "text", "text": "a"}]}],
            [{"type": "text", "text": "a"}, {"type": "text", "text": "words"}],
        ),
    ],
)
def test_instruct(before: list[dict[str, Any]], first: Any) -> None:
    messages = list(before)
    instruct(messages, "words")
    assert messages[0] == {"role": "system", "content": first}
    assert [m for m in messages if m["role"] == "user"] == [m for m in before if m is USER]


def test_words_hold_the_schema() -> None:
    assert schema_words({"description": "é"}).endswith('\n{"description":"é"}')
