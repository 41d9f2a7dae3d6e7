#!/bin/bash
# The first process of every machine of the lab. Its root is the host's file system (hostfs), read-only, below a layer of
# its own in memory. Written through to the host are only $LAB_OUT (logs and the servers' data, which outlive a crash of
# the machine as a disk does) and $LAB_ACKS (in the host's memory, written at once).
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
if [ "${LAB_STAGE:-1}" = 1 ]; then
  mount -t proc proc /proc
  mount -t tmpfs tmpfs /tmp
  mkdir -p /tmp/{up,wk,root}
  insmod "/usr/lib/uml/modules/$(uname -r)/kernel/fs/overlayfs/overlay.ko"
  mount -t overlay -o lowerdir=/,upperdir=/tmp/up,workdir=/tmp/wk overlay /tmp/root
  R=/tmp/root
  mkdir -p $R/lib/modules
  mount -t proc proc $R/proc; mount -t sysfs sys $R/sys; mount -t devtmpfs dev $R/dev
  mkdir -p $R/dev/shm $R/dev/pts; mount -t tmpfs tmpfs $R/dev/shm; mount -t devpts devpts $R/dev/pts
  mount -t tmpfs tmpfs $R/run; mount -t tmpfs tmpfs $R/tmp
  mount -t hostfs -o /usr/lib/uml/modules none $R/lib/modules
  # Any of these may lie below /tmp, which is empty now.
  mkdir -p "$R$LAB_REPO" "$R$LAB_OUT" "$R$LAB_ACKS"
  mount -t hostfs -o "$LAB_REPO" none "$R$LAB_REPO"
  mount -t hostfs -o "$LAB_OUT" none "$R$LAB_OUT"
  mount -t hostfs -o "$LAB_ACKS" -o sync none "$R$LAB_ACKS"
  cd $R && LAB_STAGE=2 exec chroot $R /bin/bash "$LAB_REPO/lab/guest-init.sh"
fi
hostname "host$LAB_NAME"
# The host's own would make all of them one machine.
printf '%032d\n' "${LAB_IP##*.}" >/etc/machine-id
printf '127.0.0.1 localhost\n10.77.0.1 hostA\n10.77.0.2 hostB\n10.77.0.3 hostG gateway\n' >/etc/hosts
ip link set lo up
ip addr add "$LAB_IP/24" dev vec0; ip link set vec0 up
[ "$LAB_ROLE" = gateway ] && bash "$LAB_REPO/lab/gateway.sh"
cd / && node "$LAB_REPO/lab/agent.mjs"
echo "the agent ended with $?"; sleep 1; exec /bin/busybox poweroff -f
