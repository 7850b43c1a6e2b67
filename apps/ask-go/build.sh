#!/bin/sh
# Builds ask-go.wasm beside the manifest.
set -eu
cd "$(dirname "$0")"
GOOS=wasip1 GOARCH=wasm go build -trimpath -ldflags='-s -w' -buildmode=c-shared -o ask-go.wasm .
