# SPDX-License-Identifier: Apache-2.0
"""The hardening of a systemd unit, put on one process without systemd: what the unit's own lines say of system calls
and privileges. What they say of users and file systems is systemd's to keep: test_booted.py.

unit_rules.py UNIT COMMAND [ARGUMENT...]: run it under the rules of that file."""
import ctypes
import errno
import os
import shutil
import socket
import stat
import subprocess
import sys

# of prctl(2)
DROP_FROM_BOUNDING_SET, SET_NO_NEW_PRIVILEGES, AMBIENT, AMBIENT_CLEAR_ALL = 24, 38, 47, 4
CAPABILITIES_MAX = 64
# of seccomp_init(3) and seccomp_rule_add(3)
ALLOW, KILL_PROCESS, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
NOT_EQUAL, EQUAL, GREATER, MASKED = 1, 4, 6, 7
NO_SUCH_CALL = -1
# of system calls
FAMILIES_MAX = 64
PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000
NAMESPACES = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)  # CLONE_NEW...
REAL_TIME = (1, 2, 6)  # SCHED_FIFO, SCHED_RR, SCHED_DEADLINE
ASK_PERSONALITY = 0xFFFFFFFF
# where modes stand among the arguments
MODES = (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdir", 1), ("mkdirat", 2), ("mknod", 1), ("mknodat", 2),
         ("open", 2), ("openat", 3), ("creat", 1))


class Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("how", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def load_seccomp():
    """libseccomp, or None where it is not there."""
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint,
                                               ctypes.POINTER(Comparison)]
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    library.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    return library


SECCOMP = load_seccomp()
LIBC = ctypes.CDLL(None, use_errno=True)


def what_is_missing():
    """Why rules cannot be put on anybody here; None: they can."""
    if not SECCOMP:
        return "there is no libseccomp"
    if not shutil.which("systemd-analyze"):
        return "there is no systemd-analyze, which knows the groups of system calls"
    if LIBC.prctl(21, 0, 0, 0, 0) < 0:  # PR_GET_SECCOMP
        return "no seccomp filters here, as under qemu"
    return None


class Filter:
    """One seccomp filter; it is made before the process begins that loads it."""

    def __init__(self, default):
        self.context = SECCOMP.seccomp_init(default)
        assert self.context

    def add(self, action, call, *comparisons):
        number = SECCOMP.seccomp_syscall_resolve_name(call.encode())
        if number == NO_SUCH_CALL:  # newer than the library, or of another machine
            return
        array = (Comparison * len(comparisons))(*comparisons)
        r = SECCOMP.seccomp_rule_add_array(self.context, action, number, len(comparisons), array)
        assert r in (0, -errno.EDOM), (call, os.strerror(-r))  # EDOM: not on this architecture

    def load(self):
        r = SECCOMP.seccomp_load(self.context)
        if r < 0:
            raise OSError(-r, "seccomp_load")


def refusing(*refused):
    """A filter that answers with an error: (error, call, comparisons...) each."""
    made = Filter(ALLOW)
    for error, call, *comparisons in refused:
        made.add(ERRNO | error, call, *comparisons)
    return made


def has_bits(argument, bits):
    return Comparison(argument, MASKED, bits, bits)


def only_families(value):
    allowed = [getattr(socket, name) for name in value.split()]
    return refusing((errno.EAFNOSUPPORT, "socket", Comparison(0, GREATER, FAMILIES_MAX - 1)),
                    *((errno.EAFNOSUPPORT, "socket", Comparison(0, EQUAL, family))
                      for family in range(FAMILIES_MAX) if family not in allowed))


def no_executable_memory(_):
    return refusing((errno.EPERM, "mmap", has_bits(2, PROT_WRITE | PROT_EXEC)),
                    (errno.EPERM, "mprotect", has_bits(2, PROT_EXEC)),
                    (errno.EPERM, "pkey_mprotect", has_bits(2, PROT_EXEC)),
                    (errno.EPERM, "shmat", has_bits(2, SHM_EXEC)))


def no_namespaces(_):
    return refusing((errno.EPERM, "setns"), (errno.ENOSYS, "clone3"),
                    *((errno.EPERM, call, has_bits(0, flag)) for call in ("unshare", "clone") for flag in NAMESPACES))


def no_real_time(_):
    return refusing(*((errno.EPERM, "sched_setscheduler", Comparison(1, EQUAL, policy)) for policy in REAL_TIME))


def no_set_id_bits(_):
    return refusing((errno.ENOSYS, "openat2"), *((errno.EPERM, call, has_bits(argument, bit))
                                                 for call, argument in MODES for bit in (stat.S_ISUID, stat.S_ISGID)))


def no_other_personality(_):
    now = LIBC.personality(ctypes.c_ulong(ASK_PERSONALITY))
    return refusing((errno.EPERM, "personality", Comparison(0, NOT_EQUAL, now)))


def no_calls(*names):
    return lambda _: refusing(*((errno.EPERM, call) for call in sorted(expand(names))))


# What systemd makes of each line that is a matter of system calls. Where the value is "no" nothing.
FILTERS = {
    "RestrictAddressFamilies": only_families, "MemoryDenyWriteExecute": no_executable_memory,
    "RestrictNamespaces": no_namespaces, "RestrictRealtime": no_real_time, "RestrictSUIDSGID": no_set_id_bits,
    "LockPersonality": no_other_personality, "ProtectClock": no_calls("@clock"),
    "ProtectKernelModules": no_calls("@module"), "ProtectKernelLogs": no_calls("syslog"),
    "ProtectHostname": no_calls("sethostname", "setdomainname")}
# Done elsewhere below; libseccomp refuses other architectures anyway.
TAKEN = {"SystemCallFilter", "SystemCallErrorNumber", "SystemCallArchitectures", "NoNewPrivileges",
         "CapabilityBoundingSet", "AmbientCapabilities", "UMask"}
# No matter of a process by itself.
OF_SYSTEMD = {
    "Type", "Environment", "ExecStart", "ExecReload", "Restart", "RestartPreventExitStatus", "RestartSec", "WatchdogSec", "TimeoutStopSec", "User", "Group",
    "LimitNOFILE", "RemoveIPC", "RuntimeDirectory", "ReadOnlyPaths", "ProtectSystem", "ProtectHome", "PrivateTmp",
    "PrivateDevices", "PrivateMounts", "ProtectControlGroups", "ProtectKernelTunables", "ProtectProc", "ProcSubset"}


def expand(names):
    """Names of system calls, with what systemd's groups hold in place of these."""
    calls = set()
    for name in names:
        if not name.startswith("@"):
            calls.add(name)
            continue
        run = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True)
        lines = (line.strip() for line in run.stdout.splitlines()[1:])
        calls |= expand(line for line in lines if line and not line.startswith("#"))
    return calls


def allowed_calls(lines):
    """As systemd reads them: an allow-list, to which @default belongs, from which a line with ~ takes away."""
    assert lines and not lines[0].startswith("~"), "this reads filters that begin with what is allowed"
    calls = expand(["@default"])
    for line in lines:
        if line.startswith("~"):
            calls -= expand(line[1:].split())
        else:
            calls |= expand(line.split())
    return calls


class Rules:
    """Of a unit's text. `more`: lines as of a drop-in. is_strict: a call that SystemCallFilter= refuses ends the
    process, so that none is made whose refusal would be passed over."""

    def __init__(self, text, *more, is_strict=False):
        lines = text.split("[Service]\n")[1].split("\n[")[0].splitlines() + list(more)
        self.lines = [tuple(line.split("=", 1)) for line in lines if line and not line.startswith("#")]
        unknown = {name for name, _ in self.lines} - set(FILTERS) - TAKEN - OF_SYSTEMD
        assert not unknown, f"what is {sorted(unknown)} to a process?"
        self.filters = [FILTERS[name](value) for name, value in self.lines if name in FILTERS and value != "no"]
        self.filters.append(self.system_calls(is_strict))  # last: it may refuse to load more

    def all(self, name):
        return [value for one, value in self.lines if one == name]

    def system_calls(self, is_strict):
        error = getattr(errno, self.all("SystemCallErrorNumber")[-1])
        made = Filter(KILL_PROCESS if is_strict else ERRNO | error)
        for call in sorted(allowed_calls(self.all("SystemCallFilter"))):
            made.add(ALLOW, call)
        return made

    def apply(self):
        """In the process that they are for, before it runs its program."""
        if self.all("UMask"):
            os.umask(int(self.all("UMask")[-1], 8))
        if self.all("CapabilityBoundingSet")[-1:] == [""]:
            for capability in range(CAPABILITIES_MAX):  # who may not do it has none
                LIBC.prctl(DROP_FROM_BOUNDING_SET, capability, 0, 0, 0)
        if self.all("AmbientCapabilities")[-1:] == [""]:
            LIBC.prctl(AMBIENT, AMBIENT_CLEAR_ALL, 0, 0, 0)
        if self.all("NoNewPrivileges")[-1:] == ["yes"]:
            LIBC.prctl(SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        for one in self.filters:
            one.load()


def read(path, *more, **options):
    with open(path, encoding="ascii") as file:
        return Rules(file.read(), *more, **options)


if __name__ == "__main__":
    read(sys.argv[1], is_strict="RDX_STRICT" in os.environ).apply()
    os.execvp(sys.argv[2], sys.argv[2:])
