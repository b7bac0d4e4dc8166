#!/usr/bin/env bash
# Makes a certificate for this machine and its key, good for so many days, and puts both in place in $TLS_FOLDER.
#   certificate.sh DAYS
set -euo pipefail
cd "$TLS_FOLDER"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=portico -keyout key.new -out request 2>/dev/null
openssl x509 -req -in request -CA ca.pem -CAkey ca.key -CAcreateserial -days "$1" -out cert.new \
  -extfile <(printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n') 2>/dev/null
mv key.new key.pem
mv cert.new cert.pem
