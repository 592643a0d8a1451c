/// What histories need beyond a shell: reflinks of ranges, deduplication, mapped writes, sockets.
enum HistoryTools {
    /// Commands `xclone SOURCE TARGET FROM TO LENGTH`, `xdedupe SOURCE TARGET`, `xmap FILE OFFSET`
    /// and `xsocket PATH`.
    static let shell = """
        xclone() { /usr/bin/python3 "$BERTH_TOOL" clone "$@"; }
        xdedupe() { /usr/bin/python3 "$BERTH_TOOL" dedupe "$@"; }
        xmap() { /usr/bin/python3 "$BERTH_TOOL" map "$@"; }
        xsocket() { /usr/bin/python3 "$BERTH_TOOL" socket "$@"; }

        """

    static let python = """
        import fcntl, mmap, os, socket, struct, sys
        command, paths = sys.argv[1], sys.argv[2:]
        if command == "socket":
            socket.socket(socket.AF_UNIX).bind(paths[0])
            sys.exit(0)
        source = os.open(paths[0], os.O_RDWR | os.O_NOFOLLOW)
        if command == "map":
            size = os.fstat(source).st_size
            with mmap.mmap(source, size) as memory:
                memory[int(paths[1]) % size] = (memory[int(paths[1]) % size] + 1) & 255
                memory.flush()
        target = os.open(paths[1], os.O_RDWR | os.O_NOFOLLOW) if command != "map" else -1
        if command == "clone":  # FICLONERANGE
            begin, place, length = map(int, paths[2:5])
            fcntl.ioctl(target, 0x4020940D, struct.pack("=qQQQ", source, begin, length, place))
        if command == "dedupe":  # FIDEDUPERANGE
            length = min(os.fstat(source).st_size, os.fstat(target).st_size) & ~4095
            request = struct.pack("=QQHHI", 0, length, 1, 0, 0)
            request += struct.pack("=qQQiI", target, 0, 0, 0, 0)
            fcntl.ioctl(source, 0xC0189436, request)
        """
}
