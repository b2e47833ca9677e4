#!/bin/sh
# The API with curl alone: an answer as it grows, and where its time went.
#
#     deno task start                   # in another terminal
#     sh examples/20_curl.sh [http://127.0.0.1:8420]
set -eu
url=${1:-http://127.0.0.1:8420}

# Every event of a stream is a line `data: {...}`; -N shows it when it comes.
curl -sSfN "$url/v1/chat/completions" -H 'content-type: application/json' -d '{
  "messages": [{"role": "user", "content": "Why does it rain?"}], "stream": true, "max_tokens": 24
}' | sed -n 's/^data: .*"content":"\([^"]*\)".*/\1/p' | tr -d '\n'
echo

# The last frames of the node: when they were sent, and when each stage computed them.
curl -sSf "$url/api/trace?last=1"
echo
echo "next: curl $url/api/trace.svg > trace.svg draws the last 512 frames"
