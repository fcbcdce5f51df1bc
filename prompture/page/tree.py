"""A value as a tree in HTML: nested lists, which script makes move."""

from __future__ import annotations

from collections.abc import Iterator

from prompture.json_values import escape
from prompture.markup import attribute, clipped, text_html
from prompture.page.results import STATES, Findings, Leaf, OneOfSeveral, is_branch, members, written
from prompture.types import JSONValue

LONGEST_VALUE = 2000
"""Of a longer value, so many characters are in the tree."""


def tree(found: Findings, *, label: str) -> Iterator[str]:
    """The value as nested lists: a WAI-ARIA tree, which script makes move."""
    yield f'<ul class=tree role=tree aria-label="{attribute(label)}">'
    if is_branch(found.value):
        yield from _branches(found, found.value, "", 1)
    else:
        yield _leaf(found.leaves[""], "value", 1)
    yield "</ul>"


def _branches(found: Findings, value: JSONValue, path: str, level: int) -> Iterator[str]:
    for key, inner in members(value):
        place = f"{path}/{escape(key)}"
        # An item of a list is counted from 0, as in its pointer.
        name = str(key)
        if place in found.leaves:
            yield _leaf(found.leaves[place], name, level)
            continue
        held = len(inner)
        unit = "item" if isinstance(inner, list) else "field"
        yield (
            f"<li class=g role=treeitem aria-expanded=true aria-level={level} tabindex=-1 "
            f'data-path="{attribute(place)}"><div class=row><span class=key>{_key(name)}</span>'
            f"<span class=count>{held} {unit}{'s' * (held != 1)}</span></div>"
            f"{''.join(map(_other, found.evidence.others(place)))}<ul role=group>"
        )
        yield from _branches(found, inner, place, level + 1)
        yield "</ul></li>"


def _key(name: str) -> str:
    # A name may be broken at its underscores, before anywhere else.
    words = text_html(clipped(name, 200)).replace("_", "_<wbr>")
    return f"<bdi>{words}</bdi>" if name else "<i>(empty name)</i>"


def _leaf(leaf: Leaf, name: str, level: int) -> str:
    number = f" data-n={leaf.number}" if leaf.number else ""
    others = "".join(map(_other, leaf.others))
    if leaf.read:
        words = text_html(clipped(leaf.read, 300))
        others += f"<span class=changed>the answer: <bdi>{words}</bdi></span>"
    return (
        f"<li class=leaf role=treeitem aria-level={level} tabindex=-1 data-state={leaf.state} "
        f'data-pointer="{attribute(leaf.pointer)}"{_measures(leaf)}>'
        f"<span class=key{number}>{_key(name)}</span>{_value(leaf.value)}"
        f'<span class=tag title="{STATES[leaf.state]}"><span>{leaf.state}</span></span>{others}</li>'
    )


def _measures(leaf: Leaf) -> str:
    """What script shows of the best place: its certainty, its page."""
    if not leaf.spans:
        return ""
    best = leaf.spans[0]
    marked = [*leaf.spans, *(span for other in leaf.others for span in other.spans)]
    starts = sorted({span.start for span in marked})
    page = f" data-page={best.page}" if best.page is not None else ""
    at = starts.index(best.start)
    return (
        f' data-score="{best.score:.2f}" data-start={best.start} data-end={best.end}'
        f"{f' data-best={at}' if at else ''}{page}"
    )


def _other(other: OneOfSeveral) -> str:
    count = len(other.spans)
    places = f"{count} place{'s' * (count != 1)}" if count else "no place found"
    return f"<span class=other>or {_value(other.value)} <small>{places}</small></span>"


def _value(value: JSONValue) -> str:
    kind = "s" if isinstance(value, str) else "j"
    return f'<bdi class="value {kind}">{text_html(clipped(written(value), LONGEST_VALUE))}</bdi>'
