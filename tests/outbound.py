"""What a command tried to send beyond this machine: run it with loopback alone, under strace, and read what it asked the kernel for.

In: a command and its environment. Out: its exit code, what it said, and every address that is not loopback it tried to reach. The
surprising choice: a name look-up counts too, even one sent to a resolver on loopback (port 53): who asks where a host is means to call it.
A namespace without any other interface makes sure that an attempt cannot succeed; where the kernel forbids namespaces, strace alone tells.
"""

from __future__ import annotations

import ipaddress
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

# The new namespace's loopback is down until somebody raises it: SIOCSIFFLAGS (0x8914) with IFF_UP | IFF_RUNNING.
RAISE_LOOPBACK = (
    "import fcntl, os, socket, struct, sys;"
    "fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8914, struct.pack('16sh', b'lo', 0x41));"
    "os.execvp(sys.argv[1], sys.argv[1:])"
)
_ADDRESS = re.compile(
    r'sin_port=htons\((?P<port>\d+)\), sin_addr=inet_addr\("(?P<v4>[^"]+)"\)'
    r'|sin6_port=htons\((?P<port6>\d+)\).*?inet_pton\(AF_INET6, "(?P<v6>[^"]+)"'
)


@dataclass(frozen=True, slots=True)
class Watched:
    """How a watched command ended, and where it tried to reach (address, port), each once."""

    code: int
    said: str
    reached: tuple[tuple[str, int], ...]


def can_isolate() -> bool:
    """Whether the kernel lets us make a network namespace."""
    return shutil.which("unshare") is not None and subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode == 0


def watch(command: Sequence[str], env: Mapping[str, str], log: Path, limit_s: float = 300) -> Watched:
    """Run the command watched. Skips the test (and so fails it in CI) where strace is missing."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (on Debian: apt-get install strace)")
    traced = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-e", "signal=none", "-o", str(log), *command]
    isolated = ["unshare", "-rn", sys.executable, "-c", RAISE_LOOPBACK, *traced] if can_isolate() else traced
    done = subprocess.run(isolated, env=dict(env), capture_output=True, text=True, timeout=limit_s)
    return Watched(done.returncode, done.stdout + done.stderr, reached_in(log.read_text("utf-8", "replace")))


def reached_in(trace: str) -> tuple[tuple[str, int], ...]:
    """Addresses in an strace log that are not loopback, or are a name server."""
    found: dict[tuple[str, int], None] = {}
    for match in _ADDRESS.finditer(trace):
        address, port = match["v4"] or match["v6"], int(match["port"] or match["port6"])
        ip = ipaddress.ip_address(address)
        ip = ip.ipv4_mapped or ip if isinstance(ip, ipaddress.IPv6Address) else ip
        if port == 53 or not (ip.is_loopback or ip.is_unspecified):
            found[(address, port)] = None
    return tuple(found)
