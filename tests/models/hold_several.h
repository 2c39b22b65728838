/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As hold.h, for several sides that store.
 */
#ifndef RDX_TESTS_MODELS_HOLD_SEVERAL_H
#define RDX_TESTS_MODELS_HOLD_SEVERAL_H

#include "tests/models/several.h"
#include "tests/patience.h"

static inline void hold_several(const char *name, const struct several *several)
{
	struct model_result result = several_run(several);
	struct several sequential = *several;

	if (result.broken) {
		sequential.sequential = 1;
		print_error("%s: broken: %s\n", name, result.broken);
		print_error("%s where all steps have one order\n",
			    several_run(&sequential).broken ? "also" : "not");
	} else {
		print_message("%s: %llu executions\n", name, (unsigned long long)result.executions);
	}
	assert_null(result.broken);
}

#endif
