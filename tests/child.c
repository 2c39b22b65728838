/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/child.h"

#include "shm/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static struct child_plan *heeded;

static void *map(const char *path, size_t bytes, int flags)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
	void *base = MAP_FAILED;

	if (fd >= 0 && (!flags || ftruncate(fd, (off_t)bytes) == 0))
		base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd >= 0)
		close(fd);
	return base == MAP_FAILED ? NULL : base;
}

void *child_share(const struct rig *rig, const char *name, size_t bytes, char *ret_path)
{
	struct child_plan *plan;

	snprintf(ret_path, sizeof(rig->dir) + 64, "%s/%s.plan", rig->dir, name);
	plan = map(ret_path, bytes, O_CREAT);
	if (plan)
		memcpy(plan->dir, rig->dir, sizeof(plan->dir));
	return plan;
}

void *child_attend(const char *path, size_t bytes)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return map(path, bytes, 0);
}

pid_t child_start(const char *role, const char *path)
{
	char program[] = "test", own_role[32], own_path[192];
	char *const argv[] = {program, own_role, own_path, NULL};
	pid_t pid;
	int r;

	snprintf(own_role, sizeof(own_role), "%s", role);
	snprintf(own_path, sizeof(own_path), "%s", path);
	r = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ);
	return r ? -r : pid;
}

void child_arm(struct child_plan *plan, uint32_t step, uint32_t hits)
{
	atomic_store(&plan->kill_step, RDX_HOOK_NONE);
	atomic_store(&plan->kill_hits, hits);
	atomic_store(&plan->kill_step, step);
}

#ifdef RDX_HOOKS
static void kill_here(enum rdx_hook_step step)
{
	if (step == atomic_load_explicit(&heeded->kill_step, memory_order_relaxed) &&
	    atomic_fetch_sub(&heeded->kill_hits, 1) == 1)
		raise(heeded->signal ? heeded->signal : SIGKILL);
}
#endif

void child_heed(struct child_plan *plan)
{
	heeded = plan;
#ifdef RDX_HOOKS
	rdx_hook_function = kill_here;
#endif
}

void child_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int child_was_killed(pid_t pid)
{
	int status = 0;
	pid_t ended = waitpid(pid, &status, WNOHANG);

	if (ended == 0)
		return 0;
	if (ended == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return 1;
	print_message("child %d: wait status %#x\n", (int)pid, (unsigned int)status);
	return -EPROTO;
}

int child_has_stopped(pid_t pid)
{
	int status = 0;

	return waitpid(pid, &status, WNOHANG | WUNTRACED) == pid && WIFSTOPPED(status);
}

#define STEPS(name, ...)                                                                           \
	static const enum rdx_hook_step name[] = {__VA_ARGS__};                                    \
	const struct child_steps child_steps_##name = {name, sizeof(name) / sizeof(*name)}

STEPS(opening, RDX_HOOK_CLAIM_LOCKED, RDX_HOOK_SEGMENT_FILLED, RDX_HOOK_SEGMENT_BUILT,
      RDX_HOOK_SEGMENT_RENAMED);
STEPS(ledger, RDX_HOOK_LEDGER_INTENT, RDX_HOOK_LEDGER_WORD, RDX_HOOK_LEDGER_WRITTEN);
STEPS(ring, RDX_HOOK_SLOT_BUSY, RDX_HOOK_SLOT_HALF, RDX_HOOK_SLOT_WRITTEN, RDX_HOOK_SLOT_PUBLISHED,
      RDX_HOOK_EVENT_PUBLISHED, RDX_HOOK_TAIL_MOVED);
STEPS(after, RDX_HOOK_BARRIER_NAMED, RDX_HOOK_BELL_CHECK, RDX_HOOK_BELL_CLEARED, RDX_HOOK_BELL_RUNG,
      RDX_HOOK_CLEAR_BUMPED);
