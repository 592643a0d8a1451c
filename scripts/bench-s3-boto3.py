#!/usr/bin/env python3
"""Puts and gets small objects with boto3, 16 at once; prints objects a second (scripts/bench-s3.sh)."""
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
from botocore.config import Config

count = int(sys.argv[1])
variable = {name: os.environ["BERTH_BENCH_" + name] for name in ("ENDPOINT", "BUCKET", "KEY", "SECRET")}
client = boto3.client(
    "s3",
    endpoint_url=variable["ENDPOINT"],
    region_name="us-east-1",
    aws_access_key_id=variable["KEY"],
    aws_secret_access_key=variable["SECRET"],
    config=Config(
        max_pool_connections=16,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path"},
    ),
)
body = os.urandom(4096)
prefix = "small-boto3-%d" % os.getpid()


def put(index):
    client.put_object(Bucket=variable["BUCKET"], Key="%s/%d" % (prefix, index), Body=body)


def get(index):
    answer = client.get_object(Bucket=variable["BUCKET"], Key="%s/%d" % (prefix, index))
    assert len(answer["Body"].read()) == len(body)


with ThreadPoolExecutor(16) as pool:
    # The threads exist before the clock starts.
    barrier = threading.Barrier(16)
    list(pool.map(lambda _: barrier.wait(), range(16)))
    begin = time.monotonic()
    list(pool.map(put, range(count)))
    list(pool.map(get, range(count)))
    print("%.3f" % (2 * count / (time.monotonic() - begin)))
