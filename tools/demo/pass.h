/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass of the demo: a trace replayed through workers, and what came of it. It is written
 * down as a sequence of things to wait for; each wait turns the one loop, and what the loop
 * calls never waits. docs/demo.md says how time goes.
 */
#ifndef DEMO_PASS_H
#define DEMO_PASS_H

#include "tools/demo/compare.h"
#include "tools/demo/incidents.h"

struct pass_plan {
	enum policy policy;
	int disturbed;
	const char *title;
	const char *what;
};

struct pass {
	const struct pass_plan *plan;
	struct crew crew;
	struct traffic traffic;
	struct incidents incidents;
	struct comparison *comparison; /* of all passes */
	uint64_t wall_ns;
	uint64_t heard_ns; /* last from a worker */
};

/* Replay the trace. The result stays with `pass` until the program ends, that of comparing is
 * added to. */
void pass_run(struct pass *pass, const struct pass_plan *plan, const struct settings *settings,
	      const struct requests *trace, const char *dir, struct comparison *comparison);

#endif
