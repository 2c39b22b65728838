/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ringdex-mock prints: a JSON object a line, a line for each request and command. The
 * fields are listed at the top of mock.c. Without memory the program ends.
 */
#ifndef MOCK_ANSWERS_H
#define MOCK_ANSWERS_H

#include "tools/mock/announce.h"

void answers_ready(const struct announcer *announcer, const struct rdx_publisher_options *options);
void answers_request(uint64_t id, const struct engine_answer *answer);
void answers_error(uint64_t line, const char *text);
void answers_refused(uint64_t id, const char *text);

/* A command that has nothing more to say than the time. */
void answers_command(const char *command, const struct engine *engine);
void answers_stats(const struct engine *engine, struct announcer *announcer);

/* -ENOMEM. */
int answers_dump(const struct engine *engine, const struct announcer *announcer,
		 const struct rdx_publisher_options *options);

#endif
