"""What is known of a model: limits, features, rates. Values only; made from models.dev records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from prompture.money import ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimits:
    """A model's limits in tokens; None where not stated.

    ``context`` is input and output together, ``input`` a limit of its own below that.
    """

    context: int | None = None
    output: int | None = None
    input: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFeatures:
    """What a model can do. None means that the catalogue states nothing, not that it cannot.

    ``inputs`` and ``outputs`` are the modalities (text, image, audio, video, pdf).
    ``efforts`` are the reasoning efforts it takes.
    """

    tools: bool | None = None
    json_schema: bool | None = None
    vision: bool | None = None
    pdf: bool | None = None
    audio: bool | None = None
    video: bool | None = None
    reasoning: bool | None = None
    temperature: bool | None = None
    attachment: bool | None = None
    open_weights: bool | None = None
    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None
    efforts: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Hours of the week with rates of their own.

    ``weekdays`` are ISO (1 Monday to 7 Sunday) and ``start``/``end`` times of day, all UTC;
    ``end`` of 00:00 means midnight at the day's end.
    """

    weekdays: frozenset[int]
    start: time
    end: time
    rates: Rates

    def holds(self, when: datetime) -> bool:
        """Whether the (aware) moment lies in the window."""
        moment = when.astimezone(UTC)
        clock = moment.time()
        before_end = self.end == time() or clock < self.end
        return moment.isoweekday() in self.weekdays and self.start <= clock and before_end


@dataclass(frozen=True, slots=True)
class Tier:
    """Rates that hold for the whole call once its input is longer than ``above`` tokens."""

    above: int
    rates: Rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """US dollars per million tokens; ``request`` is dollars per call.

    None means that the catalogue has no such rate, and ``cost_of`` says what it does then.
    ``cache_writes`` has a rate per time to live. ``modes`` are keyed by service tier
    (``"batch"``, ``"flex"``, ``"priority"``). ``later`` are rates that replace these from
    their ``since`` (UTC date) on. ``rules`` explains a bucket's rate that was derived.
    """

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_writes: Mapping[str, Decimal] = field(default_factory=dict)
    reasoning: Decimal | None = None
    input_audio: Decimal | None = None
    output_audio: Decimal | None = None
    input_image: Decimal | None = None
    output_image: Decimal | None = None
    request: Decimal = ZERO
    tiers: tuple[Tier, ...] = ()
    modes: Mapping[str, Rates] = field(default_factory=dict, repr=False)
    windows: tuple[Window, ...] = field(default=(), repr=False)
    since: date | None = None
    later: tuple[Rates, ...] = field(default=(), repr=False)
    rules: Mapping[str, str] = field(default_factory=dict, repr=False)
    # What ``cost_of`` has compiled of these rates, under "flat": a cache, and no part of the value.
    plans: dict[str, Any] = field(
        default_factory=dict, init=False, repr=False, compare=False, hash=False
    )

    @property
    def free(self) -> bool:
        """Whether every rate is a real 0, whatever the tier, the mode or the date."""
        stated = (getattr(self, name) for name in RATE_NAMES)
        others = (*(t.rates for t in self.tiers), *self.later, *self.modes.values())
        return (
            not any(stated)
            and not any(self.cache_writes.values())
            and all(o.free for o in (*others, *(w.rates for w in self.windows)))
        )


RATE_NAMES = (
    "input",
    "output",
    "cache_read",
    "cache_write",
    "reasoning",
    "input_audio",
    "output_audio",
    "input_image",
    "output_image",
    "request",
)
FREE = Rates(input=ZERO, output=ZERO, cache_read=ZERO, cache_write=ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A model at a provider.

    ``provider`` is the models.dev key. ``rates`` is None where the price is unknown.
    ``status`` is ``"alpha"``, ``"beta"``, ``"deprecated"`` or ``""``. ``source`` is ``"live"``,
    ``"snapshot"``, ``"built-in"``, ``"user"`` (its rates are yours) or ``"local"``; ``as_of``
    the ISO date of that source. ``unpriced`` says why ``rates`` is None, where there is more to
    say than that none are listed. ``raw`` is the models.dev record.
    """

    provider: str
    id: str
    name: str = ""
    limits: ModelLimits = ModelLimits()
    features: ModelFeatures = ModelFeatures()
    rates: Rates | None = None
    status: str = ""
    released: str = ""
    source: str = ""
    as_of: str = ""
    unpriced: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def key(self) -> str:
        """``"provider/id"``, as ``find`` takes it."""
        return f"{self.provider}/{self.id}"
