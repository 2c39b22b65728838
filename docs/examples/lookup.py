#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A router asks who holds the longest prefix of a request, while `ringdex follow DIR` maintains the
index. Usage: lookup.py DIR. Prints one line per rank for the prompt of example-publish."""
import errno
import sys

import ringdex


def look_up(index, prompt):
    """Nobody, where the index cannot say: that request is routed as without it, and the next one asks again."""
    try:
        return index.lookup(prompt)
    except ringdex.Error as error:
        # it was in the midst of changes; its file was cut; its indexer has ended (open it again where that stays so)
        if error.errno not in (errno.EAGAIN, errno.EBADMSG, errno.EIDRM):
            raise
        print(error, file=sys.stderr)
        return []


prompt = range(1, 13)
with ringdex.Index("example", dir=sys.argv[1], block_tokens=4, wait=60) as index:
    for run in look_up(index, list(prompt)):
        print(f"worker {run.worker_id} rank {run.dp_rank} at {run.instance}"
              f" holds {run.blocks[0]} blocks on its device: {run.state}")
