#!/bin/sh
# Takes out of distroless what a binary of ours never loads: OpenSSL, the C++ library, OpenMP, character sets and time
# zones, two thirds of it, and with it whatever would have to be patched there.
#   slim.sh FOLDER
set -eu
cd "$1"
for folder in lib/* usr/lib/*; do
  [ ! -d "$folder" ] || rm -rf "$folder"/libcrypto.so* "$folder"/libssl.so* "$folder"/libstdc++.so* "$folder"/libgomp.so* \
    "$folder"/libmvec.so* "$folder"/gconv "$folder"/ossl-modules "$folder"/engines-3
done
rm -rf usr/share/zoneinfo usr/lib/ssl
# Scanners go by these.
rm -rf var/lib/dpkg/status.d/libssl3* var/lib/dpkg/status.d/libstdc++6* var/lib/dpkg/status.d/libgomp1* \
  var/lib/dpkg/status.d/tzdata*
