# SPDX-License-Identifier: Apache-2.0
"""Types of the extension; the package re-exports all of it. docs/python.md tells the story."""

import os
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple, SupportsIndex, final

from typing_extensions import Buffer, Self

__version__: Final[str]

Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
# A number, also one of numpy. Names may be signed or unsigned: the same 64 bits.
Name = SupportsIndex | bytes
# A list, a tuple, or anything with a buffer of integers, which is read where it lies if its
# elements have the size that is needed (4 bytes for tokens, 8 for hashes and names). Names of
# 32 bytes: a list of bytes, or a buffer of bytes with the shape (count, 32).
Names = Sequence[Name] | Buffer
Hashes = Sequence[SupportsIndex] | Buffer
# Token ids; TensorRT-LLM's texts; pairs, as of SGLang's EAGLE.
Tokens = Sequence[SupportsIndex] | Sequence[str | SupportsIndex] | Sequence[tuple[int, int]] | Buffer
# For each block None, or what names it besides its tokens.
ExtraKeys = Sequence[Sequence[Any] | None]
TierName = Literal["device", "host", "disk", "external"]
StateName = Literal["EXACT", "RECOVERING", "INEXACT", "STALE", "GONE", "LACKING"]

class Error(OSError):
    """A call of the library failed: `errno` says why, the text what to do about it."""

def install_guard() -> None: ...
def local_hashes(
    tokens: Tokens,
    block_tokens: int,
    *,
    lora_name: str | None = None,
    cache_salt: str | None = None,
    extra_keys: ExtraKeys | None = None,
    mm_keys: ExtraKeys | None = None,
    eagle: bool = False,
) -> memoryview: ...

class Cursor(NamedTuple):
    epoch: int
    position: int
    event_id: int

class Run(NamedTuple):
    """What one rank holds of a request."""

    instance: str
    blocks: tuple[int, int, int, int]
    state: StateName
    worker_id: int
    dp_rank: int
    scanned: bool
    epoch: int
    last_event_id: int
    age_ns: int | None
    event_age_ns: int | None

class Worker(NamedTuple):
    """What the index knows of a rank."""

    instance: str
    blocks: tuple[int, int, int, int]
    state: StateName
    worker_id: int
    dp_rank: int
    epoch: int
    last_event_id: int
    age_ns: int | None
    event_age_ns: int | None
    position: int
    events: int
    events_dead: int
    slots_lost: int
    recoveries: int
    recovery_ns: int
    cause: int

class Difference(NamedTuple):
    """What the index has and the worker's ledger has not, or the other way round."""

    differences: int
    compared: int
    event_id: int
    first_hash: int
    first_tier: TierName
    first_in_index: bool
    partial: bool

class Event(NamedTuple):
    """One event of a rank's ring."""

    kind: Literal["stored", "removed", "cleared", "inexact"]
    tier: Literal["device", "host", "disk", "external", "all"]
    event_id: int
    hashes: memoryview
    parent: int
    first_block: int
    position: int
    time_ns: int
    inexact: Literal["lacking", "unknown"] | None

class Recovery(NamedTuple):
    """Where reading starts, and what is to be done before."""

    way: Literal["continue", "barrier", "ledger"]
    start: Cursor
    events_skipped: int
    inexact: Literal["lacking", "unknown"] | None

class _Handle:
    """Closes at the end of a with statement, with close(), or when nobody has it any more."""

    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

@final
class Publisher(_Handle):
    def __new__(
        cls,
        instance: str,
        model: str,
        *,
        worker_id: int,
        device_blocks: int = 0,
        host_blocks: int = 0,
        disk_blocks: int = 0,
        external_blocks: int = 0,
        dp_rank: int = 0,
        block_tokens: int = 16,
        tenant: str | None = None,
        dir: Path | None = None,
        ring_slots: int = 0,
        remembered_names: int = 0,
        clear_scope: Literal["rank", "worker"] = "rank",
        report_mode: Literal["copies", "mixed", "presence"] = "copies",
        file_mode: int = 0,
        reap_dead: bool = False,
        wait: float = 0.0,
        media: Mapping[str, TierName | None] | None = None,
        types: Mapping[str, str | None] | None = None,
        counting_kinds: Sequence[str] | None = None,
        counting_groups: int = 0,
        harmless_fields: Sequence[str] | None = None,
        cleared_means: Literal["all", "device"] = "all",
        skip_unknown: bool = False,
        joined_late: bool = False,
        zero_is_root: bool = False,
        names_max: int = 0,
    ) -> Self: ...
    def stored(
        self,
        names: Names,
        *,
        tokens: Tokens | None = None,
        local_hashes: Hashes | None = None,
        parent: Name | None = None,
        tier: str | None = None,
        lora_name: str | None = None,
        cache_salt: str | None = None,
        extra_keys: ExtraKeys | None = None,
        mm_keys: ExtraKeys | None = None,
        group: int | None = None,
    ) -> None: ...
    def removed(
        self,
        names: Names,
        *,
        tier: str | None = None,
        group: int | None = None,
        remaining: Hashes | None = None,
    ) -> None: ...
    def cleared(self, tier: str | None = None) -> None: ...
    def inexact(self, how: Literal["lacking", "unknown"] = "unknown") -> None: ...
    def publish_batch(self, batch: Any, sequence: int | None = None) -> int: ...
    def check(self) -> bool: ...
    def stats(self) -> dict[str, Any]: ...
    def engine_stats(self) -> dict[str, int]: ...
    @property
    def epoch(self) -> int: ...
    @property
    def unreadable(self) -> str | None: ...

@final
class Index(_Handle):
    def __new__(
        cls,
        model: str,
        *,
        tenant: str | None = None,
        block_tokens: int = 16,
        dir: Path | None = None,
        all_ranks: bool = False,
        wait: float = 0.0,
    ) -> Self: ...
    def lookup(
        self,
        tokens: Tokens,
        *,
        lora_name: str | None = None,
        cache_salt: str | None = None,
        extra_keys: ExtraKeys | None = None,
        mm_keys: ExtraKeys | None = None,
        eagle: bool = False,
    ) -> list[Run]: ...
    def lookup_local(self, hashes: Hashes) -> list[Run]: ...
    def lookup_prefix(self, hashes: Hashes) -> list[Run]: ...
    def chain(self, hashes: Hashes, parent: int = 0) -> memoryview: ...
    def workers(self) -> list[Worker]: ...
    def verify(self, worker_id: int, dp_rank: int = 0) -> Difference: ...

@final
class Indexer(_Handle):
    def __new__(
        cls,
        *,
        dir: Path | None = None,
        initial_blocks: int = 0,
        stale_after: float = 0.25,
        liveness: float = 0.05,
        wait_mode: Literal["auto", "io_uring", "epoll"] = "auto",
        rest_mode: Literal["hybrid", "sleep", "spin"] = "hybrid",
        file_mode: int = 0,
        worker_bytes_max: int = 0,
        worker_ranks_max: int = 0,
        worker_columns_max: int = 0,
        worker_indexes_max: int = 0,
        user_ranks_max: int = 0,
    ) -> Self: ...
    def poll(self, max_blocks: int = 0) -> int: ...
    def wait(self, timeout: float | None = None) -> bool: ...
    def stats(self) -> dict[str, Any]: ...

@final
class Reader(_Handle):
    def __new__(cls, worker_id: int, dp_rank: int = 0, *, dir: Path | None = None) -> Self: ...
    @property
    def info(self) -> dict[str, Any]: ...
    @property
    def alive(self) -> bool: ...
    @property
    def cursor(self) -> Cursor: ...
    def recover(self, cursor: Cursor | None = None) -> Recovery: ...
    def snapshot(self) -> tuple[TierName, memoryview] | int: ...
    def next(self) -> Event | None: ...
    def seek(self, cursor: Cursor) -> None: ...
    def resident(self, tier: TierName = "device") -> tuple[memoryview, Cursor]: ...
    def stats(self) -> dict[str, Any]: ...
    def __iter__(self) -> Iterator[Event]: ...
    def __next__(self) -> Event: ...
