#!/bin/bash
# Installs the Debian packages that Berth is built with, runs with and is tested with, and the test
# tools from PyPI; only what is missing, so that a machine that is set up needs neither root nor the
# network.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
    # libraries
    libmicrohttpd-dev libgnutls28-dev libbtrfsutil-dev libbtrfs-dev libtomlplusplus-dev
    libzstd-dev libexpat1-dev libcurl4-openssl-dev libpq-dev libsqlite3-dev libssl-dev pkg-config
    # programs that Berth starts
    postgresql-15 btrfs-progs util-linux ca-certificates
    # programs of the tests, the demo and the benchmarks
    restic borgbackup acl attr libcap2-bin jq e2fsprogs python3 python3-venv xz-utils openssl curl strace
)

# The tools of scripts/requirements.txt in a virtual environment, made anew when the list changed.
# Its stamp is written last: what an interruption left is made anew as well.
install_tools() {
    local venv=var/venv want
    want=$(sha256sum <scripts/requirements.txt)
    if [[ -e $venv/stamp && $(<"$venv/stamp") == "$want" ]]; then
        return
    fi
    echo "setup: installing the test tools of scripts/requirements.txt" >&2
    mkdir -p var
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv"
    # The machine's certificates, which may hold an authority of the place, rather than pip's own.
    PIP_CERT=${PIP_CERT:-/etc/ssl/certs/ca-certificates.crt} \
        "$venv/bin/pip" install -q --disable-pip-version-check --no-deps \
        -r scripts/requirements.txt >&2
    echo "$want" >"$venv/stamp"
}

install_packages() {
    local missing=() package status drop_in
    for package in "${packages[@]}"; do
        status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
        [[ $status == installed ]] || missing+=("$package")
    done
    if ((${#missing[@]} == 0)); then
        return
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
        # shellcheck disable=SC2064
        trap "rm -f '$drop_in'" EXIT
    fi

    echo "setup: installing ${missing[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q >&2
    apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
}

install_packages
install_tools
