/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex: runs `ringdex X` as the program ringdex-X, found beside itself, else in PATH.
 */
#include "tools/program/beside.h"
#include "tools/program/messages.h"
#include <ringdex/rdx_version.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX        "ringdex-"
#define EXIT_NOT_RUN  127 /* as a shell says it: the program is not there */
#define NAME_MAX_READ 64  /* a longer name is not a misspelt one */

struct command {
	const char *name;
	const char *summary;
};

struct group {
	const char *title;
	struct command commands[6];
};

static const struct group groups[] = {
	{"see it work", {{"demo", "Workers, an indexer, crashes, and a table of what came of it"}}},
	{"index and ask",
	 {{"follow", "Maintain the index of a directory until told to stop"},
	  {"query", "Who holds the longest prefix of a request?"},
	  {"verify", "Compare the index with the workers' own ledgers"}}},
	{"look at workers",
	 {{"ls", "List every segment, also dead and unreadable ones"},
	  {"top", "The same, and what they do, again and again"},
	  {"tail", "Print events as they are published"},
	  {"range", "What the ring answers to a query of event ids"}}},
	{"be a worker",
	 {{"bridge", "Publish the events that engines send over ZeroMQ"},
	  {"feed", "Publish the events of a file or of standard input"},
	  {"mock", "An inference engine without the inference"},
	  {"trace", "Make or show traces of requests"}}},
	{"keep house",
	 {{"doctor", "Does it work here, and what could be better?"},
	  {"clean", "Remove what dead workers and indexers left"}}},
	{"plan", {{"size", "How much memory, and the settings that give it"}}},
};
#define GROUPS       (sizeof(groups) / sizeof(groups[0]))
#define COMMANDS_MAX (sizeof(groups[0].commands) / sizeof(groups[0].commands[0]))

static void print_commands(void)
{
	printf("usage: ringdex COMMAND [ARGUMENTS]\n"
	       "       ringdex --help | --version\n\n"
	       "Which worker on this host holds the longest prefix of a request? Workers publish\n"
	       "what their caches hold in shared memory; an index of it answers.\n");
	for (size_t g = 0; g < GROUPS; g++) {
		printf("\n%s\n", groups[g].title);
		for (size_t c = 0; c < COMMANDS_MAX && groups[g].commands[c].name; c++)
			printf("   %-8s %s\n", groups[g].commands[c].name,
			       groups[g].commands[c].summary);
	}
	printf("\n'ringdex COMMAND --help' says more of each. Any program named ringdex-COMMAND, "
	       "beside\nthis one or in PATH, is a command too. Exit status: that of the command, 2 "
	       "wrong "
	       "usage,\n127 the command is not installed.\n");
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* How many letters must be added, removed or changed to make `a` of `b`? */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_MAX_READ + 1], columns = strlen(b);

	for (size_t j = 0; j <= columns; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0]; /* of the row before */

		row[0] = i;
		for (size_t j = 1; j <= columns; j++) {
			size_t changed = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = least(changed, least(row[j], row[j - 1]) + 1);
		}
	}
	return row[columns];
}

static size_t likeness(const char *name, const char *command)
{
	size_t length = strlen(name);

	if (length > NAME_MAX_READ)
		return NAME_MAX_READ;
	/* a beginning is meant more often than misspelt */
	return length && strncmp(name, command, length) == 0 ? 0 : distance(name, command);
}

/* Name the commands that look most like it, if any does. */
static void suggest(const char *name)
{
	size_t best = NAME_MAX_READ;

	for (size_t g = 0; g < GROUPS; g++)
		for (size_t c = 0; c < COMMANDS_MAX && groups[g].commands[c].name; c++)
			best = least(best, likeness(name, groups[g].commands[c].name));
	if (best > 2 || best >= strlen(name))
		return;
	fprintf(stderr, "\nDid you mean\n");
	for (size_t g = 0; g < GROUPS; g++)
		for (size_t c = 0; c < COMMANDS_MAX && groups[g].commands[c].name; c++)
			if (likeness(name, groups[g].commands[c].name) == best)
				fprintf(stderr, "   ringdex %s\n", groups[g].commands[c].name);
}

static int is_known(const char *name)
{
	for (size_t g = 0; g < GROUPS; g++)
		for (size_t c = 0; c < COMMANDS_MAX && groups[g].commands[c].name; c++)
			if (strcmp(name, groups[g].commands[c].name) == 0)
				return 1;
	return 0;
}

/* Is a file of that name in a directory of PATH? */
static int is_in_path(const char *program)
{
	const char *dir = getenv("PATH");
	char file[PATH_MAX];

	while (dir && *dir) {
		size_t length = strcspn(dir, ":");

		snprintf(file, sizeof(file), "%.*s/%s", (int)length, dir, program);
		if (access(file, F_OK) == 0)
			return 1;
		dir += length + (dir[length] == ':');
	}
	return 0;
}

/* Become the program ringdex-<name>. Returns only if there is none: the errno. */
static int run(const char *name, char **arguments)
{
	char program[sizeof(PREFIX) + NAME_MAX], path[PATH_MAX];

	snprintf(program, sizeof(program), PREFIX "%s", name);
	arguments[0] = program;
	if (beside_path(program, path) == 0) {
		execv(path, arguments);
		if (errno != ENOENT)
			return errno;
	}
	execvp(program, arguments);
	/* EACCES also comes of a directory in PATH that may not be looked into */
	return errno == EACCES && !is_in_path(program) ? ENOENT : errno;
}

/* `ringdex X arguments` */
static int run_command(const char *name, char **arguments)
{
	int error = ENOENT;

	/* a name, not a path */
	if (!strchr(name, '/') && strlen(name) < NAME_MAX)
		error = run(name, arguments);
	if (error != ENOENT) {
		messages_say("cannot run " PREFIX "%s: %s", name, strerror(error));
		return EXIT_NOT_RUN;
	}
	if (is_known(name)) {
		messages_say(PREFIX "%s is neither beside ringdex nor in PATH: is it installed?",
			     name);
		return EXIT_NOT_RUN;
	}
	messages_say("'%s' is not a command: ringdex --help lists them", name);
	suggest(name);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static char help[] = "--help";
	char *ask_help[] = {NULL, help, NULL};
	const char *first = argc > 1 ? argv[1] : "--help";

	messages_check_output();
	if (strcmp(first, "--version") == 0 || strcmp(first, "-V") == 0) {
		printf("ringdex " RDX_VERSION "\n");
		return EXIT_DONE;
	}
	if (strcmp(first, "help") == 0 && argc > 2)
		return run_command(argv[2], ask_help);
	if (strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0 ||
	    strcmp(first, "help") == 0) {
		print_commands();
		return EXIT_DONE;
	}
	if (first[0] == '-') {
		messages_say("unrecognized option '%s': ringdex --help lists the commands", first);
		return EXIT_USAGE;
	}
	return run_command(first, argv + 1);
}
