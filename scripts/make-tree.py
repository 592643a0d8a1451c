#!/usr/bin/env python3
"""Makes the trees that `make bench-repository` measures with; the same seed makes the same tree.

usage: make-tree.py small DIRECTORY [--files N] [--seed S]     many small files
       make-tree.py large DIRECTORY [--mib N] [--seed S]       8 files, every other one compressible

Small files have 2.3 KiB on average, from a few bytes to some ten KiB, 48 in a directory; half of what
they hold is words, half is random.
"""
import argparse
import os
import random

WORDS = [b"let", b"func", b"return", b"import", b"volume", b"backup", b"= ", b"{\n", b"}\n", b"// ",
         b"public", b"struct", b"static", b"guard", b"else", b"throw", b"value", b"index", b"count"]


def small(target, files, generator):
    text = b" ".join(generator.choices(WORDS, k=2_000_000))
    noise = generator.randbytes(8 << 20)
    made = 0
    while made < files:
        number = made // 48
        place = os.path.join(target, f"part-{number // 256:03d}", f"directory-{number:05d}")
        os.makedirs(place)
        for index in range(min(48, files - made)):
            size = min(int(generator.expovariate(1 / 2300)) + 1, 60_000)
            start = generator.randrange(4 << 20)
            half = size // 2
            with open(os.path.join(place, f"file-{index:02d}.txt"), "wb") as file:
                file.write(text[start:start + half] + noise[start:start + size - half])
            made += 1


def large(target, mib, generator):
    text = b" ".join(generator.choices(WORDS, k=200_000))
    os.makedirs(target, exist_ok=True)
    for number in range(8):
        with open(os.path.join(target, f"large-{number}"), "wb") as file:
            for _ in range(mib // 8):
                if number % 2:
                    block = generator.randbytes(1 << 20)
                else:
                    # No two blocks are equal, or the peers would store one of them.
                    start = generator.randrange(len(text) // 2)
                    part = text[start:start + (240 << 10)]
                    block = b"".join(part + generator.randbytes(16 << 10) for _ in range(4))
                file.write(block[:1 << 20].ljust(1 << 20, b"."))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["small", "large"])
    parser.add_argument("directory")
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--mib", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    generator = random.Random(options.seed)
    if options.kind == "small":
        small(options.directory, options.files, generator)
    else:
        large(options.directory, options.mib, generator)


main()
