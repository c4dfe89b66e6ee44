#!/bin/sh
# Installs the project ("." or ".[dev]") editable into the virtual environment $VENV, with $PYTHON.
set -eu

what=$1
fail() { printf 'error: %s\n next: %s\n' "$1" "$2" >&2; exit 1; }

[ -n "${PYTHON:-}" ] || fail "Python 3.11 or newer is needed." "Install it, or name it: make chat PYTHON=/path/to/python3"
if [ ! -x "$VENV/bin/pip" ]; then
    "$PYTHON" -m venv "$VENV" || fail "Python cannot make a virtual environment." \
        "Install its venv module (Debian, Ubuntu: apt install python3-venv)."
fi
if ! "$VENV/bin/python" -c 'import llama_cpp' 2>/dev/null; then
    command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null || \
        fail "A C++ compiler is needed to build llama.cpp." \
            "Install one (Debian, Ubuntu: apt install build-essential; macOS: xcode-select --install)."
    echo "Building llama.cpp for this machine: a few minutes, once."
    # GCC before 13 drops the stores that fill AMX's tile configuration (see models/llama/amx.py), unless told not to.
    if echo | c++ -march=native -dM -E -x c++ - 2>/dev/null | grep -q __AMX_TILE__ &&
        ! c++ --version | grep -qi clang; then
        export CFLAGS="${CFLAGS:-} -fno-tree-dse -fno-dse" CXXFLAGS="${CXXFLAGS:-} -fno-tree-dse -fno-dse"
    fi
fi
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade pip
"$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$what"
