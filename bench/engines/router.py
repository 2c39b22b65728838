# SPDX-License-Identifier: Apache-2.0
"""Who receives: for each batch of an engine it says when it could be seen here. A router of ringdex
looks the batch's blocks up; one of ZeroMQ has received and decoded it, which is less. Three ways to
wait: spin, sleep until something comes, and busy: a thread that computes, and looks from time to time.
Each line of the input is a job in JSON, each line of the output the answer."""

import errno
import json
import sys
import threading
import time

MODEL = "bench"
PATIENCE_S = 240
COMPUTED = 600  # turns of a loop between two looks of who is busy: tens of microseconds
SETTLE_MS = 100
LOOK_S = 20e-6  # between two looks of who only looks


def compute():
    total = 0
    for i in range(COMPUTED):
        total += i * i
    return total


class Ringdex:
    """`mode`: spin and sleep maintain the index here; for busy and look another process does."""

    def __init__(self, mode, dir):
        import ringdex

        own = mode in ("spin", "sleep")
        self._mode = mode
        self._indexer = ringdex.Indexer(dir=dir) if own else None
        self._ringdex, self._dir, self._index = ringdex, dir, None

    def settle(self):
        """The index answers for the engine: True."""
        until = time.monotonic() + PATIENCE_S
        while self._index is None and time.monotonic() < until:
            if self._indexer:
                self._indexer.poll()
            try:
                self._index = self._ringdex.Index(MODEL, dir=self._dir)
            except self._ringdex.Error:
                time.sleep(0.01)
        while self._indexer and self._indexer.poll():
            pass
        return self._index is not None

    def _rest(self):
        if self._mode == "spin":
            self._indexer.poll()
        elif self._mode == "sleep":
            self._indexer.wait(0.1)
            self._indexer.poll()
        elif self._mode == "busy":
            compute()
        else:
            time.sleep(LOOK_S)

    def watch(self, hashes):
        clock, lookup, seen = time.perf_counter_ns, self._index.lookup_local, []
        until = time.monotonic() + PATIENCE_S
        while len(seen) < len(hashes) and time.monotonic() < until:
            wanted = hashes[len(seen)]
            try:
                runs = lookup(wanted)
            except self._ringdex.Error as fault:
                if fault.errno != errno.EAGAIN:
                    raise
                runs = []  # its indexer lost its processor in the middle of a change
            if any(run.blocks[0] == len(wanted) for run in runs):
                seen.append(clock())
            else:
                self._rest()
        return seen


class Zeromq:
    """A subscriber."""

    def __init__(self, mode, folder, engine, endpoint):
        import msgspec
        import wheels
        import zmq

        self._mode, self._zmq = mode, zmq
        batch = wheels.load(folder, engine).events.KVEventBatch
        self._decode = msgspec.msgpack.Decoder(batch).decode
        self._socket = zmq.Context.instance().socket(zmq.SUB)
        self._socket.set_hwm(0)
        self._socket.subscribe(b"")
        self._socket.connect(endpoint)
        self._seen = []

    def settle(self):
        """What came before is taken. Was there anything? That shows the connection."""
        came = False
        while self._take(SETTLE_MS):
            came = True
        return came

    def _take(self, wait_ms=None):
        if wait_ms is not None and not self._socket.poll(wait_ms):
            return False
        _, _, payload = self._socket.recv_multipart()
        self._decode(payload)
        return True

    def _receive(self, count):
        for _ in range(count):
            if not self._take(PATIENCE_S * 1000):
                return
            self._seen.append(time.perf_counter_ns())

    def _spin(self, count):
        clock, decode, flag = time.perf_counter_ns, self._decode, self._zmq.NOBLOCK
        until = time.monotonic() + PATIENCE_S
        while len(self._seen) < count and time.monotonic() < until:
            try:
                parts = self._socket.recv_multipart(flag)
            except self._zmq.Again:
                continue
            decode(parts[2])
            self._seen.append(clock())

    def _be_busy(self, count):
        """Seen is what the computing thread finds, when it looks."""
        receiver, seen = threading.Thread(target=self._receive, args=(count,)), []
        receiver.start()
        while len(seen) < count and receiver.is_alive() | (len(seen) < len(self._seen)):
            compute()
            while len(seen) < len(self._seen):
                seen.append(time.perf_counter_ns())
        receiver.join()
        self._seen = seen

    def watch(self, hashes):
        self._seen = []
        how = {"spin": self._spin, "busy": self._be_busy}.get(self._mode, self._receive)
        how(len(hashes))
        return self._seen


def main():
    config = json.loads(sys.argv[1])
    mode = config["mode"]
    if "dir" in config:
        router = Ringdex(mode, config["dir"])
    else:
        router = Zeromq(mode, config["wheels"], config["engine"], config["endpoint"])
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        if job["do"] == "settle":
            print(json.dumps(router.settle()), flush=True)
        else:
            print(json.dumps({}), flush=True)  # it begins
            print(json.dumps(router.watch(job["hashes"])), flush=True)


if __name__ == "__main__":
    main()
