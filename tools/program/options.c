/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/options.h"

#include "shm/namespace.h"

#include <errno.h>
#include <ringdex/rdx_reader.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static error_t parse_dir(int key, char *text, struct argp_state *state)
{
	struct common_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		options->dir = RDX_DEFAULT_DIR;
		return 0;
	case 'd':
		if (!*text)
			argp_error(state, "--dir needs the name of a directory");
		options->dir = text;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_json(int key, char *text, struct argp_state *state)
{
	struct common_options *options = state->input;

	(void)text;
	if (key != 'j')
		return ARGP_ERR_UNKNOWN;
	options->json = 1;
	return 0;
}

static const struct argp_option json_list[] = {
	{"json", 'j', 0, 0, "Print JSON; 64-bit ids and hashes are numbers, not strings", 90},
	{0},
};
static const struct argp json_argp = {.options = json_list, .parser = parse_json};
const struct argp_child json_children[] = {{&json_argp, 0, NULL, 0}, {0}};

static const struct argp_option dir_list[] = {
	{"dir", 'd', "DIR", 0, "The namespace (default " RDX_DEFAULT_DIR ")", 89},
	{0},
};
static const struct argp dir_argp = {.options = dir_list, .parser = parse_dir};
const struct argp_child dir_children[] = {{&dir_argp, 0, NULL, 0}, {0}};

static error_t parse_both(int key, char *text, struct argp_state *state)
{
	(void)text;
	if (key != ARGP_KEY_INIT)
		return ARGP_ERR_UNKNOWN;
	state->child_inputs[0] = state->child_inputs[1] = state->input;
	return 0;
}

static const struct argp_child both[] = {
	{&dir_argp, 0, NULL, 0},
	{&json_argp, 0, NULL, 0},
	{0},
};
static const struct argp both_argp = {.parser = parse_both, .children = both};
const struct argp_child common_children[] = {{&both_argp, 0, NULL, 0}, {0}};

void parse_command_line(const struct argp *argp, int argc, char **argv, void *input)
{
	int r;

	argp_program_version = "ringdex " RDX_VERSION;
	argp_err_exit_status = EXIT_USAGE;
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	messages_check_output();
	r = rdx_guard_install();
	if (r < 0)
		messages_say_error(r, "cannot handle truncated files");
	r = argp_parse(argp, argc, argv, 0, NULL, input);
	if (r) {
		messages_say("%s", strerror(r));
		exit(EXIT_USAGE);
	}
}

int parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	unsigned long long value;
	char *end;
	int base = 10;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		text += 2;
		base = 16;
	}
	/* strtoull takes signs and blanks */
	if (!strchr("0123456789abcdefABCDEF", text[0]) || !text[0])
		return 0;
	errno = 0;
	value = strtoull(text, &end, base);
	if (errno || *end || end == text || value < min || value > max)
		return 0;
	*ret_value = value;
	return 1;
}

uint64_t number_option(const struct argp_state *state, const char *name, const char *text,
		       uint64_t min, uint64_t max)
{
	uint64_t value = min;

	if (!parse_number(text, min, max, &value))
		argp_error(state, "%s: '%s' is not a whole number from %llu to %llu", name, text,
			   (unsigned long long)min, (unsigned long long)max);
	return value;
}

double positive_option(const struct argp_state *state, const char *name, const char *text,
		       double max)
{
	char *end;
	double value = strtod(text, &end);

	/* the form also refuses what is not a number */
	if (end == text || *end || !(value > 0 && value <= max))
		argp_error(state, "%s: '%s' is not a number above 0, at most %.0f", name, text, max);
	return value;
}

int open_namespace(struct tool_namespace *ret_namespace, const char *dir)
{
	int dir_fd = rdx_namespace_open(dir, 0);

	if (dir_fd < 0) {
		messages_say("cannot open %s: %s: start a worker or name the directory with --dir", dir,
			 strerror(-dir_fd));
		return dir_fd;
	}
	*ret_namespace = (struct tool_namespace){.dir = dir, .dir_fd = dir_fd};
	ret_namespace->key_error = rdx_namespace_key(dir_fd, 0, &ret_namespace->key);
	return 0;
}

void close_namespace(struct tool_namespace *space)
{
	close(space->dir_fd);
}
