#!/bin/sh
# Ends the process with the id $1, a node, by SIGTERM when the npx that started it is gone: npx
# passes no signal on, so a node would go on and hold its ports. Without an npx among the node's
# ancestors it does nothing, so that a node under nohup, setsid or a service manager is left alone.
# It ends with the node, and by the signals that end the node's process group or service.
node=$1

parent_of() {
  if [ -r "/proc/$1/status" ]; then
    sed -n 's/^PPid:[[:space:]]*//p' "/proc/$1/status"
  else
    ps -o ppid= -p "$1" | tr -d ' '
  fi
}

command_of() {
  if [ -r "/proc/$1/cmdline" ]; then
    tr '\0' ' ' <"/proc/$1/cmdline"
  else
    ps -o args= -p "$1"
  fi
}

npx=
process=$(parent_of "$node")
while [ "${process:-0}" -gt 1 ]; do
  case $(command_of "$process") in
    "npm exec "* | "npx "* | *node\ */npx\ * | *node\ */npx-cli.js\ *)
      npx=$process
      break
      ;;
  esac
  process=$(parent_of "$process")
done
[ -n "$npx" ] || exit 0

while kill -0 "$npx" 2>/dev/null; do
  kill -0 "$node" 2>/dev/null || exit 0
  sleep 1
done
kill -TERM "$node" 2>/dev/null
