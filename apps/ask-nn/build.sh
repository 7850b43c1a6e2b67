#!/bin/sh
# Builds ask-nn.wasm beside the manifest. It needs clang, lld and wasi-libc.
set -eu
cd "$(dirname "$0")"
clang --target=wasm32-wasi -O2 -std=c11 -Wall -Wextra -o ask-nn.wasm ask.c
