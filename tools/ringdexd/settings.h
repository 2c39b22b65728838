/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ringdexd is told: by flags, environment and file.
 */
#ifndef RINGDEXD_SETTINGS_H
#define RINGDEXD_SETTINGS_H

#include "tools/ringdexd/choose.h"
#include "tools/ringdexd/configuration.h"
#include "tools/ringdexd/server.h"

#include <ringdex/rdx_indexer.h>

#define SETTINGS_ADDRESSES_MAX 16

struct settings {
	struct rdx_indexer_options indexer;
	uint64_t worker_gib; /* 0: the library's default */
	uint64_t clean_ns;   /* or HOUSE_NEVER */
	const char *listen[SETTINGS_ADDRESSES_MAX + 1];
	const char *token_file;
	int open_to_all;
	const char *allow_users; /* NULL: whom the modes of Unix sockets let in */
	int no_register;
	uint32_t registered;
	const char *bridge; /* NULL: beside this program */
	struct server_limits limits;
	struct choose_options choose;
	uint32_t log_form;  /* LOG_AS_... */
	uint32_t log_level; /* LOG_AT_... */
	const char *config;
	int check_config;
};

/* Flags alone, which stay: settings are read again on top of them. */
struct settings_flags {
	struct settings settings;
	uint8_t given[CONFIGURATION_OPTIONS_MAX];
};

/* A wrong command line ends the program. */
void settings_parse(int argc, char **argv, struct settings_flags *ret_flags);

/* What flags, environment and file say now; texts are kept in `texts`. How many faults there are: each is said. */
int settings_read(const struct settings_flags *flags, struct settings *ret_settings,
		  struct configuration_texts *texts);

/* Take over into `running` what may change while it runs; what else is different is named. */
void settings_take_over(struct settings *running, const struct settings *next);

#endif
