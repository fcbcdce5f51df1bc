"""The options ``examples``, ``require_grounding`` and ``quotes``; what must stand in the text, for these
and for a cascade's policy; and values that were copied from an example."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from prompture.compat import cached_property
from prompture.errors import ConfigurationError
from prompture.extraction.answer import UNREAD, ParsedAnswer, Rejected, answer_text
from prompture.extraction.document_turn import DocumentTurn, Fence
from prompture.extraction.envelope import in_items
from prompture.extraction.examples import Example, Pool, given_examples
from prompture.extraction.flow import Question, ValueReader
from prompture.extraction.strategy import Plan
from prompture.extraction.ungrounded import (
    MISSING,
    Leaves,
    Path,
    Required,
    leaves_of,
    not_there,
    required_of,
    unproven,
)
from prompture.flows.attempts import AttemptLog
from prompture.json_values import pointer, value_at
from prompture.schema.exact_json import read_exactly, to_plain
from prompture.schema.key_check import in_own_shape
from prompture.schema.problems import PROBLEM_LIMIT, Problem
from prompture.schema.source import Source
from prompture.traces import shown_pointer
from prompture.types import Completion, JSONValue, Message, Part

if TYPE_CHECKING:
    from prompture.extraction.grounding import ReadText

Places: TypeAlias = Mapping[str, Any]
_SHORTEST = 4
"""A shorter string stands in many texts, an example's among them, by chance."""
_MOST_NAMED = 5
_NOTHING: Any = object()


class WantedEvidence:
    """What one call wants to know of the places of its values.

    Raises ConfigurationError where the document has no text that could be looked into.
    """

    def __init__(
        self,
        source: Source[Any],
        document: Message,
        *,
        required: Required | None = None,
        quotes: bool = False,
        examples: Sequence[Example] = (),
    ) -> None:
        self.source = source
        self.text = document.text
        self.required = required
        self.quotes = quotes
        self._examples = _Copied(examples) if examples else None
        if (required or quotes) and not self.text.strip():
            option = "require_grounding" if required else "quotes=True"
            raise ConfigurationError(
                f"{option} needs a text to look into, and the document has none, only pictures or"
                ' files: have it read (prompture.document(..., ocr="always")), give its text beside'
                " it, or leave the option out"
            )

    def missing(self, plain: JSONValue, found: Places, typed: object) -> list[Problem]:
        """A problem for each value that must stand in the text and does not. ``plain`` is what the
        model wrote, ``typed`` what became of it."""
        if self.required is None:
            return []
        look = Leaves(self.source.json_schema, typed)
        lacking = [
            (path, leaf)
            for path, leaf in leaves_of(plain)
            if pointer(path) not in found
            and not isinstance(leaf, bool)
            and self.required.wants(path, look.why(path, plain, leaf))
        ]
        if self.required.parts and self.source.typed:
            lacking += self._moved(plain, to_plain(typed), look, self.required)
        problems = []
        for path, leaf in lacking:
            message = _COPIED if self._examples and self._examples.has(leaf) else MISSING
            null = _OR_NULL if look.takes_null(path) else ""
            problems.append(not_there(pointer(path), f"{message}{null}"))
        return problems

    def _moved(
        self, plain: JSONValue, value: JSONValue, look: Leaves, required: Required
    ) -> list[tuple[Path, JSONValue]]:
        """What stands at a named place and was written elsewhere: a validator put it there, and what
        it looked at is not known."""
        moved = {
            pointer(path): (path, leaf)
            for path, leaf in leaves_of(value)
            if value_at(plain, path, _NOTHING) is _NOTHING
            and look.knows(path)
            and look.why(path, value, leaf) == "absent"
            and required.wants(path, "absent")
        }
        if not moved:
            return []
        from prompture.extraction.grounding import ground

        placed = ground({where: leaf for where, (_, leaf) in moved.items()}, self.text)
        return [each for where, each in moved.items() if pointer((where,)) not in placed]

    def of_item(
        self, value: object, written: Callable[[], JSONValue] | None = None
    ) -> list[Problem]:
        """The same of one item of a list. ``written`` gives what the model wrote, if it is known."""
        if self.required is None:
            return []
        plain, text = to_plain(value), self._read
        if written is not None and self.source.typed:
            with suppress(ValueError, RecursionError):  # JSON to the validator alone
                plain = in_own_shape(self.source, written())
        found = {
            pointer(path): True
            for path, leaf in leaves_of(plain)
            if not isinstance(leaf, bool) and text.holds(leaf)
        }
        return self.missing(plain, found, value)

    @cached_property
    def _read(self) -> ReadText:
        # Items are many, and the text is one.
        from prompture.extraction.grounding import ReadText

        return ReadText(self.text)

    def copied(self, plain: JSONValue, spans: Places | None, typed: object) -> list[str]:
        """Pointers of the values that stand in an example and not in the text."""
        if self._examples is None or not self.text.strip():
            return []
        look = Leaves(self.source.json_schema, typed)
        # Few values are an example's: only these are looked for.
        alike = {
            pointer(path): leaf
            for path, leaf in leaves_of(plain)
            if self._examples.has(leaf) and look.why(path, plain, leaf) == "absent"
        }
        if not alike:
            return []
        if spans is None:
            from prompture.extraction.grounding import ground

            placed = ground(alike, self.text)
            return [where for where in alike if pointer((where,)) not in placed]
        return [where for where in alike if where not in spans]


_COPIED = "must be a value of this document; it is one of an example's"
_OR_NULL = " (null if the document does not state it)"


class _Copied:
    """The values of examples, and their texts."""

    def __init__(self, examples: Sequence[Example]) -> None:
        values = [leaf for each in examples for _, leaf in leaves_of(each.value)]
        self._values = {_key(leaf) for leaf in values if not isinstance(leaf, bool)}
        self._texts = [_key(each.text) for each in examples]

    def has(self, leaf: JSONValue) -> bool:
        if isinstance(leaf, bool):
            return False
        key = _key(leaf)
        if key in self._values:
            return True
        return isinstance(key, str) and len(key) >= _SHORTEST and any(key in t for t in self._texts)


def _key(leaf: Any) -> Any:
    return " ".join(leaf.casefold().split()) if isinstance(leaf, str) else leaf


class EvidenceReader(ValueReader[Any]):
    """Refuses a value whose evidence is missing.

    ``evidence`` is what the call wants, ``share`` what a cascade's policy wants. With ``is_lenient``
    what the policy lacks is noted in the log, and let pass.
    """

    def __init__(
        self,
        source: Source[Any],
        text: str,
        log: AttemptLog,
        *,
        evidence: WantedEvidence | None = None,
        share: float | Sequence[str] | None = None,
        is_lenient: bool = False,
    ) -> None:
        super().__init__(source)
        self._text = text
        self._log = log
        self._evidence = evidence
        self._share = share
        self._is_lenient = is_lenient
        self._quoting: Any = None

    def read(self, question: Question, completion: Completion) -> ParsedAnswer:
        wants = self._evidence
        if wants is not None and wants.quotes and question.patch is None:
            self._quoting = self._quotations(question, completion)
        found = super().read(question, completion)
        plain = to_plain(found.value) if found.plain is None else found.plain
        is_required = wants is not None and wants.required is not None
        if self.source.typed and (is_required or self._share is not None):
            # What the model wrote must stand there, not what a validator made of it.
            written = self._written(question, completion, found)
            plain = in_own_shape(self.source, written)
            found = replace(found, plain=plain) if is_required else found
        # Rules know where they read each value; of parts they know no more than the parts.
        spans = completion.spans if question.patch is None else None
        lacking = self._lacking(plain, spans, found.value)
        problems = [] if self._is_lenient else lacking
        if wants is not None and is_required:
            known = {each.pointer for each in problems}
            own = wants.missing(plain, self._places(plain, spans), found.value)
            problems = [*problems, *(each for each in own if each.pointer not in known)]
        if problems:
            raise Rejected(problems, plain, _as_shown(problems, plain, question))
        if lacking:
            self._log.notes += (f"{_counted(len(lacking))} not found in the text",)
        if wants is not None:
            if copied := wants.copied(plain, spans, found.value):
                self._log.notes += (_note(copied),)
            if self._quoting is not None:
                return replace(found, quotes=self._quoting(plain))
        return found

    def _written(
        self, question: Question, completion: Completion, found: ParsedAnswer
    ) -> JSONValue:
        if found.written is not UNREAD:
            return found.written
        if found.plain is not None:
            return found.plain
        bare = Fence(question.document).taken_off_all(completion)
        try:
            return read_exactly(answer_text(self.source, bare) or "null")
        except (ValueError, RecursionError):  # JSON to the validator, and not to this reader
            return to_plain(found.value)

    def _places(self, plain: JSONValue, spans: Places | None) -> Places:
        from prompture.extraction.grounding import ground

        return ground(plain, self._text) if spans is None else spans

    def _lacking(self, plain: JSONValue, spans: Places | None, typed: object) -> list[Problem]:
        """What the policy of a cascade misses."""
        if self._share is None:
            return []
        found = self._places(plain, spans)
        if isinstance(self._share, (int, float)):
            look = Leaves(self.source.json_schema, typed)
            # What the schema or the class gives is no evidence for the model, nor against it.
            leaves = [
                pointer(path)
                for path, leaf in leaves_of(plain)
                if look.why(path, plain, leaf) == "absent"
            ]
            missing = [where for where in leaves if where not in found]
            enough = len(leaves) - len(missing) >= self._share * len(leaves)
            return [] if enough else [not_there(where) for where in missing]
        return [p for name in self._share for p in unproven(plain, name, found)]

    def _quotations(self, question: Question, completion: Completion) -> Any:
        """A function that gives what the model quoted, by the pointers of the value; None where
        nothing can be read. It raises Rejected for quotations without a value."""
        from prompture.extraction.quotes import QuotedCodec, by_pointer, written_in

        rewritten = question.whole.rewrite
        codec = rewritten.codec
        if not isinstance(codec, QuotedCodec):
            return None  # a driver that knows its places is not asked for quotations
        completion = Fence(question.document).taken_off_all(completion)
        answer = written_in(answer_text(self.source, completion) or "", codec)
        quotations = codec.quotations(answer)

        def placed(plain: JSONValue) -> Mapping[str, tuple[str, ...]]:
            # An open schema takes them for a value.
            if codec.are_alone(plain, answer):
                problem = Problem("", "must have a value beside the quotations", "missing")
                raise Rejected([problem], plain)
            return by_pointer(quotations, plain, answer, rewritten)

        return placed


def _as_shown(problems: Sequence[Problem], plain: JSONValue, question: Question) -> list[Problem]:
    """The problems as the model is shown them: at the places that it wrote, and not too many."""
    rewritten, few = question.plan.rewrite, problems[:PROBLEM_LIMIT]
    if rewritten.identity or question.patch is not None:
        return list(few)
    answer = rewritten.forward(plain)
    return [replace(p, pointer=rewritten.forward_pointer(p.pointer, answer)) for p in few]


def _counted(count: int) -> str:
    return f"{count} value{'s' * (count > 1)}"


def _note(copied: Sequence[str]) -> str:
    shown = ", ".join(map(shown_pointer, copied[:_MOST_NAMED]))
    more = f" and {len(copied) - _MOST_NAMED} more" if len(copied) > _MOST_NAMED else ""
    stand = "stands" if len(copied) == 1 else "stand"
    return f"{_counted(len(copied))} {stand} in an example and not in the text: {shown}{more}"


def _check_grounded(example: Example, source: Source[Any], required: Required) -> None:
    """Raise ConfigurationError for an example that would teach what is refused."""
    values = example.value if example.is_list else [example.value]
    for value in values if example.text.strip() else ():
        turn = Message(role="user", content=example.content)
        if missing := WantedEvidence(source, turn, required=required).of_item(value):
            raise ConfigurationError(
                f"{example.place} has no place in its own text for {missing[0].pointer or 'the value'},"
                " which require_grounding asks for: it would teach the model to invent"
            )


def _given(document: Message) -> str | tuple[Part, ...]:
    return document.given if isinstance(document, DocumentTurn) else document.content


class Wishes:
    """The options ``examples``, ``require_grounding`` and ``quotes`` of an Extractor, checked.

    ``source`` is what it extracts. Raises ConfigurationError.
    """

    def __init__(self, options: Mapping[str, Any], source: Source[Any]) -> None:
        self.examples: Sequence[Example]
        self.pool: Pool | None
        self.examples, self.pool = given_examples(options["examples"], source)
        self.required = required_of(options["require_grounding"], source.json_schema)
        self.quotes: bool = options["quotes"]
        if self.required is not None:
            self._check_examples(source, self.required)

    def _check_examples(self, source: Source[Any], required: Required) -> None:
        for each in self.examples:
            _check_grounded(each, source, required)
        # There may be many, and each call of ``extract`` comes here.
        if self.pool is not None and required not in self.pool.grounded_for:
            for each in self.pool.examples:
                _check_grounded(each, source, required)
            self.pool.grounded_for.add(required)

    def planner(self, plan_for: Callable[[Any], Plan], document: Message) -> Callable[[Any], Plan]:
        """``plan_for``, with the examples that are chosen for a document."""
        if self.pool is None:
            return plan_for
        chosen = self.pool.chosen(_given(document))
        return lambda driver: plan_for(driver).showing(chosen)

    def evidence(self, source: Source[Any], document: Message) -> WantedEvidence | None:
        """What is looked for in a document. Raises ConfigurationError where it has no text."""
        shown = self.examples
        if self.pool is not None:
            shown = (*shown, *self.pool.chosen(_given(document)))
        if not (shown or self.required or self.quotes):
            return None
        return WantedEvidence(
            source, document, required=self.required, quotes=self.quotes, examples=shown
        )

    def of_items(self) -> Wishes:
        """The same for a list of what is wanted. Raises ConfigurationError."""
        if self.quotes:
            raise ConfigurationError(
                "quotes=True: the items are given out before a model has quoted anything; leave it"
                " out, or extract the whole list with extract_result"
            )
        other = copy.copy(self)
        other.examples = [in_items(each) for each in self.examples]
        other.pool = self.pool and self.pool.mapped(in_items)
        return other
