#!/usr/bin/env bash
# Fuzzes a running api with its own OpenAPI document: every answer must be one that the document promises, and none a
# failure of the server.
#
#   deploy/lab/fuzz/openapi.sh http://127.0.0.1:8080 [examples per operation]
#
# Needs Python 3; schemathesis is installed into target/fuzz once.
set -euo pipefail
url=${1:?say where the api is, such as http://127.0.0.1:8080}
examples=${2:-200}
root=$(cd "$(dirname "$0")/../../.." && pwd)
venv=$root/target/fuzz
# A Python environment holds absolute paths: one that was moved, or whose Python is gone, is made anew.
if ! "$venv/bin/schemathesis" --version >/dev/null 2>&1; then
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet 'schemathesis>=4,<5'
fi
# What it remembers stays with it. The stream is a WebSocket: it has tests of its own.
cd "$venv"
exec "$venv/bin/schemathesis" run "$url/openapi.json" --url "$url" --exclude-path /v1/stream --max-examples "$examples" --seed 1 \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance
