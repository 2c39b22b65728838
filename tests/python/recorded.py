# SPDX-License-Identifier: Apache-2.0
"""Engines' publishers as recorded: minimal ones that have the same classes, calls and messages as those of
vLLM 0.33.0 and 0.22.1 and SGLang 0.5.23. `./dev test --long` compares them with the real ones."""

import json
import queue
import threading
import types
from collections import deque
from itertools import count

import zmq

from events import REQUIRED, SGLANG, VLLM, VLLM_0_22, StorageMedium, as_struct

END = b"\xff" * 8


class NullEventPublisher:
    def publish(self, events):
        return

    def shutdown(self):
        return


class _Zmq:
    """PUB and ROUTER, served by a thread."""

    def _start(self, rank, endpoint, replay_endpoint, buffer_steps, topic):
        context = zmq.Context.instance()
        self._rank, self._topic = rank, topic.encode()
        self._queue, self._sent = queue.Queue(), deque(maxlen=buffer_steps)
        self._seq_gen = count()
        self._pub, self._replay = context.socket(zmq.PUB), None
        self._pub.set_hwm(0)
        self._pub.bind(self.offset_endpoint_port(endpoint, rank))
        if replay_endpoint:
            self._replay = context.socket(zmq.ROUTER)
            self._replay.bind(self.offset_endpoint_port(replay_endpoint, rank))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def publish(self, events):
        if not self._thread.is_alive():
            raise RuntimeError("Publisher is closed")
        if getattr(events, self.RANK) is None:
            setattr(events, self.RANK, self._rank)
        self._queue.put(events)

    def shutdown(self):
        self._queue.put(None)
        self._thread.join()
        for socket in filter(None, (self._pub, self._replay)):
            socket.close(linger=0)

    def _serve(self):
        import msgspec

        encode = msgspec.msgpack.Encoder().encode
        while True:
            while self._replay and self._replay.poll(0):
                self._answer()
            try:
                batch = self._queue.get(timeout=0.1)
            except queue.Empty:
                continue
            if batch is None:
                return
            self._sent.append((next(self._seq_gen).to_bytes(8, "big"), encode(batch)))
            self._pub.send_multipart((self._topic, *self._sent[-1]))

    def _answer(self):
        client, _, first = self._replay.recv_multipart()
        topic = [self._topic] if self.REPLAYS_TOPIC else []
        for number, payload in self._sent:
            if number >= first:
                self._replay.send_multipart([client, b"", *topic, number, payload])
        self._replay.send_multipart([client, b"", *([b""] if topic else []), END, b""])

    @staticmethod
    def offset_endpoint_port(endpoint, data_parallel_rank):
        if not endpoint or data_parallel_rank == 0:
            return endpoint
        base, _, port = endpoint.rpartition(":")
        return f"{base}:{int(port) + data_parallel_rank}"


class VllmZmq(_Zmq):
    RANK, REPLAYS_TOPIC = "data_parallel_rank", True

    def __init__(self, data_parallel_rank, endpoint="tcp://*:5557", replay_endpoint=None,
                 buffer_steps=10_000, hwm=100_000, max_queue_size=100_000, topic=""):
        self._start(data_parallel_rank, endpoint, replay_endpoint, buffer_steps, topic)

    def get_publisher_config(self):
        return types.SimpleNamespace(publisher="zmq")


class VllmZmq022(_Zmq):
    RANK, REPLAYS_TOPIC = "data_parallel_rank", False
    __init__ = VllmZmq.__init__


class SglangZmq(_Zmq):
    RANK, REPLAYS_TOPIC = "attn_dp_rank", True

    def __init__(self, attn_dp_rank, endpoint="tcp://*:5557", replay_endpoint=None,
                 buffer_steps=10_000, hwm=100_000, max_queue_size=100_000, topic="", bind=None):
        self._start(attn_dp_rank, endpoint, replay_endpoint, buffer_steps, topic)

    def describe_local_source(self, block_size):
        return {"block_size": block_size}


class _Factory:
    @classmethod
    def register_publisher(cls, name, ctor):
        if name in cls._registry:
            raise KeyError(f"publisher '{name}' already registered")
        cls._registry[name] = ctor

    @classmethod
    def _construct(cls, config, **rank):
        return cls._registry[config.pop("publisher")](**rank, **config)


def vllm_factory(zmq_publisher):
    class EventPublisherFactory(_Factory):
        _registry = {"null": NullEventPublisher, "zmq": zmq_publisher}

        @classmethod
        def create(cls, config, data_parallel_rank=0):
            if config is None or not config.enable_kv_cache_events:
                return NullEventPublisher()
            config = {**vars(config)}
            config.pop("enable_kv_cache_events")
            return cls._construct(config, data_parallel_rank=data_parallel_rank)

    return EventPublisherFactory


def vllm_config(enable_kv_cache_events=False, publisher="zmq", endpoint="tcp://*:5557",
                replay_endpoint=None, buffer_steps=10_000, hwm=100_000, max_queue_size=100_000,
                topic=""):
    return types.SimpleNamespace(**locals())


def sglang_factory():
    class EventPublisherFactory(_Factory):
        _registry = {"null": NullEventPublisher, "zmq": SglangZmq}

        @classmethod
        def create(cls, config, attn_dp_rank=0):
            if not config:
                return NullEventPublisher()
            return cls._construct({
                "publisher": "null", "endpoint": "tcp://*:5557", "bind": None,
                "replay_endpoint": None, "buffer_steps": 10_000, "hwm": 100_000,
                "max_queue_size": 100_000, "topic": "", **json.loads(config)},
                attn_dp_rank=attn_dp_rank)

    return EventPublisherFactory


def _module(name, events, rank, event_layout, batch_layout, **more):
    batch = as_struct("KVEventBatch", {"ts": REQUIRED, "events": REQUIRED, rank: None},
                      array_like=True, tag=None, **batch_layout)
    module = types.ModuleType(name)
    vars(module).update({n: as_struct(n, fields, **event_layout) for n, fields in events.items()},
                        KVEventBatch=batch, NullEventPublisher=NullEventPublisher, **more)
    return module


def vllm(version):
    """Its modules vllm.distributed.kv_events and vllm.config.kv_events."""
    old = version == "0.22.1"
    publisher = VllmZmq022 if old else VllmZmq
    config = types.ModuleType("vllm.config.kv_events")
    config.KVEventsConfig = vllm_config
    return _module("vllm.distributed.kv_events", VLLM_0_22 if old else VLLM, "data_parallel_rank",
                   {"array_like": old}, {}, ZmqEventPublisher=publisher,
                   EventPublisherFactory=vllm_factory(publisher)), config


def sglang():
    """Its module sglang.srt.disaggregation.kv_events."""
    return _module("sglang.srt.disaggregation.kv_events", SGLANG, "attn_dp_rank", {},
                   {"omit_defaults": False}, StorageMedium=StorageMedium,
                   ZmqEventPublisher=SglangZmq, EventPublisherFactory=sglang_factory())
