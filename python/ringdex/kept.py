# SPDX-License-Identifier: Apache-2.0
"""What an engine publishes while its rank cannot be opened yet: kept in order, and within bounds."""

from collections import deque
from typing import Any

BATCHES_MAX = 4096
NUMBERS_MAX = 1 << 22  # names and tokens of all batches: of Python's objects some 40 bytes each
COUNTED = ("block_hashes", "token_ids", "extra_keys")  # of an event: what may be long

LOST = object()  # stands where a batch was lost


def numbers_of(batch: Any) -> int:
    """How many names and tokens a batch has, as far as it shows them; who publishes it says what is wrong with it."""
    try:
        events = getattr(batch, "events", batch)
        if not isinstance(events, (list, tuple)):
            return 0
        return sum(_length(event, name) for event in events for name in COUNTED)
    except Exception:
        return 0


def _length(event: Any, name: str) -> int:
    value: Any = event.get(name) if isinstance(event, dict) else getattr(event, name, None)
    return len(value) if hasattr(value, "__len__") else 0


class Kept:
    """The oldest first. Where a bound is met the oldest go: the rank can then only be opened as one joined late."""

    def __init__(self) -> None:
        self.has_dropped = False
        self._batches: deque[tuple[Any, int]] = deque()
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._batches)

    def keep(self, batch: Any) -> int:
        """Within the bounds, as the last one; a batch alone may be larger. Returns how many were dropped."""
        numbers = numbers_of(batch)
        dropped = 0
        while self._batches and (
            len(self._batches) >= BATCHES_MAX or self._numbers + numbers > NUMBERS_MAX
        ):
            self.has_dropped = True
            dropped += self.take() is not LOST
        self._append(batch, numbers)
        return dropped

    def append(self, batch: Any) -> None:
        """Beyond the bounds: of an open rank, which takes all that is kept at once."""
        self._append(batch, 0)

    def take(self) -> Any:
        """The oldest."""
        batch, numbers = self._batches.popleft()
        self._numbers -= numbers
        return batch

    def drop(self) -> int:
        """All of them: how many they were."""
        count = sum(batch is not LOST for batch, _ in self._batches)
        self._batches.clear()
        self._numbers = 0
        return count

    def _append(self, batch: Any, numbers: int) -> None:
        if batch is LOST and self._batches and self._batches[-1][0] is LOST:
            return
        self._batches.append((batch, numbers))
        self._numbers += numbers
