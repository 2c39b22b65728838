# SPDX-License-Identifier: Apache-2.0
"""Events as vLLM 0.33.0 and 0.22.1 and SGLang 0.5.23 have them: the same fields, in the same order, with the
same defaults; as msgspec structs, which theirs are, where it is installed, and as classes of other makes.
`./dev test --long` holds them against the real ones (test_real.py)."""

import dataclasses
import enum

try:
    import msgspec
except ImportError:
    msgspec = None

REQUIRED = object()

VLLM = {
    "BlockStored": {
        "block_hashes": REQUIRED,
        "parent_block_hash": REQUIRED,
        "token_ids": REQUIRED,
        "block_size": REQUIRED,
        "lora_id": REQUIRED,
        "medium": REQUIRED,
        "lora_name": REQUIRED,
        "extra_keys": None,
        "group_idx": None,
        "kv_cache_spec_kind": None,
        "kv_cache_spec_sliding_window": None,
        "locality": None,
        "ownership": None,
        "session_id": None,
        "lookahead_token_ids": None,
    },
    "BlockRemoved": {
        "block_hashes": REQUIRED,
        "medium": REQUIRED,
        "group_idx": None,
        "locality": None,
        "ownership": None,
    },
    "AllBlocksCleared": {},
}

VLLM_0_22 = {
    "BlockStored": {
        name: default
        for name, default in VLLM["BlockStored"].items()
        if name not in ("locality", "ownership", "session_id", "lookahead_token_ids")
    },
    "BlockRemoved": {"block_hashes": REQUIRED, "medium": REQUIRED, "group_idx": None},
    "AllBlocksCleared": {},
}

SGLANG = {
    "BlockStored": {
        "block_hashes": REQUIRED,
        "parent_block_hash": REQUIRED,
        "token_ids": REQUIRED,
        "block_size": REQUIRED,
        "lora_id": REQUIRED,
        "medium": None,
        "cache_salt": None,
        "session_id": None,
        "lora_name": None,
    },
    "BlockRemoved": {"block_hashes": REQUIRED, "medium": None},
    "AllBlocksCleared": {},
}


class StorageMedium(str, enum.Enum):
    """SGLang's: a text that is an enum."""

    GPU = "GPU"
    CPU = "CPU_PINNED"


def as_struct(name, fields, **layout):
    listed = [n if d is REQUIRED else (n, object, d) for n, d in fields.items()]
    layout = {"omit_defaults": True, "gc": False, "tag": True, **layout}
    return msgspec.defstruct(name, listed, **layout)


def as_dataclass(name, fields):
    return dataclasses.make_dataclass(
        name,
        [
            (n, object) if d is REQUIRED else (n, object, dataclasses.field(default=d))
            for n, d in fields.items()
        ],
    )


def as_slots(name, fields):
    """A dataclass without a dict of its own."""
    return dataclasses.dataclass(slots=True)(as_dataclass(name, fields))


def as_plain(name, fields):
    """Only what is given is there: older engines lack the rest."""

    def init(self, **given):
        self.__dict__.update(given)

    return type(name, (), {"__init__": init})


def as_dict(name, fields):
    return lambda **given: {"type": name, **given}


MAKES = [as_dataclass, as_slots, as_plain, as_dict] + ([as_struct] if msgspec else [])


class Engine:
    """The classes of one engine, of one make."""

    def __init__(self, fields, make):
        self.stored = make("BlockStored", fields["BlockStored"])
        self.removed = make("BlockRemoved", fields["BlockRemoved"])
        self.cleared = make("AllBlocksCleared", fields["AllBlocksCleared"])

    def store(self, names, tokens, parent=None, **more):
        fields = {
            "block_hashes": names,
            "parent_block_hash": parent,
            "token_ids": tokens,
            "block_size": 4,
            "lora_id": None,
            "medium": "GPU",
            "lora_name": None,
        }
        return self.stored(**{**fields, **more})

    def remove(self, names, **more):
        return self.removed(**{"block_hashes": names, "medium": "GPU", **more})


class Batch:
    """Of either engine."""

    def __init__(self, events, rank=0):
        self.ts = 1760000000.25
        self.events = events
        self.data_parallel_rank = rank
