# SPDX-License-Identifier: Apache-2.0
# Makes a C file that holds a file's bytes: cmake -DFROM=FILE -DTO=FILE.c -DNAME=name -P embed.cmake
# defines `const unsigned char name_text[]` and `const size_t name_bytes`.
file(READ "${FROM}" hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes
	"${bytes}")
file(WRITE "${TO}" "/* Made of ${NAME} by tools/embed.cmake. */
#include <stddef.h>

extern const unsigned char ${NAME}_text[];
extern const size_t ${NAME}_bytes;
const unsigned char ${NAME}_text[] = {
${bytes}
};
const size_t ${NAME}_bytes = sizeof(${NAME}_text);
")
