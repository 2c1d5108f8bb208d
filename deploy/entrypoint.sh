#!/bin/sh
# Runs the container's command as an ordinary user, and keeps results where a folder is mounted for them.
#
# Docker makes a folder that is mounted and does not exist, such as ./outputs, and gives it to root. So the container
# starts as root, passes such a folder on to the image's user, and leaves root for good: as the owner of the folder where
# it has another one, else as 10001. Started as somebody else (--user, Kubernetes), it changes nothing. dumb-init hands
# signals on and collects the processes that nobody waits for.
set -eu

outputs=${MATTING_OUTPUTS:-/app/outputs}
if mountpoint --quiet "$outputs"; then
    export MATTING_OUTPUTS="$outputs"
fi

if [ "$(id -u)" = 0 ]; then
    user=10001
    group=10001
    if [ -n "${MATTING_OUTPUTS:-}" ] && [ -d "$MATTING_OUTPUTS" ]; then
        if [ "$(stat --format=%u "$MATTING_OUTPUTS")" = 0 ]; then
            chown "$user:$group" "$MATTING_OUTPUTS"
        fi
        user=$(stat --format=%u "$MATTING_OUTPUTS")
        group=$(stat --format=%g "$MATTING_OUTPUTS")
    fi
    leave_root="setpriv --reuid=$user --regid=$group --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all"
    if ! $leave_root true; then
        echo "entrypoint: this container may not leave root: start it with --user 10001:10001" >&2
        exit 2
    fi
    exec $leave_root dumb-init --single-child -- "$@"
fi
exec dumb-init --single-child -- "$@"
