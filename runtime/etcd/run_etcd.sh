#!/bin/sh
# Runs the etcd of the PATH with these arguments, in this process, and never longer than its parent:
# when standard input ends although nothing was written to it, which is how the end of the parent
# shows even if it was killed, etcd is killed. One line on standard input ends the watch for that.
# Variables of the environment do not reach etcd, since those named ETCD_... would configure it.
exec 3<&0 </dev/null
(read -r _ <&3 || kill -KILL $$) >/dev/null 2>&1 &
exec env -i PATH="$PATH" etcd "$@" 3<&-
