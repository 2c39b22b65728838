/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/access.h"

#include "tools/program/messages.h"
#include "tools/ringdexd/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TOKEN_MIN 16
#define MODE_BITS 07777

/* As ssh does with its files: who may write it says who may ask. -EPERM, which is said. A pipe's mode says nothing. */
static int check_mode(int fd, const char *path, const char *place)
{
	struct stat file;

	if (fstat(fd, &file) < 0 || !S_ISREG(file.st_mode))
		return 0;
	if (file.st_mode & (S_IWGRP | S_IWOTH)) {
		messages_say(
			"%sothers than its owner may write %s, which has mode %04o: chmod go-w",
			place, path, file.st_mode & MODE_BITS);
		return -EPERM;
	}
	if (file.st_mode & S_IROTH)
		log_say(LOG_AT_WARNING,
			"%sall users of this host may read the token in %s, which has mode %04o: "
			"chmod o-r",
			place, path, file.st_mode & MODE_BITS);
	return 0;
}

static int say_no_token(const char *path, const char *place, const char *why)
{
	messages_say("%scannot read a token from %s: %s", place, path, why);
	return -EINVAL;
}

/* The file's first line into `ret_line`. Says why it cannot be read: -errno */
static int read_line(const struct configuration_texts *texts, const char *path,
		     char ret_line[ACCESS_TOKEN_BYTES])
{
	const char *place = configuration_place(texts, path);
	FILE *file;
	int r = configuration_open(texts, path, &file);

	if (r < 0)
		return say_no_token(path, place, configuration_explain(r));
	r = check_mode(fileno(file), path, place);
	if (r == 0 && !fgets(ret_line, ACCESS_TOKEN_BYTES, file))
		r = say_no_token(path, place, ferror(file) ? strerror(errno) : "it is empty");
	fclose(file);
	return r;
}

/* "" where no file is named. Says what is wrong with it: -errno */
static int read_token(const struct settings *settings, const struct configuration_texts *texts,
		      char ret_token[ACCESS_TOKEN_BYTES])
{
	const char *path = settings->token_file, *place = configuration_place(texts, path);
	char line[ACCESS_TOKEN_BYTES] = "";
	size_t count;
	int r;

	ret_token[0] = 0;
	if (!path)
		return 0;
	r = read_line(texts, path, line);
	if (r < 0)
		return r;
	count = strcspn(line, "\r\n");
	line[count] = 0;
	if (count >= TOKEN_MIN && count < sizeof(line) - 1) {
		memcpy(ret_token, line, count + 1);
	} else {
		messages_say("%sthe token in %s must have %d to %d characters", place, path,
			     TOKEN_MIN, ACCESS_TOKEN_BYTES - 2);
		r = -EINVAL;
	}
	memset(line, 0, sizeof(line));
	return r;
}

/* A token that is meant and cannot be read is a fault of its own. */
static int check_addresses(const struct settings *settings, const struct configuration_texts *texts)
{
	int is_guarded = settings->token_file || settings->open_to_all, faults = 0;

	for (const char *const *address = settings->listen; *address; address++) {
		const char *place = configuration_place(texts, *address);
		int is_loopback;

		if (listen_check(*address, place, &is_loopback) < 0)
			faults++;
		else if (!is_loopback && !is_guarded)
			faults += listen_refuse(*address, place) < 0;
	}
	return faults;
}

int access_read(const struct settings *settings, const struct configuration_texts *texts,
		struct access *ret_access)
{
	const char *users = settings->allow_users;
	int faults = read_token(settings, texts, ret_access->token) < 0;

	faults += users_read(users, configuration_place(texts, users), &ret_access->users) < 0;
	ret_access->open_to_all = settings->open_to_all;
	return faults + check_addresses(settings, texts);
}

const struct listen_at *access_find_unguarded(const struct access *access,
					      const struct listen_at *at, uint32_t count)
{
	int is_guarded = access->token[0] || access->open_to_all;

	for (uint32_t i = 0; i < count; i++)
		if (at[i].is_abstract ? !access->users.count : !at[i].is_loopback && !is_guarded)
			return &at[i];
	return NULL;
}

const char *access_why_no_register(const struct access *access)
{
	if (access->open_to_all && !access->token[0])
		return "registration needs --token-file where --open-to-all lets everybody ask";
	return NULL;
}
