#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A router asks who holds the longest prefix of a request, while `ringdex follow DIR` maintains the
index. Usage: lookup.py DIR. Prints one line per rank for the prompt of example-publish."""
import sys

import ringdex

prompt = range(1, 13)
with ringdex.Index("example", dir=sys.argv[1], block_tokens=4, wait=60) as index:
    for run in index.lookup(list(prompt)):
        print(f"worker {run.worker_id} rank {run.dp_rank} at {run.instance}"
              f" holds {run.blocks[0]} blocks on its device: {run.state}")
