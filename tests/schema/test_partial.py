"""The incremental parser against `json.loads`: any value, any style, cut anywhere."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prompture.json_values import pointer
from prompture.schema.partial import ItemScanner, PartialJSONError, PartialParser, Path

# Lone surrogates too: `ensure_ascii` spells them, and json.loads reads them back.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT
    | st.sampled_from(
        ["", '"', "\\", "\\u00e9", "[{]}", "\U0001f600", "\ud83d", "a\nb", "</think>"]
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=14,
)
CONTAINERS = VALUES.filter(lambda value: isinstance(value, (dict, list)))
STYLES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.sampled_from([None, 2, "\t"]),
        "separators": st.sampled_from([None, (",", ":"), (" ,\r\n", " :\t")]),
    }
)
CUTS = st.lists(st.integers(0, 400), max_size=60) | st.just(list(range(400)))


@st.composite
def documents(draw: st.DrawFn, values: st.SearchStrategy[Any] = VALUES) -> str:
    return json.dumps(draw(values), **draw(STYLES))


def pieces(text: str, cuts: Iterable[int]) -> list[str]:
    marks = [0, *sorted({cut for cut in cuts if 0 < cut < len(text)}), len(text)]
    return [text[a:b] for a, b in pairwise(marks)]


def same(one: Any, other: Any) -> bool:
    """Equality that tells 1, 1.0 and True apart, and 0.0 from -0.0, and minds the order of keys."""
    return json.dumps(one) == json.dumps(other)


def grows_into(part: Any, whole: Any) -> bool:
    """Whether `part` is what a reader of `whole` may have seen on the way."""
    if isinstance(whole, str):
        return isinstance(part, str) and whole.startswith(part)
    if isinstance(whole, dict):
        if not isinstance(part, dict) or list(part) != list(whole)[: len(part)]:
            return False
        pairs = [(part[key], whole[key]) for key in part]
    elif isinstance(whole, list):
        if not isinstance(part, list) or len(part) > len(whole):
            return False
        pairs = list(zip(part, whole, strict=False))
    else:
        return same(part, whole)
    return all(same(a, b) for a, b in pairs[:-1]) and all(grows_into(a, b) for a, b in pairs[-1:])


def at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def every_path(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    if isinstance(value, (dict, list)):
        for key, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from every_path(child, (*path, key))


@settings(max_examples=150, deadline=None)
@given(documents(), CUTS)
@example('"\\ud83d\\ude00"', range(20))
@example('["\\\\ud83d\\\\", "\\ud83d\\ud83d\\ude00\\ud83d"]', range(60))
@example("[1e5, -0, -0.0, 0, 12345678901234567890123, 1E+2, 0.5e-3]", range(70))
def test_every_prefix_is_seen_growing_into_the_value(text: str, cuts: Iterable[int]) -> None:
    final = json.loads(text)
    parser = PartialParser(tolerate=False)
    kept = []
    for number, piece in enumerate(pieces(text, cuts)):
        parser.feed(piece)
        live = copy.deepcopy(parser.value)
        assert not parser.started or grows_into(live, final)
        snapshot = parser.snapshot()
        for path in snapshot.completed():
            assert same(at(final, path), at(live, path))
        if number % 2:
            assert same(snapshot.value, live)
        kept.append((snapshot, live))
    assert same(parser.close(), final)
    assert parser.complete
    for snapshot, live in kept:
        assert same(snapshot.value, live)


@settings(max_examples=100, deadline=None)
@given(documents(CONTAINERS), CUTS)
def test_a_snapshot_answers_for_each_path(text: str, cuts: list[int]) -> None:
    final = json.loads(text)
    parser = PartialParser(tolerate=False)
    kept = []
    for piece in pieces(text, cuts):
        parser.feed(piece)
        kept.append((parser.snapshot(), copy.deepcopy(parser.value)))
    for snapshot, live in kept:
        present = set(every_path(live)) if snapshot.started else set()
        final_paths = set(snapshot.completed())
        opened = snapshot.open_path
        for path in every_path(final):
            done = any(path[:n] in final_paths for n in range(len(path) + 1))
            assert snapshot.is_complete(path) == done
            assert done == (path in present and (opened is None or opened[: len(path)] != path))
            found = snapshot.get(path, "absent")
            assert same(found, at(live, path) if path in present else "absent")
            sized = path in present and isinstance(found, (str, list, dict))
            assert snapshot.size(path) == (len(found) if sized else None)
        assert snapshot.get((*(opened or ()), "no such key", 3)) is None


def refuse(name: str) -> Any:
    raise ValueError(name)


@st.composite
def nearly_json(draw: st.DrawFn) -> str:
    text = draw(documents())
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.integers(0, 2))
        new = draw(st.text("\"\\{}[]:,0123456789.eE+-truefalsn \n\x00ud8c/'N", max_size=2))
        text = text[:start] + new + text[end:]
    return text


def outcome(chunks: list[str]) -> tuple[Any, ...]:
    parser = PartialParser(tolerate=False)
    try:
        for chunk in chunks:
            parser.feed(chunk)
        return ("value", json.dumps(parser.close()))
    except PartialJSONError as error:
        return (error.reason, error.offset, error.line, error.column, error.path, error.missing)


@settings(max_examples=400, deadline=None)
@given(nearly_json(), CUTS)
@example("[01]", [])
@example("[1.]", [])
@example("[-]", [2])
@example("[1e]", [])
@example("[.5]", [])
@example('["\\ud83d\\u12"]', range(12))
@example('["\x1f"]', [])
@example('{"a":1,"a":{"b":2},"a":[', range(30))
@example("1" * 5000, [])
@example("[" + "1" * 5000 + "]", [7])
@example("", [])
@example("\ufeff[]", [])
def test_accepts_what_json_accepts(text: str, cuts: Iterable[int]) -> None:
    result = outcome([text])
    assert outcome(pieces(text, cuts)) == result
    try:
        wanted = json.loads(text, parse_constant=refuse)
    except ValueError:
        assert result[0] != "value"
        _, offset, line, column, _, _ = result
        assert 0 <= offset <= len(text)
        assert line == text.count("\n", 0, offset) + 1
        assert column == offset - (text.rfind("\n", 0, offset) + 1) + 1
    else:
        assert result == ("value", json.dumps(wanted))


PROSE = st.sampled_from(
    [
        "",
        "Sure! Here it is:\n",
        '<think>maybe {"a": [1]} or [true]? {</think>\n',
        "<thinking>\n[\n</thin </thinking>",
        "As asked [sic], with {placeholders} [ and {",
        "I < you, <thi <thought>[</thought>",
        "[note: x] [trust] [-x] {'a': 1} [nul] ",
        "{" + " " * 60 + "x",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    before=st.lists(PROSE, max_size=3).map("".join),
    fence=st.sampled_from([("", ""), ("```json\n", "\n```"), ("```", "```")]),
    value=st.dictionaries(ANY_TEXT, VALUES, max_size=3) | st.lists(VALUES, min_size=1, max_size=3),
    style=STYLES,
    after=st.sampled_from(["", "\nHope it helps }]", ' {"b": 2}', "\x00"]),
    cuts=CUTS,
)
def test_prose_and_fences_are_skipped(
    before: str,
    fence: tuple[str, str],
    value: Any,
    style: dict[str, Any],
    after: str,
    cuts: list[int],
) -> None:
    body = json.dumps(value, **style)
    text = before + fence[0] + body + fence[1] + after
    parser = PartialParser()
    for piece in pieces(text, cuts):
        parser.feed(piece)
    assert same(parser.close(), json.loads(body))
    start = len(before + fence[0])
    assert parser.span == (start, start + len(body))


@pytest.mark.parametrize(
    ("expect", "text", "value"),
    [
        (None, 'see [1]: {"a": 2}', [1]),
        ("object", 'see [1], ["x"], [ ]: {"a": 2}', {"a": 2}),
        ("object", 'wrapped: [{"a": 2}]', [{"a": 2}]),
        ("array", "see [1]", [1]),
        (None, "7 [7", None),
    ],
)
def test_expect_tells_footnotes_from_answers(expect: Any, text: str, value: Any) -> None:
    for cuts in ((), range(len(text))):
        parser = PartialParser(expect=expect)
        for piece in pieces(text, cuts):
            parser.feed(piece)
        if value is not None:
            assert parser.close() == value


@pytest.mark.parametrize(
    ("text", "shown", "path"),
    [
        ("", None, None),
        ("  ", None, None),
        ("{", {}, ()),
        ('{"a', {}, ()),
        ('{"a"', {}, ()),
        ('{"a":', {}, ()),
        ('{"a":12', {}, ()),
        ('{"a":12 ', {"a": 12}, ()),
        ('{"a":tru', {}, ()),
        ('{"a":true', {"a": True}, ()),
        ('{"a":"', {"a": ""}, ("a",)),
        ('{"a":"x', {"a": "x"}, ("a",)),
        ('{"a":"x\\', {"a": "x"}, ("a",)),
        ('{"a":"x\\u00e', {"a": "x"}, ("a",)),
        ('{"a":"x\\ud83d', {"a": "x"}, ("a",)),
        ('{"a":"x\\ud83d\\ude0', {"a": "x"}, ("a",)),
        ('{"a":"x\\ud83d\\ude00', {"a": "x\U0001f600"}, ("a",)),
        ('{"a":"x\\ud83dy', {"a": "x\ud83dy"}, ("a",)),
        ('{"a":[1, [2, "b', {"a": [1, [2, "b"]]}, ("a", 1, 1)),
        ('{"a":[1, [2]', {"a": [1, [2]]}, ("a",)),
        ('{"a":1,"a":', {"a": 1}, ()),
        ('{"a":1,"a":"', {"a": ""}, ("a",)),
        ('{"a":1}', {"a": 1}, None),
    ],
)
def test_what_a_cut_text_shows(text: str, shown: Any, path: Path | None) -> None:
    for cuts in ((), range(len(text))):
        parser = PartialParser(tolerate=False)
        for piece in pieces(text, cuts):
            parser.feed(piece)
        assert same(parser.value, shown)
        assert same(parser.snapshot().value, shown)
        assert parser.snapshot().open_path == path
        assert parser.complete == (text.endswith("}"))


@pytest.mark.parametrize(
    ("text", "reason", "offset", "line", "column", "path"),
    [
        ('{"a": 1,}', "expected a key", 8, 1, 9, ()),
        ("[1,]", "expected a value", 3, 1, 4, ()),
        ("{'a': 1}", "expected a key or '}'", 1, 1, 2, ()),
        ('{\n "a":\n  nul1}', "expected a value", 10, 3, 3, ()),
        ('{"a": [NaN]}', "expected a value", 7, 1, 8, ("a",)),
        ("[1 2]", "expected ',' or ']'", 3, 1, 4, ()),
        ('{"a" 1}', "expected ':'", 5, 1, 6, ()),
        ('{"a": 1 "b"}', "expected ',' or '}'", 8, 1, 9, ()),
        ("[1.2.3]", "invalid number", 4, 1, 5, ()),
        ('["\\x"]', "invalid escape in a string", 2, 1, 3, (0,)),
        ('["\n"]', "a control character in a string must be escaped", 2, 1, 3, (0,)),
        ("[] []", "more text after the value", 3, 1, 4, ()),
    ],
)
def test_errors_say_where_and_why(
    text: str, reason: str, offset: int, line: int, column: int, path: Path
) -> None:
    for cuts in ((), range(len(text))):
        parser = PartialParser(tolerate=False)
        with pytest.raises(PartialJSONError) as caught:
            for piece in pieces(text, cuts):
                parser.feed(piece)
            parser.close()
        error = caught.value
        assert (error.reason, error.offset, error.line, error.column) == (
            reason,
            offset,
            line,
            column,
        )
        assert error.path == path and not error.incomplete
        with pytest.raises(PartialJSONError):
            parser.feed("")
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), again.__dict__) == (str(error), error.__dict__)


@pytest.mark.parametrize(
    ("text", "reason", "missing"),
    [
        ("Sorry, I cannot.", "the text ends before any JSON", ""),
        ("<think>[1]", "the text ends before any JSON", ""),
        ('{"a": [{"b": "x', "the text ends inside a string", '"}]}'),
        ('{"a": [{"b', "the text ends inside a key", '"}]}'),
        ('{"a": 1', "the text ends inside a number", "}"),
        ('{"a": [1, ', "the text ends inside the JSON", "]}"),
    ],
)
def test_close_says_what_is_missing(text: str, reason: str, missing: str) -> None:
    parser = PartialParser()
    parser.feed(text)
    for _ in range(2):
        with pytest.raises(PartialJSONError) as caught:
            parser.close()
        assert caught.value.incomplete
        assert (caught.value.reason, caught.value.missing) == (reason, missing)
        assert caught.value.offset == len(text)
    with pytest.raises(ValueError, match="closed"):
        parser.feed("]")


def test_what_came_before_an_error_is_not_lost() -> None:
    parser = PartialParser(tolerate=False)
    for text in ("[1, x", ", 2]"):
        with pytest.raises(PartialJSONError, match="expected a value"):
            parser.feed(text)
    assert parser.error is not None
    assert parser.value == [1]
    with pytest.raises(PartialJSONError, match="expected a value"):
        parser.close()


def test_the_message_holds_no_text_of_the_document() -> None:
    parser = PartialParser()
    with pytest.raises(PartialJSONError) as caught:
        parser.feed('{"secret": "hidden", "other": hush}')
        parser.close()
    assert not any(word in str(caught.value) for word in ("secret", "hidden", "other", "hush"))


@pytest.mark.parametrize("make", [PartialParser, ItemScanner])
def test_limits(make: Any) -> None:
    make(max_depth=3).feed("[[[]]]")
    parser = make(max_depth=3)
    with pytest.raises(PartialJSONError, match="nested deeper than 3 levels"):
        parser.feed("[[[[1]]]]")
        parser.close()
    assert parser.error.offset == 3
    parser = make(max_chars=10)
    parser.feed("[1, 2, 3")
    with pytest.raises(PartialJSONError, match="longer than 10 characters"):
        parser.feed(", 4]")
    assert parser.error.offset == 10
    deep = make(max_depth=200)
    with pytest.raises(PartialJSONError, match="nested deeper"):
        deep.feed("[" * 100_000)
        deep.close()


def test_duplicate_keys_the_last_wins_and_old_snapshots_stay() -> None:
    text = '{"a": {"x": [1]}, "b": "one", "a": "two", "b": {"c": 3, "c": 4}, "a": 5}'
    parser = PartialParser(tolerate=False)
    kept = []
    for piece in text:
        parser.feed(piece)
        kept.append((parser.snapshot(), json.dumps(parser.value)))
    assert same(parser.close(), json.loads(text))
    for snapshot, shown in kept:
        if snapshot.started:
            keys = json.loads(shown)
            assert [snapshot.get((key,)) for key in keys] == list(keys.values())
        assert json.dumps(snapshot.value) == shown


def test_complete_parts_are_shared_and_open_ones_are_copied() -> None:
    parser = PartialParser()
    parser.feed('{"done": [1, {"a": 2}], "open": [{"b": 3}, {"c": "gro')
    first = parser.snapshot().value
    parser.feed('wn", "d": [')
    second = parser.snapshot().value
    assert first == {"done": [1, {"a": 2}], "open": [{"b": 3}, {"c": "gro"}]}
    assert second == {"done": [1, {"a": 2}], "open": [{"b": 3}, {"c": "grown", "d": []}]}
    live = parser.value
    assert first["done"] is second["done"] is live["done"]
    assert first["open"][0] is second["open"][0] is live["open"][0]
    assert first["open"] is not second["open"]
    snapshot = parser.snapshot()
    assert snapshot.is_complete(("open", 1, "c")) and not snapshot.is_complete(("open", 1))
    assert list(snapshot.completed()) == [("done",), ("open", 0), ("open", 1, "c")]
    parser.feed("]}]}")
    assert parser.close() is live


def test_the_live_value_is_the_same_object_and_long_strings_stay_whole() -> None:
    parser = PartialParser()
    parser.feed('{"items": [')
    live = parser.value
    for index in range(3):
        parser.feed(f"{index},")
        assert parser.value is live and live["items"] == [*range(index + 1)]
    text = "".join(f"{index} \\n\u00e9" for index in range(5000))
    kept = []
    for index, piece in enumerate(pieces(f'"{text}"]}}', range(0, 60_000, 7))):
        parser.feed(piece)
        if index % 500 == 0:
            kept.append((parser.snapshot(), parser.value["items"][3]))
    whole = json.loads(f'"{text}"')
    assert parser.close() == {"items": [0, 1, 2, whole]}
    for snapshot, shown in kept:
        assert whole.startswith(shown) and snapshot.value["items"][3] == shown
        assert snapshot.size(("items", 3)) == len(shown)


@pytest.mark.parametrize(
    "tail",
    [
        "{" + " " * 5000,
        "<think>" + "</thinkin" * 500,
        "x" * 5000,
        '{"k' + "\\ud83d" * 900,
        "[" + "1" * 5000,
    ],
)
def test_little_is_held_back(tail: str) -> None:
    """Held text is read again with the next feed: bounded, the work stays linear."""
    parser = PartialParser()
    for piece in tail:
        parser.feed(piece)
        assert len(parser._machine.held) <= 64


@st.composite
def listings(draw: st.DrawFn) -> tuple[str, str, list[Any], Any]:
    """A document with a list somewhere: its text, the pointer, the items, and what is around."""
    items = draw(st.lists(VALUES, max_size=5))
    style = draw(STYLES)
    keys = draw(st.lists(ANY_TEXT, max_size=2))
    value: Any = items
    rest: Any = []
    for key in reversed(keys):
        sides = draw(st.dictionaries(ANY_TEXT, VALUES, max_size=2))
        sides.pop(key, None)
        ahead = draw(st.integers(0, len(sides)))
        pairs = [*sides.items()]
        value = dict([*pairs[:ahead], (key, value), *pairs[ahead:]])
        rest = dict([*pairs[:ahead], (key, rest), *pairs[ahead:]])
    return json.dumps(value, **style), pointer(tuple(keys)), items, rest


def reread(value: Any) -> Any:
    return json.loads(json.dumps(value))


@settings(max_examples=200, deadline=None)
@given(listings(), st.sampled_from(["", "Here [sic]:\n```json\n", "<think>[{</think>"]), CUTS)
def test_the_scanner_hands_out_each_item_as_written(
    listing: tuple[str, str, list[Any], Any], before: str, cuts: list[int]
) -> None:
    body, path, items, rest = listing
    scanner = ItemScanner(path)
    found = [item for piece in pieces(before + body, cuts) for item in scanner.feed(piece)]
    assert [index for index, _ in found] == [*range(len(items))]
    assert same([json.loads(raw) for _, raw in found], reread(items))
    assert all(raw == raw.strip() and raw in body for _, raw in found)
    assert scanner.found and scanner.count == len(items) and scanner.tail == ""
    assert same(scanner.close(), reread(rest))
    assert scanner.span == (len(before), len(before + body))


@settings(max_examples=50, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4))
def test_an_item_comes_with_its_last_character(items: list[Any]) -> None:
    """Only numbers and literals wait for what follows them."""
    text = json.dumps(items)
    scanner = ItemScanner()
    parser = PartialParser()
    known = 0
    for position, piece in enumerate(text):
        before = parser.snapshot().is_complete((known,))
        parser.feed(piece)
        for index, raw in scanner.feed(piece):
            waits = raw[-1] not in '"]}'
            assert text[: position + 1 - waits].endswith(raw)
            assert parser.snapshot().is_complete((index,)) and index == known
            assert waits or not before
            known += 1


@pytest.mark.parametrize(
    ("path", "text", "items", "reason"),
    [
        ("/items", '{"items": [{"a": 1}, {"a": ', ['{"a": 1}'], "the text ends inside the JSON"),
        ("/items", '{"items": [{"a": [1}, 2]}', [], "a bracket closes another kind of bracket"),
        ("/items", '{"items": [{} {}]}', ["{}"], "expected ',' or ']'"),
        ("/items", '{"items": [1, ]}', ["1"], "expected a value"),
        ("/items", '{"items": [1], "items": [2]}', ["1"], "the list stands twice in the document"),
        ("/items", '{"items": ["a"], oops}', ['"a"'], "expected a key"),
        ("", "[1, 2", ["1"], "the text ends inside the JSON"),
    ],
)
def test_the_scanner_reports_a_broken_document(
    path: str, text: str, items: list[str], reason: str
) -> None:
    for cuts in ((), range(len(text))):
        scanner = ItemScanner(path)
        found: list[tuple[int, str]] = []
        with pytest.raises(PartialJSONError) as caught:
            for piece in pieces(text, cuts):
                found += scanner.feed(piece)
            scanner.close()
        assert [raw for _, raw in found] == items
        assert caught.value.reason == reason


def test_the_scanner_tells_what_is_open_or_absent() -> None:
    scanner = ItemScanner("/data/items")
    scanner.feed('{"data": {"n": 2, "items": [{"a": "x"}, {"b": ["y')
    assert scanner.tail == '{"b": ["y' and scanner.count == 1
    assert scanner.value == {"data": {"n": 2, "items": []}}
    with pytest.raises(PartialJSONError) as caught:
        scanner.close()
    assert caught.value.missing == '"]}]}}'
    absent = ItemScanner(("items",))
    assert absent.feed('{"items": null, "other": [1]}') == []
    assert absent.close() == {"items": None, "other": [1]} and not absent.found
    with pytest.raises(ValueError, match="JSON pointer"):
        ItemScanner("items")


def test_feeds_that_find_nothing_share_no_list() -> None:
    scanner = ItemScanner()
    empty = scanner.feed("[{")
    scanner.feed("},")
    assert empty == []


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 131_072, 200_000])
def test_a_large_text_in_one_feed(size: int) -> None:
    items: list[Any] = [{"n": i, "text": f'"{i}"\n[é]', "of": [i, None]} for i in range(4_000)]
    text = json.dumps({"items": items}, ensure_ascii=False)
    whole = text + " " * max(0, size - len(text))
    parser, scanner = PartialParser(), ItemScanner("/items")
    parser.feed(whole[:size])
    parser.feed(whole[size:])
    assert parser.close() == {"items": items}
    found = scanner.feed(whole[:size]) + scanner.feed(whole[size:])
    assert [json.loads(raw) for _, raw in found] == items
    assert scanner.close() == {"items": []}
    with pytest.raises(PartialJSONError) as caught:
        PartialParser(tolerate=False).feed(text + "\n x")
    assert caught.value.offset == len(text) + 2 and caught.value.line == 2
