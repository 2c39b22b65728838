/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The place of a namespace: its directory, who may use it, the file system that it is on.
 */
#ifndef DOCTOR_PLACE_H
#define DOCTOR_PLACE_H

#include "tools/doctor/findings.h"

/*
 * Look at it. A descriptor of the directory, the caller's to close; -errno where there is none, or where
 * no program of ringdex would open it: that is among the findings then. `root` stands before /proc and
 * others.
 */
int place_check(struct findings *findings, const char *dir, const char *root);

#endif
