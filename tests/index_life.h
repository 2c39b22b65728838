/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One rank's random history in an index, and what was true of it at every moment: readers' answers
 * are compared with it.
 *
 * A moment is the state after one event, or after the rank was hidden, became visible, or was
 * reported EXACT. Event ids count the moments of an epoch, from 1.
 */
#ifndef RDX_TESTS_INDEX_LIFE_H
#define RDX_TESTS_INDEX_LIFE_H

#include "tests/index_rig.h"
#include "tests/stream.h"

#define LIFE_BLOCKS   150
#define LIFE_STALE_NS (UINT64_MAX / 2) /* for the writer's options */
#define LIFE_TIERS    2
#define LIFE_WORKER   1
#define LIFE_EPOCHS   1024

/* What led to a moment. */
enum life_step {
	LIFE_NONE,
	LIFE_STORE,   /* at the end of a run */
	LIFE_REMOVE,  /* from the end of a tier */
	LIFE_HOLE,    /* a block in the middle is removed */
	LIFE_ORPHANS, /* blocks are stored behind a hole */
	LIFE_FILL,    /* a hole is closed */
	LIFE_MOVE,    /* a block goes to the other tier */
	LIFE_CLEAR,   /* all tiers */
	LIFE_CLEAR_TIER,
	LIFE_CLEAR_WORKER, /* all tiers, and it is no event: it has no id */
	LIFE_HIDE,
	LIFE_LIVE,
	LIFE_EXACT, /* the rank was RECOVERING until now */
	LIFE_STEPS
};

struct life_moment {
	uint64_t epoch;
	uint8_t step;      /* enum life_step */
	uint8_t shown;     /* visible, and reported EXACT */
	uint8_t orphans;   /* bit s: in set s */
	uint8_t by_blocks; /* reached block by block, never with an orphan */
	uint16_t run[LIFE_TIERS];
	uint8_t held[LIFE_TIERS][(LIFE_BLOCKS + 7) / 8];
};

struct life {
	struct rdx_index_writer *writer;
	uint64_t random;
	int slot;
	uint32_t blocks;      /* of the prefix, at most LIFE_BLOCKS */
	uint32_t rare;        /* one in so many of the clears and rebuilds drawn happens */
	uint32_t pulse_in;    /* one step in so many is followed by a pulse */
	struct stream stream; /* what is held of the prompt's blocks 0, 1, ... */
	uint64_t epoch;
	uint64_t first[LIFE_EPOCHS]; /* moments before each epoch's first one */
	uint8_t step;
	uint8_t live;
	uint8_t exact;
	struct life_moment *moment;
	uint64_t capacity;
	uint64_t count;
	_Atomic uint64_t begun;    /* moments below this have begun */
	_Atomic uint64_t finished; /* moments below this are reached */
};

/* The rank of `writer`, visible and EXACT; room for `capacity` moments. Other members of *life are
 * 0 or set by the caller: random, blocks, rare, pulse_in. */
void life_make(struct life *life, struct rdx_index_writer *writer, uint64_t capacity);
void life_free(struct life *life);

/* No room for the moments of another step. */
int life_is_over(const struct life *life);

/* Make one random step. */
void life_act(struct life *life);

/* Go on in a successor of the writer, which becomes ready. */
void life_succeed(struct life *life, struct rdx_index_writer *next);

/* The moments of a reader's call: begin it before the call, and end it after. */
struct life_window {
	uint64_t from; /* moments */
	uint64_t to;   /* before this */
};
struct life_window life_window_begin(const struct life *life);
void life_window_end(const struct life *life, struct life_window *window);

/* Bits of enum life_step that led from one moment of the window to another. */
uint32_t life_window_steps(const struct life *life, const struct life_window *window);

/*
 * Is the rank's row of a lookup of the first `asked` blocks what the contract says: the run of one
 * instant of the call, not before the event that the row names? If it was scanned it must only lie
 * within what was there.
 */
int life_allows_row(const struct life *life, struct life_window window, const struct rdx_run *row,
		    uint32_t asked);

/* Is this what the rank held at the event of the mark, or after clears without an id that
 * followed it? Bit t of held[block]: in tier t. */
int life_allows_walk(const struct life *life, const struct rdx_index_mark *mark,
		     const uint8_t *held);

/* Was this ever reported of the rank? */
int life_allows_info(const struct life *life, const struct rdx_index_rank *info);

/* The block of a prefix hash, or LIFE_BLOCKS. */
uint32_t life_block(const struct life *life, uint64_t prefix);

#endif
