#!/bin/bash
# Installs the Debian packages that Berth is built with, runs with and is tested with; only those
# that are missing, so that a machine that is set up needs neither root nor the network.
set -euo pipefail

packages=(
    # libraries
    libmicrohttpd-dev libgnutls28-dev libbtrfsutil-dev libbtrfs-dev libtomlplusplus-dev
    libzstd-dev libcurl4-openssl-dev libpq-dev libsqlite3-dev libssl-dev pkg-config
    # programs that Berth starts
    postgresql-15 btrfs-progs util-linux
    # programs of the tests, the demo and the benchmarks
    restic acl attr libcap2-bin jq e2fsprogs python3 xz-utils openssl curl
)

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $status == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
    exit 0
fi

if ((EUID != 0)); then
    echo "setup: these packages are missing, and installing them needs root:" >&2
    echo "  apt-get install ${missing[*]}" >&2
    exit 1
fi

# Berth makes PostgreSQL clusters of its own and starts them itself. Debian's package would also
# make and start `main` on port 5432. It is told not to only while it is installed for the first
# time: on a machine that has PostgreSQL already, nothing about its clusters is changed.
drop_in=/etc/postgresql-common/createcluster.d/berth.conf
if [[ " ${missing[*]} " == *" postgresql-15 "* && ! -e $drop_in ]] &&
    ! compgen -G '/etc/postgresql/*/*' >/dev/null; then
    mkdir -p "${drop_in%/*}"
    echo 'create_main_cluster = false' >"$drop_in"
    trap 'rm -f "$drop_in"' EXIT
fi

echo "setup: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >&2
apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
