# SPDX-License-Identifier: Apache-2.0
"""vLLM's and SGLang's own publisher modules, or what is recorded of them: our plugin in their factories
through its entry point, their ZMQ publishers heard by a bridge, a tee. Where the real ones are here
($RDX_ENGINES), what is recorded is held against them: classes, calls, and every byte of a message."""

import inspect
import itertools
import json
import os
import subprocess
import time
import unittest

import msgspec
import zmq

import engines
import recorded
import ringdex
from engine_rig import EngineRig, address
from rig import BLOCK, PATIENCE_S, Namespace, wait_for
from simulated import Manner, Simulated

STEPS = 40
LONG = 9000  # steps: nine times libzmq's usual queue
REPLAYS = 10  # tries: an engine that the machine lets wait for longer than its bridge does has no replay


class Cases:
    """What each of them must do."""

    def test_the_plugin(self):
        self.build.plug()
        self.build.plug()
        simulated = self.simulated(media=("GPU", self.host))
        publishers = [self.ours(rank) for rank in (0, 1)]
        for publisher in publishers:
            self.assertEqual(type(publisher).__module__, "ringdex.engine", self.said)
        with ringdex.Reader(1, dir=self.dir) as reader:
            self.assertEqual(reader.info["model"], "model")
            self.assertEqual(reader.info["block_tokens"], BLOCK)
            self.assertEqual(reader.info["tier_blocks"][0], self.blocks)
        for _ in range(STEPS):
            batch = simulated.step()
            for publisher in publishers:
                publisher.publish(batch)
        for rank, publisher in enumerate(publishers):
            self.heard(publisher.publish, simulated, (1, rank))
            self.heard(publishers[1 - rank].publish, simulated, (1, 1 - rank))
        self.assertEqual(self.said, [])
        # each has a mark that the other lacks: they are no prompts of the engine
        self.expect(simulated, [(1, 0), (1, 1)])

    def test_other_publishers_are_the_engines_own(self):
        self.build.plug()
        publisher = self.build.construct(address())
        self.addCleanup(publisher.shutdown)
        self.assertIsInstance(publisher, self.build.kv.ZmqEventPublisher)
        self.assertEqual(os.listdir(self.dir), [])

    def test_a_bridge(self):
        """From its beginning, by its replay, of names and keys of all forms."""
        for number, manner in enumerate(self.manners):
            with self.subTest(manner):
                simulated, endpoint, replay = self.simulated(number, **manner), address(), address()
                options = ["--counting-groups=1"] if manner.get("hybrid") else []
                own = self.build.own(0, endpoint=endpoint, topic="kv", replay_endpoint=replay)
                for i in range(STEPS):
                    own.publish(simulated.step())
                    if i == STEPS // 2:  # late: what it missed comes by the replay
                        bridge = self.bridge(endpoint, "--topic=kv", f"--replay={replay}",
                                             *options)
                self.heard(own.publish, simulated, (2, 0))
                self.expect(simulated, [(2, 0)])
                self.end(bridge)
                own.shutdown()
                wait_for(lambda: not self.alive())

    def test_a_long_replay(self):
        """Of more messages than the queue of an engine's replay socket holds: what it drops is asked for again."""
        simulated, endpoint, replay = self.simulated(), address(), address()
        own = self.build.own(0, endpoint=endpoint, replay_endpoint=replay)
        for _ in range(LONG):
            own.publish(simulated.step())
        sent = itertools.count(LONG)
        for _ in range(REPLAYS):
            bridge = self.bridge(endpoint, f"--replay={replay}", replay_wait="1s")  # the end mark may be dropped, too
            lost = self.gaps_lost(self.marked(own.publish, simulated, sent))
            if lost == 0:
                break
            self.end(bridge)
        self.assertEqual(lost, 0)
        self.expect(simulated, [(2, 0)])
        own.shutdown()

    def marked(self, publish, simulated, sent):
        """The number of a mark that the bridge has heard, of those that are sent: it may subscribe behind one, and
        then have no replay."""
        segment, number = os.path.join(self.dir, "2", "0.seg"), None  # not there before the first message

        def is_heard():
            nonlocal number
            batch, prompt = simulated.mark()
            publish(batch)
            number = next(sent)
            end = time.monotonic() + 1
            while time.monotonic() < end:
                if os.path.exists(segment) and self.rows(simulated, prompt).get((2, 0), ((0,), ""))[0][0] >= 1:
                    return True
                time.sleep(0.01)
            return False

        wait_for(is_heard)
        return number

    def gaps_lost(self, sequence):
        """Of the bridge's only rank, as it says itself a moment after that message: a clear hides them from answers."""
        source = None

        def is_said():
            nonlocal source
            listed = subprocess.run(
                [os.path.join(os.environ["RDX_BIN"], "ringdex-ls"), "--dir", self.dir, "--json"],
                capture_output=True, text=True, check=True)
            source = json.loads(listed.stdout)["segments"][0].get("source")
            return source and source["sequence"] == str(sequence)

        wait_for(is_said)
        return source["gaps_lost"]

    def alive(self):
        with ringdex.Reader(2, dir=self.dir) as reader:
            return reader.alive

    def test_a_tee(self):
        """Who listens to the engine today hears what the index has."""
        self.build.plug()
        endpoint, replay = address(), address()
        publisher = self.build.construct(
            f"ringdex:?dir={self.dir}&instance=http://ours&worker=1&host=512&tee={endpoint}",
            replay_endpoint=replay)
        self.addCleanup(publisher.shutdown)
        self.bridge(endpoint, f"--replay={replay}")
        simulated = self.simulated(media=("GPU", self.host))
        for _ in range(STEPS):
            publisher.publish(simulated.step())
        self.heard(publisher.publish, simulated, (1, 0))
        self.heard(publisher.publish, simulated, (2, 0))
        self.expect(simulated, [(1, 0), (2, 0)])
        self.assertEqual(self.said, [])

    def test_it_needs_no_plugin_to_fail_loudly(self):
        """Not plugged in, our endpoint is an error at the engine's start."""
        with self.assertRaises((ValueError, KeyError, zmq.ZMQError)):
            self.build.construct("ringdex:?instance=http://ours")


class Vllm033(Cases, EngineRig):
    host, blocks = "CPU", engines.BLOCKS * 5 // 4
    manners = ({"media": ("GPU", "CPU")}, {"wide": True, "keys": True}, {"hybrid": True})


class Vllm022(Cases, EngineRig):
    version = "0.22.1"
    host, blocks, manners = Vllm033.host, Vllm033.blocks, Vllm033.manners


class Sglang(Cases, EngineRig):
    kind, version = "sglang", "0.5.23"
    host, blocks = "CPU_PINNED", engines.BLOCKS
    manners = ({"media": ("GPU", "CPU_PINNED")}, {"keys": True}, {"eagle": True})


@unittest.skipUnless(engines.REAL, "the engines' packages are not here")
class Recorded(Namespace):
    """What is recorded is what they are."""

    def pairs(self):
        for kind, version in engines.BUILDS:
            self.addCleanup(engines.forget, kind)
            real = engines.build(kind, version)
            yield real, recorded.vllm(version)[0] if kind == "vllm" else recorded.sglang()

    def test_classes(self):
        for real, fake in self.pairs():
            for name in ("BlockStored", "BlockRemoved", "AllBlocksCleared", "KVEventBatch"):
                one, other = getattr(real.kv, name), getattr(fake, name)
                self.assertEqual(shape(one), shape(other), (real.kind, real.version, name))
            if real.kind == "sglang":
                texts = {medium.value for medium in real.kv.StorageMedium}
                self.assertLessEqual({medium.value for medium in fake.StorageMedium}, texts)

    def test_calls(self):
        for real, fake in self.pairs():
            for name in ("ZmqEventPublisher", "EventPublisherFactory"):
                one, other = getattr(real.kv, name), getattr(fake, name)
                self.assertEqual(calls(one), calls(other), (real.kind, real.version, name))
            self.assertEqual(arguments(real.kv.ZmqEventPublisher), arguments(fake.ZmqEventPublisher))
            self.assertEqual(set(real.kv.EventPublisherFactory._registry), {"null", "zmq"})

    def test_messages(self):
        for real, fake in self.pairs():
            said = []
            for kv in (real.kv, fake):
                simulated = Simulated(Manner(real.kind, keys=True), kv, 5)
                said.append(messages(kv.ZmqEventPublisher, [simulated.step() for _ in range(STEPS)]))
            self.assertEqual(*said)


def shape(struct):
    """What an encoder and an event's reader see of it."""
    config = struct.__struct_config__
    wanted = ("array_like", "gc", "omit_defaults", "tag", "tag_field", "dict", "weakref", "frozen")
    fields = [(field.name, field.encode_name, field.default, field.default_factory)
              for field in msgspec.structs.fields(struct)]
    return struct.__name__, fields, {name: getattr(config, name) for name in wanted}


def calls(kind):
    """Its public methods."""
    return {name for name in dir(kind) if not name.startswith("_") and callable(getattr(kind, name))}


def arguments(kind):
    return [(p.name, p.default) for p in inspect.signature(kind).parameters.values()]


def messages(publisher, batches):
    """What a subscriber hears, and what a replay answers."""
    endpoints = address(), address()
    context = zmq.Context.instance()
    own = publisher(0, endpoint=endpoints[0], replay_endpoint=endpoints[1], topic="kv")
    live, ask = context.socket(zmq.SUB), context.socket(zmq.DEALER)
    for socket in (live, ask):
        socket.setsockopt(zmq.RCVTIMEO, int(PATIENCE_S * 1000))
    live.subscribe("kv")
    live.connect(endpoints[0])
    ask.connect(endpoints[1])
    first = batches[0]
    while not live.poll(10):  # until it is subscribed
        own.publish(first)
    for batch in batches[1:]:
        own.publish(batch)
    heard, again = [], msgspec.msgpack.encode(first)
    while len(heard) < len(batches) - 1:
        topic, _, payload = live.recv_multipart()
        if payload != again:
            heard.append((topic, payload))
    ask.send_multipart([b"", (0).to_bytes(8, "big")])
    answers = []
    while True:
        answer = ask.recv_multipart()
        if answer[-2] == b"\xff" * 8:
            break
        answers.append((answer[:-2], answer[-1]))
    own.shutdown()
    live.close(linger=0)
    ask.close(linger=0)
    return heard, answers[-len(heard):], answer


if __name__ == "__main__":
    unittest.main()
