/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What engines say, translated: one event of vLLM, SGLang, TensorRT-LLM or LMCache, decoded but
 * not interpreted, becomes calls of the rank's publisher. No other place knows what a medium, a
 * cache group or an extra key means. docs/engines.md: what to choose for which engine.
 *
 * It fails closed. What is not understood makes the rank INEXACT: LACKING where no answer can be
 * too high by it, else UNKNOWN; what is provably harmless is left out. Either is counted under a
 * name of its own (rdx_engine_stats). A row of the index says EXACT only when every event was
 * understood.
 *
 * The publisher's rules hold here too: a handle serves one thread at a time; calls are wait-free
 * and allocate nothing; after fork() they answer -EOWNERDEAD in the child.
 */
#ifndef RDX_ENGINE_H
#define RDX_ENGINE_H

#include <ringdex/rdx_hash.h>
#include <ringdex/rdx_types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What names blocks besides their tokens. A TEXT means what its place says:
 *   the adapter     the first of its block, and equal to the event's lora_name
 *   the cache salt  bare in the event's first block, where that has no parent; or anywhere with
 *                   "dynamo-cache-salt:" before it, as long as the first block has the same
 *   nothing known   anywhere else: the block and those behind it are not understood
 */
#define RDX_ENGINE_KEY_TEXT 1 /* a bare string; a NUL follows its bytes */
#define RDX_ENGINE_KEY_OBJECT                                                                      \
	2                       /* an image, video or sound: its identifier. Its offset in the
				   prompt is no part of any hash */
#define RDX_ENGINE_KEY_DIGEST 3 /* of a prompt embedding */
#define RDX_ENGINE_KEY_OTHER  4 /* anything else: not understood */
#define RDX_ENGINE_KEY_TOKEN                                                                       \
	5 /* a token that is a text: rdx_engine_token(text) stands for it in
				   the tokens, the text itself is a key of its block */
struct rdx_engine_key {
	const void *bytes;
	uint32_t byte_count; /* without the NUL of a TEXT */
	uint32_t at;         /* block of the event, counted from 0; of a TOKEN: its index in the
				tokens */
	uint8_t kind;        /* RDX_ENGINE_KEY_... */
	uint8_t reserved[7];
};

/* Of one block; one with more is not understood. */
#define RDX_ENGINE_BLOCK_KEYS_MAX 256

/* What is there that no value can say. */
#define RDX_ENGINE_GROUP   1u /* `group` was given */
#define RDX_ENGINE_LORA_ID 2u /* a lora_id was given, and is not null */
#define RDX_ENGINE_PAIRS   4u /* tokens are pairs [token, next]: two ids each, token_count pairs */
#define RDX_ENGINE_KEYS    8u /* a list of extra keys was given, with key_blocks entries */

/*
 * One event as the engine said it. NULL or 0 is what was absent or null. Texts end with a NUL.
 * Nothing of it is kept after the call.
 */
struct rdx_engine_event {
	uint64_t size;          /* sizeof(struct rdx_engine_event) */
	uint64_t time_ns;       /* CLOCK_MONOTONIC; 0: not stamped */
	const char *type;       /* BlockStored, BlockRemoved, AllBlocksCleared, or stored, removed,
				    cleared, inexact, or one of the options. Required */
	const char *medium;     /* where: GPU, CPU, DISK and so on, or device, host, disk, external;
				    NULL: the device, of a clear what cleared_means says */
	const char *spec_kind;  /* what the cache group is for: kv_cache_spec_kind */
	const char *locality;   /* other than LOCAL: not this worker's */
	const char *ownership;  /* not NULL: not this worker's */
	const char *lora_name;  /* NULL or "": as the parent, else none */
	const char *cache_salt; /* likewise */
	const void *names;      /* count * name_bytes bytes; NULL: absent, which contradicts a
				   store or a removal */
	const void *parent;     /* name_bytes bytes; NULL: the run starts a prompt */
	const uint32_t *tokens; /* token_count ids, twice that of PAIRS */
	uint64_t token_count;   /* 0, as local_hashes NULL: the names are known already */
	const uint64_t *local_hashes; /* instead of tokens: one a name */
	const uint32_t *remaining; /* of a removal, one a name: how many copies are left; or NULL */
	const struct rdx_engine_key *keys; /* of blocks, in order, then TOKENs, in order */
	uint64_t key_count;
	uint64_t key_blocks;     /* entries of the engine's list of keys: one a block */
	uint64_t group;          /* group_idx */
	uint32_t count;          /* names */
	uint32_t block_tokens;   /* block_size; 0: the segment's */
	uint32_t flags;          /* RDX_ENGINE_GROUP and so on */
	uint32_t unknown_fields; /* fields of the event for which rdx_engine_field says UNKNOWN */
	uint8_t name_bytes;      /* 8 or 32, of the parent too */
	uint8_t reserved[7];
};

/* What the keys of an event say. */
struct rdx_engine_identity {
	uint64_t size;      /* in: sizeof(struct rdx_engine_identity) */
	const char *salt;   /* of the event's cache_salt or keys, which hold it; NULL: none */
	uint64_t key_count; /* in ret_keys: sorted by block, then key */
	uint64_t blocks;    /* understood: all before the first key that is not; UINT64_MAX: all */
	uint32_t contradicts; /* 1: two salts, or a list with more or fewer entries than blocks */
	uint32_t reserved;
};

/*
 * Read the extra keys of an event, or of a request that is given as one: of `event` count, parent,
 * lora_name, cache_salt, flags, block_tokens (required where there are TOKENs) and the keys count.
 * `capacity` is at least key_count. Pure, thread-safe, wait-free; also in programs without a
 * publisher.
 *
 *   -EINVAL, -E2BIG  of a structure's size; or the keys are not in order
 *   -ENOSPC          ret_keys has less than key_count places
 */
RDX_API int rdx_engine_keys(const struct rdx_engine_event *event, struct rdx_block_key *ret_keys,
			    uint64_t capacity, struct rdx_engine_identity *ret_identity);

/* What stands in the tokens for one that is a text: the low 32 bits of rdx_hash_identifier. */
RDX_API uint32_t rdx_engine_token(const void *text, uint64_t bytes);

/* A word that engines use. Lists of words end with a NULL; case makes no difference. */
struct rdx_engine_word {
	const char *text;
	uint64_t value;
};

/* Values of words besides tiers and kinds of events. */
#define RDX_ENGINE_CLEARS   16  /* + a tier: an event that clears this tier */
#define RDX_ENGINE_LEFT_OUT 255 /* provably harmless, or none of this index's business */

/* What a clear without a medium means. */
#define RDX_ENGINE_CLEARED_ALL    0 /* all tiers (default) */
#define RDX_ENGINE_CLEARED_DEVICE 1 /* the device: other tiers survive it */

/* What an unknown event, medium, kind of cache group or field means. */
#define RDX_ENGINE_UNKNOWN_INEXACT 0 /* that the rank is INEXACT (default) */
#define RDX_ENGINE_UNKNOWN_SKIP    1 /* nothing: someone knows that it is harmless. Counted */

/* Cache groups that may have to hold a block at once. */
#define RDX_ENGINE_GROUPS_MAX 8

/* Zero or NULL takes the default. Lists and their texts stay the caller's until close. */
struct rdx_engine_options {
	uint64_t size;                       /* sizeof(struct rdx_engine_options) */
	const struct rdx_engine_word *media; /* before the built-in ones: a tier, or LEFT_OUT */
	const struct rdx_engine_word *types; /* likewise: an RDX_EVENT_..., RDX_ENGINE_CLEARS + a
						tier, or LEFT_OUT */
	const char *const *counting_kinds;   /* spec_kinds of cache groups that decide a prefix
						hit; NULL: full_attention, mla_attention,
						sink_full_attention */
	const char *const *harmless_fields;  /* besides the built-in ones */
	uint32_t counting_groups; /* groups of these kinds: a block is held while all of them hold
				     it; 0: 1, and one more that shows up makes the rank INEXACT.
				     At most RDX_ENGINE_GROUPS_MAX */
	uint32_t cleared_means;   /* RDX_ENGINE_CLEARED_... */
	uint32_t on_unknown;      /* RDX_ENGINE_UNKNOWN_... */
	uint32_t joined_late;     /* 1: the events do not begin at the engine's birth: INEXACT
				     (LACKING) until a clear of all */
	uint32_t zero_is_root;    /* 1: a parent of zeros is none (LMCache) */
	uint32_t reserved;
};

/* Counters since open; events, where nothing else is said. Where stores are LACKING whose content is not
 * understood, they are UNKNOWN while names of theirs are held: these may stand for something else. */
struct rdx_engine_stats {
	uint64_t size;              /* in: sizeof(struct rdx_engine_stats) */
	uint64_t events;            /* all that were taken */
	uint64_t other_owners;      /* left out: locality, ownership */
	uint64_t left_out;          /* left out: medium or type, by option */
	uint64_t other_groups;      /* left out: cache groups that decide no prefix hit */
	uint64_t unknown_types;     /* -> INEXACT (UNKNOWN), or skipped */
	uint64_t unknown_media;     /* stores -> LACKING, clears -> UNKNOWN, or skipped */
	uint64_t unknown_kinds;     /* of cache groups -> UNKNOWN, or skipped */
	uint64_t unknown_fields;    /* stores -> LACKING, others -> UNKNOWN, or skipped */
	uint64_t unknown_keys;      /* extra keys not understood -> LACKING */
	uint64_t nameless_adapters; /* a lora_id without lora_name -> LACKING */
	uint64_t contradictions;    /* fields that contradict each other: stores -> LACKING, others
				       and a group that changes its kind -> UNKNOWN. Of several
				       counting groups also runs of another block size, and
				       blocks of no group */
	uint64_t further_groups;    /* of more groups than counting_groups -> UNKNOWN */
	uint64_t late;              /* times that the events were seen not to begin at the engine's
				       birth -> LACKING */
	uint64_t gaps;              /* in the sequence -> UNKNOWN */
	uint64_t restarts;          /* the sequence began again: all was cleared */
	uint64_t unreadable;        /* rdx_engine_unreadable -> UNKNOWN */
};

struct rdx_engine;
struct rdx_publisher;

/*
 * Translate for a rank. The publisher is borrowed until close; nobody else publishes on it, but
 * for rdx_publish_inexact. Blocking; allocates all that the calls need.
 *
 *   -EINVAL, -E2BIG  an option out of range, a word with a value that is none, more than one
 *                    counting group with RDX_CLEAR_WORKER; or of a structure's size
 *   -ENOMEM
 *   -EOVERFLOW, -EOWNERDEAD  as from rdx_publish_inexact, with joined_late
 */
RDX_API int rdx_engine_open(struct rdx_engine **ret_engine, struct rdx_publisher *publisher,
			    const struct rdx_engine_options *options);

/* NULL is allowed. The publisher stays open. */
RDX_API void rdx_engine_close(struct rdx_engine *engine);

/*
 * Translate one event. What is not understood or not represented is counted, here or by the
 * publisher. Wait-free.
 *
 *   0                done
 *   -EINVAL, -E2BIG  no type; no names where count is not 0; a name_bytes that is neither 8 nor
 *                    32; keys not in order; or of the structure's size: nothing was done, so
 *                    say that with rdx_engine_unreadable
 *   -EOVERFLOW, -EOWNERDEAD  as from rdx_publish_stored
 */
RDX_API int rdx_engine_publish(struct rdx_engine *engine, const struct rdx_engine_event *event);

/* Names of removals that are one event: a call's cost is mostly the memory that it meets first. */
#define RDX_ENGINE_JOINED_MAX 4096

/*
 * May the names of `next` be appended to those of `first`, so that one event says both? So it is for
 * neighbouring removals that differ in nothing but their names, `count` included. `next` NULL: is
 * `first` one that others may join? `options` as for rdx_engine_open: what its types give another
 * meaning is no removal. 1 or 0; 0 for a structure of a size that is not known. Pure, thread-safe,
 * wait-free.
 */
RDX_API int rdx_engine_joins(const struct rdx_engine_options *options,
			     const struct rdx_engine_event *first,
			     const struct rdx_engine_event *next);

/*
 * Announce the sequence number of a batch, before its events. The first one: above 0, the events do
 * not begin at the engine's birth. Then one more than the last: nothing; higher: events are lost,
 * INEXACT (UNKNOWN); as high or lower: another process, everything of this rank is cleared, and it
 * is a first one; with RDX_CLEAR_WORKER too other ranks keep what they hold. Results as for
 * rdx_engine_publish. Wait-free.
 */
RDX_API int rdx_engine_sequence(struct rdx_engine *engine, uint64_t sequence, uint64_t time_ns);

/* Announce that something of this rank could not be decoded: INEXACT (UNKNOWN). Results as for
 * rdx_engine_publish. Wait-free. */
RDX_API int rdx_engine_unreadable(struct rdx_engine *engine, uint64_t time_ns);

/* What to do with a field of this name that an event has and that is not null. `engine` may be
 * NULL: without its options. */
#define RDX_ENGINE_FIELD_UNKNOWN  0 /* count it in unknown_fields */
#define RDX_ENGINE_FIELD_DECODE   1 /* rdx_engine_event has a place for it */
#define RDX_ENGINE_FIELD_HARMLESS 2 /* leave it: it does not change what the event means */
RDX_API int rdx_engine_field(const struct rdx_engine *engine, const char *name);

/* Fill `ret_stats`. Same thread as the calls above. */
RDX_API int rdx_engine_get_stats(const struct rdx_engine *engine,
				 struct rdx_engine_stats *ret_stats);

#ifdef __cplusplus
}
#endif
#endif
