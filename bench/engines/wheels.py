# SPDX-License-Identifier: Apache-2.0
"""An engine's own publisher and event classes, as they are in its wheel: two modules, loaded by
their paths, above packages that have only what these two import. Nothing of them is in this
repository: bench/peers/engines.sh fetches them."""

import dataclasses
import importlib.util
import json
import logging
import os
import sys
import types

# What stands where the rest of vLLM would be; the configuration's decorator is pydantic's.
VLLM_STUBS = {
    "vllm.logger": {"init_logger": logging.getLogger},
    "vllm.utils.network_utils": dict.fromkeys(
        ("get_ip", "get_tcp_uri", "is_valid_ipv6_address", "split_zmq_path")
    ),
    "vllm.v1.core.kv_cache_utils": {"ExternalBlockHash": bytes | int},
}


def _stub(name, members):
    for end in [i for i, c in enumerate(name) if c == "."] + [len(name)]:
        part = name[:end]
        if part not in sys.modules:
            module = sys.modules[part] = types.ModuleType(part)
            module.__path__ = []
            if "." in part:
                setattr(sys.modules[part.rpartition(".")[0]], part.rpartition(".")[2], module)
    vars(sys.modules[name]).update(members)


def _load(folder, name):
    path = os.path.join(folder, *name.split(".")) + ".py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    _stub(name.rpartition(".")[0], {})
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Vllm:
    """vLLM 0.33.0: ints as names, as its default is."""

    def __init__(self, folder):
        from pydantic.dataclasses import dataclass

        for name, members in VLLM_STUBS.items():
            _stub(name, members)
        _stub("vllm.config.utils", {"config": dataclass})
        self._config = _load(folder, "vllm.config.kv_events").KVEventsConfig
        self.events = _load(folder, "vllm.distributed.kv_events")
        from ringdex import vllm

        vllm.register()

    def publisher(self, endpoint, rank=0):
        """By the engine's own factory."""
        config = self._config(enable_kv_cache_events=True, endpoint=endpoint)
        return self.events.EventPublisherFactory.create(config, rank)

    def stored(self, hashes, parent, tokens, block_tokens):
        return self.events.BlockStored(
            block_hashes=hashes,
            parent_block_hash=parent,
            token_ids=tokens,
            block_size=block_tokens,
            lora_id=None,
            medium="GPU",
            lora_name=None,
            group_idx=0,
            kv_cache_spec_kind="full_attention",
        )

    def removed(self, hashes):
        return self.events.BlockRemoved(block_hashes=hashes, medium="GPU", group_idx=0)

    def cleared(self):
        return self.events.AllBlocksCleared()

    def batch(self, events):
        return self.events.KVEventBatch(ts=0.0, events=events)


def _signed(names):
    """SGLang's names are of 64 bits with a sign."""
    return [name - (1 << 64) if name >> 63 else name for name in names]


class Sglang:
    """SGLang 0.5.23."""

    def __init__(self, folder):
        _stub("sglang.srt.runtime_context", {"get_parallel": None})  # for ranks of a whole engine
        _load(folder, "sglang.srt.utils.network")
        self.events = _load(folder, "sglang.srt.disaggregation.kv_events")
        from ringdex import sglang

        sglang.register()

    def publisher(self, endpoint, rank=0):
        """By the engine's own factory."""
        kind = "ringdex" if endpoint.startswith("ringdex:") else "zmq"
        config = json.dumps({"publisher": kind, "endpoint": endpoint})
        return self.events.EventPublisherFactory.create(config, rank)

    def stored(self, hashes, parent, tokens, block_tokens):
        return self.events.BlockStored(
            block_hashes=_signed(hashes),
            parent_block_hash=parent,
            token_ids=tokens,
            block_size=block_tokens,
            lora_id=None,
            medium="GPU",
        )

    def removed(self, hashes):
        return self.events.BlockRemoved(block_hashes=_signed(hashes), medium="GPU")

    def cleared(self):
        return self.events.AllBlocksCleared()

    def batch(self, events):
        return self.events.KVEventBatch(ts=0.0, events=events)


@dataclasses.dataclass
class BlockStored:
    """As vLLM's, without msgspec."""

    block_hashes: list
    parent_block_hash: int | None
    token_ids: list
    block_size: int
    medium: str | None


@dataclasses.dataclass
class BlockRemoved:
    """Likewise."""

    block_hashes: list
    medium: str | None


@dataclasses.dataclass
class AllBlocksCleared:
    """Likewise."""


class StandIn:
    """Where there is no wheel: enough to see that this works. Its figures mean nothing."""

    def publisher(self, endpoint, rank=0):
        from ringdex import engine

        return engine.make(endpoint, rank, dict, None)

    def stored(self, hashes, parent, tokens, block_tokens):
        return BlockStored(hashes, parent, tokens, block_tokens, "GPU")

    def removed(self, hashes):
        return BlockRemoved(hashes, "GPU")

    def cleared(self):
        return AllBlocksCleared()

    def batch(self, events):
        return types.SimpleNamespace(events=events)


ENGINES = {"vllm": Vllm, "sglang": Sglang}


def load(folder, engine):
    """`folder`: of the wheels' modules, or "" for a stand-in."""
    return ENGINES[engine](folder) if folder else StandIn()
