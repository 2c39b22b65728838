# SPDX-License-Identifier: Apache-2.0
"""A machine of its own that a real systemd starts, on this host's kernel: systemd-nspawn with this host's /usr and
nothing else of its files. What is installed into a folder is there as if it were installed on the machine."""
import contextlib
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from patience import die_with_parent  # noqa: E402

INIT = "/usr/lib/systemd/systemd"
INSIDE = "RDX_BOOTED"  # set where the script runs in the machine
UNIT = "ringdex-test.service"
# The machine is for this unit, and ends with its exit status.
SERVICE = """[Unit]
Description=Test
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
ExecStartPre=systemd-sysusers
ExecStart={command}
Environment={inside}=1
StandardOutput=append:{said}
StandardError=inherit
TimeoutStartSec=infinity
"""


def what_is_missing():
    """Why no machine can be started here; None: one may be tried."""
    if os.geteuid() != 0:
        return "only root starts a machine"
    if not shutil.which("systemd-nspawn") or not os.path.exists(INIT):
        return "there is no systemd-nspawn (Debian: systemd-container)"
    return None


def groups():
    """Folders of control groups for this machine alone: two that share theirs would end each other's processes."""
    with open("/proc/self/cgroup", encoding="ascii") as file:
        own = {line.split(":")[1]: line.rstrip("\n").split(":", 2)[2] for line in file}
    found = []
    for kind, mounts in ("name=systemd", ["systemd"]), ("", ["unified", ""]):
        mounts = [f"/sys/fs/cgroup/{mount}" for mount in mounts if os.path.exists(f"/sys/fs/cgroup/{mount}/cgroup.procs")]
        if kind in own and mounts:
            found.append(f"{mounts[0]}/{own[kind]}/ringdex-test-{os.getpid()}")
    return found


def enter(folders):
    """In the child."""
    die_with_parent()
    for folder in folders:
        with open(f"{folder}/cgroup.procs", "w", encoding="ascii") as file:
            file.write("0")


def remove(folders):
    for folder in folders:
        for path, _, _ in os.walk(folder, topdown=False):
            with contextlib.suppress(OSError):  # the last ones may still be on their way out
                os.rmdir(path)


def install(build, into):
    subprocess.run(["cmake", "--install", build], env={**os.environ, "DESTDIR": into}, check=True,
                   stdout=subprocess.DEVNULL)


def run(build, prefix, folder, script, *arguments):
    """Install what is built, start a machine that has it at its prefix, and run a script of Python in it. The folder,
    for this alone, is the machine's too; what is built and the scripts are there to be read. The script's status and
    its text; or None, and what systemd-nspawn said, if it never began."""
    root, said = f"{folder}/root", f"{folder}/said"
    install(build, root)
    with open(f"{root}{prefix}/lib/systemd/system/{UNIT}", "w", encoding="utf-8") as file:
        file.write(SERVICE.format(command=" ".join([os.path.realpath(sys.executable), "-B", script, *arguments]),
                                  inside=INSIDE, said=said))
    scripts = os.path.dirname(os.path.dirname(script))
    seen = {os.path.realpath(sys.base_prefix), os.path.realpath(build), scripts} - {"/usr"}
    command = [
        "systemd-nspawn", "--quiet", "--directory=/", "--volatile=yes", f"--overlay-ro={prefix}:{root}{prefix}:{prefix}",
        *(f"--bind-ro={path}" for path in sorted(seen)), f"--bind={folder}", f"--machine=ringdex-test-{os.getpid()}",
        "--register=no", "--keep-unit", "--private-network", "--link-journal=no", "--console=pipe", "--boot", "--",
        f"--unit={UNIT}"]
    own = groups()
    try:
        for group in own:
            os.mkdir(group)
        nspawn = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, preexec_fn=lambda: enter(own), check=False)
    except OSError as error:  # control groups that may only be read
        return None, str(error)
    finally:
        remove(own)
    if not os.path.exists(said):
        return None, nspawn.stdout
    with open(said, encoding="utf-8") as file:
        return nspawn.returncode, file.read()
