#!/bin/sh
# Builds counter-as.wasm beside the manifest, with the compiler that the
# repository pins: internal/guest/npm.
set -eu
cd "$(dirname "$0")/../.."
bin=bin/npm/node_modules/.bin
if [ ! -x $bin/asc ]; then
	mkdir -p bin/npm
	cp internal/guest/npm/package.json internal/guest/npm/package-lock.json bin/npm/
	npm ci --prefix bin/npm --no-audit --no-fund --ignore-scripts
fi
$bin/asc apps/counter-as/main.ts -O --use abort= --exportStart _initialize -o apps/counter-as/counter-as.wasm
