#!/usr/bin/env bash
# Make an authority and the certificate of the broker of the profile `sasl`, for trials: a year, no password.
# Usage: make-certificates.sh [FOLDER]; default: certificates/ beside this script. Repeated, it makes them anew.
set -euo pipefail
folder=${1:-"$(cd "$(dirname "$0")" && pwd)/certificates"}
name=kafka-sasl
mkdir -p "$folder"
cd "$folder"
openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 365 -subj "/CN=fairreel trial authority" \
    -keyout ca.key -out ca.pem -addext basicConstraints=critical,CA:TRUE \
    -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj "/CN=$name" -keyout "$name.key" -out "$name.csr" 2>/dev/null
openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -sha256 -out "$name.crt" \
    -extfile <(printf 'subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1\n' "$name"
               printf 'extendedKeyUsage=serverAuth\nkeyUsage=digitalSignature,keyEncipherment\n') 2>/dev/null
cat "$name.key" "$name.crt" ca.pem > "$name.pem"
rm "$name.csr"
# The broker's user in its container is another one; the authority's key is read by nobody but you.
chmod 644 "$name.pem" ca.pem
chmod 600 ca.key "$name.key"
echo "$folder: ca.pem and $name.pem"
