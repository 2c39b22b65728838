# SPDX-License-Identifier: Apache-2.0
"""Real workers and an indexer, for tests of what an operator looks at."""
import contextlib
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from patience import die_with_parent, wait_until  # noqa: E402

PATIENCE_S = 120
os.umask(0o022)  # what workers make others may read


def until(condition, what):
    return wait_until(condition, what, PATIENCE_S)


def segments(binaries, directory):
    """What ringdex ls says, by rank."""
    out = subprocess.run([f"{binaries}/ringdex-ls", f"--dir={directory}", "--json"],
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    rows = json.loads(out)["segments"] if out else []
    return {f"{row['worker']}:{row['dp_rank']}": row for row in rows}


def index_state(binaries, directory, rank):
    """What the index says of a rank; None of one that is in none, or that could not be looked at just now."""
    return (segments(binaries, directory).get(rank, {}).get("index") or {}).get("state")


class Feed:
    """A worker: its events are lines that are written to it."""

    def __init__(self, binaries, directory, worker, *options):
        self.worker = worker
        self.blocks = 0
        self.process = subprocess.Popen(
            [f"{binaries}/ringdex-feed", f"--dir={directory}", "--block-tokens=2", *options, "-"],
            stdin=subprocess.PIPE, text=True, preexec_fn=die_with_parent)

    def store(self, blocks, rank=0):
        for _ in range(blocks):
            self.blocks += 1
            name = self.worker * 1000000 + self.blocks
            self.process.stdin.write(json.dumps(
                {"worker": self.worker, "dp_rank": rank, "type": "stored", "names": [name],
                 "token_ids": [name, 1], "block_size": 2}) + "\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            self.kill()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


class Follow:
    """The indexer."""

    def __init__(self, binaries, directory, *options):
        self.process = subprocess.Popen(
            [f"{binaries}/ringdex-follow", f"--dir={directory}", "--stale-after=24h", *options],
            stdout=subprocess.DEVNULL, preexec_fn=die_with_parent)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
