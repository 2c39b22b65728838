/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-doctor: does ringdex work here, and what could be better?
 */
#include "tools/doctor/contents.h"
#include "tools/doctor/findings.h"
#include "tools/doctor/host.h"
#include "tools/doctor/place.h"
#include "tools/program/messages.h"
#include "tools/program/options_shared.h"

#include <unistd.h>

struct doctor_options {
	const char *dir;
	const char *root;
	int strict;
	int json;
};

#define TO(member) OPTIONS_TO(struct doctor_options, member)

static const struct options_entry entries[] = {
	OPTIONS_DIR(TO(dir)),
	{"strict", 0, NULL, "Exit status 1 for warnings too", OPTIONS_FLAG, TO(strict)},
	{"root", 0, "DIR", "Read /proc, /sys, /etc, /run and /var below DIR", OPTIONS_TEXT,
	 TO(root), .hidden = 1},
	OPTIONS_JSON(TO(json)),
	{0},
};

static const struct options_program program = {
	.entries = entries,
	.about =
		"Find out whether ringdex works on this host, for this user and in this directory, "
		"and what could be better. Nothing is changed.\v"
		"Each line is a finding: ok, note (it works and could be better), warning "
		"(something will go wrong, or does for somebody) or error (it does not work). "
		"Below the table is what to do. Looked at are the directory, its owner, mode and "
		"permissions, its file system's kind, space, inodes and large pages, whether "
		"logind "
		"removes its files, the kernel's locks, io_uring and clock, versions, segments, "
		"the indexer, what dead processes left, and limits of this process.\n\n"
		"As a health check: run it as the user, and with the limits, of the process that "
		"matters. That workers live and no indexer is at work for them is an error: none "
		"runs, or the one that does is stopped. It is watched for two seconds before that "
		"is "
		"said. One that is behind is a warning.\n\n"
		"Exit status: 0 no error was found, 1 one was, or with --strict a warning, 2 wrong "
		"usage.",
};

static void check_contents(struct findings *findings, const char *dir)
{
	struct space space;

	if (space_open(&space, dir) < 0) {
		contents_check(findings, NULL);
		return;
	}
	contents_check(findings, &space);
	space_close(&space);
}

static int status_of(const struct doctor_options *options, const struct findings *findings)
{
	enum finding_level worst = findings_worst(findings);

	return worst == FINDING_ERROR || (options->strict && worst == FINDING_WARNING) ? EXIT_FAILED
										       : EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct doctor_options options = {.dir = RDX_DEFAULT_DIR, .root = ""};
	struct findings findings = {0};
	int fd, status;

	options_parse(&program, argc, argv, &options);
	fd = place_check(&findings, options.dir, options.root);
	host_check_kernel(&findings, options.root);
	if (fd >= 0) {
		check_contents(&findings, options.dir);
		close(fd);
	} else {
		contents_check(&findings, NULL);
	}
	if (options.json)
		findings_print_json(&findings, options.dir);
	else
		findings_print(&findings);
	status = status_of(&options, &findings);
	findings_free(&findings);
	return status;
}
