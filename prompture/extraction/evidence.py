"""What must stand in the text: ``require_grounding``, the evidence of a cascade, and values that were
copied from an example."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from prompture import given
from prompture.compat import cached_property
from prompture.errors import ConfigurationError
from prompture.extraction.answer import ParsedAnswer, Rejected, answer_text
from prompture.extraction.document_turn import Fence
from prompture.extraction.flow import Question, ValueReader
from prompture.extraction.inputs import Example
from prompture.extraction.patch import schema_at
from prompture.extraction.ungrounded import Leaves, Path, check_part, leaves_of
from prompture.flows.attempts import AttemptLog
from prompture.json_values import pointer, segments_of
from prompture.schema.exact_json import read_exactly, to_plain
from prompture.schema.problems import PROBLEM_LIMIT, UNGROUNDED, Problem
from prompture.schema.source import Source
from prompture.traces import shown_pointer
from prompture.types import JSON, Completion, JSONValue, Message

if TYPE_CHECKING:
    from prompture.extraction.grounding import ReadText

Places: TypeAlias = Mapping[str, Any]
ANY = "*"
"""In a pointer of ``require_grounding``: every key, and every item."""
_SHORTEST = 4
"""A shorter string stands in many texts, an example's among them, by chance."""
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Required:
    """Which leaves must have a place: all that the text should print, or, of these and of what the
    schema gives, those at some pointers."""

    parts: tuple[tuple[str, ...], ...] = ()

    def wants(self, path: Path, why: str) -> bool:
        """Whether a leaf without a place, for this reason, is refused."""
        if why == "absent" and not self.parts:
            return True
        found = [part for part in self.parts if _is_at(path, part)]
        # A leaf that is named by itself must stand there, though the schema gives its words.
        return bool(found) and (why == "absent" or any(len(p) == len(path) for p in found))


def _is_at(path: Path, part: Sequence[str]) -> bool:
    if len(part) > len(path):
        return False
    return all(step in (ANY, str(own)) for own, step in zip(path, part, strict=False))


def required_of(wanted: object, schema: JSON) -> Required | None:
    """What ``require_grounding`` asks for. Raises ConfigurationError for a part that no value can
    have, or that no text can print."""
    if isinstance(wanted, bool):
        return Required() if wanted else None
    if not isinstance(wanted, (str, list, tuple, set, frozenset)):
        raise given.wrong("require_grounding", "True or a list of JSON pointers", wanted)
    names = given.strings(sorted(wanted) if isinstance(wanted, (set, frozenset)) else wanted,
                          "require_grounding")  # fmt: skip
    parts = []
    for name in names:
        part = segments_of(name if name.startswith("/") or not name else pointer((name,)))
        if problem := check_part(part, schema):
            raise ConfigurationError(f"require_grounding: {problem}")
        parts.append(part)
    if "" in names:
        return Required()
    return Required(tuple(parts)) if parts else None


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
        """A problem for each value that must stand in the text and does not."""
        if self.required is None:
            return []
        look, problems = Leaves(self.source.json_schema, typed), []
        for path, leaf in leaves_of(plain):
            where = pointer(path)
            if where in found or isinstance(leaf, bool):
                continue
            if self.required.wants(path, look.why(path, plain, leaf)):
                message = _COPIED if self._examples and self._examples.has(leaf) else _MISSING
                null = _OR_NULL if look.takes_null(path) else ""
                problems.append(Problem(where, f"{message}{null}", UNGROUNDED))
        return problems

    def of_item(self, value: object) -> list[Problem]:
        """The same of one item of a list."""
        if self.required is None:
            return []
        plain, text = to_plain(value), self._read
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


_MISSING = "must be a value that stands in the text; it was not found"
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
        if found.plain is None and wants is not None and wants.required is not None:
            # What the model wrote must stand there, not what a validator made of it.
            found = replace(found, plain=self._written(question, completion))
        plain = to_plain(found.value) if found.plain is None else found.plain
        # Rules know where they read each value; of parts they know no more than the parts.
        spans = completion.spans if question.patch is None else None
        lacking = self._lacking(plain, spans)
        problems = [] if self._is_lenient else lacking
        if wants is not None and wants.required is not None:
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

    def _written(self, question: Question, completion: Completion) -> JSONValue:
        """The JSON of an answer that is nothing else; None of any other."""
        bare = Fence(question.document).taken_off_all(completion)
        try:
            return read_exactly(answer_text(self.source, bare) or "null")
        except (ValueError, RecursionError):
            return None

    def _places(self, plain: JSONValue, spans: Places | None) -> Places:
        from prompture.extraction.grounding import ground

        return ground(plain, self._text) if spans is None else spans

    def _lacking(self, plain: JSONValue, spans: Places | None) -> list[Problem]:
        """What the policy of a cascade misses."""
        if self._share is None:
            return []
        found = self._places(plain, spans)
        if isinstance(self._share, (int, float)):
            leaves = [path for path, _ in _printed(plain) if self._is_free(path)]
            missing = [path for path in leaves if pointer(path) not in found]
            enough = len(leaves) - len(missing) >= self._share * len(leaves)
            return [] if enough else [_problem(pointer(path)) for path in missing]
        return [p for name in self._share for p in unproven(plain, name, found)]

    def _is_free(self, path: Path) -> bool:
        """Whether the value at a path is the model's own words: no word of the schema's."""
        at = schema_at(path, self.source.json_schema)
        return not (isinstance(at, dict) and ("enum" in at or "const" in at))

    def _quotations(self, question: Question, completion: Completion) -> Any:
        """A function that gives what the model quoted, by the pointers of the value; None where
        nothing can be read."""
        from prompture.extraction.quotes import QuotedCodec, by_pointer, written_in

        rewritten = question.whole.rewrite
        codec = rewritten.codec
        if not isinstance(codec, QuotedCodec):
            return None  # a driver that knows its places is not asked for quotations
        completion = Fence(question.document).taken_off_all(completion)
        answer = written_in(answer_text(self.source, completion) or "", codec)
        quotations = codec.quotations(answer)
        return lambda plain: by_pointer(quotations, plain, answer, rewritten)


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


def _printed(value: JSONValue) -> Iterator[tuple[Path, JSONValue]]:
    """The strings and numbers of a value; null, true and false stand in no text."""
    return ((path, leaf) for path, leaf in leaves_of(value) if not isinstance(leaf, bool))


def unproven(plain: JSONValue, name: str, found: Places) -> list[Problem]:
    """What of a named part the text does not hold; the part itself where it has no value."""
    where = name if name.startswith("/") else pointer((name,))
    value = plain
    path: Path = ()
    for key in segments_of(where):
        step = int(key) if isinstance(value, list) and key.isdigit() else key
        path = (*path, step)
        if isinstance(value, dict):
            value = value.get(key)
        else:
            is_there = isinstance(value, list) and isinstance(step, int) and step < len(value)
            value = value[step] if is_there else None
    leaves = [pointer((*path, *at)) for at, _ in _printed(value)]
    missing = [at for at in leaves if at not in found]
    return [_problem(at) for at in (missing if leaves else [where])]


def _problem(where: str) -> Problem:
    return Problem(where, _MISSING, UNGROUNDED)
