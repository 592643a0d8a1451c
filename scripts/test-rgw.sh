#!/usr/bin/env bash
# The tests of buckets against Ceph's object gateway as well: the contract of all stores, the S3
# client's tests and faults, and a fleet whose hosts are handed signed URLs. Installs the gateway,
# which lies on the disk with 270 MB, where it is missing; each run of it lives in a temporary
# directory and ends with its tests.
set -euo pipefail
cd "$(dirname "$0")/.."
missing=()
for package in radosgw ceph-mon ceph-osd ceph-common; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $status == installed ]] || missing+=("$package")
done
if ((${#missing[@]})); then
    ((EUID == 0)) || { echo "test-rgw: as root: apt-get install ${missing[*]}" >&2; exit 1; }
    apt-get update -q >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >&2
fi
export BERTH_TEST_RGW=1
swift build --build-tests
swift test --skip-build --filter '^ObjectStoreTests\.(ContractTests|S3StoreTests|S3FaultTests)'
swift test --skip-build --filter '^EndToEndTests\.(EnforcingBucketTests|StoryTests)'
