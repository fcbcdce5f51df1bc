"""The queue before an endpoint: where calls wait for limits, and for pauses that providers ask for.

Calls come from every thread, task and event loop. The first in the queue waits for its moment, and
wakes the next. So nobody polls, and the order is that of coming. A gate goes by the key, and by the
model where the provider counts so.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Literal, cast

from prompture import forks
from prompture.drivers.limits import NO_LIMITS, Adaptive, Limits, Throttle, is_bulk
from prompture.errors import PromptureError, RateLimitError, StoreUnavailable
from prompture.observe import note
from prompture.wire import deadline
from prompture.wire.http import Exchange, Work
from prompture.wire.steps import Signal, Wait, who

if TYPE_CHECKING:
    from prompture.drivers.shared_limits import SharedStore

BULK_TURN = 8
"""After so many live calls in a row, a waiting bulk call goes first: it never starves."""
RAMP_SECONDS = 5.0
RAMP_START = 4.0
"""After a pause calls start at 4 a second, four times as many with each second, for twice its time."""
BURST_SECONDS = 0.5
LONGEST_PAUSE = 300.0
"""A provider may ask for a longer pause, by a slip perhaps: after so long one call asks again."""
WATCH = 5.0
"""Seconds after which one who waits for others looks whether the event loop of these was closed."""
_ASK = -1.0
"""Instead of seconds: the store that processes share must be asked first."""


class Place:
    """One try's place: in the queue, then inside until the try has ended."""

    __slots__ = (
        "began", "bulk", "is_again", "is_first", "is_stream", "is_sync", "loop", "signal", "slot",
        "tokens", "who",
    )  # fmt: skip

    def __init__(
        self,
        tokens: int,
        priority: str | None,
        *,
        is_again: bool,
        is_stream: bool = False,
        is_sync: bool = True,
    ) -> None:
        self.tokens = tokens
        self.bulk = is_bulk(priority)
        self.is_again = is_again
        """A call that was sent before and is sent again keeps its turn: it goes to the front."""
        self.is_stream, self.is_sync, self.is_first = is_stream, is_sync, False
        self.who = who()
        self.loop = None if is_sync else asyncio.get_running_loop()
        self.signal = Signal()
        self.slot: tuple[float, int] | None = None
        """When it may start, and its tokens, where processes share the limits."""
        self.began = 0.0

    @property
    def is_gone(self) -> bool:
        """Whether its event loop was closed with the call in it, which nobody ends any more."""
        return self.loop is not None and self.loop.is_closed()

    def waits_for(self, other: Place) -> bool:
        """Whether this call, which is inside, cannot end before another that wants to be: a stream
        that the other's own thread or task has open, or a call of the event loop that it blocks."""
        if self.who == other.who:
            return self.is_stream
        return self.loop is not None and other.is_sync and self.who[0] == other.who[0]


class RouteGate:
    """The queue before one endpoint, with one key (and one model)."""

    def __init__(
        self,
        name: str,
        limits: Limits = NO_LIMITS,
        *,
        scope: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self.scope = name, scope
        self._clock = clock
        self._lock = forks.fork_lock()
        self._paused_until = self._next_start = float("-inf")
        self._ramp = RAMP_SECONDS
        self._throttle: Throttle | None = None
        self._adaptive: Adaptive | None = None
        self._store: SharedStore | None = None
        self.limits = NO_LIMITS
        self._renew()
        self.adopt(limits)
        forks.renewed_at_fork(self, "_renew")

    def _renew(self) -> None:
        """In a forked child: those who wait and those inside are the parent's."""
        self._live: OrderedDict[Place, None] = OrderedDict()
        self._bulk: OrderedDict[Place, None] = OrderedDict()
        # A set, not a count: an interrupt between two steps leaves it right.
        self._inside: set[Place] = set()
        self._live_in_a_row = 0
        # The parent sends and settles these.
        self._spare: deque[tuple[float, int]] = deque()
        self._owed = 0
        """Tokens more than were reserved of the shared store, which it does not know yet."""

    def adopt(self, limits: Limits) -> None:
        """Hold to these limits from now on. What has been used stays used."""
        if limits == self.limits:
            return
        store = None
        if limits.shared is not None:
            from prompture.drivers.shared_limits import store_at

            store = store_at(limits.shared)
        with self._lock:
            before, self._throttle = self._throttle, None
            if limits.is_rated:
                per_minute = limits.requests_per_minute
                self._throttle = Throttle(
                    per_minute,
                    limits.tokens_per_minute,
                    # So short a burst makes up for late timers. Where few are allowed, it would be one
                    # more than a minute's.
                    BURST_SECONDS if per_minute is None or per_minute >= 120 else 0.0,
                    self._clock,
                )
                if before is not None:
                    self._throttle.follow(before)
            if limits.concurrency != "adaptive":
                self._adaptive = None
            elif self._adaptive is None:
                self._adaptive = Adaptive()
            self.limits, self._store = limits, store
            self._wake_head(self._clock())

    @property
    def most(self) -> int | None:
        """How many calls may run at once now."""
        return (
            self._adaptive.limit if self._adaptive else cast("int | None", self.limits.concurrency)
        )

    @property
    def waiting(self) -> int:
        return len(self._live) + len(self._bulk)

    @property
    def inside(self) -> int:
        return len(self._inside)

    def paused(self) -> float:
        """Seconds that are left of a pause."""
        return max(0.0, self._paused_until - self._clock())

    def is_free(self) -> bool:
        """Whether a call need not wait here."""
        with self._lock:
            return self._head() is None and self._hindrance(None, self._clock())[0] == 0.0

    def enter(self, place: Place, patience: float) -> Exchange[None] | None:
        """Let a try in, or the exchange that waits until it may. Raises RateLimitError where the
        provider has asked for a pause of more than ``patience`` seconds."""
        seconds: float | None
        with self._lock:
            now = self._clock()
            if (left := self._paused_until - now) > patience:
                raise self._refusal(left)
            # Those before it may wait for one inside that waits for this one.
            place.is_first = (place.is_sync and place.who[1] > 0) or any(
                each.waits_for(place) for each in self._inside
            )
            place.bulk = place.bulk and not place.is_first
            queue = self._bulk if place.bulk else self._live
            queue[place] = None
            if place.is_first or place.is_again:
                queue.move_to_end(place, last=False)
            seconds, why = None, "others came first"
            if self._head() is place:
                seconds, why = self._hindrance(place, now)
            if seconds == 0.0:
                self._admit(place, now)
                return None
        return self._waiting(place, seconds, why)

    def _waiting(self, place: Place, seconds: float | None, why: str) -> Exchange[None]:
        is_noted = False
        while seconds != 0.0:
            if seconds == _ASK:
                yield Work(partial(self._ask_store, place))
            else:
                if not is_noted:
                    is_noted = True
                    self._note(seconds, why)
                if seconds is not None and (late := deadline.too_long(seconds)) is not None:
                    raise late
                yield Wait(place.signal, WATCH if seconds is None else seconds)
            seconds, why = self._look(place)

    def _note(self, seconds: float | None, why: str) -> None:
        if seconds is None:
            text = "%(provider)s: waits for its turn: %(why)s"
            note("wait", text, provider=self.name, why=why)
        else:
            text = "%(provider)s: waits %(seconds).2f s: %(why)s"
            note("wait", text, provider=self.name, why=why, seconds=seconds)

    def _look(self, place: Place) -> tuple[float | None, str]:
        """What keeps a place out, as the one who waits there sees it: it is let in by this."""
        with self._lock:
            # Before looking: what changes afterwards sets it again.
            place.signal.clear()
            if place is not self._head():
                return None, "others came first"
            now = self._clock()
            seconds, why = self._hindrance(place, now)
            if seconds == 0.0:
                self._admit(place, now)
            return seconds, why

    def _head(self) -> Place | None:
        while (head := self._first()) is not None and head.is_gone:
            self._drop(head)
            if (after := self._first()) is not None:
                after.signal.set()
        return head

    def _first(self) -> Place | None:
        live = next(iter(self._live), None)
        is_turn = live is None or (self._live_in_a_row >= BULK_TURN and not live.is_first)
        return next(iter(self._bulk), live) if is_turn else live

    def _hindrance(self, place: Place | None, now: float) -> tuple[float | None, str]:
        """Seconds that the first in the queue must wait (None: until one has left), and why."""
        if (left := self._paused_until - now) > 0:
            return left, "the provider asked for a pause"
        if (left := self._next_start - now) > 0:
            return left, "a slow start after a pause"
        most = self.most
        if most is not None and len(self._inside) >= most:
            self._inside = {each for each in self._inside if not each.is_gone}
            is_full = len(self._inside) >= most
            if is_full and not (place and all(each.waits_for(place) for each in self._inside)):
                return None, f"{most} calls at once"
        if self._throttle is None:
            return 0.0, ""
        if self._store is None or place is None:
            wait = self._throttle.wait(place.tokens if place else 1)
            return wait, "requests or tokens a minute"
        while place.slot is None and self._spare:
            at, tokens = self._spare.popleft()
            # Of one who went away. Not an old one: the allowance cannot be saved up.
            if at >= now - BURST_SECONDS:
                place.slot, self._owed = (at, place.tokens), self._owed + place.tokens - tokens
        if place.slot is None:
            return _ASK, ""
        return max(0.0, place.slot[0] - now), "requests or tokens a minute, over all processes"

    def _admit(self, place: Place, now: float) -> None:
        self._inside.add(place)
        place.began = now
        if self._store is None and self._throttle is not None:
            self._throttle.reserve(place.tokens)
        if self._next_start > float("-inf"):
            since = now - self._paused_until
            left = self._ramp - since
            spacing = min(1 / (RAMP_START * 4 ** max(since, 0.0)), left) if left > 0 else 0.0
            self._next_start = now + spacing if spacing else float("-inf")
        self._live_in_a_row = 0 if place.bulk else self._live_in_a_row + 1
        self._drop(place)
        self._wake_head(now)

    def _drop(self, place: Place) -> None:
        (self._bulk if place.bulk else self._live).pop(place, None)

    def _wake_head(self, now: float) -> None:
        """Let the first in the queue look, unless it must wait for one who is inside."""
        head = self._head()
        if head is not None and self._hindrance(head, now)[0] is not None:
            head.signal.set()

    def leave(
        self, place: Place, *, used: int | None = None, outcome: Literal["ok", "refused", ""] = ""
    ) -> None:
        """A try has ended, or gave up waiting. ``used`` are its tokens, where they are known."""
        with self._lock:
            now = self._clock()
            self._drop(place)
            if place in self._inside:
                if used is not None:
                    self._settle(used - place.tokens)
                if self._adaptive is not None and outcome:
                    if outcome == "ok":
                        self._adaptive.answered(len(self._inside))
                    else:
                        self._adaptive.refused(place.began, now)
                self._inside.discard(place)
            elif place.slot is not None:
                self._spare.append(place.slot)
                place.slot = None
            self._wake_head(now)

    def _settle(self, tokens: int) -> None:
        if self._store is not None:
            self._owed += tokens
        elif self._throttle is not None:
            self._throttle.settle(tokens)

    def first_byte(self, place: Place) -> None:
        """The first byte of a stream has come."""
        if self._adaptive is not None:
            with self._lock:
                now = self._clock()
                self._adaptive.first_byte(now - place.began, place.began, now)

    def pause(self, seconds: float) -> None:
        """Nobody is let in for so long, and few at first after it. All processes that share the
        limits pause."""
        seconds = min(seconds, LONGEST_PAUSE)
        with self._lock:
            # Not all copies of this program at the same moment.
            until = self._clock() + seconds * (1 + random.uniform(0, 0.02))
            if until <= self._paused_until:
                return
            self._pause_until(until, seconds)
            store = self._store
        if store is not None:
            # An event loop may be waiting for this, and a disk may take its time.
            Thread(target=self._share_pause, args=(store, seconds), daemon=True).start()

    def _share_pause(self, store: SharedStore, seconds: float) -> None:
        try:
            store.pause(self.scope, seconds)
        except PromptureError as exc:
            note("wait", "%(provider)s: other processes do not pause: %(why)s", provider=self.name,
                 why=str(exc))  # fmt: skip

    def _refusal(self, left: float) -> RateLimitError:
        error = RateLimitError(
            f"not sent: the provider asked for a pause, of which {left:.0f} s are left",
            provider=self.name,
            status=0,
            retry_after=left,
            retryable=False,
        )
        error.unsent = True
        return error

    def _ask_store(self, place: Place) -> None:
        """Reserve a place's slot of the store. In a thread where an event loop runs."""
        with self._lock:
            store, limits, throttle = self._store, self.limits, self._throttle
            owed, self._owed = self._owed, 0
        if store is None or throttle is None:
            return
        try:
            wait, pause = store.reserve(
                self.scope,
                place.tokens,
                owed,
                (limits.requests_per_minute, limits.tokens_per_minute),
                throttle.burst_seconds,
            )
        except BaseException as exc:  # an interrupt as well: what is owed is not forgotten
            with self._lock:
                self._owed += owed
            if not isinstance(exc, StoreUnavailable) or limits.when_unreachable == "refuse":
                raise
            # Each process alone holds to the whole limit: less than nothing, more than agreed.
            text = "%(provider)s: the limits hold in this process alone: %(why)s"
            note("wait", text, provider=self.name, why=str(exc))
            wait, pause = throttle.reserve(place.tokens), 0.0
        with self._lock:
            now = self._clock()
            slot = (now + wait, place.tokens)
            if place in self._live or place in self._bulk:
                place.slot = slot
            else:  # it went away while the store was asked
                self._spare.append(slot)
            if pause and now + pause > self._paused_until + 0.05:
                self._pause_until(now + pause, pause)

    def _pause_until(self, moment: float, seconds: float) -> None:
        self._paused_until = self._next_start = moment
        self._ramp = min(RAMP_SECONDS, 2 * seconds)  # few wait for the end of a short one
