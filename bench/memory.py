"""What a process has taken at most."""

from __future__ import annotations

import re
from pathlib import Path


def peak_mib() -> int:
    """Returns this process's peak of resident memory in MiB; what its parent took before does not count."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) // 1024 if found else -1
