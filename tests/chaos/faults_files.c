/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/chaos/faults.h"
const struct faults_list faults_files = {0};
