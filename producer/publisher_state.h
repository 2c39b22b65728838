/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A publisher's state: publisher.c opens and closes it, publish.c and store.c turn calls into
 * transitions of names, copies.c those into transitions of blocks, emit.c these into events.
 */
#ifndef RDX_PUBLISHER_STATE_H
#define RDX_PUBLISHER_STATE_H

#include <ringdex/rdx_publisher.h>

#include "producer/area.h"
#include "producer/lacking.h"
#include "producer/lineage.h"
#include "producer/names.h"
#include "producer/namespaces.h"
#include "shm/namespace_layout.h"
#include "shm/segment.h"

/* Private memory (private.h). */
struct rdx_private {
	struct rdx_area nodes;
	struct rdx_area hand;
	struct rdx_area tables; /* of names, and of what the lineage has filed */
	struct rdx_area coming; /* tables that are not whole yet */
	struct rdx_area before; /* those whose entries are moved, and then freed, piece by piece */
	struct rdx_area spaces;
	struct rdx_area rest;
	uint32_t keys; /* for which the tables are made */
	uint32_t coming_keys;
};

/* The event being collected. The lineage has all its blocks already. */
struct rdx_pending {
	uint64_t *hashes;  /* as the event holds them: local of a Stored, prefix of a Removed */
	uint64_t *words;   /* of the ledger records, after the event */
	uint32_t *records; /* nodes */
	uint32_t count;
	uint32_t stored_max;
	uint32_t removed_max;
	uint32_t first_block; /* Stored */
	uint32_t last;        /* Stored: node of the last block */
	uint32_t last_depth;  /* Removed: of the last block */
	uint64_t parent;      /* Stored: prefix hash */
	uint8_t kind;
	uint8_t tier;
};

struct rdx_publisher {
	struct rdx_segment_owner owner;
	struct rdx_hash_key key;
	struct rdx_names names;
	struct rdx_lineage lineage;
	struct rdx_namespaces spaces;
	struct rdx_lacking lacking;
	struct rdx_pending pending;
	uint64_t tier_blocks[RDX_TIER_COUNT];
	uint64_t spare;           /* records besides these, which any tier may use */
	uint64_t remembered;      /* names asked for, 0: the default */
	uint64_t names_max;       /* to which it may grow */
	uint64_t enlarge_ns;      /* not before: it failed */
	uint64_t enlarge_wait_ns; /* 0: it did not */

	uint64_t epoch;
	uint64_t position; /* the ring's tail */
	uint64_t time_ns;  /* of the call in progress */
	uint64_t counters[RDX_COUNTER_COUNT];
	struct rdx_bell *bell;   /* or NULL */
	struct rdx_clear *clear; /* the worker's, or NULL: the scope is the rank */
	char *path;              /* of the namespace's directory, absolute */
	uint8_t key_bytes[RDX_KEY_BYTES];
	uint32_t file_mode;
	int dead; /* 0; -EOWNERDEAD: made before a fork; -EBUSY: another process has the rank */
	uint32_t growths;
	uint32_t stamp; /* of the worker, as the rank has followed it */
	uint32_t block_tokens;
	uint32_t report_mode;
	uint8_t inexact;    /* 0 or RDX_INEXACT_...: what `lacking` makes of it */
	uint8_t reported;   /* the same, in the event published last */
	uint8_t exhausted;  /* positions are used up */
	uint8_t stores_new; /* all names of the chunk stored last were new */
	uint8_t name_lost;  /* by the last check, and not made again */
	uint8_t in_batch;   /* the bell waits for its end */
	uint8_t bell_due;   /* a call of the batch published something */
	uint8_t counted;    /* what does not change in every call did, since it was stored last */

	struct rdx_mapping bell_mapping;
	struct rdx_private memory;
	struct rdx_publisher *next; /* of all open ones, under publisher.c's mutex */
	struct rdx_publisher *previous;
};

/* Make the segment again, as another file with all that the old one has, which is unlocked and unmapped
 * then. Where that cannot be, since clears were missed, or the directory's key is not that of `key_bytes`,
 * it begins empty, and is LACKING before it has a name. As rdx_segment_renew, rdx_segment_name. */
int rdx_publisher_renew(struct rdx_publisher *p, int dir_fd, const uint8_t *key_bytes,
			const struct rdx_segment_room *room);

/* Another process has the rank: what this one holds of it is let go. */
void rdx_publisher_forfeit(struct rdx_publisher *p);

/* Ring the bell that has the name, if it may be rung. */
void rdx_publisher_join_bell(struct rdx_publisher *p, int dir_fd);

/* Another process of this rank alone: all that it held is gone, and what was wrong is over. Other ranks
 * of its worker go on, whatever clear_scope says. As rdx_publish_cleared. */
int rdx_publish_restarted(struct rdx_publisher *p, uint64_t time_ns);

/* Follow clears of the worker, if there are any, without another event. */
void rdx_publish_follow(struct rdx_publisher *p);

/* Has it no position left for what it must say besides blocks? */
int rdx_publish_is_full(const struct rdx_publisher *p);

/* There may have been clears, before its stamp, that the rank did not see: it holds nothing, and LACKING. Not
 * of one that is full. */
void rdx_publish_missed(struct rdx_publisher *p);

/* A counter that does not change in every call. */
static inline void rdx_publisher_count(struct rdx_publisher *p, enum rdx_counter counter,
				       uint64_t n)
{
	p->counters[counter] += n;
	p->counted = 1;
}

/* `lacking` changed: from now on events say what the rank is worth by it. */
static inline void rdx_publisher_judge(struct rdx_publisher *p)
{
	uint8_t inexact = rdx_lacking_state(&p->lacking);

	if (inexact && !p->inexact)
		rdx_publisher_count(p, RDX_COUNTER_INEXACT_MARKS, 1);
	p->inexact = inexact;
	p->counted = 1;
}

/* `tiers`, one bit each: where the cause may be. */
static inline void rdx_publisher_mark(struct rdx_publisher *p, uint8_t how, uint8_t tiers)
{
	rdx_lacking_flag(&p->lacking, how, tiers);
	rdx_publisher_judge(p);
}

#endif
