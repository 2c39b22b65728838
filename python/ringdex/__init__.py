# SPDX-License-Identifier: Apache-2.0
"""Which worker on this host already holds the longest prefix of this request?

Publisher announces what a worker's KV cache holds, Indexer maintains the index of all workers of the
host, Index asks it, Reader follows one worker. See docs/python.md.
"""

from ringdex._ringdex import (
    Cursor,
    Difference,
    Error,
    Event,
    Index,
    Indexer,
    Publisher,
    Reader,
    Recovery,
    Run,
    Worker,
    __version__,
    install_guard,
    local_hashes,
)

__all__ = [
    "Cursor",
    "Difference",
    "Error",
    "Event",
    "Index",
    "Indexer",
    "Publisher",
    "Reader",
    "Recovery",
    "Run",
    "Worker",
    "__version__",
    "install_guard",
    "local_hashes",
]
