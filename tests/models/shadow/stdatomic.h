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
void model_fence(memory_order order);

#define atomic_load_explicit(at, order)                                                            \
	model_load((const volatile void *)(at), sizeof(*(at)), (order))
#define atomic_store_explicit(at, value, order)                                                    \
	model_store((volatile void *)(at), sizeof(*(at)), (uint64_t)(value), (order))
#define atomic_thread_fence(order) model_fence(order)

#endif
