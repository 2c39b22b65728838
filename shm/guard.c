/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SIGBUS guard: a file truncated under a live mapping must not kill the router.
 */
#include "shm/guard.h"
#include "shm/guarded.h"
#include <ringdex/rdx_types.h>

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

static struct rdx_guarded entries[RDX_GUARDED_MAX];
static struct rdx_guarded_all guarded = {.entry = entries, .max = RDX_GUARDED_MAX};
static struct sigaction previous_action;

int rdx_guard_add(struct rdx_mapping *mapping)
{
	return rdx_guarded_add(&guarded, mapping);
}

void rdx_guard_remove(struct rdx_mapping *mapping)
{
	rdx_guarded_remove(&guarded, mapping);
}

/* Put zero pages under the mapping that `address` lies in. 1 if there is one. */
static int poison(uintptr_t address)
{
	uintptr_t base = 0;
	uint64_t bytes = 0;
	struct rdx_mapping *mapping = rdx_guarded_find(&guarded, address, &base, &bytes);

	if (!mapping)
		return 0;
	/* flag first: a reader of the zeroes finds it set */
	atomic_store(&mapping->poisoned, 1);
	return mmap((void *)base, bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
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
