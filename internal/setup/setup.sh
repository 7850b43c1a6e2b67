#!/bin/sh
# setup.sh NEED... makes sure that this machine has what a make target needs,
# and says nothing when it does. Needs:
#
#   go      Go, new enough, and the root certificates to fetch modules with
#   gcc     a C compiler and the headers of libc, for the race detector
#   clang   clang with its linker and libc for WebAssembly, for programs in C
#   node    Node.js and npm, which fetches the AssemblyScript compiler
#   python  Python 3, for programs in Python
#   ffi     libffi, by which the llama helper calls llama.cpp
#   qemu    QEMU, which runs programs for arm64 on other processors
#
# As root it installs what is missing with apt; any other user is told which
# packages to install. Go itself is never installed, for its version is the
# user's choice.
set -eu

GO_MINOR_MIN=26
NODE_MAJOR_MIN=18
packages=""

fail() {
	echo "setup: $*" >&2
	exit 1
}

need_go() {
	command -v go >/dev/null || fail "no go in PATH; install Go 1.$GO_MINOR_MIN or newer (https://go.dev/dl)"
	version=$(go env GOVERSION 2>&1) || fail "go does not run here: $version; Go 1.$GO_MINOR_MIN or newer is needed (https://go.dev/dl)"
	minor=${version#go1.}
	minor=${minor%%[!0-9]*}
	case $version in
	go1.*) [ "${minor:-0}" -ge "$GO_MINOR_MIN" ] ||
		fail "Go 1.$GO_MINOR_MIN or newer is needed, this is $version (https://go.dev/dl)" ;;
	devel*) ;; # Whoever builds Go from source knows.
	*) fail "Go 1.$GO_MINOR_MIN or newer is needed, this is $version (https://go.dev/dl)" ;;
	esac
	have_certificates || packages="$packages ca-certificates"
}

# The places are those in which Go looks.
have_certificates() {
	[ -n "${SSL_CERT_FILE:-}${SSL_CERT_DIR:-}" ] && return
	for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
		/etc/ssl/ca-bundle.pem /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem /etc/ssl/cert.pem; do
		[ -e "$file" ] && return
	done
	return 1
}

need_gcc() {
	echo '#include <stdlib.h>' | "${CC:-gcc}" -E -x c -o /dev/null - >/dev/null 2>&1 ||
		packages="$packages gcc libc6-dev"
}

# The least program that uses libc, linked as a server is.
need_clang() {
	printf '#include <string.h>\nunsigned long f(const char *s) { return strlen(s); }\n' |
		clang --target=wasm32-wasi -mexec-model=reactor -x c -o /dev/null - >/dev/null 2>&1 ||
		packages="$packages clang lld wasi-libc libclang-rt-dev-wasm32"
}

need_node() {
	if ! command -v node >/dev/null; then
		packages="$packages nodejs npm"
		return
	fi
	version=$(node --version)
	major=${version#v}
	major=${major%%.*}
	[ "$major" -ge "$NODE_MAJOR_MIN" ] ||
		fail "Node.js $NODE_MAJOR_MIN or newer is needed, this is $version (https://nodejs.org)"
	command -v npm >/dev/null || packages="$packages npm"
}

# The name of its eighth interface, which the helper loads.
need_ffi() {
	for file in /lib/*/libffi.so.8 /usr/lib/*/libffi.so.8 /usr/lib64/libffi.so.8 /usr/lib/libffi.so.8; do
		[ -e "$file" ] && return
	done
	packages="$packages libffi8"
}

install() {
	if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
		fail "missing; install with: apt-get install$packages"
	fi
	echo "setup: installing$packages" >&2
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	# Not quoted: one word a package.
	# shellcheck disable=SC2086
	apt-get install -y -qq --no-install-recommends $packages >/dev/null </dev/null
}

for need in "$@"; do
	case $need in
	go) need_go ;;
	gcc) need_gcc ;;
	clang) need_clang ;;
	node) need_node ;;
	ffi) need_ffi ;;
	qemu) command -v qemu-aarch64-static >/dev/null || packages="$packages qemu-user-static" ;;
	python) command -v python3 >/dev/null || packages="$packages python3" ;;
	*) fail "unknown need: $need" ;;
	esac
done
[ -z "$packages" ] || install
