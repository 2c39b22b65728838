# SPDX-License-Identifier: Apache-2.0
# Tests that run programs by scripts.

# the examples of the documents, as their readers run them
add_executable(held_run held_run.c held.c)
target_link_libraries(held_run PRIVATE rdx_flags)
add_test(NAME ${RDX_TEST_PREFIX}process/examples
	COMMAND held_run ${PROJECT_SOURCE_DIR}/docs/examples/run.sh
		${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
set_tests_properties(${RDX_TEST_PREFIX}process/examples PROPERTIES LABELS process
	TIMEOUT ${RDX_TEST_TIMEOUT} FIXTURES_REQUIRED build/${RDX_PRESET})
# the benchmarks: that they work and that their own checks hold, not how fast anything is
if(RDX_SANITIZE MATCHES thread)
	list(FILTER RDX_BENCHMARKS INCLUDE REGEX "^(clear|grow|ingest)$") # those that have threads
endif()
foreach(name IN LISTS RDX_BENCHMARKS)
	set(test ${RDX_TEST_PREFIX}bench/${name})
	add_test(NAME ${test} COMMAND held_run ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/bench-${name} --smoke
		--scratch)
	set_tests_properties(${test} PROPERTIES LABELS bench TIMEOUT ${RDX_TEST_TIMEOUT}
		SKIP_RETURN_CODE 77 FIXTURES_REQUIRED build/${RDX_PRESET})
endforeach()
add_test(NAME ${RDX_TEST_PREFIX}bench/killed COMMAND held_run
	${CMAKE_CURRENT_SOURCE_DIR}/bench_killed.sh $<TARGET_FILE:bench-lookup>)
add_test(NAME ${RDX_TEST_PREFIX}bench/run COMMAND held_run bench/run.sh --smoke
	--bin ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} hash crossing --out
	WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(${RDX_TEST_PREFIX}bench/killed ${RDX_TEST_PREFIX}bench/run PROPERTIES LABELS bench
	TIMEOUT ${RDX_TEST_TIMEOUT} FIXTURES_REQUIRED build/${RDX_PRESET})
# what an operator looks at, in situations that are really broken
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(subjects doctor watch)
if(RDX_TOP)
	list(APPEND subjects top)
endif()
foreach(subject IN LISTS subjects)
	set(test ${RDX_TEST_PREFIX}process/${subject})
	add_test(NAME ${test} COMMAND held_run ${Python3_EXECUTABLE} -B
		${CMAKE_CURRENT_SOURCE_DIR}/operator/test_${subject}.py ${CMAKE_RUNTIME_OUTPUT_DIRECTORY})
	set_tests_properties(${test} PROPERTIES LABELS process TIMEOUT ${RDX_TEST_TIMEOUT}
		FIXTURES_REQUIRED build/${RDX_PRESET})
endforeach()
if(RDX_MANUALS)
	set(test ${RDX_TEST_PREFIX}process/manual)
	add_test(NAME ${test} COMMAND held_run ${Python3_EXECUTABLE} -B
		${CMAKE_CURRENT_SOURCE_DIR}/operator/test_manual.py ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}
		${RDX_MANUALS} ${RDX_PROGRAMS})
	set_tests_properties(${test} PROPERTIES LABELS process TIMEOUT ${RDX_TEST_TIMEOUT}
		FIXTURES_REQUIRED build/${RDX_PRESET})
endif()
# the daemon, by clients of its own protocol, on both kinds of its loop
if(RDX_DAEMON)
	# rdx_daemon_test(SUBJECT LOOP [LONG])
	function(rdx_daemon_test SUBJECT LOOP)
		set(test ${RDX_TEST_PREFIX}process/daemon_${SUBJECT}_${LOOP})
		set(label process)
		set(timeout ${RDX_TEST_TIMEOUT})
		set(environment RDX_UNITS=${PROJECT_BINARY_DIR}/package)
		if("LONG" IN_LIST ARGN)
			string(APPEND test _long)
			set(label long)
			set(timeout 3600)
			list(APPEND environment RDX_LONG=1)
		endif()
		add_test(NAME ${test} COMMAND held_run ${Python3_EXECUTABLE} -B
			${CMAKE_CURRENT_SOURCE_DIR}/daemon/test_${SUBJECT}.py
			${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${LOOP})
		set_tests_properties(${test} PROPERTIES LABELS ${label} TIMEOUT ${timeout}
			ENVIRONMENT "${environment}" SKIP_RETURN_CODE 77
			FIXTURES_REQUIRED build/${RDX_PRESET})
	endfunction()
	foreach(loop io_uring epoll)
		foreach(subject access choose dump http killed life limits log metrics page register service settings stop v1)
			rdx_daemon_test(${subject} ${loop})
		endforeach()
		rdx_daemon_test(limits ${loop} LONG)
	endforeach()
	# a reader beside it, which stays while it is killed
	rdx_test(NAME generations LABEL process LIBS rdx_rig rdx_programs rdx_consumer)
	add_dependencies(test_generations ringdexd ringdex-feed)
	# what takes longer, and what is asked for from elsewhere
	rdx_daemon_test(dynamo io_uring LONG)
	rdx_daemon_test(life io_uring LONG)
	rdx_daemon_test(metrics io_uring LONG)
	# under the rules of the unit, which no sanitizer can live with; and with what a package registry has. Once in CI
	if(RDX_FIRST)
		rdx_daemon_test(hardened io_uring)
		rdx_daemon_test(hardened epoll)
		# as root: the service as it is installed, on a machine that systemd starts
		if(RDX_INSTALL AND RDX_BRIDGE)
			set(test ${RDX_TEST_PREFIX}process/daemon_booted_long)
			add_test(NAME ${test} COMMAND held_run ${Python3_EXECUTABLE} -B
				${CMAKE_CURRENT_SOURCE_DIR}/daemon/test_booted.py
				${CMAKE_RUNTIME_OUTPUT_DIRECTORY} auto)
			set_tests_properties(${test} PROPERTIES LABELS long TIMEOUT ${RDX_TEST_TIMEOUT}
				ENVIRONMENT "RDX_BUILD=${PROJECT_BINARY_DIR};RDX_PREFIX=${CMAKE_INSTALL_PREFIX}"
				SKIP_RETURN_CODE 77 FIXTURES_REQUIRED build/${RDX_PRESET})
		endif()
		set(test ${RDX_TEST_PREFIX}process/daemon_openapi)
		set(label long)
		if(RDX_PRESET STREQUAL ci)
			set(label process)
		endif()
		add_test(NAME ${test} COMMAND held_run ${Python3_EXECUTABLE} -B
			${CMAKE_CURRENT_SOURCE_DIR}/daemon/test_openapi.py
			${CMAKE_RUNTIME_OUTPUT_DIRECTORY} auto)
		set_tests_properties(${test} PROPERTIES LABELS ${label} TIMEOUT ${RDX_TEST_TIMEOUT}
			ENVIRONMENT RDX_VENV=${PROJECT_BINARY_DIR}/schemathesis SKIP_RETURN_CODE 77
			FIXTURES_REQUIRED build/${RDX_PRESET})
		# the page in a browser, where there is one
		rdx_daemon_test(browser epoll)
	endif()
endif()
