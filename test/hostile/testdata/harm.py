"""A native capsule that tries what no capsule may: each attempt by its name.

The answer says "held" when the machine refused, "through" when it did not, and
what was seen.
"""

import ctypes
import mmap
import os
import signal
import socket

import phi

LIBC = ctypes.CDLL(None, use_errno=True)


def fork_bomb():
    made = 0
    try:
        while made < 100000:
            if os.fork() == 0:
                signal.pause()
            made += 1
    except OSError:
        return "held after %d" % made
    return "through"


def proc():
    others = [name for name in os.listdir("/proc") if name.isdigit()]
    return "through: " + " ".join(others)


def passwords():
    with open("/etc/shadow", encoding="utf-8") as file:
        return "through: " + file.read()[:16]


def dial():
    with socket.create_connection(("127.0.0.1", 22), timeout=1):
        return "through"


def abstract():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect("\0/org/freedesktop/systemd1")
        return "through"


def write():
    for folder in ("/", "/usr", os.getcwd()):
        try:
            with open(os.path.join(folder, "written"), "w", encoding="utf-8"):
                return "through: " + folder
        except OSError:
            pass
    raise PermissionError("nowhere")


def memory():
    return take(mmap.MAP_PRIVATE)


def shared_memory():
    return take(mmap.MAP_SHARED)


def take(how):
    held = []
    for _ in range(64):
        area = mmap.mmap(-1, 64 << 20, flags=how | mmap.MAP_ANONYMOUS)
        for at in range(0, 64 << 20, 4096):
            area[at] = 1
        held.append(area)
    return "through: %d MiB" % (64 * len(held))


def parent():
    os.kill(os.getppid() or 1, signal.SIGKILL)
    os.kill(1, 0)
    raise PermissionError("there is nobody but itself")


def root():
    os.setuid(0)
    if os.getuid() == 0:
        with open("/etc/shadow", encoding="utf-8"):
            return "through"
    raise PermissionError


def mount():
    if LIBC.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0:
        return "through"
    raise OSError(ctypes.get_errno(), "mount")


def trace():
    if LIBC.ptrace(0, 0, 0, 0) == 0:
        return "through"
    raise OSError(ctypes.get_errno(), "ptrace")


def forge():
    found = 0
    for index in range(256):
        for generation in range(4):
            try:
                phi.invoke("CapInspect", index | generation << 24)
                found += 1
            except phi.StatusError:
                pass
    return "held" if found <= 4 else "through: %d" % found


def garbage():
    os.write(int(os.environ["PHI_FD"]), os.urandom(4096))
    return "held"


def handle(message):
    name = message.data.decode()
    try:
        answer = globals()[name]()
    except (OSError, ValueError) as refused:
        answer = "held: %s" % refused
    message.data = answer.encode()[: phi.MESSAGE_BYTES_MAX]


if __name__ == "__main__":
    phi.serve(handle)
