# find_package(ringdex 0.1): ringdex::ringdex, the shared library, and ringdex::static, for
# which liburing and libmd must be installed too. COMPONENTS static: fail without it.
include(${CMAKE_CURRENT_LIST_DIR}/ringdex-shared.cmake)

include(CMakeFindDependencyMacro)
find_package(Threads QUIET)
find_package(PkgConfig QUIET)
if(Threads_FOUND AND PkgConfig_FOUND)
	# the names are those of the targets which ringdex::static was exported with
	pkg_check_modules(URING QUIET IMPORTED_TARGET liburing)
	pkg_check_modules(MD QUIET IMPORTED_TARGET libmd)
endif()
if(TARGET PkgConfig::URING AND TARGET PkgConfig::MD)
	include(${CMAKE_CURRENT_LIST_DIR}/ringdex-static.cmake)
	set(ringdex_static_FOUND TRUE)
elseif("static" IN_LIST ringdex_FIND_COMPONENTS AND ringdex_FIND_REQUIRED_static)
	set(ringdex_FOUND FALSE)
	set(ringdex_NOT_FOUND_MESSAGE "ringdex::static needs liburing and libmd, found by pkg-config")
endif()
