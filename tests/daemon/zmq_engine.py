# SPDX-License-Identifier: Apache-2.0
"""An engine's ZeroMQ sockets, as vLLM has them: PUB, and ROUTER that repeats. By libzmq itself, without a binding of
Python's."""
import ctypes
import ctypes.util
import struct
import threading
import time

PUB, ROUTER, SNDMORE = 1, 6, 2
RCVTIMEO, LINGER, LAST_ENDPOINT = 27, 17, 32
END = b"\xff" * 8
WAIT_MS = 50


def load():
    """libzmq, or None where it is not there."""
    try:
        zmq = ctypes.CDLL("libzmq.so.5", use_errno=True)
    except OSError:
        return None
    for name, result, arguments in (
            ("ctx_new", ctypes.c_void_p, []), ("ctx_term", ctypes.c_int, [ctypes.c_void_p]),
            ("socket", ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int]),
            ("close", ctypes.c_int, [ctypes.c_void_p]),
            ("bind", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p]),
            ("setsockopt", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]),
            ("getsockopt", ctypes.c_int, [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]),
            ("send", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]),
            ("recv", ctypes.c_int, [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int])):
        function = getattr(zmq, f"zmq_{name}")
        function.restype, function.argtypes = result, arguments
    return zmq


ZMQ = load()


def pack(value):
    """As msgpack."""
    if value is None:
        return b"\xc0"
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, int):
        return b"\xcf" + struct.pack(">Q", value)
    if isinstance(value, str):
        text = value.encode()
        return b"\xda" + struct.pack(">H", len(text)) + text
    if isinstance(value, dict):
        return b"\xde" + struct.pack(">H", len(value)) + b"".join(pack(k) + pack(v) for k, v in value.items())
    return b"\xdc" + struct.pack(">H", len(value)) + b"".join(map(pack, value))


class Engine:
    """It is there from its making to `close`; what it has said it repeats to who asks."""

    def __init__(self, endpoint="tcp://127.0.0.1:*", rank=None):
        self.context = ZMQ.zmq_ctx_new()
        self.stream, self.endpoint = self.bind(PUB, endpoint)
        self.replay, self.replay_endpoint = self.bind(ROUTER, "tcp://127.0.0.1:*")
        self.rank = rank  # that its batches name
        self.batches = []
        self.is_over = False
        self.thread = threading.Thread(target=self.repeat, daemon=True)
        self.thread.start()

    def bind(self, kind, endpoint):
        made = ZMQ.zmq_socket(self.context, kind)
        for option, value in ((LINGER, 0), (RCVTIMEO, WAIT_MS)):
            ZMQ.zmq_setsockopt(made, option, ctypes.byref(ctypes.c_int(value)), ctypes.sizeof(ctypes.c_int))
        assert ZMQ.zmq_bind(made, endpoint.encode()) == 0, endpoint
        text, size = ctypes.create_string_buffer(256), ctypes.c_size_t(256)
        assert ZMQ.zmq_getsockopt(made, LAST_ENDPOINT, text, ctypes.byref(size)) == 0
        return made, text.value.decode()

    @staticmethod
    def send(to, *frames):
        for i, frame in enumerate(frames):
            assert ZMQ.zmq_send(to, frame, len(frame), SNDMORE if i < len(frames) - 1 else 0) == len(frame)

    def repeat(self):
        frame = ctypes.create_string_buffer(256)
        while not self.is_over:
            count = ZMQ.zmq_recv(self.replay, frame, len(frame), 0)
            if count < 0:
                continue
            who = frame.raw[:count]
            ZMQ.zmq_recv(self.replay, frame, len(frame), 0)
            count = ZMQ.zmq_recv(self.replay, frame, len(frame), 0)
            first = int.from_bytes(frame.raw[:count], "big")
            for number, batch in list(enumerate(self.batches))[first:]:
                self.send(self.replay, who, b"", b"", number.to_bytes(8, "big"), batch)
            self.send(self.replay, who, b"", b"", END, b"")

    def publish(self, *events):
        batch = pack([time.time(), list(events), self.rank])
        self.batches.append(batch)
        self.send(self.stream, b"", (len(self.batches) - 1).to_bytes(8, "big"), batch)

    def store(self, names, tokens, parent=None, block_size=4):
        self.publish({"type": "BlockStored", "block_hashes": names, "parent_block_hash": parent,
                      "token_ids": tokens, "block_size": block_size, "lora_id": None, "medium": "GPU"})

    def clear(self):
        self.publish({"type": "AllBlocksCleared"})

    def close(self):
        if self.is_over:
            return
        self.is_over = True
        self.thread.join()
        for one in (self.stream, self.replay):
            ZMQ.zmq_close(one)
        ZMQ.zmq_ctx_term(self.context)
