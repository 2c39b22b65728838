/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words that two processes see: relaxed copies, and the only fences of ringdex.
 *
 * A payload that may be overwritten while it is read is copied word by word with
 * relaxed loads between an acquire load of its version and a check of the same
 * version; the writer marks the version, writes the words relaxed, and publishes with
 * a release store. The two fences below order the words against the marks:
 *
 *   writer   mark (relaxed) ; rdx_fence_release ; words (relaxed) ; publish (release)
 *   reader   version (acquire) ; words (relaxed) ; rdx_fence_acquire ; version (relaxed)
 *
 * ThreadSanitizer does not understand fences. Under it the words themselves are stored
 * with release and loaded with acquire, which gives the same order: a reader that sees a
 * newer word sees the mark before it.
 */
#ifndef RDX_WORDS_H
#define RDX_WORDS_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
	      "shared words must be lock-free");
static_assert(sizeof(_Atomic uint64_t) == 8 && sizeof(_Atomic uint32_t) == 4,
	      "atomics must have the size of their values");

#if defined(__SANITIZE_THREAD__)
#define RDX_WORD_STORE memory_order_release
#define RDX_WORD_LOAD  memory_order_acquire
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RDX_WORD_STORE memory_order_release
#define RDX_WORD_LOAD  memory_order_acquire
#endif
#endif

#ifdef RDX_WORD_STORE
#define RDX_FENCES 0
#else
#define RDX_FENCES     1
#define RDX_WORD_STORE memory_order_relaxed
#define RDX_WORD_LOAD  memory_order_relaxed
#endif

/* A word guarded by a version or an intent, as described above. */
static inline uint64_t rdx_word_load(const _Atomic uint64_t *word)
{
	return atomic_load_explicit(word, RDX_WORD_LOAD);
}

static inline void rdx_word_store(_Atomic uint64_t *word, uint64_t value)
{
	atomic_store_explicit(word, value, RDX_WORD_STORE);
}

/* The same of 32 bits. */
static inline uint32_t rdx_half_load(const _Atomic uint32_t *half)
{
	return atomic_load_explicit(half, RDX_WORD_LOAD);
}

static inline void rdx_words_load(uint64_t *to, const _Atomic uint64_t *from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		to[i] = rdx_word_load(from + i);
}

static inline void rdx_words_store(_Atomic uint64_t *to, const uint64_t *from, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		rdx_word_store(to + i, from[i]);
}

static inline void rdx_fence_release(void)
{
#if RDX_FENCES
	atomic_thread_fence(memory_order_release);
#endif
}

static inline void rdx_fence_acquire(void)
{
#if RDX_FENCES
	atomic_thread_fence(memory_order_acquire);
#endif
}

/* The bell's: a store before it and a load after it are not reordered. */
static inline void rdx_fence_seq_cst(void)
{
	atomic_thread_fence(memory_order_seq_cst);
}

#endif
