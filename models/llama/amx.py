"""Are llama.cpp's AMX kernels sound in this build? They are asked once, in a process that may die of it.

GCC 12 takes ``_tile_loadconfig`` to read 8 of the 64 bytes that it reads, drops the stores to the others, and the first
matrix product ends the process with an illegal instruction. ``packaging/install.sh`` builds around it; a wheel from
elsewhere may not. Without these kernels all is slower (prefill by a third on a Sapphire Rapids), but right.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from models.paths import cache_dir

_PROBE = """
import sys
from pathlib import Path
from models.llama import Context, Model
Context(Model(Path(sys.argv[1]), gpu_layers=0, amx=True), n_ctx=256, threads=1).decode(range(1, 33))
"""

# What ends a process that computes something impossible; Ctrl+C, a kill or a lack of memory say nothing of the kernels.
_CRASHES = {-number for number in (signal.SIGILL, signal.SIGSEGV, signal.SIGFPE, signal.SIGABRT)}


def is_sound(library: Path, model: Path) -> bool:
    """True if ``model`` can be computed with AMX by the llama.cpp in ``library``; remembered for this very build.

    Takes a second or two, once. A model that fails for another reason is no answer, and is not remembered.
    """
    remembered = cache_dir() / "amx.json"
    build = f"{library} {library.stat().st_size} {library.stat().st_mtime_ns}"
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(remembered.read_text())
        if known["build"] == build:
            return bool(known["sound"])
    # -P: no modules of the folder that it is started in.
    command = [sys.executable, "-P", "-c", _PROBE, str(model)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    died = done.returncode in _CRASHES
    if done.returncode == 0 or died:
        with contextlib.suppress(OSError):
            remembered.parent.mkdir(parents=True, exist_ok=True)
            partial = remembered.with_name(f"amx.{os.getpid()}.partial")
            partial.write_text(json.dumps({"build": build, "sound": not died}))
            partial.replace(remembered)
    return done.returncode == 0
