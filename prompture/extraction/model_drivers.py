"""Make drivers of what users give as model, and keep them with their connections."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from prompture import given
from prompture.drivers.classes import async_driver_for, driver_for
from prompture.drivers.core import BaseDriver
from prompture.drivers.registry import default_model, find, is_replaced, resolve, rows
from prompture.errors import ConfigurationError, UnknownModel
from prompture.forks import fork_lock
from prompture.provider_names import own_name
from prompture.types import File, Image, Message, Request

if TYPE_CHECKING:
    from prompture.catalog.needs import Needs

_kept: dict[tuple[str, bool], BaseDriver] = {}
_lock = fork_lock()
MakeDriver: TypeAlias = Callable[[], Any]
"""Gives a driver; of which colour depends on who asked for it."""
KEPT = 64
PROMPT_TOKENS, ANSWER_TOKENS = 1_000, 4_000
"""Room that ``"cheapest"`` leaves in a model's window for the schema and for the answer."""


ESCALATE_ON = ("invalid", "refused", "ungrounded", "unavailable")
KEEP = ("valid fields", "nothing")


@dataclass(frozen=True, slots=True)
class Cascade:
    """Models in the order in which they are asked, and what makes the next one's turn.

    Arguments:
        models: names and drivers, as ``model=`` takes them.
        escalate_on: what the next model is asked after. ``"invalid"``: the answer breaks the
            schema after its retries, or is cut off. ``"refused"``: the model or a filter
            declined. ``"ungrounded"``: the evidence is missing. ``"unavailable"``: no answer
            was to be had (down, overloaded, limits, no key, a request that it does not take).
            Any other failure is raised.
        keep: ``"valid fields"`` asks the next model only for what is wrong in the value so far;
            ``"nothing"`` asks it for the whole.
        evidence: what must stand in the text. A number is the share of strings and numbers (no
            enum, no constant) that must be found there. Names of fields, or JSON pointers, are
            parts that must have a value, which is found there, all of it. None: half of the
            values, to be asked for by the next model; the last one's answer then stands.
            What was asked for by you and is missing at the end is Invalid.
    """

    models: Sequence[Any]
    escalate_on: Sequence[str] = ESCALATE_ON
    keep: str = "valid fields"
    evidence: float | Sequence[str] | None = None

    def __post_init__(self) -> None:
        models = listed(self.models)
        if isinstance(self.models, (str, Cascade)) or models is not self.models:
            raise given.wrong("Cascade.models", "a list of models", self.models)
        object.__setattr__(self, "models", tuple(models))
        found = given.strings(self.escalate_on, "Cascade.escalate_on")
        for kind in found:
            given.one_of(kind, "Cascade.escalate_on", ESCALATE_ON)
        object.__setattr__(self, "escalate_on", found)
        given.one_of(self.keep, "Cascade.keep", KEEP)
        if self.evidence is None or isinstance(self.evidence, (str, list, tuple)):
            if self.evidence is not None:
                names = given.strings(self.evidence, "Cascade.evidence")
                object.__setattr__(self, "evidence", names)
        else:
            given.share(self.evidence, "Cascade.evidence")


def makers(model: Any, *, asynchronous: bool, document: Message | None = None) -> list[MakeDriver]:
    """One function for each model of a cascade, which gives its driver in this colour.

    ``document`` is what ``"cheapest"`` must be able to read.
    Raises ConfigurationError for what names no model and is no driver.
    """
    models = [default_model()] if model is None else listed(model)
    return [_maker(each, asynchronous=asynchronous, document=document) for each in models]


def listed(model: Any) -> Sequence[Any]:
    """The models of a cascade, each a name or a driver. Raises ConfigurationError."""
    if isinstance(model, Cascade):
        return model.models
    if isinstance(model, str) or not isinstance(model, (list, tuple)):
        check_one(model, "model")
        return (model,)
    if not model:
        raise ConfigurationError("model is an empty sequence: name at least one model")
    for at, each in enumerate(model):
        check_one(each, f"model[{at}]")
        first = next(i for i, other in enumerate(model) if other is each or other == each)
        if first < at:
            raise ConfigurationError(
                f"model[{at}] is the same as model[{first}]: a cascade asks each model once"
                " (max_retries asks one again)"
            )
    return model


def name_of(model: Any) -> str:
    """``"provider/model"`` of a model or a driver; of several, of the first."""
    first = default_model() if model is None else listed(model)[0]
    if isinstance(first, str):
        row, rest = resolve(first)
        return f"{row.name}/{rest}"
    return str(getattr(first, "name", type(first).__name__))


def check_key(models: Any, key: object) -> None:
    """Raise ConfigurationError where one key would go to several providers, or to none."""
    if key is None:
        return
    names: set[str] = set()
    for model in listed(models):
        if isinstance(model, str) and model.startswith("cheapest"):
            names |= {"any", "other"}
        elif model is not None:
            row = resolve(model)[0] if isinstance(model, str) else model.provider
            names |= set() if row.engine else {row.name}
    if isinstance(key, Mapping):
        # A slip would let the call go to the provider with the house's own key.
        for name in key:
            if own_name(str(name)) not in names:
                find(str(name))
    elif len(names) > 1:
        raise ConfigurationError(
            "api_key: the models are of several providers, each of which would get it: give a"
            " dict with a key for each, {'openai': ...}"
        )


def check_one(model: object, place: str) -> None:
    """Raise ConfigurationError for what is neither a model's name nor a driver."""
    if isinstance(model, str):
        if not model.strip():
            raise ConfigurationError(f"{place} is empty: write 'provider/model'")
    elif isinstance(model, type) and hasattr(model, "complete"):
        raise ConfigurationError(
            f"{place} is the class {model.__name__}: give a driver, {model.__name__}('...')"
        )
    elif not hasattr(model, "complete") or not hasattr(model, "provider"):
        raise ConfigurationError(
            f"{place} must be 'provider/model', a driver, a sequence of these or a Cascade,"
            f" not {type(model).__name__}"
        )


def chosen(model: Any, *, asynchronous: bool, document: Message | None = None) -> MakeDriver:
    """A function that gives the driver of one model."""
    check_one(model, "model")
    return _maker(model, asynchronous=asynchronous, document=document)


def _maker(model: Any, *, asynchronous: bool, document: Message | None) -> MakeDriver:
    if isinstance(model, str):
        return lambda: kept_driver(named(model, document), asynchronous=asynchronous)
    if is_async(model) is not asynchronous:
        right = "an AsyncDriver (async_driver_for)" if asynchronous else "a Driver (driver_for)"
        call = "an awaited call" if asynchronous else "a call that is not awaited"
        raise ConfigurationError(f"{call} needs {right}, not {type(model).__name__}")
    return lambda: model


def named(model: str, document: Message | None = None) -> str:
    """A model as it is; for a wish (``"cheapest"``, ``"cheapest?json_schema&context>=200k"``),
    the cheapest listed model that has it all and can read the document, of those providers
    whose key is set.

    Raises UnknownModel where there is none, UnknownOption for a wish that is not understood.
    """
    if model != "cheapest" and not model.startswith("cheapest?"):
        return model
    from prompture import catalog
    from prompture.catalog.needs import parse_needs

    needs = parse_needs(model)
    if document is not None:
        needs = _reading(needs, document)
    listed = {row.catalog: row for row in rows() if row.catalog and not row.local}
    if needs.providers:
        wanted = [k for k, row in listed.items() if k in needs.providers and row.key_is_set()]
    else:
        # A key that serves other ends as well chooses no provider that nobody named.
        wanted = [k for k, row in listed.items() if row.chosen_by()]
    if not wanted:
        whose = ", ".join(needs.providers) or "any provider"
        raise UnknownModel(f'"{model}": no key of {whose} is set; see: prompture providers')
    found = catalog.cheapest(needs, among=wanted)
    if not found:
        also = " and can read this document" if document is not None else ""
        raise UnknownModel(
            f'"{model}": no listed model of {", ".join(wanted)} has all that{also}; '
            f"see: prompture models --cheapest"
        )
    return f"{listed[found[0].provider].name}/{found[0].id}"


def _reading(needs: Needs, document: Message) -> Needs:
    """The needs, and what it takes to read this document and to answer."""
    from prompture.catalog.tokens import count_request

    kinds = {"vision" for p in document.parts if isinstance(p, Image)}
    kinds |= {"pdf" for p in document.parts if isinstance(p, File)}
    request = Request(model="", messages=(document,))
    tokens = count_request(request, exact=False).high + PROMPT_TOKENS
    return replace(
        needs,
        abilities=needs.abilities | kinds,
        context=max(needs.context, tokens + ANSWER_TOKENS),
        input=max(needs.input, tokens),
    )


def is_async(driver: object) -> bool:
    """Whether a driver is of the async colour."""
    return hasattr(driver, "__aenter__")


def kept_driver(model: str, *, asynchronous: bool) -> BaseDriver:
    """The driver for a model, made once and kept with its connections.

    It is made anew when the environment names another key or URL than it was made with, or a
    file's provider was read again.
    """
    key = (model, asynchronous)
    found = _kept.get(key)
    if found is not None and found.is_current() and not is_replaced(found.provider):
        return found
    resolve(model)
    make: Any = async_driver_for if asynchronous else driver_for
    # Outside the lock, for it may read files. Two threads may make one each.
    made: BaseDriver = make(model)
    with _lock:
        other = _kept.get(key)
        if other is not None and other is not found:
            return other  # a thread that came here at the same time; one pool is enough
        if key not in _kept and len(_kept) >= KEPT:
            # The oldest goes. It is not closed: a call may be using it.
            _kept.pop(next(iter(_kept)))
        _kept[key] = made
    return made
