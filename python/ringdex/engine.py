# SPDX-License-Identifier: Apache-2.0
"""A publisher inside an engine: it never raises into it, and makes it wait only where the rank grows, where its
files are made again, and, once, where it opens behind a predecessor (docs/python.md: how long).

What goes wrong is said once in the log, and makes the rank INEXACT or leaves it out; the engine goes on.
"""

import errno
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from ringdex import url
from ringdex.kept import BATCHES_MAX, LOST, NUMBERS_MAX, Kept

log = logging.getLogger("ringdex")

FRAMES_MAX = 8  # of callers that may hold the engine's configuration
HEADROOM = 1.25  # one physical block may have several names
TRY_AGAIN_S = 0.1
TRY_LATER_S = 10.0  # an open that finds a cleaner in the way waits for it, for a second
CHECK_EVERY_S = 1.0
SAID_OF_KIND_MAX = 4  # texts that differ each time, as by the name in them

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


def words(fault: BaseException) -> str:
    """What it says, even where its own words fail."""
    try:
        return str(fault) or type(fault).__name__
    except Exception:
        return type(fault).__name__


def say(rank: int, text: str, level: int = logging.WARNING) -> None:
    """In the log, whose handlers and filters are the engine's: what they raise is not ours to hand on."""
    try:
        log.log(level, "ringdex, rank %s: %s", rank, text)
    except Exception:
        pass  # there is nowhere to say it


class EnginePublisher:
    """What an engine's factory gets: publish(batch) and shutdown().

    `options` are arguments of ringdex.Publisher, `tee` is the engine's own publisher or None, `wrong` what
    is wrong with the URL.

    One call at a time has the turn. One that comes meanwhile, from another thread, a signal's handler or an
    event's property, waits for nobody: it leaves word, and who has the turn sees to it afterwards.
    """

    def __init__(self, options: dict[str, Any], tee: Any = None, wrong: str = "") -> None:
        self._options = options
        self._tee = tee
        self._publisher: Any = None
        self._kept = Kept()
        self._said: dict[str, set[str]] = {}
        self._turn = [None, None]  # one alone: a call has it. No memory is needed to take it, nor to give it back.
        self._owes = False  # a batch may be lost, and the rank does not say so yet. Of who has the turn.
        self._is_asked = False  # by who did not get it: a batch is lost, or the rank is to be closed
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
        """At the end of an engine's step.

        Nothing leaves it but what is no Exception, as what a signal's handler raises to end the process. A batch
        that is lost is marked before the call ends, or, where even that fails, when the next one begins.
        """
        owed = None  # it is not our turn
        try:
            ended: BaseException | None = None
            # One line without a call in it: no signal's handler comes between.
            del self._turn[1]; owed, self._owes = self._owes, True
            if owed or self._is_asked:
                self._is_asked = False
                self._settle(owed)
            if self._tee is not None:
                self._ask_tee("publish", batch)
            if self._is_out:
                self._leave_out()
            elif self._publisher is None or self._kept:  # and no call more than it needs: each is paid by the engine
                self._publish_kept(batch)
            elif self._publisher.publish_batch(batch):
                self._say_unreadable()
            self._owes = False
            if time.monotonic() >= self._next_check:
                self._check()
            self._turn += (None,)
        except Exception as fault:
            ended, is_ours = fault, True
        except BaseException as fault:
            ended, is_ours = fault, False
        if ended is not None:  # without a call, nor memory, until the turn is given back
            if owed is None or self._owes:
                self._is_asked = True
            if owed is not None:
                self._turn += (None,)
        try:
            if ended is not None:
                self._recover(batch, ended, owed is None)
            elif self._is_asked:
                self._see_to_it()
        except Exception:
            pass  # whatever it is: the engine goes on, and what is owed needs no words
        if ended is not None and not is_ours:
            raise ended
        ended = None  # whose traceback has this frame

    def shutdown(self) -> None:
        """The rank is released. What is published later does nothing."""
        self._is_out = self._is_down = True
        self._is_asked = True
        self._see_to_it()

    def get_publisher_config(self) -> Any:
        """vLLM asks, to tell others where the stream is."""
        return self._ask_tee("get_publisher_config")

    def describe_local_source(self, block_size: int) -> Any:
        """SGLang asks the same."""
        return self._ask_tee("describe_local_source", block_size)

    def _see_to_it(self) -> None:
        """What was asked for: by us if nobody has the turn, else by who has it, who looks here after it."""
        while self._is_asked:
            owed = None
            try:
                del self._turn[1]; owed, self._owes = self._owes, True
                self._is_asked = False
                self._settle(owed)
                self._owes = False
                self._turn += (None,)
            except Exception:
                if owed is None:
                    return
                self._turn += (None,)  # and once more, if somebody asked meanwhile
            except BaseException:
                if owed is not None:
                    self._turn += (None,)
                raise

    def _settle(self, owed: bool) -> None:
        """In turn, what calls before this one could not: mark what is lost, close what is out."""
        if owed or not self._is_out:
            self._mark()
        if self._is_out:
            self._close()
        if self._is_down:
            self._end()

    def _recover(self, batch: Any, ended: BaseException, had_no_turn: bool) -> None:
        """After a call that did not come to its end, and has the turn no more."""
        is_lost = self._is_asked
        self._see_to_it()
        self._unpublished += is_lost
        if had_no_turn and isinstance(ended, IndexError):
            self._pass_by(batch)
        else:
            self._say(words(ended), "fault")

    def _pass_by(self, batch: Any) -> None:
        """Of the rank, which another call is at; those who listen to the engine's own publisher hear it."""
        if self._tee is not None:
            self._ask_tee("publish", batch)
        self._say("a batch came while another one was being published (or was, when this process was forked): it is lost")

    def _leave_out(self) -> None:
        if not self._is_down:
            self._unpublished += 1
        self._close()

    def _close(self) -> None:
        """Tried again with each call while it fails."""
        if self._publisher is None or self._publisher.closed:
            return
        try:
            self._publisher.close()
        except Exception as fault:
            self._say(words(fault), "close")

    def _end(self) -> None:
        """The last words."""
        self._unpublished += self._kept.drop()
        if self._publisher is not None:
            self._say_not_understood()
        if self._unpublished:
            self._say(f"in all {self._unpublished} batches were not published")
        if self._tee is not None:
            self._ask_tee("shutdown")
            self._tee = None

    def _ask_tee(self, name: str, *arguments: Any) -> Any:
        try:
            call = getattr(self._tee, name, None)
            return call(*arguments) if call else None
        except Exception as fault:  # which says nothing of our rank
            self._say(f"the engine's own publisher: {words(fault)}", "tee")
            return None

    def _mark(self) -> None:
        """A batch is lost, before those that are kept or behind them."""
        if self._publisher is not None:
            self._mark_now()
        if self._is_out:
            return
        if self._publisher is None:
            self._keep(LOST)
        elif self._kept:
            self._kept.append(LOST)

    def _mark_now(self) -> None:
        """The rank must not be called exact, and is none if it cannot say so."""
        try:
            self._publisher.inexact()
        except Exception as fault:
            self._is_out = True
            self._close()
            self._stay_out(words(fault))

    def _say(self, text: str, kind: str = "") -> None:
        """Once; of a kind whose texts differ each time, the first few."""
        try:
            said = self._said.setdefault(kind, set())
            if text not in said and (not kind or len(said) < SAID_OF_KIND_MAX):
                said.add(text)
                say(self._options.get("dp_rank", 0), text)
        except Exception:
            pass  # of memory, or depth: what is done matters more than what is said

    def _stay_out(self, why: str) -> None:
        self._is_out = True
        self._unpublished += self._kept.drop()
        self._say(f"{why}; this rank is in no index, the engine goes on")

    def _open(self) -> None:
        """Where it fails nothing is lost, if it is tried again: batches are kept."""
        try:
            import ringdex  # here, and not in every process that loads the plugin

            options = {**self._options, "joined_late": True} if self._kept.has_dropped else self._options
            self._publisher = ringdex.Publisher(**options)
        except Exception as fault:
            cause = getattr(fault, "errno", None)
            if cause == errno.EBUSY:
                self._try_again(TRY_AGAIN_S, IS_BUSY)
            elif cause in (errno.EAGAIN, errno.ENOMEM) or isinstance(fault, MemoryError):
                self._try_again(TRY_LATER_S, words(fault))
            else:
                self._stay_out(url.as_options(words(fault)))

    def _try_again(self, pause_s: float, why: str) -> None:
        self._next_try = time.monotonic() + pause_s
        self._say(f"{why}; it is tried again, and what happens meanwhile is kept")

    def _keep(self, batch: Any) -> None:
        self._unpublished += self._kept.keep(batch)
        if self._kept.has_dropped:
            self._say(f"more than {BATCHES_MAX} batches, or {NUMBERS_MAX} names and tokens, are to be kept: the "
                      "oldest are dropped, the rank will be LACKING until the engine clears its cache")

    def _publish_kept(self, batch: Any) -> None:
        """Behind what is kept, once the rank is open: all of it then, for the engine may have nothing more to say.

        That step takes what an open and all that is kept take: milliseconds to seconds, once, behind a predecessor.
        """
        if self._publisher is None and time.monotonic() >= self._next_try:
            self._open()
        if self._is_out:
            self._leave_out()
            return
        if self._publisher is None:
            self._keep(batch)
            return
        self._kept.append(batch)
        while self._kept:
            self._send(self._kept.take())

    def _send(self, batch: Any) -> None:
        """One that was kept. If it is lost, those behind it are not."""
        if batch is LOST:
            self._mark_now()
            return
        try:
            if self._publisher.publish_batch(batch):
                self._say_unreadable()
        except Exception as fault:
            self._unpublished += 1
            self._mark_now()
            self._say(words(fault), "fault")

    def _check(self) -> None:
        """What cannot be made again or larger now is tried again: nothing that was published is lost.

        An engine that publishes nothing calls it not either: what a cleaner took comes back with the next batch.
        """
        self._next_check = time.monotonic() + CHECK_EVERY_S
        if self._publisher is None or self._is_out:
            return
        self._say_not_understood()
        try:
            self._publisher.check()
        except OSError as fault:
            self._say(words(fault), "check")

    def _say_not_understood(self) -> None:
        """The result of publish_batch is of what cannot be read; this is of what can."""
        try:
            counts = {**self._publisher.engine_stats(), **self._publisher.stats()}
        except Exception as fault:
            self._say(words(fault), "stats")
            return
        for name, text in (NOT_UNDERSTOOD | LEFT_OUT).items():
            if counts[name]:
                self._say(text)

    def _say_unreadable(self) -> None:
        self._say(f"an event could not be read: {self._publisher.unreadable}", "event")


def make(
    endpoint: str, rank: int, known: Callable[[], dict[str, Any]], tee: Callable[[str], Any]
) -> EnginePublisher:
    """A publisher of a URL; what that leaves open is `known` from the engine."""
    found: dict[str, Any] = {}
    wrong = ""
    try:
        found = known()
    except Exception as fault:  # of a property of the engine's own
        say(rank, f"what the engine knows cannot be read: {type(fault).__name__}: {words(fault)}")
    try:
        config = url.parse(endpoint)
    except Exception as fault:
        config, wrong = url.Config(tee=getattr(fault, "tee", None)), words(fault)
    options = {**found, **config.options, "dp_rank": rank}
    try:
        own = tee(config.tee) if config.tee else None
    except Exception as fault:  # its port is taken, perhaps
        say(rank, f"the engine's own publisher is left out: {type(fault).__name__}: {words(fault)}", logging.ERROR)
        own = None
    return EnginePublisher(options, own, wrong)
