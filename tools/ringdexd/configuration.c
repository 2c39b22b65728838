/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/configuration.h"

#include "tools/program/messages.h"
#include "tools/program/options_value.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX       "RINGDEXD_"
#define SECTION      "ringdexd" /* the only one, if any */
#define NAME_BYTES   64
#define MEMBER_BYTES 256
#define BOM          "\xef\xbb\xbf"
#define BLANKS       " \t\r\n"

struct configuration_text {
	struct configuration_text *next;
	char *place; /* "FILE:LINE: " or "VARIABLE: " */
	char text[];
};

/* One reading. By entry: where its value came from, 0: nowhere yet. */
struct reading {
	const struct options_program *program;
	void *input;
	struct configuration_texts *texts;
	const uint8_t *given; /* as flags */
	uint8_t in_variable[CONFIGURATION_OPTIONS_MAX];
	int in_line[CONFIGURATION_OPTIONS_MAX];
	const char *path;
	FILE *file;
	int line;
	int section_line; /* where the section began that this one is in; 0: none, or said */
	int faults;
};

void configuration_free(struct configuration_texts *texts)
{
	while (texts->first) {
		struct configuration_text *text = texts->first;

		texts->first = text->next;
		free(text->place);
		free(text);
	}
}

const char *configuration_place(const struct configuration_texts *texts, const char *text)
{
	for (const struct configuration_text *at = texts->first; at; at = at->next)
		if (at->text == text)
			return at->place;
	return "";
}

static int is_pipe(int fd)
{
	struct stat file;

	return fstat(fd, &file) == 0 && S_ISFIFO(file.st_mode);
}

int configuration_open(const struct configuration_texts *texts, const char *path, FILE **ret_file)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | (texts->is_again ? O_NONBLOCK : 0)), r;

	if (fd < 0)
		return -errno;
	r = texts->is_again && is_pipe(fd) ? -ESPIPE : 0;
	if (r == 0) {
		*ret_file = fdopen(fd, "r");
		r = *ret_file ? 0 : -ENOMEM;
	}
	if (r < 0)
		close(fd);
	return r;
}

const char *configuration_explain(int error)
{
	return error == -ESPIPE ? "it is a pipe, which is read at the start only"
				: strerror(-error);
}

/* `line` 0: `place` has none. */
static const char *keep(struct configuration_texts *texts, const char *text, size_t count,
			const char *place, int line)
{
	struct configuration_text *kept = malloc(sizeof(*kept) + count + 1);
	int r;

	if (!kept)
		messages_no_memory();
	r = line ? asprintf(&kept->place, "%s:%d: ", place, line)
		 : asprintf(&kept->place, "%s: ", place);
	if (r < 0)
		messages_no_memory();
	memcpy(kept->text, text, count);
	kept->text[count] = 0;
	kept->next = texts->first;
	texts->first = kept;
	return kept->text;
}

static int is_named(const struct options_entry *entry, const char *name)
{
	return (entry->name && strcmp(entry->name, name) == 0) ||
	       (entry->also && strcmp(entry->also, name) == 0);
}

/* The place of the one of that name, -1: there is none. `is_file`: these two are of no use there. */
static int find(const struct options_program *program, const char *name, int is_file)
{
	if (strcmp(name, "check-config") == 0 || (is_file && strcmp(name, "config") == 0))
		return -1;
	for (int i = 0; program->entries[i].kind != OPTIONS_END; i++)
		if (is_named(&program->entries[i], name))
			return i;
	return -1;
}

/* "token-file" as "RINGDEXD_TOKEN_FILE". */
static void name_variable(const char *name, char *ret_variable)
{
	size_t at = sizeof(PREFIX) - 1;

	memcpy(ret_variable, PREFIX, sizeof(PREFIX));
	assert(at + strlen(name) < NAME_BYTES);
	for (; *name; name++, at++)
		ret_variable[at] = (char)(*name == '-' ? '_' : toupper((unsigned char)*name));
	ret_variable[at] = 0;
}

/*
 * The environment
 */

static int take_word(struct reading *reading, int i, const char *variable, const char *text)
{
	char wrong[OPTIONS_VALUE_WRONG_BYTES];

	if (options_value_take(&reading->program->entries[i], text, reading->input, wrong))
		return 1;
	messages_say("%s: %s", variable, wrong);
	reading->faults++;
	return 0;
}

/* Several values stand in one variable, with blanks between them. */
static void take_words(struct reading *reading, int i, const char *variable, const char *value)
{
	for (value += strspn(value, BLANKS); *value; value += strspn(value, BLANKS)) {
		size_t count = strcspn(value, BLANKS);

		if (!take_word(reading, i, variable,
			       keep(reading->texts, value, count, variable, 0)))
			return;
		value += count;
	}
}

/* By one of its names. */
static void read_variable(struct reading *reading, int i, const char *name)
{
	const struct options_entry *entry = &reading->program->entries[i];
	char variable[NAME_BYTES];
	const char *value;

	name_variable(name, variable);
	value = getenv(variable);
	if (!value || reading->given[i] || reading->in_variable[i])
		return;
	reading->in_variable[i] = 1;
	if (entry->kind == OPTIONS_TEXTS)
		take_words(reading, i, variable, value);
	else
		take_word(reading, i, variable,
			  keep(reading->texts, value, strlen(value), variable, 0));
}

static void read_environment(struct reading *reading)
{
	for (int i = 0; reading->program->entries[i].kind != OPTIONS_END; i++) {
		const struct options_entry *entry = &reading->program->entries[i];

		assert(i < CONFIGURATION_OPTIONS_MAX);
		if (!entry->name || find(reading->program, entry->name, 0) != i)
			continue;
		read_variable(reading, i, entry->name);
		if (entry->also)
			read_variable(reading, i, entry->also);
	}
}

/* Is it "RINGDEXD_NAME=..."? */
static int is_variable_of(const char *text, const char *name)
{
	char variable[NAME_BYTES];

	if (!name)
		return 0;
	name_variable(name, variable);
	return strncmp(text, variable, strlen(variable)) == 0 && text[strlen(variable)] == '=';
}

void configuration_say_unknown(const struct options_program *program)
{
	for (char **at = environ; *at; at++) {
		int known = 0;

		if (strncmp(*at, PREFIX, sizeof(PREFIX) - 1) != 0)
			continue;
		for (int i = 0; !known && program->entries[i].kind != OPTIONS_END; i++)
			known = is_variable_of(*at, program->entries[i].name) ||
				is_variable_of(*at, program->entries[i].also);
		if (!known)
			messages_say("%.*s in the environment is no option: it is not read",
				     (int)strcspn(*at, "="), *at);
	}
}

/*
 * The file
 */

static void say(struct reading *reading, const char *what)
{
	messages_say("%s:%d: %s", reading->path, reading->line, what);
	reading->faults++;
}

static int is_comment(const char *line)
{
	return !*line || *line == ';' || *line == '#';
}

static void drop_line(FILE *file)
{
	int c;

	do
		c = getc(file);
	while (c != EOF && c != '\n');
}

/* What inih would not say: a line too long for it, cut in two; one without a "="; blanks would join lines. */
static char *next_line(char *ret_line, int bytes, void *context)
{
	struct reading *reading = context;
	size_t count, blanks;
	int is_cut;

	if (!fgets(ret_line, bytes, reading->file))
		return NULL;
	reading->line++;
	count = strlen(ret_line);
	is_cut = count == (size_t)bytes - 1 && ret_line[count - 1] != '\n';
	if (is_cut)
		drop_line(reading->file);
	blanks = reading->line == 1 && strncmp(ret_line, BOM, strlen(BOM)) == 0 ? strlen(BOM) : 0;
	blanks += strspn(ret_line + blanks, BLANKS);
	memmove(ret_line, ret_line + blanks, strlen(ret_line + blanks) + 1);
	if (is_cut && *ret_line != '#' && *ret_line != ';') {
		say(reading, "this line is too long: 198 bytes at most, but for a comment");
		ret_line[0] = 0;
	}
	if (!is_comment(ret_line) && *ret_line != '[' && !strpbrk(ret_line, "=:")) {
		say(reading,
		    "there is no '=' in this line: write NAME = VALUE, or # before a comment");
		ret_line[0] = 0;
	}
	if (*ret_line == '[')
		reading->section_line = reading->line;
	return ret_line;
}

/* The value is looked at also where another one wins. */
static void take_value(struct reading *reading, int i, const char *name, const char *value)
{
	const struct options_entry *entry = &reading->program->entries[i];
	char wrong[OPTIONS_VALUE_WRONG_BYTES], said[OPTIONS_VALUE_WRONG_BYTES + NAME_BYTES];
	char before[MEMBER_BYTES];
	int wins = reading->given[i] || reading->in_variable[i];

	assert(entry->bytes <= sizeof(before));
	memcpy(before, (const char *)reading->input + entry->at, entry->bytes);
	if (!options_value_take(
		    entry, keep(reading->texts, value, strlen(value), reading->path, reading->line),
		    reading->input, wrong)) {
		snprintf(said, sizeof(said), "%s: %s", name, wrong);
		say(reading, said);
	}
	if (wins)
		memcpy((char *)reading->input + entry->at, before, entry->bytes);
}

/* Once, and where it begins. */
static void say_section(struct reading *reading, const char *section)
{
	if (!reading->section_line)
		return;
	messages_say("%s:%d: there is no section '%s': leave it out", reading->path,
		     reading->section_line, section);
	reading->section_line = 0;
	reading->faults++;
}

static int on_value(void *context, const char *section, const char *name, const char *value)
{
	struct reading *reading = context;
	int i = find(reading->program, name, 1);
	char said[2 * OPTIONS_VALUE_WRONG_BYTES];

	if (section[0] && strcmp(section, SECTION) != 0) {
		say_section(reading, section);
	} else if (i < 0) {
		snprintf(said, sizeof(said), "there is no option '%s': ringdexd --help lists them",
			 name);
		say(reading, said);
	} else if (reading->in_line[i] && reading->program->entries[i].kind != OPTIONS_TEXTS) {
		snprintf(said, sizeof(said), "%s stands in line %d already: remove one of them",
			 name, reading->in_line[i]);
		say(reading, said);
	} else {
		reading->in_line[i] = reading->line;
		take_value(reading, i, name, value);
	}
	return 1;
}

/* "-PATH": only if it is there. */
static void read_file(struct reading *reading, const char *path)
{
	int may_be_missing = path[0] == '-' && path[1], before, r;

	path += may_be_missing;
	reading->path = path;
	r = configuration_open(reading->texts, path, &reading->file);
	if (r == -ENOENT && may_be_missing)
		return;
	if (r < 0) {
		messages_say("cannot read %s: %s", path, configuration_explain(r));
		reading->faults++;
		return;
	}
	before = reading->faults;
	if (ini_parse_stream(next_line, reading, on_value, reading) != 0 &&
	    reading->faults == before) {
		messages_say("%s: a line is not as in NAME = VALUE", path);
		reading->faults++;
	}
	if (ferror(reading->file)) {
		messages_say("cannot read all of %s", path);
		reading->faults++;
	}
	fclose(reading->file);
}

int configuration_read(const struct options_program *program, const uint8_t *given, void *input,
		       const char *const *file, struct configuration_texts *texts)
{
	struct reading reading = {
		.program = program, .input = input, .texts = texts, .given = given};

	read_environment(&reading);
	if (*file)
		read_file(&reading, *file);
	return reading.faults;
}
