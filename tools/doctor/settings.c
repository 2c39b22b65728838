/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/doctor/settings.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static FILE *open_below(const char *root, const char *path)
{
	char whole[PATH_MAX];

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	return fopen(whole, "re");
}

int settings_read(const char *root, const char *path, char ret_line[SETTINGS_BYTES])
{
	FILE *file = open_below(root, path);
	char line[SETTINGS_BYTES];
	int r = 0;

	if (!file)
		return -errno;
	if (!fgets(line, sizeof(line), file))
		r = ferror(file) ? -EIO : -ENODATA;
	fclose(file);
	if (r < 0)
		return r;
	line[strcspn(line, "\n")] = 0;
	memcpy(ret_line, line, sizeof(line));
	return 0;
}

/* A boolean as systemd reads it. */
static void read_flag(const char *text, int *flag)
{
	static const char *const yes[] = {"yes", "y", "true", "t", "on", "1"};
	static const char *const no[] = {"no", "n", "false", "f", "off", "0"};

	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (strcasecmp(text, yes[i]) == 0)
			*flag = 1;
		else if (strcasecmp(text, no[i]) == 0)
			*flag = 0;
}

/* "NAME = value" */
static void read_assignment(char *line, const char *name, int *flag)
{
	size_t length = strlen(name);

	line += strspn(line, " \t");
	if (strncmp(line, name, length) != 0)
		return;
	line += length;
	line += strspn(line, " \t");
	if (*line++ != '=')
		return;
	line += strspn(line, " \t");
	line[strcspn(line, " \t\r\n")] = 0;
	read_flag(line, flag);
}

void settings_flag(const char *root, const char *path, const char *name, int *flag)
{
	FILE *file = open_below(root, path);
	char line[SETTINGS_BYTES];

	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		read_assignment(line, name, flag);
	fclose(file);
}

static int is_conf(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && strcmp(dot, ".conf") == 0;
}

void settings_flag_of_folder(const char *root, const char *parent, const char *folder,
			     const char *name, int *flag)
{
	char path[PATH_MAX], file[2 * PATH_MAX];
	struct dirent **entries;
	int count;

	snprintf(path, sizeof(path), "%s%s/%s", root, parent, folder);
	count = scandir(path, &entries, is_conf, alphasort);
	for (int i = 0; i < count; i++) {
		snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
		settings_flag("", file, name, flag);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}
