"""What holds for every text and every schema: spans are true, types conform, the same twice, nothing raises."""

from collections.abc import Iterator
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from prompture.rules import Found, extract

NAMES = [
    "total", "date", "invoice_number", "name", "email", "phone", "address", "currency", "title", "authors", "keywords", "items",
    "quantity", "description", "vendor", "customer", "status", "paid", "notes", "doi", "iban", "due_date", "a/b~c", "", "Größe",
]  # fmt: skip
FORMATS = ["date", "date-time", "time", "email", "uri", "uuid", "duration", "nonsense"]

scalars = st.one_of(
    st.builds(
        lambda kind: {"type": kind},
        st.sampled_from(["string", "number", "integer", "boolean", "null"]),
    ),
    st.builds(lambda form: {"type": "string", "format": form}, st.sampled_from(FORMATS)),
    st.builds(
        lambda kind: {"type": [kind, "null"]},
        st.sampled_from(["string", "number", "integer", "boolean"]),
    ),
    st.builds(
        lambda inner: {"anyOf": [{"type": inner}, {"type": "null"}]},
        st.sampled_from(["string", "number"]),
    ),
    st.just({"enum": ["paid", "open", 3, None]}),
    st.just({"const": "paid"}),
    st.just({"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^[0-9.]+$"}]}),
    st.just({}),
)
schemas = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(lambda item: {"type": "array", "items": item}, inner),
        st.builds(
            lambda properties, required: {
                "type": "object",
                "properties": properties,
                "required": required,
            },
            st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
            st.lists(st.sampled_from(NAMES), max_size=4),
        ),
    ),
    max_leaves=8,
)
PIECES = [
    "Total: 12.30", "Total  RM 5.00", "Date: 03/04/2024", "05.03.2018", "Invoice No. A-17", "Name: Ada Lovelace", "ada@example.com",
    "+44 20 7946 0958", "| Item | Qty | Amount |", "| Tea | 2 | 3.00 |", "Qty  Description  Amount", "2  Tea  3.00", "Seller:", "Acme Ltd",
    "10115 Berlin", "Bill To", "Status: paid", "☑ Paid", "Keywords: a; b", "References", "Katz, P. (1991). A title here. Journal, 4, 1-2.",
    "doi:10.1000/xyz", "DE89370400440532013000", '{"total": 5, "name": "x"}', "<name>y</name>", "- one", "- two", "Notes:", "\t", "  ", "", "=", ":",
    "University of Oslo, Department of Physics,", "Abstract", "Jane A. Doe 1 , John Roe 2", "1.234,56 €", "IT: yes", "٣٤", "\x0c", "\r", "𝟙𝟚",
]  # fmt: skip
texts = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=14).map("\n".join),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=20)), max_size=10).map("  ".join),
    st.text(max_size=200),
)


def leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from leaves(part, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from leaves(part, f"{pointer}/{number}")
    elif value is not None:
        yield pointer, value


def check_spans(found: Found, text: str) -> None:
    stated = dict(leaves(found.value))
    assert set(found.spans) == set(stated)
    for pointer, spans in found.spans.items():
        assert spans
        for span in spans:
            assert 0 <= span.start < span.end <= len(text)
            assert span.kind in {"exact", "normalised"}
        if [span.kind for span in spans] == ["exact"]:
            assert text[spans[0].start : spans[0].end] == stated[pointer]


TYPES: dict[str, Any] = {
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}


def check_types(schema: Any, value: Any) -> None:
    """Every value is null or of a type that its schema names; enumerations hold one of theirs."""
    if value is None or not isinstance(schema, dict):
        return
    if "anyOf" in schema:
        assert isinstance(value, (str, int, float))
        return
    if "enum" in schema or "const" in schema:
        assert value in schema.get("enum", [schema.get("const")])
        return
    named = schema.get("type")
    kinds = named if isinstance(named, list) else [named]
    if "object" in kinds:
        assert isinstance(value, dict)
        for key, part in value.items():
            check_types(schema["properties"][key], part)
    elif "array" in kinds:
        assert isinstance(value, list)
        for part in value:
            check_types(schema["items"], part)
    elif named is not None:
        allowed = tuple(
            kind
            for name in kinds
            for kind in (TYPES[name] if isinstance(TYPES[name], tuple) else (TYPES[name],))
        )
        assert isinstance(value, allowed)
        assert isinstance(value, bool) == ("boolean" in kinds)


@settings(max_examples=150, deadline=None)
@given(schemas, texts)
@example({"type": "array", "items": {"type": "boolean"}}, "value: yes, no")
def test_every_answer_is_supported_and_typed(schema: dict[str, Any], text: str) -> None:
    found = extract(schema, text)
    check_spans(found, text)
    check_types(schema, found.value)
    assert extract(schema, text) == found


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "properties",
                    "items",
                    "$ref",
                    "anyOf",
                    "allOf",
                    "required",
                    "enum",
                    "const",
                    "title",
                    "description",
                    "pattern",
                    "total",
                    "minimum",
                    "format",
                    "$defs",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["type", "properties", "items", "$ref", "anyOf", "allOf", "required", "enum", "$defs"]
        ),
        junk,
        max_size=5,
    )
)
@example({"items": {"$ref": ""}})
@example({"type": "array", "items": {"$ref": "#"}})
def test_no_schema_is_too_strange(schema: dict[str, Any]) -> None:
    extract(schema, "Total: 12.30\nName: Ada\nDate: 2024-01-02\n")


def test_a_recursive_schema_ends() -> None:
    node = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "child": {"$ref": "#/$defs/Node"},
            "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
        },
    }
    assert (
        extract({"$defs": {"Node": node}, "$ref": "#/$defs/Node"}, "Name: x").value["name"] == "x"
    )
    assert extract({"$ref": "#"}, "x").value is None
