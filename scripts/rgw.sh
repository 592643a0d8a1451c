#!/usr/bin/env bash
# Runs Ceph's object gateway on loopback in the foreground, with a cluster of its own behind it: one
# monitor, one store in memory. Everything lies in the directory; it all ends with this process.
# Prints `http://127.0.0.1:PORT` when requests are answered. Needs radosgw, ceph-mon and ceph-osd.
#
# usage: rgw.sh DIRECTORY ACCESS-KEY SECRET-KEY-FILE
set -euo pipefail
PLACE=$1 KEY=$2 SECRET_FILE=$3

free_ports() {
    python3 -c 'import socket
sockets = [socket.socket() for _ in range(2)]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))'
}
read -r MONITOR GATEWAY <<<"$(free_ports)"
CONF=$PLACE/ceph.conf
FSID=$(cat /proc/sys/kernel/random/uuid)
mkdir -p "$PLACE/mon" "$PLACE/osd" "$PLACE/rgw" "$PLACE/run"

cat >"$CONF" <<END
[global]
fsid = $FSID
mon_initial_members = a
mon_host = v2:127.0.0.1:$MONITOR
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
ms_bind_ipv6 = false
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
keyring = $PLACE/keyring
run_dir = $PLACE/run
admin_socket = $PLACE/run/\$name.\$pid.asok
crash_dir = $PLACE/crash
log_to_file = false
log_to_stderr = false
err_to_stderr = true
mon_cluster_log_to_file = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 2
osd_pool_default_pgp_num = 2
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000
mon_data_avail_crit = 0
mon_data_avail_warn = 0
[mon.a]
mon_data = $PLACE/mon
[osd.0]
osd_objectstore = memstore
memstore_device_bytes = 4294967296
osd_data = $PLACE/osd
osd_memory_target = 939524096
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:$GATEWAY tcp_nodelay=1
rgw_data = $PLACE/rgw
rgw_enable_usage_log = false
rgw_enable_gc_threads = false
rgw_enable_lc_threads = false
rgw_enable_quota_threads = false
rgw_run_sync_thread = false
rgw_thread_pool_size = 64
END

# A daemon that does not outlive this shell.
daemon() { setpriv --pdeathsig KILL -- "$@" >>"$PLACE/log" 2>&1 </dev/null & }
admin() { ceph --conf "$CONF" --connect-timeout 60 "$@"; }

ceph-authtool --create-keyring "$PLACE/keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
ceph-authtool "$PLACE/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
ceph-authtool "$PLACE/keyring" --gen-key -n client.rgw --cap mon 'allow rwx' --cap osd 'allow rwx' >/dev/null
ceph-authtool "$PLACE/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' >/dev/null
monmaptool --create --addv a "[v2:127.0.0.1:$MONITOR]" --fsid "$FSID" "$PLACE/monmap" >/dev/null
ceph-mon --conf "$CONF" --mkfs -i a --monmap "$PLACE/monmap" --keyring "$PLACE/keyring"
daemon ceph-mon --conf "$CONF" -f -i a
STORE=$(cat /proc/sys/kernel/random/uuid)
admin osd new "$STORE" >/dev/null
ceph-osd --conf "$CONF" -i 0 --osd-uuid "$STORE" --mkfs >>"$PLACE/log" 2>&1
daemon ceph-osd --conf "$CONF" -f -i 0
daemon radosgw --conf "$CONF" -f -n client.rgw
radosgw-admin --conf "$CONF" user create --uid berth --display-name berth --access-key "$KEY" \
    --secret-key "$(<"$SECRET_FILE")" >/dev/null
for _ in $(seq 600); do
    curl -s -o "$PLACE/answer" "http://127.0.0.1:$GATEWAY/" && break
    sleep 0.1
done
echo "http://127.0.0.1:$GATEWAY"
wait
