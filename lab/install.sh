#!/bin/bash
# Installs what the lab needs, on Debian and its like (about 60 MB, under a minute). Starts no daemon: while packages are
# installed, policy-rc.d forbids it.
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo 'lab: installing needs root' >&2; exit 1; }
command -v apt-get >/dev/null || { echo 'lab: no apt-get here; install the packages named in lab/install.sh by hand' >&2; exit 1; }
packages=(user-mode-linux kmod iproute2 iputils-ping nftables nfs-common cifs-utils nfs-kernel-server samba procps
  util-linux busybox-static e2fsprogs)
missing=()
for name in "${packages[@]}"; do
  dpkg-query -W -f='${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^ii' || missing+=("$name")
done
if [ ${#missing[@]} -gt 0 ]; then
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
echo 'lab: all packages are here'
