/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands before the compiler's <stdatomic.h> in the programs of tests/models: each access of the
 * headers under test goes to model.c. Only what those headers use.
 */
#ifndef RDX_TESTS_MODELS_STDATOMIC_H
#define RDX_TESTS_MODELS_STDATOMIC_H

#include <stddef.h>
#include <stdint.h>

typedef enum memory_order {
	memory_order_relaxed,
	memory_order_acquire,
	memory_order_release,
	memory_order_acq_rel,
	memory_order_seq_cst
} memory_order;

#define ATOMIC_INT_LOCK_FREE   2
#define ATOMIC_LLONG_LOCK_FREE 2

uint64_t model_load(const volatile void *at, size_t bytes, memory_order order);
void model_store(volatile void *at, size_t bytes, uint64_t value, memory_order order);
uint64_t model_add(volatile void *at, size_t bytes, uint64_t value, memory_order order);
int model_exchange(volatile void *at, size_t bytes, void *expected, uint64_t value,
		   memory_order order);
void model_fence(memory_order order);

#define atomic_load_explicit(at, order)                                                            \
	model_load((const volatile void *)(at), sizeof(*(at)), (order))
#define atomic_store_explicit(at, value, order)                                                    \
	model_store((volatile void *)(at), sizeof(*(at)), (uint64_t)(value), (order))
#define atomic_thread_fence(order) model_fence(order)

#define atomic_fetch_add_explicit(at, value, order)                                                \
	model_add((volatile void *)(at), sizeof(*(at)), (uint64_t)(value), (order))
/* a weak one does not fail by chance: who makes it tries again */
#define atomic_compare_exchange_weak_explicit(at, expected, value, order, otherwise)               \
	model_exchange((volatile void *)(at), sizeof(*(at)), (expected), (uint64_t)(value), (order))
#define atomic_compare_exchange_strong_explicit atomic_compare_exchange_weak_explicit

/* of pointers, too */
#define atomic_load(at)                                                                            \
	((__typeof__((void)0, *(at)))atomic_load_explicit((at), memory_order_seq_cst))
#define atomic_store(at, value)     atomic_store_explicit((at), (value), memory_order_seq_cst)
#define atomic_fetch_add(at, value) atomic_fetch_add_explicit((at), (value), memory_order_seq_cst)
#define atomic_compare_exchange_strong(at, expected, value)                                        \
	model_exchange((volatile void *)(at), sizeof(*(at)), (expected), (uint64_t)(value),        \
		       memory_order_seq_cst)
#define atomic_compare_exchange_weak(at, expected, value)                                          \
	atomic_compare_exchange_strong((at), (expected), (value))

#endif
