/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/models/several.h"

#include "tests/models/shadow/stdatomic.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS     SEVERAL_THREADS_MAX
#define WORDS_MAX   32
#define STORES_MAX  16 /* to one word, with that which was there before */
#define STEPS_MAX   64 /* of a thread */
#define CHOICES_MAX 1024
#define FIRST       (UINT64_C(1) << 62) /* time of what was there before */

/* For each word the time of the last store that is known. */
struct view {
	uint64_t time[WORDS_MAX];
};

struct store {
	uint64_t value, time;
	struct view carries;
	int follows; /* at once on the one before, which it read */
};

struct word {
	const volatile void *at;
	uint32_t count;
	struct store store[STORES_MAX]; /* in order */
};

enum access { LOAD, STORE, UPDATE, FENCE };

/* What a thread will do next. */
struct pending {
	enum access access;
	int word; /* -1: none */
	int sequential;
};

struct thread {
	struct view known, read, released; /* read: known after its next acquire fence */
	uint64_t answer[STEPS_MAX];
	uint32_t done;
	struct pending pending;
	int over;
};

static const struct several *running;
static struct word words[WORDS_MAX];
static uint32_t word_count;
static struct thread threads[THREADS];
static struct view fenced; /* by all seq_cst fences so far */

static int begun;
static int now = -1;          /* the thread that runs; -1: none does */
static uint32_t at, may_step; /* its place, and whether it may go one step further */
static jmp_buf stop, cut;

static uint32_t choice[CHOICES_MAX], of[CHOICES_MAX], depth, replay;
static const char *broken;

static void bug(const char *text)
{
	fprintf(stderr, "several: %s\n", text);
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

static int next_way(void)
{
	while (replay && choice[replay - 1] + 1 == of[replay - 1])
		replay--;
	if (!replay)
		return 0;
	choice[replay - 1]++;
	return 1;
}

static void join(struct view *view, const struct view *other)
{
	for (uint32_t i = 0; i < word_count; i++)
		if (other->time[i] > view->time[i])
			view->time[i] = other->time[i];
}

static uint64_t initial(const volatile void *word, size_t bytes)
{
	return bytes == 8 ? *(const volatile uint64_t *)word : *(const volatile uint32_t *)word;
}

static int find(const volatile void *word, size_t bytes)
{
	uint32_t i = 0;

	while (i < word_count && words[i].at != word)
		i++;
	if (i == word_count) {
		if (word_count == WORDS_MAX)
			bug("too many words");
		words[word_count++] = (struct word){.at = word, .count = 1};
		words[i].store[0] = (struct store){.value = initial(word, bytes), .time = FIRST};
	}
	return (int)i;
}

static int acquires(memory_order order)
{
	return running->sequential || order == memory_order_acquire ||
	       order >= memory_order_acq_rel;
}

static int releases(memory_order order)
{
	return running->sequential || order == memory_order_release ||
	       order >= memory_order_acq_rel;
}

static void fence(struct thread *t, memory_order order)
{
	if (acquires(order))
		join(&t->known, &t->read);
	if (order == memory_order_seq_cst) {
		join(&t->known, &fenced);
		fenced = t->known;
	}
	if (releases(order))
		t->released = t->known;
}

/* Those that the thread may see: from this one on. */
static uint32_t oldest(const struct thread *t, int word)
{
	uint32_t i = words[word].count - 1;

	while (i && words[word].store[i].time > t->known.time[word])
		i--;
	return i;
}

static const struct store *see(struct thread *t, int word, uint32_t i, memory_order order)
{
	const struct store *store = &words[word].store[i];

	if (store->time > t->known.time[word])
		t->known.time[word] = store->time;
	join(&t->read, &store->carries);
	if (acquires(order))
		join(&t->known, &store->carries);
	return store;
}

/* A store at place `i` in the order of its word. */
static void put(struct thread *t, int word, uint32_t i, uint64_t value, memory_order order,
		const struct store *read)
{
	struct word *w = &words[word];
	uint64_t before = w->store[i - 1].time,
		 after = i < w->count ? w->store[i].time : UINT64_MAX;
	struct store store = {.value = value, .follows = read != NULL};

	if (w->count == STORES_MAX || after - before < 2)
		bug("too many stores to one word");
	store.time = before + (after - before) / 2;
	t->known.time[word] = store.time;
	store.carries = releases(order) ? t->known : t->released;
	store.carries.time[word] = store.time;
	if (read)
		join(&store.carries, &read->carries);
	memmove(&w->store[i + 1], &w->store[i], (w->count - i) * sizeof(store));
	w->store[i] = store;
	w->count++;
}

/* The n-th place after `from` in which nothing reads what is before it. */
static uint32_t place(const struct word *w, uint32_t from)
{
	uint32_t places[STORES_MAX + 1], count = 0;

	for (uint32_t i = from + 1; i <= w->count; i++)
		if (i == w->count || !w->store[i].follows)
			places[count++] = i;
	return places[model_choose(count)];
}

/* Before an access: 1, its answer is known from before; 0, make it. Stops the thread's run where it may
 * make none. */
static int answered(struct pending pending, uint64_t *ret_answer)
{
	struct thread *t = &threads[now];

	if (at < t->done) {
		*ret_answer = t->answer[at++];
		return 1;
	}
	if (!may_step) {
		t->pending = pending;
		longjmp(stop, 1);
	}
	if (t->done == STEPS_MAX)
		bug("too many steps");
	may_step = 0;
	return 0;
}

static uint64_t answer(uint64_t value)
{
	struct thread *t = &threads[now];

	t->answer[t->done++] = value;
	at++;
	return value;
}

static void follow_by_fence(struct thread *t)
{
	if (running->sequential)
		fence(t, memory_order_seq_cst);
}

uint64_t model_load(const volatile void *word, size_t bytes, memory_order order)
{
	struct pending pending = {LOAD, -1, 0};
	uint64_t value;
	uint32_t from;

	if (!begun)
		return initial(word, bytes);
	pending.word = find(word, bytes);
	if (now < 0) /* after all: the last one */
		return words[pending.word].store[words[pending.word].count - 1].value;
	if (answered(pending, &value))
		return value;
	from = oldest(&threads[now], pending.word);
	from += model_choose(words[pending.word].count - from);
	value = see(&threads[now], pending.word, from, order)->value;
	return answer(value);
}

void model_store(volatile void *word, size_t bytes, uint64_t value, memory_order order)
{
	struct pending pending = {STORE, -1, 0};
	uint64_t none;

	value = bytes == 4 ? (uint32_t)value : value;
	if (now < 0) {
		if (bytes == 8)
			*(volatile uint64_t *)word = value;
		else
			*(volatile uint32_t *)word = (uint32_t)value;
		return;
	}
	pending.word = find(word, bytes);
	pending.sequential = running->sequential;
	if (answered(pending, &none))
		return;
	put(&threads[now], pending.word,
	    place(&words[pending.word], oldest(&threads[now], pending.word)), value, order, NULL);
	follow_by_fence(&threads[now]);
	answer(0);
}

/* Reads one that nothing else has read to write; `expected`: only that value. 1: written. */
static int update(int word, size_t bytes, const uint64_t *expected, uint64_t value, int adds,
		  memory_order order, uint64_t *ret_before)
{
	struct thread *t = &threads[now];
	struct word *w = &words[word];
	uint32_t i = oldest(t, word), ways[STORES_MAX], count = 0;
	struct store read;

	for (; i < w->count; i++)
		if ((expected && w->store[i].value != *expected) || i + 1 == w->count ||
		    !w->store[i + 1].follows)
			ways[count++] = i;
	if (!count)
		longjmp(cut, 1);
	i = ways[model_choose(count)];
	*ret_before = w->store[i].value;
	if (expected && *ret_before != *expected) {
		(void)see(t, word, i, memory_order_relaxed);
		return 0;
	}
	read = *see(t, word, i, order);
	value += adds ? read.value : 0;
	put(t, word, i + 1, bytes == 4 ? (uint32_t)value : value, order, &read);
	follow_by_fence(t);
	return 1;
}

uint64_t model_add(volatile void *word, size_t bytes, uint64_t value, memory_order order)
{
	struct pending pending = {UPDATE, find(word, bytes), running->sequential};
	uint64_t before;

	if (answered(pending, &before))
		return before;
	(void)update(pending.word, bytes, NULL, value, 1, order, &before);
	return answer(before);
}

int model_exchange(volatile void *word, size_t bytes, void *expected, uint64_t value,
		   memory_order order)
{
	struct pending pending = {UPDATE, find(word, bytes), running->sequential};
	uint64_t before, wanted = 0;

	memcpy(&wanted, expected, bytes);
	if (!answered(pending, &before)) {
		(void)update(pending.word, bytes, &wanted, value, 0, order, &before);
		answer(before);
	}
	if (before != wanted)
		memcpy(expected, &before, bytes);
	return before == wanted;
}

void model_fence(memory_order order)
{
	struct pending pending = {FENCE, -1, order == memory_order_seq_cst};
	uint64_t none;

	if (now < 0 || answered(pending, &none))
		return;
	fence(&threads[now], order);
	answer(0);
}

void model_cut(void)
{
	longjmp(cut, 1);
}

void model_name(const volatile void *base, uint64_t bytes, const char *name)
{
	(void)base, (void)bytes, (void)name;
}

static void print_thread(int i)
{
	printf("  thread %d:", i);
	for (uint32_t n = 0; n < threads[i].done; n++)
		printf(" %#llx", (unsigned long long)threads[i].answer[n]);
	printf("\n");
}

void model_broken(const char *promise)
{
	printf("  broken: %s\n  what the threads read:\n", promise);
	for (int i = 0; i < running->threads; i++)
		print_thread(i);
	broken = promise;
	longjmp(cut, 1);
}

/* The thread goes on to before its next step, after one more if `step`. */
static void go_on(int thread, uint32_t step)
{
	now = thread;
	at = 0;
	may_step = step;
	if (!setjmp(stop)) {
		running->run(thread);
		threads[thread].over = 1;
	}
	now = -1;
}

/* Could one of the steps see the other? */
static int meet(const struct pending *a, const struct pending *b)
{
	if (a->sequential && b->sequential)
		return 1;
	return a->word >= 0 && a->word == b->word && (a->access != LOAD || b->access != LOAD);
}

/* One step of a thread that is not asleep. 0: all are over, or would do again what was done before. */
static int step_one(uint32_t *asleep)
{
	int ready[THREADS], count = 0;
	struct pending step;
	uint32_t chosen;

	for (int i = 0; i < running->threads; i++)
		if (!threads[i].over && !(*asleep >> i & 1))
			ready[count++] = i;
	if (!count)
		return 0;
	chosen = model_choose((uint32_t)count);
	for (uint32_t i = 0; i < chosen; i++)
		*asleep |= 1u << ready[i];
	step = threads[ready[chosen]].pending;
	for (int i = 0; i < running->threads; i++)
		if (meet(&step, &threads[i].pending))
			*asleep &= ~(1u << i);
	go_on(ready[chosen], 1);
	return 1;
}

/* 0: another order of the same steps. */
static int run_all(void)
{
	uint32_t asleep = 0;

	for (int i = 0; i < running->threads; i++)
		go_on(i, 0);
	while (step_one(&asleep))
		;
	for (int i = 0; i < running->threads; i++)
		if (!threads[i].over)
			return 0;
	if (running->end)
		running->end();
	return 1;
}

/* One execution; 0: it was cut off. */
static int run_once(void)
{
	volatile int whole = 0;

	depth = word_count = 0;
	memset(threads, 0, sizeof(threads));
	memset(&fenced, 0, sizeof(fenced));
	begun = 1;
	if (!setjmp(cut))
		whole = run_all();
	now = -1;
	begun = 0;
	return whole;
}

struct model_result several_run(const struct several *several)
{
	struct model_result result = {0, NULL};

	running = several;
	broken = NULL;
	replay = 0;
	word_count = 0;
	several->begin();
	do
		result.executions += (uint64_t)run_once();
	while (!broken && next_way());
	result.broken = broken;
	return result;
}
