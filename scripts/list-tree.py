#!/usr/bin/env python3
"""Lists a tree with everything that a backup has to bring back, one line an entry, in byte order.

usage: list-tree.py DIRECTORY [--skip NAME]...

Independent of Berth on purpose: it judges Berth. A line holds the path, type, permission bits,
owner, size, modification time in nanoseconds, link target or device, hard-link group (named by
its first path), extended attributes and the SHA-256 of the content. Compare two trees with diff.
"""
import hashlib
import os
import stat
import sys


def digest(path):
    sha = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(1 << 20):
            sha.update(chunk)
    return sha.hexdigest()


def attributes(path):
    names = sorted(os.fsencode(name) for name in os.listxattr(path, follow_symlinks=False))
    return [(name.hex(), os.getxattr(path, name, follow_symlinks=False).hex()) for name in names]


def main():
    root = os.fsencode(sys.argv[1])
    skip = {os.fsencode(name) for option, name in zip(sys.argv[2::2], sys.argv[3::2])
            if option == "--skip"}
    groups = {}
    stack = [b""]
    lines = []
    while stack:
        relative = stack.pop()
        path = os.path.join(root, relative) if relative else root
        status = os.lstat(path)
        mode = status.st_mode
        fields = [relative.hex() or ".", oct(mode), status.st_uid, status.st_gid,
                  status.st_mtime_ns]
        if stat.S_ISREG(mode):
            fields += [status.st_size, digest(path)]
        elif stat.S_ISLNK(mode):
            fields.append(os.readlink(path).hex())
        elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            fields.append(status.st_rdev)
        elif stat.S_ISDIR(mode):
            for name in os.listdir(path):
                child = os.path.join(relative, name) if relative else name
                if child not in skip:
                    stack.append(child)
        if status.st_nlink > 1 and not stat.S_ISDIR(mode):
            groups.setdefault((status.st_dev, status.st_ino), []).append(relative)
            fields.append((status.st_dev, status.st_ino))
        fields.append(attributes(path))
        lines.append((relative, fields))
    for relative, fields in sorted(lines):
        named = [min(groups[field]).hex() if field in groups else field
                 for field in fields if not isinstance(field, list)]
        print(*named, fields[-1])


main()
