/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of the kernel and of systemd, read from their files. `root` stands before each path.
 */
#ifndef DOCTOR_SETTINGS_H
#define DOCTOR_SETTINGS_H

#define SETTINGS_BYTES 512

/* The first line of a file. 0, -errno; -ENODATA where it is empty. */
int settings_read(const char *root, const char *path, char ret_line[SETTINGS_BYTES]);

/* `name` = yes or no, in a file as systemd's are, the last one counts. Where it does not say so,
 * `flag` stays. */
void settings_flag(const char *root, const char *path, const char *name, int *flag);

/* The same in all files NAME.conf of a folder, in the order of their names. */
void settings_flag_of_folder(const char *root, const char *parent, const char *folder,
			     const char *name, int *flag);

#endif
