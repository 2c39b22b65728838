# SPDX-License-Identifier: Apache-2.0
"""A simulated engine: a cache that is the truth, the batches by which it tells of it, which are an engine's
own objects, and what a lookup must answer. It knows nothing of ringdex; two of one seed do the same."""

import random
from collections import Counter
from dataclasses import dataclass

BLOCK = 4
PROMPTS = 24
BLOCKS_MAX = 6
LETTERS = 5  # of tokens: many prompts begin alike


@dataclass(frozen=True)
class Manner:
    """How an engine tells."""

    kind: str  # vllm, sglang
    wide: bool = False  # names of 32 bytes
    hybrid: bool = False  # further cache groups, which decide nothing
    keys: bool = False  # images and a salt
    eagle: bool = False  # tokens are pairs
    media: tuple = ("GPU",)  # by tier


@dataclass(frozen=True, eq=False)
class Block:
    """One for each content, whose identity it is."""

    parent: "Block | None"
    tokens: tuple  # with the one behind, where they are pairs
    lora: str | None
    salt: str | None
    images: tuple
    name: int | bytes  # the engine's


@dataclass(frozen=True)
class Prompt:
    """What a request says."""

    tokens: tuple
    lora: str | None
    salt: str | None
    images: tuple  # by block


def prompts(manner, seed):
    """Requests, of which many have a beginning in common."""
    chance, all_of_them = random.Random(seed), []
    while len(all_of_them) < PROMPTS:
        old = chance.choice(all_of_them) if all_of_them else Prompt((), None, None, ())
        length = chance.randint(1, BLOCKS_MAX) * BLOCK + chance.randrange(BLOCK)
        kept = chance.randint(0, len(old.tokens))
        tokens = old.tokens[:kept] + tuple(chance.randrange(LETTERS) for _ in range(length - kept))
        lora, salt, images = old.lora, old.salt, old.images
        if kept == 0 or chance.random() < 0.1:
            lora = chance.choice((None, "adapter"))
            salt = chance.choice((None, "tenant")) if manner.keys else None
            has_images = manner.keys and manner.kind == "vllm"
            images = tuple(("image",) if has_images and chance.random() < 0.3 else ()
                           for _ in range(BLOCKS_MAX))
        all_of_them.append(Prompt(tokens[:length], lora, salt, images))
    return all_of_them


class Simulated:
    """`classes` has the engine's BlockStored, BlockRemoved, AllBlocksCleared and KVEventBatch."""

    def __init__(self, manner, classes, seed):
        self.manner, self.classes = manner, classes
        self.chance = random.Random(seed)
        self.seed = seed
        self.prompts = prompts(manner, 1)  # the same for all engines
        self.held = [Counter() for _ in manner.media]
        self.blocks = {}
        self.time = 0.0
        self.marks = 0

    def path(self, prompt):
        """Its full blocks."""
        more = int(self.manner.eagle)
        blocks, parent = [], None
        for i in range((len(prompt.tokens) - more) // BLOCK):
            tokens = prompt.tokens[i * BLOCK : (i + 1) * BLOCK + more]
            images = prompt.images[i] if prompt.images else ()
            content = (parent, tokens, prompt.lora, prompt.salt, images)
            if content not in self.blocks:
                self.blocks[content] = Block(*content, self._name(*content))
            parent = self.blocks[content]
            blocks.append(parent)
        return blocks

    def _name(self, parent, *content):
        bits = random.Random(repr((parent and parent.name, content))).getrandbits(256)
        if self.manner.wide:
            return bits.to_bytes(32, "little")
        return bits % 2**64 - (2**63 if self.manner.kind == "sglang" else 0)

    def answer(self, prompt):
        """Leading blocks in the first tier, in the first two and so on, four numbers."""
        counts, path = [], self.path(prompt)
        for last in range(4):
            tiers = self.held[: last + 1]
            known = [any(tier[block] > 0 for tier in tiers) for block in path]
            counts.append((known + [False]).index(False))
        return tuple(counts)

    def batch(self, events):
        self.time += 0.5
        return self.classes.KVEventBatch(ts=self.time, events=events)

    def step(self):
        """Do something, and tell of it: a batch."""
        events = []
        for _ in range(self.chance.randint(1, 4)):
            events += self.chance.choices(
                (self._store, self._copy, self._remove, self._offload, self._clear),
                (10, 2, 5, 3, 0.2))[0]()
        return self.batch(events)

    def clear(self):
        return self.batch(self._clear())

    def mark(self):
        """Something that nobody has said before: who sees it has seen all. (batch, its prompt)"""
        self.marks += 1
        prompt = Prompt((self.seed + 10, self.marks) * BLOCK, None, None, ())
        return self.batch(self._stored(0, self.path(prompt))), prompt

    def _store(self):
        path = self.path(self.chance.choice(self.prompts))
        first = next((i for i, block in enumerate(path) if not self.held[0][block]), len(path))
        last = first
        while last < len(path) and not self.held[0][path[last]]:
            last += 1
        return self._stored(0, path[first : self.chance.randint(first, last)])

    def _copy(self):
        """The same content in another block of the device."""
        there = self._there(0)
        if self.manner.kind != "vllm" or not there:
            return []
        return self._stored(0, [self.chance.choice(there)])

    def _there(self, tier):
        return sorted((block for block, n in self.held[tier].items() if n > 0),
                      key=lambda block: block.name)

    def _remove(self):
        tier = self.chance.randrange(len(self.held))
        there = self._there(tier)
        gone = self.chance.sample(there, min(len(there), self.chance.randint(1, 6)))
        return self._removed(tier, gone)

    def _offload(self):
        if len(self.held) == 1:
            return []
        tier = self.chance.randrange(1, len(self.held))
        there = [block for block in self._there(tier - 1) if not self.held[tier][block]]
        if not there:
            return []
        block = self.chance.choice(there)
        if self.manner.kind == "sglang":
            return self._stored(tier, [block])
        self.held[tier][block] += 1
        return [self._event("BlockStored", block_hashes=[block.name], parent_block_hash=None,
                            token_ids=[], block_size=0, lora_id=None,
                            medium=self.manner.media[tier], lora_name=None)]

    def _clear(self):
        self.held = [Counter() for _ in self.held]
        return [self.classes.AllBlocksCleared()]

    def _event(self, kind, **fields):
        return getattr(self.classes, kind)(**fields)

    def _stored(self, tier, blocks):
        if not blocks:
            return []
        self.held[tier].update(blocks)
        first = blocks[0]
        fields = dict(
            block_hashes=[block.name for block in blocks],
            parent_block_hash=first.parent.name if first.parent else None,
            token_ids=[token for block in blocks for token in self._tokens(block)],
            block_size=BLOCK, lora_id=7 if first.lora else None, lora_name=first.lora,
            medium=self.manner.media[tier])
        if self.manner.kind == "sglang":
            if first.salt:
                fields["cache_salt"] = first.salt
            return [self._event("BlockStored", **fields)]
        if self.manner.keys:
            fields["extra_keys"] = [self._keys(block) for block in blocks]
        if not self.manner.hybrid:
            return [self._event("BlockStored", **fields)]
        last = {**fields, "block_hashes": fields["block_hashes"][-1:]}
        last.pop("extra_keys", None)
        return [self._event("BlockStored", **fields, group_idx=0,
                            kv_cache_spec_kind="full_attention"),
                self._event("BlockStored", **fields, group_idx=1,
                            kv_cache_spec_kind="sliding_window",
                            kv_cache_spec_sliding_window=2 * BLOCK),
                self._event("BlockStored", **last, group_idx=2, kv_cache_spec_kind="mamba")]

    def _tokens(self, block):
        if not self.manner.eagle:
            return block.tokens
        return list(zip(block.tokens, block.tokens[1:], strict=False))

    def _keys(self, block):
        """As vLLM has them: the adapter, images with where they begin, the salt in the first block."""
        keys = [block.lora] if block.lora else []
        keys += [(image, 1) for image in block.images]
        if block.salt and not block.parent:
            keys.append(block.salt)
        return tuple(keys) or None

    def _removed(self, tier, blocks):
        medium, events = self.manner.media[tier], []
        for block in blocks:
            self.held[tier][block] -= 1
            fields = {"block_hashes": [block.name], "medium": medium}
            if self.manner.hybrid and tier == 0:
                # what the others had went at another time, or goes with it
                events += [self._event("BlockRemoved", **fields, group_idx=group)
                           for group in self.chance.sample((0, 1, 2), 3)]
            else:
                events.append(self._event("BlockRemoved", **fields))
        return events
