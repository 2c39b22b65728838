/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/models/model.h"

#include "tests/models/shadow/stdatomic.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX   4096 /* a power of 2 */
#define STORES_MAX  64   /* to one word */
#define CHOICES_MAX 4096
#define TRACE_MAX   4096
#define NAMES_MAX   16

/* A store as a reader may see it. */
struct store {
	uint64_t value;
	uint32_t number; /* of all stores, from 1 */
	uint32_t carries;
};

struct word {
	const volatile void *at; /* NULL: unused */
	uint32_t bytes;
	uint32_t count;
	struct store store[STORES_MAX];
	uint32_t seen; /* the first so many are older than what the reader saw here */
	uint64_t seen_by;
};

struct step {
	const char *what;
	const volatile void *at;
	uint64_t value;
	uint32_t number;
	int order;
};

static enum { BEGINNING, WRITING, READING, RESTING } side;
static int x86;
static struct word words[WORDS_MAX];
static uint16_t used[WORDS_MAX]; /* words in use */
static uint32_t used_count;

static uint32_t stored;   /* stores so far */
static uint32_t released; /* those before the last release fence */
static const struct model *running;

static uint32_t bound;   /* the reader must see the first so many stores */
static uint32_t pending; /* and so many after its next acquire fence */
static uint64_t reader;  /* number of its execution */

static uint32_t choice[CHOICES_MAX], of[CHOICES_MAX], depth, replay;
static jmp_buf over;
static const char *broken;

static struct step trace[TRACE_MAX];
static uint32_t steps, steps_written;

static struct {
	const volatile char *base;
	uint64_t bytes;
	const char *name;
} names[NAMES_MAX];
static uint32_t names_count;

static void bug(const char *text)
{
	fprintf(stderr, "model: %s\n", text);
	abort();
}

uint32_t model_choose(uint32_t n)
{
	if (n == 1)
		return 0;
	if (depth == CHOICES_MAX)
		bug("too many choices");
	if (depth == replay) {
		choice[depth] = 0;
		of[depth] = n;
		replay++;
	}
	return choice[depth++];
}

/* The next way through the choices after the first `from`. 0: there is none. */
static int next_way(uint32_t from)
{
	while (replay > from && choice[replay - 1] + 1 == of[replay - 1])
		replay--;
	if (replay == from)
		return 0;
	choice[replay - 1]++;
	return 1;
}

static struct word *find(const volatile void *at, size_t bytes)
{
	uint64_t i = ((uintptr_t)at * UINT64_C(0x9e3779b97f4a7c15)) >> 52;

	while (words[i].at && words[i].at != at)
		i = (i + 1) % WORDS_MAX;
	if (!words[i].at) {
		if (used_count == WORDS_MAX / 2)
			bug("too many words");
		used[used_count++] = (uint16_t)i;
		words[i] = (struct word){.at = at, .bytes = (uint32_t)bytes};
	}
	if (words[i].bytes != bytes)
		bug("one word, two sizes");
	return &words[i];
}

static void forget_stores(void)
{
	while (used_count)
		words[used[--used_count]].at = NULL;
	stored = released = 0;
}

static void note(const char *what, const volatile void *at, uint64_t value, uint32_t number,
		 int order)
{
	if (steps < TRACE_MAX)
		trace[steps++] = (struct step){what, at, value, number, order};
}

static uint64_t initial(const volatile void *at, size_t bytes)
{
	return bytes == 8 ? *(const volatile uint64_t *)at : *(const volatile uint32_t *)at;
}

static int acquires(memory_order order)
{
	return x86 || order == memory_order_acquire || order >= memory_order_acq_rel;
}

static int releases(memory_order order)
{
	return x86 || order == memory_order_release || order >= memory_order_acq_rel;
}

/* The store that the reader sees, of those that it may; count 0 of them: what was there before. */
static uint32_t see(struct word *word)
{
	uint32_t low = word->count;

	while (low && word->store[low - 1].number > bound)
		low--;
	if (word->seen_by == reader && word->seen > low)
		low = word->seen;
	word->seen = low + model_choose(word->count - low + 1);
	word->seen_by = reader;
	return word->seen;
}

/* The reader's: it saw this store, and is or will be bound to see what it carries. */
static void saw(const struct store *store, memory_order order)
{
	if (store->carries > pending)
		pending = store->carries;
	if (acquires(order) && store->carries > bound)
		bound = store->carries;
}

static uint64_t load(struct word *word, memory_order order)
{
	uint32_t i = side == READING ? see(word) : word->count;
	const struct store *store = i ? &word->store[i - 1] : NULL;
	uint64_t value = store ? store->value : initial(word->at, word->bytes);

	if (side != READING)
		return value;
	if (store)
		saw(store, order);
	note("load", word->at, value, store ? store->number : 0, order);
	return value;
}

uint64_t model_load(const volatile void *at, size_t bytes, memory_order order)
{
	if (side == BEGINNING)
		return initial(at, bytes);
	return load(find(at, bytes), order);
}

static void rest(void)
{
	if (!running->at_rest || side != WRITING)
		return;
	side = RESTING;
	running->at_rest();
	side = WRITING;
}

static void write_all(void)
{
	running->write();
	rest();
}

void model_store(volatile void *at, size_t bytes, uint64_t value, memory_order order)
{
	struct word *word;

	if (bytes == 4)
		value = (uint32_t)value;
	if (side == BEGINNING) {
		if (bytes == 8)
			*(volatile uint64_t *)at = value;
		else
			*(volatile uint32_t *)at = (uint32_t)value;
		return;
	}
	if (side != WRITING)
		bug("a reader stores");
	rest();
	word = find(at, bytes);
	if (word->count == STORES_MAX)
		bug("too many stores to one word");
	stored++;
	word->store[word->count++] =
		(struct store){value, stored, releases(order) ? stored : released};
	note("store", at, value, stored, order);
}

/* Only one side stores: nobody comes between its load and its store. */
uint64_t model_add(volatile void *at, size_t bytes, uint64_t value, memory_order order)
{
	uint64_t before = model_load(at, bytes, order);

	model_store(at, bytes, before + value, order);
	return before;
}

int model_exchange(volatile void *at, size_t bytes, void *expected, uint64_t value,
		   memory_order order)
{
	uint64_t now = model_load(at, bytes, order), wanted = 0;

	memcpy(&wanted, expected, bytes);
	if (now == wanted)
		model_store(at, bytes, value, order);
	else
		memcpy(expected, &now, bytes);
	return now == wanted;
}

void model_fence(memory_order order)
{
	if (side == WRITING && releases(order))
		released = stored;
	if (side == READING && acquires(order) && pending > bound)
		bound = pending;
	if (side == WRITING || side == READING)
		note("fence", NULL, 0, 0, order);
}

void model_cut(void)
{
	longjmp(over, 1);
}

void model_name(const volatile void *base, uint64_t bytes, const char *name)
{
	if (names_count == NAMES_MAX)
		bug("too many names");
	names[names_count].base = base;
	names[names_count].bytes = bytes;
	names[names_count++].name = name;
}

static void print_step(const struct step *step)
{
	static const char *const orders[] = {"relaxed", "acquire", "release", "acq_rel", "seq_cst"};
	const volatile char *at = step->at;

	printf("    %-5s %-7s", step->what, orders[step->order]);
	for (uint32_t i = 0; i < names_count; i++)
		if (at >= names[i].base && at < names[i].base + names[i].bytes)
			printf(" %s+%d", names[i].name, (int)(at - names[i].base));
	if (at)
		printf(" = %#llx (store %u)", (unsigned long long)step->value, step->number);
	printf("\n");
}

void model_broken(const char *promise)
{
	if (side == BEGINNING)
		bug("broken before it began");
	printf("  broken: %s\n  one side:\n", promise);
	for (uint32_t i = 0; i < steps; i++) {
		if (i == steps_written && side == READING)
			printf("  the other:\n");
		print_step(&trace[i]);
	}
	broken = promise;
	longjmp(over, 1);
}

static int runs(void (*function)(void))
{
	if (setjmp(over))
		return 0;
	function();
	return 1;
}

/* Every way of the reader after one of the writer. */
static uint64_t read_all(void (*read)(void))
{
	uint32_t from = depth;
	uint64_t executions = 0;

	side = READING;
	steps_written = steps;
	do {
		depth = from;
		steps = steps_written;
		bound = pending = 0;
		reader++;
		executions += (uint64_t)runs(read);
	} while (!broken && next_way(from));
	return executions;
}

struct model_result model_run(const struct model *model)
{
	struct model_result result = {0, NULL};

	side = BEGINNING;
	x86 = model->x86;
	running = model;
	broken = NULL;
	names_count = 0;
	replay = 0;
	model->begin();
	do {
		forget_stores();
		depth = steps = 0;
		side = WRITING;
		if (runs(write_all))
			result.executions += read_all(model->read);
	} while (!broken && next_way(0));
	forget_stores();
	result.broken = broken;
	return result;
}
