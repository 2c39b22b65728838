/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real processes of a test: its own program, started again in a role, with its plan and progress in
 * memory that both sides map. The test chooses the protocol step at which it dies.
 */
#ifndef RDX_TESTS_CHILD_H
#define RDX_TESTS_CHILD_H

#include "shm/clock.h"
#include "shm/hook.h"
#include "tests/rig.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

/* What every role's plan begins with. */
struct child_plan {
	char dir[HELD_PATH_BYTES];  /* the namespace */
	int32_t signal;             /* that it sends itself; 0: SIGKILL */
	_Atomic uint32_t kill_step; /* enum rdx_hook_step; RDX_HOOK_NONE: it lives */
	_Atomic uint32_t
		kill_hits; /* at how many hits of the step, counted from when this was set */
};

/* Zeroed memory of `bytes` bytes that children find by `path`; never unmapped, removed with the
 * rig's directory. NULL on failure. */
void *child_share(const struct rig *rig, const char *name, size_t bytes, char *ret_path);

/* In the child: the memory of that path. From now on it dies with its parent. */
void *child_attend(const char *path, size_t bytes);

/* Run this program again as `program role path`. Its pid, or -errno. */
pid_t child_start(const char *role, const char *path);

/* Send the plan's signal when `step` is met for the `hits`-th time from now on. */
void child_arm(struct child_plan *plan, uint32_t step, uint32_t hits);

/* In the child: arm the plan's signal. Does nothing without RDX_HOOKS. */
void child_heed(struct child_plan *plan);

/* Kill it and wait until it is gone. */
void child_kill(pid_t pid);

/* Has it ended by SIGKILL? 0: it runs. -EPROTO: it ended otherwise, and that is printed. */
int child_was_killed(pid_t pid);

/* Has a signal stopped it since the last call? */
int child_has_stopped(pid_t pid);

/* The steps of a producer at which children are stopped or killed, in the order in which it passes
 * them. */
struct child_steps {
	const enum rdx_hook_step *step;
	uint32_t count;
};
extern const struct child_steps child_steps_opening;
extern const struct child_steps child_steps_ledger;
extern const struct child_steps child_steps_ring;
extern const struct child_steps child_steps_after; /* barrier, bell, the worker's clear */

#endif
