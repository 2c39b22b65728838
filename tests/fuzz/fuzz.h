/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared by the fuzz targets: how the bytes of an input become choices, how shared words are
 * changed, and what makes a run repeatable. docs/fuzzing.md.
 *
 * A target is a file fuzz_<name>.c with the four functions at the end of this header. Linked with
 * libFuzzer, inputs are made by it; linked with replay.c, they are those of fuzz_seed and of
 * regressions/<name>.txt, as a normal test.
 *
 * Nothing sleeps and nothing is random: clock_gettime, nanosleep and getrandom are wrapped at link
 * time. The monotonic clock is fuzz_now_ns; each look at it takes a microsecond.
 */
#ifndef RDX_TESTS_FUZZ_H
#define RDX_TESTS_FUZZ_H

#include "tests/held.h"

#include <ringdex/rdx_hash.h>
#include <ringdex/rdx_types.h>

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* A promise that does not hold ends the program: that is how libFuzzer sees it. */
#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fuzz_broken(__FILE__, __LINE__, #condition);                               \
	} while (0)
_Noreturn void fuzz_broken(const char *file, int line, const char *what);

/* Is this result one of those that a contract names, up to a 0? 0 and above always are. */
#define FUZZ_ALLOWED(result, ...)                                                                  \
	FUZZ_CHECK(fuzz_is_allowed((result), (const int[]){__VA_ARGS__, 0}))
int fuzz_is_allowed(int64_t result, const int *errors);

/* What is left of an input; zeros when it is used up. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};
uint64_t fuzz_number(struct fuzz_input *in, uint32_t bytes);
static inline uint8_t fuzz_byte(struct fuzz_input *in)
{
	return (uint8_t)fuzz_number(in, 1);
}

/* Another value for a word: a count up or down, a bit, a small number, one of `near`, anything. */
uint64_t fuzz_value(struct fuzz_input *in, uint64_t old, uint64_t near);

/* Look at each byte; what is returned depends on all of them. */
uint64_t fuzz_touch(const void *bytes, uint64_t count);

/*
 * The bytes where memory ends, so that who reads beyond them is ended also without AddressSanitizer; the
 * second, with a NUL behind them. Valid until the next call of either.
 */
uint8_t *fuzz_at_edge(const uint8_t *bytes, size_t count);
char *fuzz_text(const uint8_t *bytes, size_t count);

extern uint64_t fuzz_now_ns;

/* The same sequence of "random" numbers from here on. */
void fuzz_random_begin(uint64_t seed);

/* Memory of whole pages, zeros. */
uint8_t *fuzz_pages(uint64_t bytes);

/* A namespace of this process, with the same key in every run. */
struct fuzz_place {
	char dir[HELD_PATH_BYTES];
	int dir_fd;
	struct rdx_hash_key key;
};
void fuzz_place_make(struct fuzz_place *place);

/* A file of the place, of `bytes` zeros, mapped for changing. */
uint8_t *fuzz_file_map(const struct fuzz_place *place, const char *name, uint64_t bytes,
		       int *ret_fd);

/* Read a whole file of the place into memory that stays. */
uint8_t *fuzz_file_read(const struct fuzz_place *place, const char *name, uint64_t *ret_bytes);

/*
 * Changes of shared words. Each is remembered, so that it can be undone, and so that another thread,
 * once it is started, makes and unmakes them between fuzz_changing_begin and _end: libFuzzer starts
 * it where RDX_FUZZ_CHANGING=1 is in the environment. A change at a step is made when the library has
 * passed as many protocol steps (shm/hook.h, where they are compiled in): between two of its loads, in
 * one thread.
 */
void fuzz_store(_Atomic uint64_t *word, uint64_t value);
void fuzz_store_at_step(uint32_t steps, _Atomic uint64_t *word, uint64_t value);
void fuzz_undo(void);               /* the newest first */
void fuzz_forget(void);             /* the words were restored by other means */
extern _Atomic int fuzz_may_change; /* it was started */
void fuzz_changing_start(void);
void fuzz_changing_begin(void);
void fuzz_changing_end(void);

/* Bytes without a form, of a length from `least` to `most`. */
size_t fuzz_seed_bytes(uint64_t number, uint8_t *ret_bytes, size_t least, size_t most);

/* Made once, before the first input. */
void fuzz_setup(void);

/* Forget what earlier inputs left, so that one alone does the same again. */
void fuzz_fresh(void);

/* Input `number` of the made corpus: its bytes. */
size_t fuzz_seed(uint64_t number, uint8_t *ret_bytes, size_t capacity);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

#endif
