# SPDX-License-Identifier: Apache-2.0
"""Types of the extension; the package re-exports all of it. docs/python.md tells the story."""

import os
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal, SupportsIndex, final

from _typeshed import structseq
from typing_extensions import Buffer, Self

__version__: Final[str]

_Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
# A number, also one of numpy. Names may be signed or unsigned: the same 64 bits.
_Name = SupportsIndex | bytes
# A list, a tuple, another sequence, or anything with a buffer of integers, which is read where it lies if its
# elements have the size that is needed (4 bytes for tokens, 8 for hashes and names). Names of
# 32 bytes: a list of bytes, or a buffer of bytes with the shape (count, 32).
_Names = Sequence[_Name] | Buffer
_Hashes = Sequence[SupportsIndex] | Buffer
# Token ids; TensorRT-LLM's texts; pairs, as of SGLang's EAGLE.
_Tokens = Sequence[SupportsIndex] | Sequence[str | SupportsIndex] | Sequence[tuple[int, int]] | Buffer
# For each block None, or what names it besides its tokens.
_ExtraKeys = Sequence[Sequence[Any] | None]
_TierName = Literal["device", "host", "disk", "external"]
_StateName = Literal["EXACT", "RECOVERING", "INEXACT", "STALE", "GONE", "LACKING"]

class Error(OSError):
    """A call of the library failed: `errno` says why, the text what to do about it."""

def install_guard() -> None: ...
def local_hashes(
    tokens: _Tokens,
    block_tokens: int,
    *,
    lora_name: str | None = None,
    cache_salt: str | None = None,
    extra_keys: _ExtraKeys | None = None,
    mm_keys: _ExtraKeys | None = None,
    eagle: bool = False,
) -> memoryview: ...

# Rows are tuples with names, as those of os.stat() are: made of one sequence, without _replace or _asdict.
# So a cursor that was saved is made again: Cursor(json.loads(json.dumps(cursor))).

@final
class Cursor(structseq[int], tuple[int, int, int]):
    """A point in one rank's history."""

    __match_args__: Final = ("epoch", "position", "event_id")
    @property
    def epoch(self) -> int: ...
    @property
    def position(self) -> int: ...
    @property
    def event_id(self) -> int: ...

@final
class Run(
    structseq[Any],
    tuple[
        str, tuple[int, int, int, int], _StateName, int, int, bool, int, int, int | None,
        int | None
    ],
):
    """What one rank holds of a request."""

    __match_args__: Final = (
        "instance", "blocks", "state", "worker_id", "dp_rank", "scanned", "epoch", "last_event_id",
        "age_ns", "event_age_ns",
    )
    @property
    def instance(self) -> str: ...
    @property
    def blocks(self) -> tuple[int, int, int, int]: ...
    @property
    def state(self) -> _StateName: ...
    @property
    def worker_id(self) -> int: ...
    @property
    def dp_rank(self) -> int: ...
    @property
    def scanned(self) -> bool: ...
    @property
    def epoch(self) -> int: ...
    @property
    def last_event_id(self) -> int: ...
    @property
    def age_ns(self) -> int | None: ...
    @property
    def event_age_ns(self) -> int | None: ...

@final
class Worker(
    structseq[Any],
    tuple[
        str, tuple[int, int, int, int], _StateName, int, int, int, int, int | None, int | None, int,
        int, int, int, int, int, int
    ],
):
    """What the index knows of a rank."""

    __match_args__: Final = (
        "instance", "blocks", "state", "worker_id", "dp_rank", "epoch", "last_event_id", "age_ns",
        "event_age_ns", "position", "events", "events_dead", "slots_lost", "recoveries",
        "recovery_ns", "cause",
    )
    @property
    def instance(self) -> str: ...
    @property
    def blocks(self) -> tuple[int, int, int, int]: ...
    @property
    def state(self) -> _StateName: ...
    @property
    def worker_id(self) -> int: ...
    @property
    def dp_rank(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def last_event_id(self) -> int: ...
    @property
    def age_ns(self) -> int | None: ...
    @property
    def event_age_ns(self) -> int | None: ...
    @property
    def position(self) -> int: ...
    @property
    def events(self) -> int: ...
    @property
    def events_dead(self) -> int: ...
    @property
    def slots_lost(self) -> int: ...
    @property
    def recoveries(self) -> int: ...
    @property
    def recovery_ns(self) -> int: ...
    @property
    def cause(self) -> int: ...

@final
class Difference(structseq[Any], tuple[int, int, int, int, _TierName, bool, bool]):
    """What the index has and the worker's ledger has not, or the other way round."""

    __match_args__: Final = (
        "differences", "compared", "event_id", "first_hash", "first_tier", "first_in_index",
        "partial",
    )
    @property
    def differences(self) -> int: ...
    @property
    def compared(self) -> int: ...
    @property
    def event_id(self) -> int: ...
    @property
    def first_hash(self) -> int: ...
    @property
    def first_tier(self) -> _TierName: ...
    @property
    def first_in_index(self) -> bool: ...
    @property
    def partial(self) -> bool: ...

@final
class Event(
    structseq[Any],
    tuple[
        Literal["stored", "removed", "cleared", "inexact"],
        Literal["device", "host", "disk", "external", "all"], int, memoryview, int, int, int, int,
        Literal["lacking", "unknown"] | None
    ],
):
    """One event of a rank's ring."""

    __match_args__: Final = (
        "kind", "tier", "event_id", "hashes", "parent", "first_block", "position", "time_ns",
        "inexact",
    )
    @property
    def kind(self) -> Literal["stored", "removed", "cleared", "inexact"]: ...
    @property
    def tier(self) -> Literal["device", "host", "disk", "external", "all"]: ...
    @property
    def event_id(self) -> int: ...
    @property
    def hashes(self) -> memoryview: ...
    @property
    def parent(self) -> int: ...
    @property
    def first_block(self) -> int: ...
    @property
    def position(self) -> int: ...
    @property
    def time_ns(self) -> int: ...
    @property
    def inexact(self) -> Literal["lacking", "unknown"] | None: ...

@final
class Recovery(
    structseq[Any],
    tuple[
        Literal["continue", "barrier", "ledger"], Cursor, int,
        Literal["lacking", "unknown"] | None
    ],
):
    """Where reading starts, and what is to be done before."""

    __match_args__: Final = ("way", "start", "events_skipped", "inexact")
    @property
    def way(self) -> Literal["continue", "barrier", "ledger"]: ...
    @property
    def start(self) -> Cursor: ...
    @property
    def events_skipped(self) -> int: ...
    @property
    def inexact(self) -> Literal["lacking", "unknown"] | None: ...

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
        dir: _Path | None = None,
        ring_slots: int = 0,
        remembered_names: int = 0,
        clear_scope: Literal["rank", "worker"] = "rank",
        report_mode: Literal["copies", "mixed", "presence"] = "copies",
        file_mode: int = 0,
        reap_dead: bool = False,
        wait: float = 0.0,
        media: Mapping[str, _TierName | None] | None = None,
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
        names: _Names,
        *,
        tokens: _Tokens | None = None,
        local_hashes: _Hashes | None = None,
        parent: _Name | None = None,
        tier: str | None = None,
        lora_name: str | None = None,
        cache_salt: str | None = None,
        extra_keys: _ExtraKeys | None = None,
        mm_keys: _ExtraKeys | None = None,
        group: int | None = None,
    ) -> None: ...
    def removed(
        self,
        names: _Names,
        *,
        tier: str | None = None,
        group: int | None = None,
        remaining: _Hashes | None = None,
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
    """Ask who holds the longest prefix of a request. Each question may raise Error with errno EAGAIN or
    EBADMSG (ask again in a moment) or EIDRM (no indexer: ask again later, or open it again): a router routes without it
    then."""

    def __new__(
        cls,
        model: str,
        *,
        tenant: str | None = None,
        block_tokens: int = 16,
        dir: _Path | None = None,
        all_ranks: bool = False,
        wait: float = 0.0,
    ) -> Self: ...
    def lookup(
        self,
        tokens: _Tokens,
        *,
        lora_name: str | None = None,
        cache_salt: str | None = None,
        extra_keys: _ExtraKeys | None = None,
        mm_keys: _ExtraKeys | None = None,
        eagle: bool = False,
    ) -> list[Run]: ...
    def lookup_local(self, hashes: _Hashes, /) -> list[Run]: ...
    def lookup_prefix(self, hashes: _Hashes, /) -> list[Run]: ...
    def chain(self, hashes: _Hashes, parent: int = 0) -> memoryview: ...
    def workers(self) -> list[Worker]: ...
    def verify(self, worker_id: int, dp_rank: int = 0) -> Difference: ...

@final
class Indexer(_Handle):
    def __new__(
        cls,
        *,
        dir: _Path | None = None,
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
    def __new__(cls, worker_id: int, dp_rank: int = 0, *, dir: _Path | None = None) -> Self: ...
    @property
    def info(self) -> dict[str, Any]: ...
    @property
    def alive(self) -> bool: ...
    @property
    def cursor(self) -> Cursor: ...
    def recover(self, cursor: Cursor | None = None) -> Recovery: ...
    def snapshot(self) -> tuple[_TierName, memoryview] | int: ...
    def next(self) -> Event | None: ...
    def seek(self, cursor: Cursor, /) -> None: ...
    def resident(self, tier: _TierName = "device") -> tuple[memoryview, Cursor]: ...
    def stats(self) -> dict[str, Any]: ...
    def __iter__(self) -> Iterator[Event]: ...
    def __next__(self) -> Event: ...
