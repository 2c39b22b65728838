/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in a namespace: segments and their format, the indexer, what the dead left; and whether the
 * limits of this process do for them.
 */
#ifndef DOCTOR_CONTENTS_H
#define DOCTOR_CONTENTS_H

#include "tools/doctor/findings.h"
#include "tools/inspect/space.h"

/* NULL: there is no namespace to look into; the limits are looked at all the same. */
void contents_check(struct findings *findings, const struct space *space);

#endif
