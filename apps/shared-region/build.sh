#!/bin/sh
# Builds the three programs beside this file.
set -eu
cd "$(dirname "$0")"
../counter-as/build.sh # for the compiler
GOOS=wasip1 GOARCH=wasm go build -trimpath -ldflags='-s -w' -buildmode=c-shared -o go.wasm ./go
clang --target=wasm32 -O2 -std=c11 -ffreestanding -nostdlib -Wl,--no-entry -I../../sdk/c -o c.wasm c/share.c
cd ../..
bin/npm/node_modules/.bin/asc apps/shared-region/assemblyscript/main.ts -O --use abort= --exportStart _initialize \
	-o apps/shared-region/assemblyscript.wasm
