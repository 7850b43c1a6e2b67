#!/bin/sh
# Builds hello-go.wasm beside the manifest.
set -eu
cd "$(dirname "$0")"
GOOS=wasip1 GOARCH=wasm go build -trimpath -ldflags='-s -w' -buildmode=c-shared -o hello-go.wasm .
