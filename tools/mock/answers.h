/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ringdex-mock says: one JSON object per line, one line per request or command. The
 * fields stand at the top of mock.c.
 */
#ifndef MOCK_ANSWERS_H
#define MOCK_ANSWERS_H

#include "tools/mock/announce.h"

#include <stdio.h>

void answers_ready(FILE *file, const struct announcer *announcer,
		   const struct rdx_publisher_options *options);
void answers_request(FILE *file, uint64_t id, const struct engine_answer *answer);
void answers_error(FILE *file, uint64_t line, const char *text);
void answers_refused(FILE *file, uint64_t id, const char *text);

/* A command that has nothing more to say than the time. */
void answers_command(FILE *file, const char *command, const struct engine *engine);
void answers_stats(FILE *file, const struct engine *engine, struct announcer *announcer);

/* -ENOMEM. */
int answers_dump(FILE *file, const struct engine *engine, const struct announcer *announcer,
		 const struct rdx_publisher_options *options);

#endif
