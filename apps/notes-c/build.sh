#!/bin/sh
# Builds notes-c.wasm beside the manifest. It needs clang, lld and wasi-libc.
set -eu
cd "$(dirname "$0")"
clang --target=wasm32-wasi -O2 -std=c11 -Wall -Wextra -mexec-model=reactor -I../../sdk/c -o notes-c.wasm notes.c
