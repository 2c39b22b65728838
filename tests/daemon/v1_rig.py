# SPDX-License-Identifier: Apache-2.0
"""What tests of /v1 share: engines that hold what a few lines say."""
import collections
import contextlib
import json
import subprocess
import time

from rig import BIN, PATIENCE_S, die_with_parent, until

BLOCK = 2  # tokens
TOKENS = list(range(1, 9))  # four blocks


@contextlib.contextmanager
def feed(directory, events, *options):
    """Ranks of one process, of model "m" where the options name no other: they are alive within the block."""
    process = subprocess.Popen(
        [f"{BIN}/ringdex-feed", f"--dir={directory}", f"--block-tokens={BLOCK}", "--model=m", "--blocks=64",
         "--host-blocks=64", "--disk-blocks=64", *options, "--hold", "-"],
        stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, preexec_fn=die_with_parent)
    try:
        process.stdin.write("".join(json.dumps(event) + "\n" for event in events))
        process.stdin.close()
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_S)


def stored(worker, names, tokens=None, **more):
    event = {"worker": worker, "type": "stored", "names": names, **more}
    return {**event, "token_ids": tokens} if tokens else event


def prefix_hashes(directory, worker, events):
    """Those of the blocks that a worker's first events stored, as `ringdex tail` tells them."""
    run = subprocess.run([f"{BIN}/ringdex-tail", f"--dir={directory}", "--json", "--from-barrier",
                          f"--count={events}", str(worker)], capture_output=True, text=True, timeout=PATIENCE_S,
                         check=True)
    return [int(name) for line in run.stdout.splitlines() for name in json.loads(line)["names"]]


def ranks(daemon):
    """What /v1/workers says, by worker and rank."""
    status, said = daemon.ask("GET", "/v1/workers")
    assert status == 200, said
    return {(rank["worker"], rank["dp_rank"]): rank for rank in said["ranks"]}


def until_held(daemon, blocks, events=()):
    """Until each of these workers holds so many blocks in all tiers together, and all these events are in."""
    told = collections.Counter((event["worker"], event.get("dp_rank", 0)) for event in events)

    def is_held():
        seen = ranks(daemon)
        return (all(rank in seen and sum(seen[rank]["held_blocks"].values()) == count for rank, count in blocks.items())
                and all(seen[rank]["last_event_id"] == count for rank, count in told.items()))
    until(is_held, f"never held: {blocks}")
    told_at = time.monotonic()

    def is_seen_again():
        """What /v1/workers tells of a rank is written a moment before lookups show it, but they do when it is seen again."""
        asked_at, seen = time.monotonic(), ranks(daemon)
        return all(rank in seen and seen[rank]["age_ns"] < (asked_at - told_at) * 1e9 for rank in blocks)
    until(is_seen_again, f"never seen again: {blocks}")
