# SPDX-License-Identifier: Apache-2.0
"""`python -m ringdex`: publish, index and look up in a directory of its own, to see that it works."""

import tempfile
import time

import ringdex

BLOCK_TOKENS = 16
PATIENCE_S = 60.0


def main() -> int:
    """One round: a worker that holds a prompt, an indexer, a router that asks."""
    tokens = list(range(10 * BLOCK_TOKENS))
    with tempfile.TemporaryDirectory(prefix="ringdex-") as directory:
        with (
            ringdex.Publisher(
                "http://localhost:8000", "model", worker_id=1, device_blocks=64, dir=directory
            ) as publisher,
            ringdex.Indexer(dir=directory) as indexer,
        ):
            publisher.stored(range(100, 110), tokens=tokens)
            publisher.removed([109])
            begin = time.monotonic()
            runs: list[ringdex.Run] = []
            index: ringdex.Index | None = None
            while not (runs and runs[0].last_event_id == publisher.stats()["events"]):
                if time.monotonic() - begin > PATIENCE_S:
                    print("the index did not show the worker")
                    return 1
                if indexer.poll() == 0:
                    indexer.wait(0.01)
                try:
                    index = index or ringdex.Index("model", dir=directory)
                except ringdex.Error:  # not yet
                    continue
                runs = index.lookup(tokens)
            assert index is not None  # it gave the runs
            difference = index.verify(1)
            index.close()
    run = runs[0]
    print(f"ringdex {ringdex.__version__}")
    print(f"published 10 blocks of {BLOCK_TOKENS} tokens, removed the last one")
    print(f"{run.instance} holds {run.blocks[0]} blocks of the prompt: {run.state}")
    print(f"index compared with the worker: {difference.compared} blocks, "
          f"{difference.differences} different")
    return 0 if run.blocks[0] == 9 and not difference.differences else 1


if __name__ == "__main__":
    raise SystemExit(main())
