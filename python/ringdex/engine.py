# SPDX-License-Identifier: Apache-2.0
"""A publisher inside an engine: it never raises into it, and makes it wait only where the rank grows.

What goes wrong is said once in the log, and makes the rank INEXACT or leaves it out; the engine goes on.
"""

import errno
import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from ringdex import url

log = logging.getLogger("ringdex")

FRAMES_MAX = 8  # of callers that may hold the engine's configuration
HEADROOM = 1.25  # one physical block may have several names
TRY_AGAIN_S = 0.1
TRY_LATER_S = 10.0  # an open that finds a cleaner in the way waits for it, for a second
CHECK_EVERY_S = 1.0
KEPT_MAX = 4096  # batches, while a predecessor still has the rank

# What the translator counts of events that it did not understand: said once, with the option for it.
NOT_UNDERSTOOD = {
    "unknown_types": "an event of an unknown type: types= says what it means",
    "unknown_media": "an event of an unknown medium: media= says which tier it is",
    "unknown_kinds": "an event of an unknown kind of cache group: counting_kinds= names those that count",
    "unknown_fields": "an event with an unknown field: harmless_fields= names it if it means nothing",
    "unknown_keys": "an event with extra keys that are not understood",
    "nameless_adapters": "an event with a lora_id and no lora_name",
    "contradictions": "an event with fields that are missing or contradict each other",
    "further_groups": "an event of a further cache group that counts: counting_groups= is their number",
}

# What the publisher counts of blocks that it leaves out, so that the rank is not exact: likewise.
LEFT_OUT = {
    "other_block_size": "blocks of another size than the rank's are left out: block_tokens= is the engine's",
    "unknown_parents": "blocks behind a parent that was never stored are left out",
    "unknown_names": "blocks that are named alone, by names that were never stored, are left out",
    "mismatched": "blocks that their tokens do not make are left out",
    "conflicts": "blocks with the name of others are left out",
    "ledger_full": "blocks for which a tier has no room are left out: blocks=, host=, disk= and external= are "
    "how many it has, 0 if none is said",
    "map_full": "blocks for whose names there is no room are left out: remembered_names= is for more",
}

IS_BUSY = (
    "another running process publishes this rank: where that is another engine, give each its own instance= "
    "or worker="
)


def callers() -> Iterator[dict[str, Any]]:
    """The variables of those who called, nearest first."""
    frame = sys._getframe(1)
    for _ in range(FRAMES_MAX):
        frame = frame.f_back  # type: ignore[assignment]
        if frame is None:
            return
        yield frame.f_locals


def words(fault: Exception) -> str:
    """What it says, even where its own words fail."""
    try:
        return str(fault) or type(fault).__name__
    except Exception:
        return type(fault).__name__


class EnginePublisher:
    """What an engine's factory gets: publish(batch) and shutdown().

    `options` are arguments of ringdex.Publisher, `tee` is the engine's own publisher or None, `wrong` what
    is wrong with the URL.
    """

    def __init__(self, options: dict[str, Any], tee: Any = None, wrong: str = "") -> None:
        self._options = options
        self._tee = tee
        self._publisher: Any = None
        self._kept: deque[Any] = deque()
        self._said: set[str] = set()
        self._is_out = False
        self._is_down = False
        self._unpublished = 0
        self._next_try = 0.0
        self._next_check = 0.0
        needed = ("instance", "model", "device_blocks", "block_tokens")
        missing = [name for name in needed if not options.get(name)]
        if wrong:
            self._stay_out(wrong)
        elif missing:
            self._stay_out(url.as_options(f"nobody says its {' and '.join(missing)}: see docs/python.md"))
        else:
            self._open()

    def publish(self, batch: Any) -> None:
        """At the end of an engine's step."""
        if self._tee is not None:
            self._tell_tee("publish", batch)
        if self._is_out:
            self._unpublished += 1
            return
        try:  # and no call more than it needs: each is paid by the engine
            if self._publisher is None or self._kept:
                self._publish_kept(batch)
            elif self._publisher.publish_batch(batch):
                self._say_unreadable()
        except Exception as fault:  # whatever it is: the engine goes on
            self._lose(fault)
        if time.monotonic() >= self._next_check:
            self._guarded(self._check)

    def shutdown(self) -> None:
        """The rank is released. What is published later does nothing."""
        if self._is_down:
            return
        self._is_out = self._is_down = True
        self._drop_kept()
        if self._publisher is not None:
            self._guarded(self._publisher.close)
            self._guarded(self._say_not_understood)
        if self._unpublished:
            self._say(f"in all {self._unpublished} batches were not published")
        if self._tee is not None:
            self._tell_tee("shutdown")
            self._tee = None

    def get_publisher_config(self) -> Any:
        """vLLM asks, to tell others where the stream is."""
        return self._ask_tee("get_publisher_config")

    def describe_local_source(self, block_size: int) -> Any:
        """SGLang asks the same."""
        return self._ask_tee("describe_local_source", block_size)

    def _tell_tee(self, name: str, *arguments: Any) -> None:
        try:
            getattr(self._tee, name)(*arguments)
        except Exception as fault:  # which says nothing of our rank
            self._say(f"the engine's own publisher: {words(fault)}")

    def _ask_tee(self, name: str, *arguments: Any) -> Any:
        try:
            call = getattr(self._tee, name, None)
            return call(*arguments) if call else None
        except Exception as fault:
            self._say(f"the engine's own publisher: {words(fault)}")
            return None

    def _guarded(self, call: Callable[..., None], *arguments: Any) -> None:
        try:
            call(*arguments)
        except Exception as fault:
            self._give_up(fault)

    def _give_up(self, fault: Exception) -> None:
        self._say(words(fault))
        self._mark()

    def _lose(self, fault: Exception) -> None:
        """A batch, between those before it and those behind."""
        self._unpublished += 1
        self._give_up(fault)

    def _mark(self) -> None:
        """Something was not published: the rank must not be called exact, and is none if it cannot say so."""
        try:
            self._publisher.inexact()
        except Exception as fault:
            self._stay_out(words(fault))
            try:
                self._publisher.close()
            except Exception as again:
                self._say(words(again))

    def _say(self, text: str) -> None:
        if text not in self._said and len(self._said) < 64:
            self._said.add(text)
            log.warning("ringdex, rank %s: %s", self._options.get("dp_rank", 0), text)

    def _stay_out(self, why: str) -> None:
        self._is_out = True
        self._drop_kept()
        self._say(f"{why}; this rank is in no index, the engine goes on")

    def _open(self) -> None:
        """Where it fails nothing is lost, if it is tried again: batches are kept."""
        try:
            import ringdex  # here, and not in every process that loads the plugin

            self._publisher = ringdex.Publisher(**self._options)
        except Exception as fault:
            cause = getattr(fault, "errno", None)
            if cause == errno.EBUSY:
                self._try_again(TRY_AGAIN_S, IS_BUSY)
            elif cause == errno.EAGAIN or isinstance(fault, MemoryError):
                self._try_again(TRY_LATER_S, words(fault))
            else:
                self._stay_out(url.as_options(words(fault)))

    def _try_again(self, pause_s: float, why: str) -> None:
        self._next_try = time.monotonic() + pause_s
        self._say(f"{why}; it is tried again, and what happens meanwhile is kept")

    def _keep(self, batch: Any) -> None:
        if len(self._kept) == KEPT_MAX:
            self._kept.popleft()
            self._unpublished += 1
            self._options["joined_late"] = True
            self._say(f"more than {KEPT_MAX} batches are to be kept: the oldest are dropped, the rank "
                      "will be LACKING until the engine clears its cache")
        self._kept.append(batch)

    def _drop_kept(self) -> None:
        self._unpublished += len(self._kept)
        self._kept.clear()

    def _publish_kept(self, batch: Any) -> None:
        """Behind what is kept, once the rank is open: all of it then, for the engine may have nothing more to say."""
        if self._publisher is None and time.monotonic() >= self._next_try:
            self._open()
        if self._is_out:
            self._unpublished += 1
            return
        if self._publisher is None:
            self._keep(batch)
            return
        self._kept.append(batch)
        while self._kept:
            self._send(self._kept.popleft())

    def _send(self, batch: Any) -> None:
        """One that was kept. If it is lost, those behind it are not."""
        try:
            if self._publisher.publish_batch(batch):
                self._say_unreadable()
        except Exception as fault:
            self._lose(fault)

    def _check(self) -> None:
        """What cannot be made again or larger now is tried again: nothing that was published is lost."""
        self._next_check = time.monotonic() + CHECK_EVERY_S
        if self._publisher is None or self._is_out:
            return
        self._say_not_understood()
        try:
            self._publisher.check()
        except OSError as fault:
            self._say(str(fault))

    def _say_not_understood(self) -> None:
        """The result of publish_batch is of what cannot be read; this is of what can."""
        counts = {**self._publisher.engine_stats(), **self._publisher.stats()}
        for name, text in (NOT_UNDERSTOOD | LEFT_OUT).items():
            if counts[name]:
                self._say(text)

    def _say_unreadable(self) -> None:
        self._say(f"an event could not be read: {self._publisher.unreadable}")


def make(
    endpoint: str, rank: int, known: Callable[[], dict[str, Any]], tee: Callable[[str], Any]
) -> EnginePublisher:
    """A publisher of a URL; what that leaves open is `known` from the engine."""
    found: dict[str, Any] = {}
    wrong = ""
    try:
        found = known()
    except Exception as fault:  # of a property of the engine's own
        log.warning("ringdex, rank %s: what the engine knows cannot be read: %r", rank, fault)
    try:
        config = url.parse(endpoint)
    except Exception as fault:
        config, wrong = url.Config(tee=getattr(fault, "tee", None)), words(fault)
    options = {**found, **config.options, "dp_rank": rank}
    try:
        own = tee(config.tee) if config.tee else None
    except Exception as fault:  # its port is taken, perhaps
        log.error("ringdex, rank %s: the engine's own publisher is left out: %r", rank, fault)
        own = None
    return EnginePublisher(options, own, wrong)
