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
	return rdx_guarded_add(&guarded, mapping, NULL);
}

int rdx_guard_add_to(struct rdx_mapping *mapping, const void *group)
{
	return rdx_guarded_add(&guarded, mapping, group);
}

void rdx_guard_remove(struct rdx_mapping *mapping)
{
	rdx_guarded_remove(&guarded, mapping);
}

/* Put zero pages under a mapping. */
static int poison(const struct rdx_guarded_seen *seen)
{
	/* flag first: a reader of the zeroes finds it set */
	atomic_store(&seen->mapping->poisoned, 1);
	return mmap((void *)seen->base, seen->bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
}

/* The mapping that `address` lies in, and its group. 1 if there is one. */
static int poison_at(uintptr_t address)
{
	struct rdx_guarded_seen seen, other;
	uint32_t end = atomic_load(&guarded.end);

	if (!rdx_guarded_find(&guarded, address, &seen))
		return 0;
	for (uint32_t i = 0; seen.group && i < end; i++) {
		if (rdx_guarded_look(&entries[i], &other) && other.group == seen.group &&
		    other.mapping != seen.mapping && !poison(&other))
			return 0;
	}
	return poison(&seen); /* last: where another one cannot be, the fault repeats */
}

static void on_sigbus(int signal_number, siginfo_t *info, void *context)
{
	int error = errno;

	if (!poison_at((uintptr_t)info->si_addr)) {
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
