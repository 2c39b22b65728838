/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs of the chaos at work in one namespace: a ringdex-feed for each worker, ringdex-follow,
 * and a ringdex-query that is kept open. What each worker was told is known (oracle.h), and what a
 * fault or an answer made of it.
 */
#ifndef RDX_TESTS_CHAOS_CREW_H
#define RDX_TESTS_CHAOS_CREW_H

#include "tests/chaos/member.h"
#include "tests/chaos/oracle.h"
#include "tests/held.h"

#define CREW_FEEDS        4
#define CREW_RANKS_MAX    2 /* of a worker */
#define CREW_RING_SLOTS   256
#define CREW_FIRST_WORKER 1
#define CREW_PATH_BYTES   (HELD_PATH_BYTES + 32)
#define CREW_STORY_BYTES  2048

struct crew_feed {
	struct member member;
	uint64_t worker;
	uint32_t ranks; /* two: they clear each other */
	struct oracle oracle[CREW_RANKS_MAX];
};

struct crew {
	char top[HELD_PATH_BYTES]; /* a file system of our own, where `is_own` */
	char dir[CREW_PATH_BYTES]; /* the namespace, in it */
	int is_own;                /* may be full, and nobody else minds */
	int is_group; /* others may write into the namespace, as docs/operations.md has it */
	struct crew_feed feeds[CREW_FEEDS];
	struct member indexer, query;
	uint64_t random; /* what is done */
	uint64_t poked;  /* what is told beside it, as often as needed: not part of a replay */
	uint64_t seed;
	char story[CREW_STORY_BYTES]; /* the faults since the last rest */
	int is_file_fault;            /* one of them was to a file */
	uint64_t slowest_ns;          /* rest */
	uint64_t round, faults, answers, refusals, rests, restarts, indexers, operations;
};

/* Below a number from the crew's stream. */
uint64_t crew_random(struct crew *crew, uint64_t below);

/* Add to the story. */
__attribute__((format(printf, 2, 3))) void crew_note(struct crew *crew, const char *format, ...);

/* A promise is broken: print seed, story, and what the programs said; the test fails. */
__attribute__((format(printf, 2, 3), noreturn)) void crew_diverged(const struct crew *crew,
								   const char *format, ...);

/* Start one that does not run. */
void crew_start_feed(const struct crew *crew, struct crew_feed *feed);
void crew_start_indexer(struct crew *crew);
void crew_start_query(struct crew *crew);

/* Tell a running worker `lines` more lines; for nothing if it does not run. */
void crew_tell(struct crew_feed *feed, uint32_t lines, uint64_t *random);

/* Read what all say, and look for those that have ended: one that had no reason to is a divergence,
 * others are started again, as a supervisor would. */
void crew_look(struct crew *crew);

/* Kill one, and start it anew. */
void crew_restart(struct crew *crew, struct member *member);

/* Kill all. */
void crew_disband(struct crew *crew);

#endif
