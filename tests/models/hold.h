/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A test runs a model for each of its scripts. It prints how many executions that were; where a
 * promise is broken, the execution, and whether x86 has such a one.
 */
#ifndef RDX_TESTS_MODELS_HOLD_H
#define RDX_TESTS_MODELS_HOLD_H

#include "tests/models/model.h"
#include "tests/patience.h"

#define EXECUTIONS_MIN 20 /* fewer were no test */

static inline void hold(const char *name, int steps, const struct model *model)
{
	struct model_result result = model_run(model);
	struct model x86 = *model;

	if (result.broken) {
		x86.x86 = 1;
		print_error("%s, %d steps: broken: %s\n", name, steps, result.broken);
		print_error("%s on x86\n", model_run(&x86).broken ? "also" : "not");
	} else {
		print_message("%s, %d steps: %llu executions\n", name, steps,
			      (unsigned long long)result.executions);
	}
	assert_null(result.broken);
	assert_true(result.executions >= EXECUTIONS_MIN);
}

/* One of the kinds of steps whose bits are set. */
static inline unsigned choose_kind(unsigned kinds)
{
	unsigned nth = model_choose((uint32_t)__builtin_popcount(kinds));

	while (nth--)
		kinds &= kinds - 1;
	return (unsigned)__builtin_ctz(kinds);
}

#endif
