/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/settings.h"

#include "tools/inspect/house.h"
#include "tools/program/options_shared.h"
#include "tools/program/options_value.h"
#include "tools/ringdexd/log.h"

#include <string.h>

#define DEFAULT_REGISTERED 64

#define TO(member) OPTIONS_TO(struct settings, member)

static const struct options_entry entries[] = {
	OPTIONS_DIR(TO(indexer.dir)),
	{"listen", 'l', "ADDRESS",
	 "Serve HTTP there: HOST:PORT (port 0: any that is free), [IPv6]:PORT or unix:PATH; may be "
	 "given again",
	 OPTIONS_TEXTS, TO(listen), .min = 1, .fallback = "127.0.0.1:8090"},
	{"token-file", 0, "FILE",
	 "A request over TCP must have the token that is this file's first line, as a bearer token",
	 OPTIONS_TEXT, TO(token_file), .min = 1},
	{"open-to-all", 0, NULL, "Listen on other addresses than this host's own without a token",
	 OPTIONS_FLAG, TO(open_to_all)},
	{"allow-users", 0, "USER[,...]",
	 "Over a Unix socket answer only processes of these users, by name or number, of root, and "
	 "of ringdexd's own",
	 OPTIONS_TEXT, TO(allow_users), .min = 1, .fallback = "all that its file's mode lets in"},
	{"connections", 0, "N", "Connections at once", OPTIONS_NUMBER, TO(limits.connections),
	 .min = 1, .max = 1000000, .fallback = "16384, or half of the descriptors"},
	{"http-mib", 0, "N",
	 "MiB for requests and answers of all connections together; what is more is answered with "
	 "503",
	 OPTIONS_NUMBER, TO(limits.memory_mib), .min = 64, .max = 1 << 20},
	{"request-timeout", 0, "TIME", "Time that a request may take to arrive", OPTIONS_DURATION,
	 TO(limits.request_ns), .min = OPTIONS_MS, .max = OPTIONS_DAY},
	{"idle-timeout", 0, "TIME", "Time after which a connection without a request is closed",
	 OPTIONS_DURATION, TO(limits.idle_ns), .min = OPTIONS_MS, .max = OPTIONS_DAY},
	{"no-choose", 0, NULL, "Do not answer POST /v1/choose", OPTIONS_FLAG, TO(choose.is_off)},
	{"expect-for", 0, "TIME",
	 "Time for which /v1/choose expects a worker that it chose to hold the prompt; 0s: none",
	 OPTIONS_DURATION, TO(choose.expect_ns), .min = 0, .max = OPTIONS_DAY / 24},
	{"no-register", 0, NULL,
	 "Start no bridges: /register and /unregister are refused. They are, too, where "
	 "--open-to-all lets everybody ask without a token",
	 OPTIONS_FLAG, TO(no_register)},
	{"registered", 0, "N", "Streams of engines that may be registered at once", OPTIONS_NUMBER,
	 TO(registered), .min = 1, .max = RDX_RANKS_MAX},
	{"bridge", 0, "PATH", "Program that listens to a registered engine", OPTIONS_TEXT,
	 TO(bridge), .min = 1, .fallback = "ringdex-bridge beside ringdexd"},
	OPTIONS_WAIT(TO(indexer.wait_mode)),
	OPTIONS_REST(TO(indexer.rest_mode)),
	{.kind = OPTIONS_HEADING, .help = "What workers may take:"},
	OPTIONS_LIMITS(TO),
	OPTIONS_CLEAN_DEAD_FOR(TO(clean_ns)),
	{.kind = OPTIONS_HEADING, .help = "Configuration and log:"},
	{"config", 'c', "FILE",
	 "Read options from there: a line each, as in listen = unix:/run/x; -FILE: if it is there",
	 OPTIONS_TEXT, TO(config), .min = 1},
	{"check-config", 0, NULL,
	 "Say what is wrong with the options, wherever they stand, and end", OPTIONS_FLAG,
	 TO(check_config)},
	{"log", 0, "text|json", "Form of lines on standard error", OPTIONS_CHOICE, TO(log_form),
	 .choices = log_forms},
	{"log-level", 0, "debug|info|warning|error",
	 "Say what is as important as that; debug: each request", OPTIONS_CHOICE, TO(log_level),
	 .choices = log_levels},
	{0},
};

static const struct options_program program = {
	.entries = entries,
	.about = "Maintain the indexes of a namespace, as ringdex follow does, and answer over "
		 "HTTP who holds which prefix, as NVIDIA Dynamo's stand-alone indexer does. Runs "
		 "until SIGINT or SIGTERM. While another process maintains the indexes it answers "
		 "from them, and takes over when that one ends.\v"
		 "Each option may also stand in the environment (RINGDEXD_TOKEN_FILE) and in the "
		 "file of --config (token-file = PATH). A flag wins over the environment, and that "
		 "over the file. SIGHUP reads both again.\n\n"
		 "Exit status: 0 told to stop, or --check-config found no fault, 1 it could not "
		 "start or go on, 2 wrong usage or configuration.",
};

/* What a reload changes: all else is what threads were started with, and sockets opened. */
static const char *const live[] = {"token-file", "open-to-all",     "allow-users",  "connections",
				   "http-mib",   "request-timeout", "idle-timeout", "no-choose",
				   "expect-for", "no-register",     "log",          "log-level"};

void settings_parse(int argc, char **argv, struct settings_flags *ret_flags)
{
	*ret_flags = (struct settings_flags){
		.settings = {.indexer = {.size = sizeof(ret_flags->settings.indexer),
					 .dir = RDX_DEFAULT_DIR,
					 .stale_after_ns = 250 * OPTIONS_MS,
					 .initial_blocks = 4096},
			     .clean_ns = HOUSE_NEVER,
			     .registered = DEFAULT_REGISTERED,
			     .limits = server_limits_default,
			     .choose = {.expect_ns = 2000 * OPTIONS_MS},
			     .log_level = LOG_AT_INFO}};
	options_parse_given(&program, argc, argv, &ret_flags->settings, ret_flags->given);
}

int settings_read(const struct settings_flags *flags, struct settings *ret_settings,
		  struct configuration_texts *texts)
{
	int faults;

	*ret_settings = flags->settings;
	faults = configuration_read(&program, flags->given, ret_settings, &ret_settings->config,
				    texts);
	ret_settings->indexer.worker_bytes_max = ret_settings->worker_gib << 30;
	if (ret_settings->check_config)
		configuration_say_unknown(&program);
	return faults;
}

static int is_live(const char *name)
{
	for (size_t i = 0; i < sizeof(live) / sizeof(live[0]); i++)
		if (strcmp(live[i], name) == 0)
			return 1;
	return 0;
}

void settings_take_over(struct settings *running, const struct settings *next)
{
	for (const struct options_entry *entry = entries; entry->kind != OPTIONS_END; entry++) {
		int is_same;

		if (!entry->name)
			continue;
		is_same = options_value_same(entry, running, next);
		if (is_live(entry->name)) /* also where it is the same: texts are others */
			options_value_copy(entry, running, next);
		if (!is_same && is_live(entry->name))
			log_say(LOG_AT_INFO, "%s has changed", entry->name);
		else if (!is_same)
			log_say(LOG_AT_WARNING, "%s is another one now: restart ringdexd for that",
				entry->name);
	}
}
