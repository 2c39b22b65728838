/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker's side: announce which KV-cache blocks a rank stores, removes, clears.
 *
 * One handle is one rank: it owns the rank's segment file, its ring and its ledger,
 * and privately the map from the engine's block names to prefix hashes. A handle
 * serves one thread at a time. The publish calls are wait-free: no lock, no
 * allocation, no wait for any reader; the only system call is one futex wake when a
 * consumer sleeps on the namespace's bell. Only where the rank outgrows its tier_blocks faster than
 * rdx_publisher_check makes room ahead does a call make some itself: bounded, a few system calls. Whatever
 * goes wrong is counted, and the rank is INEXACT where its index entry would otherwise be wrong; the engine
 * goes on.
 *
 * INEXACT says which way. LACKING: the engine holds blocks that the rank does not say, and
 * none is said that it does not hold. UNKNOWN: what is said may be wrong too. Either is over
 * when its causes are: the names of blocks that could not be represented are remembered with
 * their copies (an eighth of a tier's blocks or more, but 512 to 32,768), until these are removed,
 * a store finds them a place, or the tier is cleared. A cause without a name, and all that is
 * beyond what is remembered, lasts until a clear.
 *
 * After fork() every handle is dead in the child: each call there that can fail answers
 * -EOWNERDEAD, rdx_publisher_close frees the child's copy. The parent goes on. The child
 * may open handles of its own, of ranks that the parent does not hold.
 */
#ifndef RDX_PUBLISHER_H
#define RDX_PUBLISHER_H

#include <ringdex/rdx_hash.h>
#include <ringdex/rdx_types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rdx_publisher;

/* Which ranks a clear of all tiers, announced on this one, clears. */
#define RDX_CLEAR_RANK   0 /* this rank alone (default) */
#define RDX_CLEAR_WORKER 1 /* every rank of the worker that was opened with this scope */

/* Texts are copied. Zero or NULL takes the default where one is named. */
struct rdx_publisher_options {
	uint64_t size;        /* sizeof(struct rdx_publisher_options) */
	const char *dir;      /* the namespace; NULL: /dev/shm/ringdex. Created if missing */
	const char *instance; /* where a router sends requests: URL or pod. Required */
	const char *model;    /* required */
	const char *tenant;   /* NULL: "" */
	uint64_t worker_id;
	uint32_t dp_rank;
	uint32_t block_tokens; /* tokens per block, 1 .. RDX_BLOCK_TOKENS_MAX; 0: 16 */
	uint64_t ring_slots;   /* 64 bytes each, a power of two; 0: 65,536 */
	uint64_t tier_blocks[RDX_TIER_COUNT]; /* blocks held per tier, to begin with: see
						 rdx_publisher_check; 0: tier not kept, do not
						 announce it: a store into it does not fit and
						 makes the rank LACKING */
	uint64_t remembered_names;            /* removed names kept for lookups; 0: a quarter of
						 all tier_blocks, at least 1,024. About 100
						 bytes of private memory and 32 of the segment
						 for each of these and of tier_blocks. Their
						 place is also a tier's that holds more than its
						 tier_blocks */
	uint32_t clear_scope;                 /* RDX_CLEAR_... */
	uint32_t report_mode;                 /* RDX_REPORT_... */
	uint32_t file_mode;                   /* of the segment; 0: 0640. Nobody else may write:
						 to truncate it is to kill the engine */
	uint32_t reap_dead; /* 1: where the file system is full, remove what dead processes of
			       this user left in the namespace, segments and lock files, and
			       try again */
	uint64_t wait_ns;   /* how long to wait for a predecessor that has the rank, for it is
			       often about to end; 0: not at all */
	uint64_t names_max; /* tier_blocks and remembered_names together may grow to this; 0: 2^24,
			       512 MiB of segment; no more than there are at first: they never do.
			       100 bytes of addresses each; without them it is what there are at first */
};

/*
 * A run of consecutive blocks that the rank now holds in `tier`, each the child of
 * the one before. Names are the engine's own, opaque, 8 or 32 bytes each, packed.
 *
 * Content is given in one of three ways:
 *   tokens         token_count = count * block_tokens of the segment + overlap
 *   local_hashes   `count` hashes from rdx_hash_blocks or an equal function
 *   neither        the names are known already (a copy to another tier of blocks
 *                  that the rank holds or removed a while ago); parent, lora and
 *                  salt are ignored
 *
 * A name stands for the content, lora and salt with which it was stored while it was not
 * held: a copy of a held name changes none of them, and one that was removed takes those of
 * the store that brings it back.
 */
struct rdx_stored {
	uint64_t size;          /* sizeof(struct rdx_stored) */
	uint64_t time_ns;       /* CLOCK_MONOTONIC; 0: not stamped */
	const void *names;      /* count * name_bytes bytes */
	const void *parent;     /* name_bytes bytes; NULL: the run starts a prompt */
	const uint32_t *tokens; /* or NULL */
	uint64_t token_count;
	const uint64_t *local_hashes; /* or NULL */
	const char *lora;             /* of the run; NULL: as the parent's, else none. Seeds the
					 hashes of tokens; kept with the names either way, so
					 that children inherit it */
	const char *salt;             /* likewise, apart from lora */
	uint32_t count;               /* blocks; 0 does nothing */
	uint32_t block_tokens;        /* tokens per block of this run; 0: the segment's */
	uint8_t tier;                 /* RDX_TIER_... */
	uint8_t cache_group;          /* cache group of a hybrid model; copies are counted apart */
	uint8_t name_bytes;           /* 8 or 32; names of different sizes are never equal */
	uint8_t overlap; /* with tokens: as in struct rdx_tokens, one more token then */
	uint8_t reserved[4];
	const struct rdx_block_key *keys; /* with tokens: what names blocks besides, by block (below
					     `count`), then key; NULL: nothing */
	uint64_t key_count;
};

/* Blocks of which one physical copy in `tier` is gone. */
struct rdx_removed {
	uint64_t size;    /* sizeof(struct rdx_removed) */
	uint64_t time_ns; /* CLOCK_MONOTONIC; 0: not stamped */
	const void *names;
	uint32_t count;
	uint8_t tier;
	uint8_t cache_group;
	uint8_t name_bytes; /* 8 or 32 */
	uint8_t reserved;
	const uint32_t *remaining; /* NULL: one copy less of each; else how many are left of each,
				      0: it is gone. Copies that were not known make LACKING */
};

/* Counters since open, unless said otherwise. The segment has the same. */
struct rdx_publisher_stats {
	uint64_t size;             /* in: sizeof(struct rdx_publisher_stats) */
	uint64_t events;           /* published; also the last event id */
	uint64_t slots;            /* published; also the ring's tail position */
	uint64_t blocks_stored;    /* published: first holder came */
	uint64_t blocks_removed;   /* published: last holder went */
	uint64_t clears;           /* all-tier Cleared events */
	uint64_t repeats;          /* stores of a held name: copies */
	uint64_t unknown_parents;  /* blocks dropped: parent's name unknown, or what it stands for
				      -> LACKING */
	uint64_t unknown_names;    /* blocks named only, name unknown, or what it stands for
				      -> LACKING */
	uint64_t unknown_removals; /* names unknown or not held in that tier: ignored */
	uint64_t mismatched;       /* blocks dropped: tokens do not make count blocks -> LACKING */
	uint64_t other_block_size; /* blocks dropped: not of the segment's block size
					    -> LACKING */
	uint64_t conflicts;        /* blocks dropped: a held name with other content, or a
					    name below itself -> UNKNOWN; those after it -> LACKING */
	uint64_t ledger_full;      /* blocks dropped: tier_blocks reached, and all remembered names'
				      places, and it cannot grow; or 0 -> LACKING */
	uint64_t map_full;         /* blocks dropped: all names are held, or stand above held
					    blocks; over 255 names hold the block, it is 2^24
					    deep, or there are too many adapters and salts at
					    once (a quarter of the names) -> LACKING */
	uint64_t unrepresented;    /* blocks of rdx_publish_unrepresented -> LACKING */
	uint64_t inexact_marks;    /* times the rank became INEXACT, of either kind */
	uint64_t bells;            /* futex wakes */
	uint64_t held[RDX_TIER_COUNT];    /* now: blocks held per tier */
	uint64_t orphans[RDX_TIER_COUNT]; /* now: blocks without their parent, per set of tiers; of
					     a tier that was cleared while others were not, they
					     follow within some calls */
	uint64_t names;                   /* now: names known, held or remembered */
	uint64_t lacking;                 /* now: names, one a tier, of blocks that the engine
					     holds and the rank does not say */
	uint32_t inexact;                 /* now: 0 or RDX_INEXACT_... */
	uint32_t rings_bell;              /* 1: sleeping consumers of this user are woken */
	uint32_t disk_backed;             /* 1: the directory is not memory: writing can block */
	uint32_t name_lost;               /* 1: rdx_publisher_check could not make again what lost
					     its name: who comes later does not find the rank */
	uint32_t outgrown;                /* 1: it was to become larger, and there was no memory */
	uint32_t growths;                 /* times that it became larger, by 64 to 256 blocks */
};

/*
 * Claim the rank and create its segment. Blocking; allocates everything the handle
 * will use, but to grow, and touches it. Takes effect for readers when it returns. Whatever has the name of one of
 * the rank's files, damaged or no file at all, is replaced, but for a directory that is not empty. The
 * worker's clear file goes on as its running ranks know it.
 *
 *   -EINVAL        an option out of range: ring_slots no power of two or too small for one
 *                  split event, no tier with blocks, instance or model missing, a file_mode
 *                  by which others may write
 *   -ENAMETOOLONG  instance, model or tenant over 255 bytes; or the directory's path
 *   -EBUSY         another running process publishes this rank, after wait_ns too
 *   -EAGAIN        a cleaner has had the rank's lock for a second and for wait_ns: it is stopped
 *   -ENOSPC        the file system cannot hold the segment; nothing is left behind. What of it the
 *                  dead hold: rdx_clean.h; `reap_dead`
 *   -EDQUOT, -EFBIG  likewise for the user's quota, and for the size of a file: RLIMIT_FSIZE is
 *                  looked at before a file grows, so that no SIGXFSZ is raised
 *   -EKEYREJECTED  the namespace's key file is damaged
 *   -ENOTEMPTY     a directory that is not empty has the name of one of the rank's files
 *   -EPERM         the directory, or the worker's in it, is neither this user's nor root's, or a
 *                  group or all users may write in it without the sticky bit: others could
 *                  replace files. The rank's lock file is another
 *                  user's, or was open to others, one of whom has locked it. This is root, and the
 *                  worker's clear file another user's. The file system has
 *                  no hard links, or forbids a file's mode
 *   -EMFILE, -ENFILE  no descriptors left: a handle keeps up to four and opens with two more
 *   -EACCES, -ENOENT, -ENOTDIR, -EROFS, -ELOOP  of the directory or a file in it, as from
 *                  open(2); -ENOLCK as from fcntl(2)
 *   -ENOMEM        also where blocks and names are more than 2^29
 */
RDX_API int rdx_publisher_open(struct rdx_publisher **ret_publisher,
			       const struct rdx_publisher_options *options);

/* Release the rank: its blocks leave every index. NULL is allowed. The file stays. */
RDX_API void rdx_publisher_close(struct rdx_publisher *publisher);

/*
 * Announce stored blocks. Only changes of what the rank holds are published; runs longer than one
 * event are split. A dropped block takes the rest of its run with it, except where blocks are named
 * only: there each stands for itself. The rank is LACKING until the dropped ones are gone; UNKNOWN
 * where one has a held name that does not stand for the same content, or not for certain. Wait-free, but
 * where the rank grows (rdx_publisher_check), which takes system calls for memory, once in 64 blocks or more.
 *
 *   0              done; what could not be represented was counted
 *   -EINVAL, -E2BIG  no such tier or name_bytes, names is NULL, both tokens and
 *                  local_hashes are given, keys or overlap without tokens, keys not sorted or
 *                  of no block of the run, overlap above 1, or of its size: nothing was done
 *   -EOVERFLOW     the ring's 48-bit positions are used up: the rank stays INEXACT
 *                  until it is opened again
 *   -EOWNERDEAD    the handle was made before a fork
 *   -EBUSY         rdx_publisher_check found that another process has the rank
 */
RDX_API int rdx_publish_stored(struct rdx_publisher *publisher, const struct rdx_stored *stored);

/* Announce removed copies, also of blocks that could not be represented; their tier may be
 * RDX_TIER_OTHER. Results as for rdx_publish_stored. Wait-free. */
RDX_API int rdx_publish_removed(struct rdx_publisher *publisher, const struct rdx_removed *removed);

/*
 * Announce blocks that the engine holds now, one copy more of each, and that no other call can: their
 * content is not known, or their tier, which may be RDX_TIER_OTHER. Names that are held or remembered
 * are taken to stand for what they did. The rank is LACKING until they are removed, or the tier is
 * cleared (RDX_TIER_OTHER: all tiers). Results as for rdx_publish_stored; -EINVAL: `remaining` is
 * given. Wait-free.
 */
RDX_API int rdx_publish_unrepresented(struct rdx_publisher *publisher,
				      const struct rdx_removed *blocks);

/*
 * Announce that `scope` (a tier, or RDX_SCOPE_ALL) is empty. A clear of one tier while
 * the rank holds nothing in any other, represented or not, is published as a clear of all;
 * one of a tier without tier_blocks is otherwise not published. Names stay known.
 * O(1), but for 1/200 of the known names where a clear came less than some calls before; the calls
 * after it settle some of these names each, five for each of their blocks.
 * With RDX_CLEAR_WORKER only the scope RDX_SCOPE_ALL clears the other ranks too.
 * Results as for rdx_publish_stored; -EINVAL: no such scope. Wait-free.
 */
RDX_API int rdx_publish_cleared(struct rdx_publisher *publisher, uint8_t scope, uint64_t time_ns);

/* Announce that the engine did something that no event represents, and of which no names are known:
 * the rank is LACKING or UNKNOWN, as `how` says (RDX_INEXACT_...), until the next clear of all tiers.
 * Results as for rdx_publish_stored; -EINVAL: no such `how`. Wait-free. */
RDX_API int rdx_publish_inexact(struct rdx_publisher *publisher, uint8_t how, uint64_t time_ns);

/*
 * Calls between these two ring the bell once, at the end, if they published anything: for a batch of
 * many calls, since each wake is a system call, dearer than an event. Consumers that do not sleep see
 * each event at once. A second begin, or an end without one, does nothing. Same thread as the publish
 * calls; wait-free.
 */
RDX_API void rdx_publisher_begin_batch(struct rdx_publisher *publisher);
RDX_API void rdx_publisher_end_batch(struct rdx_publisher *publisher);

/* What rdx_publisher_check came to. */
enum rdx_check_result {
	RDX_CHECK_SOUND = 0,
	RDX_CHECK_RENEWED = 1,
	RDX_CHECK_EMPTIED = 2,
};

/*
 * Will the rank still fit, and have its files still their names?
 *
 * A tier that holds more than its tier_blocks takes the places of remembered names. Where a quarter of
 * their share is taken, segment and private memory become longer here, where they are: a part of what is
 * needed, for some hundred microseconds. Publish calls do it where they need more than that. The rank stays
 * EXACT, in the same epoch. What was dropped for want of memory stays lacking until it is gone.
 *
 * A cleaner, rm, or a volume that is made anew takes names; the publish calls, which make no system
 * call, go on into files that nobody finds who comes later. To be
 * called about once a second, in the thread of the publish calls, where it can spare some microseconds:
 * up to ten system calls, and three for each 64 to 256 blocks that it makes room for. What is lost is
 * made again from what the handle holds: directory and key, the worker's clear file, the bell, and the
 * segment, with the ring and all that the rank holds, as a new epoch. To make a segment blocks, as
 * rdx_publisher_open does. An idle rank follows its worker's clears here.
 *
 * All ranks that share a clear file are to call it. One that made the file again, and one that still uses
 * the lost one, do not see each other's clears until the latter calls this. Then both drop what was
 * published before these clears, and what they published themselves since: they may hold that, and are
 * LACKING until the next clear. What is written over a clear file may have been a clear: likewise.
 *
 *   RDX_CHECK_SOUND    nothing was lost but, at most, the bell, which was made again
 *   RDX_CHECK_RENEWED  the segment was made again: rdx_publisher_epoch is another one
 *   RDX_CHECK_EMPTIED  the segment was made again, and begins empty, LACKING until the next clear of all
 *                 tiers: clears were missed, or may have been, or the directory was made anew with another
 *                 key, by which what the rank held has other hashes; then statistics begin at 0. What is
 *                 published from now on is right
 *   -EBUSY        another process publishes the rank under its name. The handle has let it go: all other
 *                 calls answer -EBUSY, too. Close it
 *   -EAGAIN       a cleaner has a lock, or another process looks whether the rank is free, and will
 *                 find that it is not
 *   -EOWNERDEAD   the handle was made before a fork
 *   -ENOSPC, -ENOMEM  also where there is no memory to grow: the rank stays as it was, and is LACKING
 *                 when what it has is full. Growing is tried again after 1 s, and each time twice as long,
 *                 to 64 s; until then 0
 *   -errno        as rdx_publisher_open; call again later
 *
 * After any error but -EBUSY and -EOWNERDEAD publish calls go on as before: consumers that have the
 * segment open follow it. The statistics say `name_lost` until it is made again.
 */
RDX_API int rdx_publisher_check(struct rdx_publisher *publisher);

/* Fill `ret_stats`. Same thread as the publish calls. -EOWNERDEAD after a fork, -EBUSY as they. */
RDX_API int rdx_publisher_get_stats(const struct rdx_publisher *publisher,
				    struct rdx_publisher_stats *ret_stats);

/*
 * Say what feeds the rank, and how its messages fare: for whoever publishes what an engine sends from elsewhere.
 * Readers see it (rdx_reader_get_source), as `ringdex ls` and metrics do. To be said when it has changed, also
 * that there is no connection, and about once a second in any case: how long ago shows whether the producer
 * goes on. It stays where the segment is made again; another handle of the rank begins without. Wait-free;
 * same thread as the publish calls, which it costs nothing.
 *
 *   0
 *   -EINVAL, -E2BIG  no such kind, is_away above 1, or of its size: nothing was done
 *   -EOWNERDEAD, -EBUSY  as the publish calls
 */
RDX_API int rdx_publisher_set_source(struct rdx_publisher *publisher,
				     const struct rdx_source *source);

/* The epoch that this handle began, by which readers know it. */
RDX_API uint64_t rdx_publisher_epoch(const struct rdx_publisher *publisher);

/* The namespace's key, to chain local hashes as every index of it does (rdx_hash_chain).
 * Valid until the handle is closed; where the directory has got another key, that from then on. */
RDX_API const struct rdx_hash_key *rdx_publisher_hash_key(const struct rdx_publisher *publisher);

/* Bytes of the segment file these options make; -EINVAL, -E2BIG, -ENAMETOOLONG, -ENOMEM as for
 * open. */
RDX_API int rdx_publisher_segment_size(const struct rdx_publisher_options *options,
				       uint64_t *ret_bytes);

#ifdef __cplusplus
}
#endif
#endif
