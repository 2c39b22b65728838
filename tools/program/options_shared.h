/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options that several programs have: one name, one letter, one meaning. Each takes the
 * member that it sets, and what else is of this program: OPTIONS_DIR(TO(dir)),
 * OPTIONS_BLOCKS(TO(blocks), .max = MOST).
 */
#ifndef PROGRAM_OPTIONS_SHARED_H
#define PROGRAM_OPTIONS_SHARED_H

#include "shm/namespace.h"
#include "tools/program/options.h"

#include <ringdex/rdx_types.h>

#define OPTIONS_SEED_DEFAULT 1 /* of every program */
#define OPTIONS_MS           UINT64_C(1000000)
#define OPTIONS_DAY          (UINT64_C(86400000) * OPTIONS_MS)

/* Where */
#define OPTIONS_DIR(...)                                                                           \
	{                                                                                          \
		"dir", 'd', "DIR", "Directory of the namespace", OPTIONS_TEXT, .min = 1,           \
									       __VA_ARGS__         \
	}
#define OPTIONS_MODEL(...)                                                                         \
	{                                                                                          \
		"model", 'm', "NAME", "Model name", OPTIONS_TEXT, __VA_ARGS__                      \
	}
#define OPTIONS_TENANT(...)                                                                        \
	{                                                                                          \
		"tenant", 0, "NAME", "Tenant name", OPTIONS_TEXT, __VA_ARGS__                      \
	}
#define OPTIONS_INSTANCE(...)                                                                      \
	{                                                                                          \
		"instance", 0, "URL", "Where requests for a rank go", OPTIONS_TEXT, __VA_ARGS__    \
	}

/* Sizes */
#define OPTIONS_BLOCK_TOKENS(...)                                                                  \
	{                                                                                          \
		"block-tokens", 'b', "N", "Tokens in a block", OPTIONS_NUMBER,                     \
			.min = 1, .max = RDX_BLOCK_TOKENS_MAX, __VA_ARGS__                         \
	}
#define OPTIONS_BLOCKS(...)                                                                        \
	{                                                                                          \
		"blocks", 0, "N", "Blocks in the device tier of each rank", OPTIONS_NUMBER,        \
			__VA_ARGS__                                                                \
	}
#define OPTIONS_HOST_BLOCKS(...)                                                                   \
	{                                                                                          \
		"host-blocks", 0, "N", "Blocks in the host tier of each rank", OPTIONS_NUMBER,     \
			__VA_ARGS__                                                                \
	}
#define OPTIONS_DISK_BLOCKS(...)                                                                   \
	{                                                                                          \
		"disk-blocks", 0, "N", "Blocks in the disk tier of each rank", OPTIONS_NUMBER,     \
			__VA_ARGS__                                                                \
	}
#define OPTIONS_EXTERNAL_BLOCKS(...)                                                               \
	{                                                                                          \
		"external-blocks", 0, "N", "Blocks in the external tier of each rank",             \
			OPTIONS_NUMBER, __VA_ARGS__                                                \
	}
#define OPTIONS_RING_SLOTS(...)                                                                    \
	{                                                                                          \
		"ring-slots", 0, "N", "Slots of 64 bytes in each ring, a power of two",            \
			OPTIONS_POWER, .min = RDX_RING_SLOTS_MIN, __VA_ARGS__                      \
	}

/* How */
#define OPTIONS_CLEAR_SCOPE(...)                                                                   \
	{                                                                                          \
		"clear-scope", 0, "rank|worker",                                                   \
			"What a clear clears: its rank, or all ranks of its "                      \
			"worker",                                                                  \
			OPTIONS_CHOICE, .choices = options_shared_scopes, __VA_ARGS__              \
	}
#define OPTIONS_WAIT(...)                                                                          \
	{                                                                                          \
		"wait", 0, "auto|io_uring|epoll",                                                  \
			"How to sleep while nothing happens; auto takes "                          \
			"io_uring where the kernel allows it",                                     \
			OPTIONS_CHOICE, .choices = options_shared_waits, .also = "loop",           \
					__VA_ARGS__                                                \
	}
#define OPTIONS_REST(...)                                                                          \
	{                                                                                          \
		"rest", 0, "hybrid|sleep|spin",                                                    \
			"What to do until the next event: hybrid naps, so that a busy engine "     \
			"wakes nobody, and sleeps later; spin takes a processor",                  \
			OPTIONS_CHOICE, .choices = options_shared_rests, __VA_ARGS__               \
	}
#define OPTIONS_HOLD(...)                                                                          \
	{                                                                                          \
		"hold", 0, NULL,                                                                   \
			"Stay alive after the end of the input, until SIGINT or SIGTERM: the "     \
			"blocks of a dead worker leave the index",                                 \
			OPTIONS_FLAG, __VA_ARGS__                                                  \
	}

/* What an indexer lets one worker, and one user, take */
#define OPTIONS_STALE_AFTER(...)                                                                   \
	{                                                                                          \
		"stale-after", 0, "TIME", "Age from which a rank is shown as STALE",               \
			OPTIONS_DURATION, .min = OPTIONS_MS, .max = OPTIONS_DAY, __VA_ARGS__       \
	}
#define OPTIONS_INITIAL_BLOCKS(...)                                                                \
	{                                                                                          \
		"initial-blocks", 0, "N",                                                          \
			"Blocks that the index has room for however few the ranks declare",        \
			OPTIONS_NUMBER, .min = 1, .max = UINT64_C(1) << 32, __VA_ARGS__            \
	}
#define OPTIONS_WORKER_RANKS(...)                                                                  \
	{                                                                                          \
		"worker-ranks", 0, "N", "Ranks that one worker may have", OPTIONS_NUMBER,          \
			.min = 1, .max = RDX_RANKS_MAX, .fallback = "64", __VA_ARGS__              \
	}
#define OPTIONS_WORKER_COLUMNS(...)                                                                \
	{                                                                                          \
		"worker-columns", 0, "N",                                                          \
			"Columns of an index's 512 that one worker may have: two for each rank "   \
			"and tier",                                                                \
			OPTIONS_NUMBER, .min = 2, .max = 512, .fallback = "256", __VA_ARGS__       \
	}
#define OPTIONS_WORKER_INDEXES(...)                                                                \
	{                                                                                          \
		"worker-indexes", 0, "N", "Models and tenants that one worker may have",           \
			OPTIONS_NUMBER, .min = 1, .max = 65536, .fallback = "8", __VA_ARGS__       \
	}
#define OPTIONS_WORKER_GIB(...)                                                                    \
	{                                                                                          \
		"worker-gib", 0, "N", "GiB that the segments of one worker may have",              \
			OPTIONS_NUMBER, .min = 1, .max = 65536, .fallback = "16", __VA_ARGS__      \
	}
#define OPTIONS_USER_RANKS(...)                                                                    \
	{                                                                                          \
		"user-ranks", 0, "N",                                                              \
			"Ranks, and indexes, that all workers of one user may have who is "        \
			"neither root nor the one who runs this",                                  \
			OPTIONS_NUMBER, .min = 1, .max = 65536, .fallback = "192", __VA_ARGS__     \
	}

/* What the dead left */
#define OPTIONS_CLEAN_DEAD_FOR(...)                                                                \
	{                                                                                          \
		"clean-dead-for", 0, "TIME",                                                       \
			"Remove what has been dead for so long, as ringdex clean does",            \
			OPTIONS_DURATION, .max = 365 * OPTIONS_DAY, .fallback = "never",           \
					  __VA_ARGS__                                              \
	}

/* All of these, of a structure with an `indexer` and a number `worker_gib`, by its OPTIONS_TO. */
#define OPTIONS_LIMITS(TO)                                                                         \
	OPTIONS_STALE_AFTER(TO(indexer.stale_after_ns)),                                           \
		OPTIONS_INITIAL_BLOCKS(TO(indexer.initial_blocks)),                                \
		OPTIONS_WORKER_RANKS(TO(indexer.worker_ranks_max)),                                \
		OPTIONS_WORKER_COLUMNS(TO(indexer.worker_columns_max)),                            \
		OPTIONS_WORKER_INDEXES(TO(indexer.worker_indexes_max)),                            \
		OPTIONS_WORKER_GIB(TO(worker_gib)), OPTIONS_USER_RANKS(TO(indexer.user_ranks_max))

/* Traces */
#define OPTIONS_TRACE(...)                                                                         \
	{                                                                                          \
		"trace", 't', "FILE",                                                              \
			"Trace to replay, as ringdex-trace writes it; - is standard input",        \
			OPTIONS_TEXT, .min = 1, __VA_ARGS__                                        \
	}
#define OPTIONS_REQUESTS(...)                                                                      \
	{                                                                                          \
		"requests", 'n', "N", "Number of requests", OPTIONS_NUMBER, __VA_ARGS__            \
	}
#define OPTIONS_SEED(...)                                                                          \
	{                                                                                          \
		"seed", 's', "N", "Seed of all random choices", OPTIONS_NUMBER, .max = UINT64_MAX, \
										__VA_ARGS__        \
	}

/* Output */
#define OPTIONS_JSON(...)                                                                          \
	{                                                                                          \
		"json", 'j', NULL, "Print JSON; ids, hashes and times are strings of digits",      \
			OPTIONS_FLAG, __VA_ARGS__                                                  \
	}

#define OPTIONS_WATCH(...)                                                                         \
	{                                                                                          \
		"watch", 0, "TIME",                                                                \
			"Look again and again until told to stop, every two seconds where TIME "   \
			"is not given",                                                            \
			OPTIONS_DURATION, .min = 10000000, .max = UINT64_C(3600000000000),         \
					  .optional = "2s", .fallback = "", __VA_ARGS__            \
	}

extern const char *const options_shared_scopes[];  /* RDX_CLEAR_... */
extern const char *const options_shared_reports[]; /* RDX_REPORT_... */
extern const char *const options_shared_waits[];   /* RDX_WAIT_... */
extern const char *const options_shared_rests[];   /* RDX_REST_... */

#endif
