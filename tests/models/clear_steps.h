/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranks of one worker whose clear file has lost its name: they store, clear, make it again and go over to
 * it, by the functions of shm/clear.h. When all use the file that has the name, no rank holds a block that
 * was stored before a clear, and one that is not LACKING holds all that it stored after them. And a reader:
 * the stamp never goes back, who heard of a stamp from a rank finds it in the file.
 */
#ifndef RDX_TESTS_MODELS_CLEAR_STEPS_H
#define RDX_TESTS_MODELS_CLEAR_STEPS_H

#include "tests/models/model.h"

#include "shm/clear.h"
#include "shm/words.h"

#define CLEAR_THREADS 3
#define STEPS_MAX     6
#define ID            77 /* of the lost file; ID + 1: of the one that was made */

struct script {
	const char *name;
	/*
	 * Of each thread: c: clear the worker; s: store a block; f: follow; g: look for the clear file,
	 * and go over; d: likewise, its own is damaged; o: begin, as a rank that was not there before;
	 * n: use the file that was made already, from the beginning; l: the file loses its name; e: read, as
	 * a consumer
	 */
	const char *steps[CLEAR_THREADS];
	uint32_t stamp; /* to begin with */
	int made;       /* another file has the name already, made from the lost one */
};

static const struct script scripts[] = {
	{"two ranks clear, one reads", {"c", "c", "e"}, 0, 0},
	{"a clear in the lost file, one in the new", {"csg", "gcs"}, 5, 0},
	{"two clears, and a third rank", {"cg", "nc", "g"}, 5, 1},
	{"one brought over by two", {"cg", "fg", "ns"}, 5, 1},
	{"two in the lost file", {"csg", "csg"}, 5, 0},
	{"where stamps begin again", {"cg", "ncs"}, UINT32_MAX, 1},
	{"a rank that begins", {"csg", "os"}, 5, 0},
	{"a rank that begins, and clears", {"sg", "oc"}, 5, 0},
	{"the new one is lost, too", {"nsg", "sg", "l"}, 5, 1},
	{"likewise, cleared in it", {"ncg", "sg", "l"}, 5, 1},
	{"likewise, cleared in the first", {"nsg", "cg", "l"}, 5, 1},
	{"likewise, cleared in both", {"ncsg", "cg", "l"}, 5, 1},
	{"damaged, cleared meanwhile", {"cd", "os"}, 5, 0},
	{"damaged for one, lost for another", {"cd", "gs"}, 5, 0},
};

struct rank {
	struct rdx_clear *file;
	uint32_t stamp, late, stored, held; /* held: of those stored, bits */
	uint64_t stored_at[STEPS_MAX], cleared_at[STEPS_MAX];
	uint32_t clears;
};

static const struct script *script;
static int
	early; /* when a block is stored, a worker cleared: the time is as early as can be, or as late */
static struct rdx_clear
	files[2 + CLEAR_THREADS];   /* the lost one, the one that was made, one a thread */
static _Atomic uint64_t clear_name; /* 1 + the file that has it, 0: none has */
static _Atomic uint64_t ticks;
static _Atomic uint64_t event; /* what thread 0's ring says: its stamp + 1 */
static struct rank ranks[CLEAR_THREADS];

/* After `script`. */
static void clear_begin(void)
{
	rdx_clear_fill(&files[0], ID, 0, script->stamp);
	rdx_clear_fill(&files[1], ID + 1, ID, script->stamp);
	clear_name = script->made ? 2 : 0;
	ticks = event = 0;
}

/* The order of all stores and clears; where they are to be seen, who is later sees what was before. */
static uint64_t tick(void)
{
	return early ? atomic_fetch_add_explicit(&ticks, 1, memory_order_relaxed)
		     : atomic_fetch_add_explicit(&ticks, 1, memory_order_acq_rel);
}

static void drop(struct rank *rank, uint32_t stamp, int late)
{
	rank->stamp = stamp;
	rank->held = 0;
	rank->late = (uint32_t)late;
}

static void follow(struct rank *rank)
{
	uint64_t clears = rdx_clear_load(rank->file);

	if (rdx_clear_stamp_of(clears) != rank->stamp)
		drop(rank, rdx_clear_stamp_of(clears), (clears & RDX_CLEAR_LATE) != 0);
}

static void clear_worker(struct rank *rank)
{
	uint64_t at = early ? tick() : 0;

	drop(rank, rdx_clear_bump(rank->file), 0);
	if (rank == &ranks[0])
		atomic_store_explicit(&event, (uint64_t)rank->stamp + 1, memory_order_release);
	rank->cleared_at[rank->clears++] = early ? at : tick();
}

static void store(struct rank *rank)
{
	uint64_t at = early ? 0 : tick();

	follow(rank);
	rank->held |= 1U << rank->stored;
	rank->stored_at[rank->stored++] = early ? tick() : at;
}

/* The file that has the name, or one made now that goes on from `lost`. */
static struct rdx_clear *find(int thread, uint64_t lost, uint32_t stamp)
{
	uint64_t found = atomic_load_explicit(&clear_name, memory_order_acquire);
	struct rdx_clear *own = &files[2 + thread];

	if (found)
		return &files[found - 1];
	if (own->id) /* once: a thread has one */
		return NULL;
	rdx_clear_fill(own, ID + 2 + (uint64_t)thread, lost, stamp);
	if (atomic_compare_exchange_strong_explicit(&clear_name, &found, 3 + (uint64_t)thread,
						    memory_order_acq_rel, memory_order_acquire))
		return own;
	return &files[atomic_load_explicit(&clear_name, memory_order_acquire) - 1];
}

static void go_over(struct rank *rank, int thread, int damaged)
{
	const struct rdx_clear *lost = rank->file;
	struct rdx_clear *file;
	uint32_t stamp;

	if (!damaged)
		follow(rank);
	file = damaged ? find(thread, 0, 0) : find(thread, lost->id, rdx_clear_stamp(lost));
	if (!file || file == lost)
		return;
	rank->file = file;
	if (rdx_clear_go_over(file, damaged ? NULL : lost, rank->stamp, &stamp))
		drop(rank, stamp, 1);
	rank->stamp = stamp;
}

static void begin(struct rank *rank, int thread)
{
	rank->file = find(thread, ID, script->stamp);
	rank->stamp = rdx_clear_stamp(rank->file);
}

/* Somebody who is no rank. */
static void lose(struct rank *rank)
{
	atomic_store_explicit(&clear_name, 0, memory_order_relaxed);
	rank->file = NULL;
}

/* What was cleared by one that is heard of is cleared in the file, then and later. */
static void read_clears(struct rank *rank)
{
	uint64_t heard = atomic_load_explicit(&event, memory_order_acquire);
	uint32_t stamp = rdx_clear_stamp(&files[0]), later = rdx_clear_stamp(&files[0]);

	rank->file = NULL; /* it is none */
	MODEL_PROMISE(!rdx_clear_before(later, stamp));
	MODEL_PROMISE(!heard || !rdx_clear_before(stamp, (uint32_t)(heard - 1)));
}

static void take_part(int thread)
{
	struct rank *rank = &ranks[thread];

	rank->file = &files[0];
	rank->stamp = script->stamp;
	rank->late = rank->stored = rank->held = rank->clears = 0;
	files[2 + thread].id = 0;
	for (const char *step = script->steps[thread]; step && *step; step++) {
		if (*step == 'c')
			clear_worker(rank);
		else if (*step == 's')
			store(rank);
		else if (*step == 'f')
			follow(rank);
		else if (*step == 'g' || *step == 'd')
			go_over(rank, thread, *step == 'd');
		else if (*step == 'n')
			rank->file = &files[1];
		else if (*step == 'o')
			begin(rank, thread);
		else if (*step == 'l')
			lose(rank);
		else
			read_clears(rank);
	}
}

/* Against one who cleared, maybe the same. */
static void judge_rank(const struct rank *rank, const struct rank *cleared)
{
	for (uint32_t i = 0; i < rank->stored; i++)
		for (uint32_t k = 0; early && k < cleared->clears; k++)
			MODEL_PROMISE((rank->stored_at[i] > cleared->cleared_at[k] ||
				       !(rank->held >> i & 1)) &&
				      "what was cleared is not held");
}

static int is_after_all_clears(uint64_t at)
{
	for (int i = 0; i < CLEAR_THREADS && script->steps[i]; i++)
		for (uint32_t k = 0; k < ranks[i].clears; k++)
			if (ranks[i].cleared_at[k] > at)
				return 0;
	return 1;
}

static int all_use_one_file(void)
{
	const struct rdx_clear *file = NULL;

	for (int i = 0; i < CLEAR_THREADS && script->steps[i]; i++) {
		if (file && ranks[i].file && file != ranks[i].file)
			return 0; /* one has to look again */
		if (ranks[i].file)
			file = ranks[i].file;
	}
	return 1;
}

static void judge(void)
{
	if (!all_use_one_file())
		return;
	for (int i = 0; i < CLEAR_THREADS && script->steps[i]; i++) {
		struct rank *rank = &ranks[i];

		if (!rank->file)
			continue;
		follow(rank);
		for (int k = 0; k < CLEAR_THREADS && script->steps[k]; k++)
			judge_rank(rank, &ranks[k]);
		for (uint32_t k = 0; !early && k < rank->stored; k++)
			MODEL_PROMISE((rank->late || rank->held >> k & 1 ||
				       !is_after_all_clears(rank->stored_at[k])) &&
				      "an EXACT rank holds what it stored");
	}
}

#endif
