#!/bin/bash
# The lab: three machines (A, B and the gateway G) as User-Mode-Linux kernels with real NFSv4 and SMB clients and servers,
# on one switch, and the drills of lab/*.test.ts on them.
#
#   npm run lab                      everything: both shares, recommended and default mount options, several rounds
#   npm run lab -- --short           two drills on each share and a few wrong mounts, about three minutes
#   npm run lab -- --docs            renews the tables of docs/lab.md with what ran
#   lab/lab.sh [--short] [--docs] [options of mocha, for example -g 'drills']
#   LAB_DRILLS=cut (those whose names match)  LAB_SHARES=nfs,smb  LAB_OPTIONS=recommended,default  LAB_ROUNDS=3
#   LAB_KEEP=1 (keeps the logs)  LAB_NICE=-15 (the machines' priority: they cannot keep time where others have it all)
#
# All of it (processes, mounts, network) lives in PID, mount, network, host name and IPC namespaces of its own. When the
# tests end, or this script dies of whatever, the kernel ends every process in there and frees mounts, bridge and ports.
# The host's network is neither changed nor reachable from inside. Needs root and the packages of lab/install.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(dirname "$here")

cannot() {
  echo "lab: skipped, this machine cannot run it: $1" >&2
  exit "${LAB_SKIP_CODE:-0}"
}

if [ "${LAB_INSIDE:-}" != 1 ]; then
  [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || cannot 'it is not Linux on x86_64'
  [ "$(id -u)" = 0 ] || cannot 'it needs root (sudo npm run lab)'
  for program in linux.uml nft ip mount.nfs4 mount.cifs smbd exportfs rpc.nfsd unshare setpriv mkfs.ext4; do
    PATH=$PATH:/usr/sbin:/sbin command -v $program >/dev/null || cannot "$program is missing (sudo lab/install.sh)"
  done
  [ -c /dev/net/tun ] || cannot '/dev/net/tun is missing (modprobe tun)'
  unshare --mount --pid --net --uts --ipc --fork true 2>/dev/null || cannot 'namespaces may not be made here'
  while :; do
    case ${1:-} in
      --short) export LAB_SHORT=1 ;;
      --docs) export LAB_DOCS=1 ;;
      *) break ;;
    esac
    shift
  done
  export LAB_NICE=${LAB_NICE--15}
  work=$(mktemp -d "${TMPDIR:-/tmp}/lockstep-lab.XXXXXX")
  export LAB_INSIDE=1 LAB_REPO=$repo LAB_WORK=$work
  # If this shell dies, even of SIGKILL, unshare dies, and all of the lab with it. A session of its own: see LAB_NICE.
  setpriv --pdeathsig KILL setsid unshare --mount --pid --net --uts --ipc --fork --kill-child=SIGKILL --mount-proc \
    "$here/lab.sh" "$@" &
  child=$!
  trap 'kill -KILL $child 2>/dev/null' INT TERM HUP
  status=0
  wait $child || status=$?
  if [ "${LAB_KEEP:-}" = 1 ]; then echo "lab: logs are in $work" >&2; else rm -rf "$work"; fi
  exit $status
fi

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
mount --make-rprivate /
mount -t tmpfs tmpfs /run
hostname lab-switch
mkdir -p "$LAB_WORK/out/product" "$LAB_WORK/acks" "$LAB_WORK/uml"
mount -t tmpfs tmpfs "$LAB_WORK/acks"
# The product as it is built now, each program in one file: these machines are slow, and reading hundreds of files takes them
# three times as long as running them. Two folders deep, as dist/cli is: what it finds by its own place is found.
cd "$LAB_REPO"
node_modules/.bin/esbuild dist/cli/main.js dist/server/broker-main.js dist/server/doctor-child.js lab/append-worker.ts \
  test/support/lock-stress-worker.ts --bundle --platform=node --format=esm --target=node20 --log-level=error \
  --outdir="$LAB_WORK/out/product/dist/whole" --entry-names='[name]' \
  --banner:js="import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url)"
cp package.json "$LAB_WORK/out/product/"
truncate -s 64M "$LAB_WORK/gateway.img"
mkfs.ext4 -q -F "$LAB_WORK/gateway.img"
# The switch: one bridge with a port for each machine (pA, pB, pG); the driver is 10.77.0.254.
ip link set lo up
ip link add br0 type bridge forward_delay 0 mcast_snooping 0
ip addr add 10.77.0.254/24 dev br0
ip link set br0 up
# Cuts: an element "pX . pY" drops the frames from port X to port Y, an element "pX" all of that port.
nft -f - <<'N'
table bridge lab {
  set cut { typeof iifname . oifname; }
  set unplugged { typeof iifname; }
  chain cuts { type filter hook forward priority 0; policy accept; iifname . oifname @cut drop; }
  chain ins { type filter hook prerouting priority 0; policy accept; iifname @unplugged drop; }
  chain outs { type filter hook postrouting priority 0; policy accept; oifname @unplugged drop; }
}
N
exec node node_modules/mocha/bin/mocha.js --exit "$@" 'lab/*.test.ts'
