/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command line of ringdex-mock.
 */
#ifndef MOCK_OPTIONS_H
#define MOCK_OPTIONS_H

#include "tools/mock/engine.h"
#include <ringdex/rdx_publisher.h>

struct mock_options {
	struct engine_options engine;
	struct rdx_publisher_options publisher;
	const char *trace; /* NULL: standard input, and answers */
	double speed;      /* of the trace's time; 0: as fast as it goes */
	uint32_t wide_names;
	uint8_t name_bytes; /* 8, or 32 where wide_names */
	int hold;
	char instance[RDX_TEXT_BYTES];
};

/* Ends the program on a wrong command line. */
void mock_options_parse(int argc, char **argv, struct mock_options *ret_options);

#endif
