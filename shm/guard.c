/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SIGBUS guard: a file truncated under a live mapping must not kill the router.
 *
 * The handler may run on any thread at any instruction, so the guarded mappings are kept in a fixed
 * array of atomics. An entry's use count is raised when the entry is complete and before it is
 * erased: between two looks at the same odd count it belonged to one mapping. All accesses are
 * seq_cst: the handler waits for nobody, and a fault need not be fast.
 */
#include "shm/guard.h"
#include "shm/hook.h"
#include "shm/mapping.h"
#include <ringdex/rdx_types.h>

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>

struct guarded {
	_Atomic uint64_t use; /* odd: in use */
	_Atomic uintptr_t base;
	_Atomic uint64_t bytes;
	_Atomic(struct rdx_mapping *) mapping;
};

static struct guarded guarded_mappings[RDX_GUARDED_MAX];
static _Atomic uint32_t guarded_end; /* entries ever used */
static struct sigaction previous_action;

int rdx_guard_add(struct rdx_mapping *mapping)
{
	for (uint32_t i = 0; i < RDX_GUARDED_MAX; i++) {
		struct rdx_mapping *none = NULL;
		struct guarded *entry = &guarded_mappings[i];
		uint32_t end = atomic_load(&guarded_end);

		if (!atomic_compare_exchange_strong(&entry->mapping, &none, mapping))
			continue;
		atomic_store(&entry->bytes, mapping->bytes);
		atomic_store(&entry->base, (uintptr_t)mapping->base);
		atomic_fetch_add(&entry->use, 1);
		while (end < i + 1 && !atomic_compare_exchange_weak(&guarded_end, &end, i + 1))
			;
		return 0;
	}
	return -ENOSPC;
}

void rdx_guard_remove(struct rdx_mapping *mapping)
{
	uint32_t end = atomic_load(&guarded_end);

	for (uint32_t i = 0; i < end; i++) {
		if (atomic_load(&guarded_mappings[i].mapping) != mapping)
			continue;
		atomic_fetch_add(&guarded_mappings[i].use, 1);
		atomic_store(&guarded_mappings[i].mapping, NULL);
		return;
	}
}

/* An entry's mapping, if `address` lies in it. An entry that changes meanwhile is not the one that
 * faulted: that mapping stays guarded until the access is over. */
static struct rdx_mapping *mapping_at(const struct guarded *entry, uintptr_t address,
				      uintptr_t *ret_base, uint64_t *ret_bytes)
{
	uint64_t use = atomic_load(&entry->use), bytes;
	struct rdx_mapping *mapping;
	uintptr_t base;

	if (!(use & 1))
		return NULL;
	base = atomic_load(&entry->base);
	RDX_HOOK(RDX_HOOK_GUARD_BASE);
	bytes = atomic_load(&entry->bytes);
	mapping = atomic_load(&entry->mapping);
	if (atomic_load(&entry->use) != use || address < base || address - base >= bytes)
		return NULL;
	*ret_base = base;
	*ret_bytes = bytes;
	return mapping;
}

/* Put zero pages under the mapping that `address` lies in. 1 if there is one. */
static int poison(uintptr_t address)
{
	uint32_t end = atomic_load(&guarded_end);

	for (uint32_t i = 0; i < end; i++) {
		uintptr_t base;
		uint64_t bytes;
		struct rdx_mapping *mapping =
			mapping_at(&guarded_mappings[i], address, &base, &bytes);

		if (!mapping)
			continue;
		/* flag first: a reader of the zeroes finds it set */
		atomic_store(&mapping->poisoned, 1);
		return mmap((void *)base, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
	}
	return 0;
}

static void on_sigbus(int signal_number, siginfo_t *info, void *context)
{
	int error = errno;

	if (!poison((uintptr_t)info->si_addr)) {
		if (previous_action.sa_flags & SA_SIGINFO)
			previous_action.sa_sigaction(signal_number, info, context);
		else if (previous_action.sa_handler == SIG_DFL ||
			 previous_action.sa_handler == SIG_IGN)
			signal(SIGBUS, SIG_DFL); /* the fault repeats and ends the process */
		else
			previous_action.sa_handler(signal_number);
	}
	errno = error;
}

int rdx_guard_install(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	struct sigaction before;

	sigemptyset(&action.sa_mask);
	if (sigaction(SIGBUS, NULL, &before) < 0)
		return -errno;
	if (before.sa_flags & SA_SIGINFO && before.sa_sigaction == on_sigbus)
		return 0;
	previous_action = before;
	return sigaction(SIGBUS, &action, NULL) < 0 ? -errno : 0;
}
