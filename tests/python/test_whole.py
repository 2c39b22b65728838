# SPDX-License-Identifier: Apache-2.0
"""From an engine's batches to a router's answers, as processes: data-parallel ranks with our plugin, or
their own publishers and a bridge; `ringdex follow`; lookups. Each answer is what the ranks' caches hold, or
says that it may not be, while ranks and bridges are killed, routers stop, messages are lost, engines begin
again. The modules are the engines' own where $RDX_ENGINES has them, else recorded."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import unittest

import zmq

import engines
import ringdex
from engine_rig import EngineRig
from rig import BLOCK, PATIENCE_S, asked, dies_with_us, wait_for

RANKS = 4
STEPS = 60


class Rank:
    """A rank as a process, and the same cache here."""

    def __init__(self, rig, rank, seed, manner, query=""):
        how = {
            "kind": rig.kind, "version": rig.version, "rank": rank, "seed": seed, "manner": manner,
            "start": ("spawn", "fork")[rank % 2],
            "endpoint": f"ringdex:?dir={rig.dir}&instance=http://whole&worker=1{query}",
        }
        self.rank, self.simulated = (1, rank), rig.simulated(seed, **manner)
        self.process = subprocess.Popen(
            [sys.executable, "-B", os.path.join(os.path.dirname(__file__), "engine_process.py"),
             json.dumps(how)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True, preexec_fn=dies_with_us)
        rig.addCleanup(self.kill)

    def do(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def done(self):
        if self.process.stdout.readline() != "done\n":
            raise AssertionError("an engine has ended")

    def step(self, count):
        self.do(f"step {count}")
        for _ in range(count):
            self.simulated.step()

    def mark(self):
        self.do("mark")
        return self.simulated.mark()[1]

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        self.process.stdin.close()
        self.process.stdout.close()


class Lossy:
    """A PUB socket of which a message may be lost on its way."""

    def __init__(self, socket):
        self.socket, self.to_lose = socket, 0

    def send_multipart(self, frames):
        if self.to_lose:
            self.to_lose -= 1
        else:
            self.socket.send_multipart(frames)

    def __getattr__(self, name):
        return getattr(self.socket, name)


class RanksRig(EngineRig):
    """Data-parallel ranks with our plugin, each in its process, and a router of its own."""

    manner = {"hybrid": True, "keys": True, "media": ("GPU", "CPU")}
    query = f"&blocks=512&host=512&ring_slots=64&counting_groups=1&block_tokens={BLOCK}"

    def setUp(self):
        super().setUp()
        self.follow = self.program("ringdex-follow")
        self.ranks = [Rank(self, rank, rank, self.manner, self.query) for rank in range(RANKS)]
        self.work(self.ranks)
        self.asked = ringdex.Index("model", dir=self.dir, block_tokens=BLOCK, wait=PATIENCE_S)
        self.addCleanup(self.asked.close)
        self.settled(self.ranks)

    def rows(self, simulated, prompt):
        """When none is STALE: on a busy machine the router's are so for a moment."""
        rows = {}

        def known():
            nonlocal rows
            rows = super(RanksRig, self).rows(simulated, prompt)
            return all(state != "STALE" for _, state in rows.values())

        wait_for(known)
        return rows

    def work(self, ranks, steps=STEPS):
        """All at once."""
        for rank in ranks:
            rank.step(steps)
        for rank in ranks:
            rank.done()

    def settled(self, ranks):
        """What they hold is what a router is told."""
        for rank in ranks:
            prompt = rank.mark()
            rank.done()
            self.until_seen(rank.simulated, prompt, rank.rank)
            self.expect(rank.simulated, [rank.rank])

    def state(self, rank):
        (state,) = {worker.state for worker in asked(self.asked.workers)
                    if (worker.worker_id, worker.dp_rank) == rank.rank}
        return state


class StoppedRouter:
    def test_a_router_is_stopped(self):
        """Its engines go on without it, further than their rings; then it sees what there is."""
        before = self.unread()
        wait_for(self.stop)
        self.work(self.ranks, 20 * STEPS)
        wait_for(lambda: {self.state(rank) for rank in self.ranks} == {"STALE"})
        os.kill(self.follow.pid, signal.SIGCONT)
        self.settled(self.ranks)
        now = self.unread()
        self.assertTrue(all(now[rank] > before[rank] for rank in range(RANKS)), (before, now))

    def stop(self):
        """Unless that is in the midst of a change: nobody could read the index until it goes on."""
        os.kill(self.follow.pid, signal.SIGSTOP)
        os.waitpid(self.follow.pid, os.WUNTRACED)
        try:
            self.asked.workers()
        except ringdex.Error as error:
            self.assertEqual(error.errno, errno.EAGAIN)
            os.kill(self.follow.pid, signal.SIGCONT)
            return False
        return True

    def unread(self):
        """Events that the router has never read, by rank."""
        return {worker.dp_rank: worker.last_event_id - worker.events
                for worker in asked(self.asked.workers)}


class Ranks(StoppedRouter, RanksRig):
    def test_a_rank_is_killed_and_begins_again(self):
        self.ranks[1].kill()
        rest = [rank for rank in self.ranks if rank is not self.ranks[1]]
        self.work(rest)
        self.settled(rest)
        wait_for(lambda: (1, 1) not in self.told())
        self.ranks[1] = Rank(self, 1, 100, self.manner, self.query)
        self.work(self.ranks)
        self.settled(self.ranks)

    def told(self):
        """Ranks of which anything is said to be held."""
        simulated = self.ranks[0].simulated
        return {rank for prompt in simulated.prompts
                for rank, (blocks, state) in self.rows(simulated, prompt).items()
                if blocks[3] and state != "GONE"}

    def test_a_router_is_killed(self):
        self.end(self.follow)
        self.work(self.ranks)
        self.follow = self.program("ringdex-follow")
        self.settled(self.ranks)

    def test_an_engine_is_reset(self):
        self.ranks[0].do("clear")
        self.ranks[0].done()
        self.ranks[0].simulated.clear()
        self.settled(self.ranks)
        self.work(self.ranks)
        self.settled(self.ranks)


class RanksOfSglang(StoppedRouter, RanksRig):
    kind, version = "sglang", "0.5.23"
    manner = {"keys": True, "media": ("GPU", "CPU_PINNED", "DISK")}
    query = f"&blocks=512&host=512&disk=512&ring_slots=64&block_tokens={BLOCK}"


class RanksWithEagle(StoppedRouter, RanksRig):
    kind, version = "sglang", "0.5.23"
    manner = {"eagle": True}
    query = f"&blocks=512&ring_slots=64&block_tokens={BLOCK}"


class Bridged(EngineRig):
    """The ranks' own publishers, at a port each, and a bridge."""

    manner = {"hybrid": True, "keys": True, "media": ("GPU", "CPU")}

    def setUp(self):
        super().setUp()
        self.life = 0
        self.port = self.free_ports()
        self.simulations, self.publishers = [None] * RANKS, [None] * RANKS
        for rank in range(RANKS):
            self.begin(rank)
        self.start_bridge()
        self.work()
        self.settled()

    def free_ports(self):
        """As many as there are streams and replays, one after the other, of those that no client's end is given."""
        context = zmq.Context.instance()
        while True:
            first, taken = random.randrange(20000, 32000), []
            try:
                for port in range(first, first + 2 * RANKS):
                    taken.append(context.socket(zmq.PUB))
                    taken[-1].bind(f"tcp://127.0.0.1:{port}")
                return first
            except zmq.ZMQError:
                continue
            finally:
                for socket in taken:
                    socket.close(linger=0)

    def begin(self, rank):
        """A process's life of the engine: its cache is empty, its numbers begin."""
        self.life += 1
        self.simulations[rank] = self.simulated(self.life, **self.manner)
        publisher = None

        def bound():
            nonlocal publisher
            try:
                publisher = self.own(rank, endpoint=f"tcp://*:{self.port}", topic="kv",
                                     replay_endpoint=f"tcp://*:{self.port + RANKS}")
            except zmq.ZMQError:
                return False  # the one before is about to leave
            publisher._pub = Lossy(publisher._pub)
            return True

        wait_for(bound)
        self.publishers[rank] = publisher

    def start_bridge(self):
        options = ["--counting-groups=1"] if self.manner.get("hybrid") else []
        self.process = self.bridge(
            f"tcp://127.0.0.1:{self.port}", f"--replay=tcp://127.0.0.1:{self.port + RANKS}",
            f"--dp-ranks={RANKS}", "--topic=kv", *options)

    def work(self, steps=STEPS):
        for publisher, simulated in zip(self.publishers, self.simulations):
            for _ in range(steps):
                publisher.publish(simulated.step())

    def settled(self, ranks=range(RANKS), state="EXACT"):
        for rank in ranks:
            simulated = self.simulations[rank]
            self.heard(self.publishers[rank].publish, simulated, (2, rank))
            self.expect(simulated, [(2, rank)], state)

    def test_a_killed_bridge(self):
        """Its ranks are dead with it; the next one has all that was sent meanwhile from the replays."""
        self.end(self.process)
        self.work()
        self.start_bridge()
        self.settled()
        self.work()
        self.settled()

    def test_a_gap(self):
        """Of which the replay has what is missing."""
        for publisher in self.publishers:
            publisher._pub.to_lose = 5
        self.work(5)
        self.work()
        self.settled()

    def test_a_gap_that_nothing_fills(self):
        """What was lost is not in the replay, and until a clear nothing is called exact."""
        publisher, simulated = self.publishers[2], self.simulations[2]
        next(publisher._seq_gen)
        simulated.step()  # of which nobody hears
        batch, prompt = simulated.mark()
        publisher.publish(batch)
        self.until_seen(simulated, prompt, (2, 2))
        self.assertEqual(self.rows(simulated, prompt)[(2, 2)][1], "INEXACT")
        self.settled([0, 1, 3])
        publisher.publish(simulated.clear())
        self.settled()
        self.work()
        self.settled()

    def test_an_engine_begins_again(self):
        self.publishers[1].shutdown()
        self.begin(1)
        self.work()
        self.settled()


class BridgedSglang(Bridged):
    kind, version = "sglang", "0.5.23"
    manner = {"keys": True, "media": ("GPU", "CPU_PINNED")}


class BridgedWithEagle(Bridged):
    kind, version = "sglang", "0.5.23"
    manner = {"eagle": True}


class BridgedArrays(Bridged):
    version = "0.22.1"
    manner = {"wide": True, "media": ("GPU", "CPU")}


if __name__ == "__main__":
    unittest.main()
