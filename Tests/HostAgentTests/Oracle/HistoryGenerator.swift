/// Numbers from a seed (SplitMix64), the same on every machine.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

/// Histories of a file system as shell commands, drawn from a seed; commands whose files happen not
/// to be there do nothing.
struct HistoryGenerator {
    /// What happens to the volume or its base as a whole between two backups.
    enum Event: String, CaseIterable {
        case none, rollback, tamperedBase, snapshotOfBase, balance, defragment, full, readOnly
    }

    private static let directories = [
        ".", "./a", "./a/b", "./a/b/c", "./d", "./d/e", "./k", "./k/l/m",
    ]
    private var random: SeededRandom
    /// Whether files may be larger than a chunk.
    let hasLargeFiles: Bool

    init(seed: UInt64, hasLargeFiles: Bool) {
        random = SeededRandom(seed: seed)
        self.hasLargeFiles = hasLargeFiles
    }

    /// What is there at the beginning: enough inodes for a tree of several leaves.
    static let beginning = """
        mkdir -p a/b/c d/e k/l/m bulk
        for i in $(seq 300); do echo "bulk $i" > bulk/n$i; done
        for i in 1 2 3 4; do echo one$i > f$i; echo two$i > a/f$i; echo three$i > d/e/f$i; done
        ln f1 a/b/h1; ln a/f2 d/h2; ln a/f2 k/l/m/h3
        """

    /// The commands of one step.
    mutating func step() -> String {
        let count = Int.random(in: 0...4, using: &random)
        return (0..<count).map { _ in operation() }.joined(separator: "\n")
    }

    /// What happens besides.
    mutating func event() -> Event {
        guard Int.random(in: 0..<12, using: &random) == 0 else { return .none }
        return Event.allCases.randomElement(using: &random) ?? .none
    }

    private mutating func directory() -> String {
        Self.directories.randomElement(using: &random) ?? "."
    }

    private mutating func path() -> String {
        "\(directory())/f\(Int.random(in: 1...5, using: &random))"
    }

    private mutating func number(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &random)
    }

    private mutating func bytes() -> Int {
        hasLargeFiles && number(0...3) == 0
            ? number(600_000...2_600_000)
            : [1, 60, 2_000, 2_100, 4_096, 9_000, 70_000][number(0...6)]
    }

    private mutating func operation() -> String {
        let kind = number(0...Self.kinds - 1)
        if kind < Self.contentsKinds { return contents(kind) }
        if kind < Self.contentsKinds + Self.namesKinds { return names(kind - Self.contentsKinds) }
        return metadata(kind - Self.contentsKinds - Self.namesKinds)
    }

    /// How many kinds of change there are.
    static var kinds: Int { contentsKinds + namesKinds + metadataKinds }

    /// Text that is not periodic, from a number.
    private mutating func text(_ bytes: Int) -> String {
        "seq \(number(1...900_000)) 9000000 | head -c \(bytes)"
    }

    private static let contentsKinds = 22

    private mutating func contents(_ kind: Int) -> String {
        let (one, two) = (path(), path())
        switch kind {
        case 0:
            return "\(text(bytes())) > \(one)"
        case 1:
            return "\(text(number(1...5_000))) >> \(one)"
        case 2:
            return "[ -f \(one) ] && \(text(number(1...9_000))) | dd of=\(one) bs=16K "
                + "seek=$(( $(stat -c %s \(one)) / 2 )) oflag=seek_bytes conv=notrunc"
        case 3:
            return "[ -f \(one) ] && truncate -s -\(number(1...3_000)) \(one)"
        case 4:
            return "truncate -c -s \(bytes()) \(one)"
        case 5:
            return "truncate -c -s +\(number(1...700_000)) \(one)"
        case 6:
            return "fallocate -p -o \(4096 * number(0...3)) -l \(number(1...9_000)) \(one)"
        case 7:
            return "fallocate -z -o \(number(0...9_000)) -l \(number(1...9_000)) \(one)"
        case 8:
            return "fallocate -n -l \(bytes()) \(one)"
        case 9:
            return "fallocate -l \(bytes()) \(one)"
        case 10:
            return "cp --reflink=always \(one) \(two)"
        case 11:
            return "cp --reflink=never \(one) \(two)"
        case 12:
            return "xclone \(one) \(two) \(4096 * number(0...3)) "
                + "\(4096 * number(0...3)) \(4096 * number(1...3))"
        case 13:
            return "xdedupe \(one) \(two)"
        case 14:
            return "xmap \(one) \(number(0...5_000))"
        case 15:
            return "touch -r \(one) .stamp; printf X | dd of=\(one) bs=1 "
                + "seek=\(number(0...50)) conv=notrunc; touch -r .stamp \(one); rm .stamp"
        case 16:
            return "cp \(one) .same && cat .same > \(one); rm .same"
        case 17:
            return "rm -f \(one); touch \(one); chattr +C \(one); \(text(9_000)) > \(one)"
        case 18:
            return "printf nocow | dd of=\(one) bs=1 seek=\(number(0...9_000)) conv=notrunc"
        case 19:
            return "btrfs property set \(one) compression zstd; \(text(70_000)) >> \(one); sync"
        case 20:
            return "\(text(bytes())) > \(one); sync"
        default:
            return "rm -f \(one); \(text(60)) > \(one)"
        }
    }

    private static let namesKinds = 28

    private mutating func names(_ kind: Int) -> String {
        let (one, two) = (path(), path())
        switch kind {
        case 0:
            return "mv \(one) \(two)"
        case 1:
            return "mv -T \(directory()) \(directory())-x"
        case 2:
            return "mv \(one) .swap && mv \(two) \(one); mv .swap \(two)"
        case 3:
            return "mv -T a/b k/moved || mv -T k/moved a/b"
        case 4:
            return "mv -T d a/down || mv -T a/down d"
        case 5:
            return "mv -T k/l k/renamed || mv -T k/renamed k/l"
        case 6:
            return "ln \(one) \(two)"
        case 7:
            return "ln -f \(one) \(two)"
        case 8:
            return "ln \(one) \(two)-$(printf '\\377')"
        case 9:
            return "rm -f \(one)"
        case 10:
            return "rm -rf \(directory())/"
        case 11:
            return "mkdir -p \(directory())"
        case 12:
            return "mkdir -p d/e/n\(number(1...3)); rmdir d/e/n\(number(1...3))"
        case 13:
            return "ln -sfn target\(number(1...9)) \(one)"
        case 14:
            return "rm -f \(one)-fifo; mkfifo \(one)-fifo"
        case 15:
            return "rm -f \(one)-dev; mknod \(one)-dev c 240 \(number(1...9))"
        case 16:
            return "rm -f \(one)-sock; xsocket \(one)-sock"
        case 17:
            return "btrfs subvolume create \(directory())/n\(number(1...2)) && echo in > k/n1/in"
        case 18:
            return "btrfs subvolume delete \(directory())/n\(number(1...2))"
        case 19:
            return "mv -T a/n1 d/n1; mv -T n2 k/n2"
        case 20:
            return "rm -rf \(one); mkdir \(one) && echo in > \(one)/in"
        case 21:
            return "for i in $(seq 80); do echo $i > \(one)-m$i; done"
        case 22:
            return "rm -f \(one)-m*"
        case 23:
            return "rm -rf bulk2; cp -r --reflink=auto bulk bulk2"
        case 24:
            return "cp -a a copy-of-a; rm -rf copy-of-a/b"
        case 25:
            return "rm -rf copy-of-a"
        case 26:
            return "( echo held > \(one); sleep 0 ) & exec 3<>k/held; rm -f k/held; wait"
        default:
            return "cp -a \(one) \(one).new && mv \(one).new \(one)"
        }
    }

    private static let metadataKinds = 14

    private mutating func metadata(_ kind: Int) -> String {
        let one = path()
        switch kind {
        case 0:
            return "chmod \(["600", "644", "755", "4755", "2770"][number(0...4)]) \(one)"
        case 1:
            return "chmod \(["700", "755", "1777"][number(0...2)]) \(directory())"
        case 2:
            return "chown -h \(number(0...3)):\(number(0...3)) \(one)"
        case 3:
            return "touch -c -h -d @\(number(0...2_000_000_000)).\(number(1...999)) \(one)"
        case 4:
            return "touch -c -d @\(number(0...2_000_000_000)) \(directory())"
        case 5:
            return "touch -a -c \(one)"
        case 6:
            return "setfattr -n user.a\(number(1...3)) -v v\(number(1...9)) \(one)"
        case 7:
            return "setfattr -x user.a\(number(1...3)) \(one)"
        case 8:
            return "setfattr -n user.b -v $(seq -s, 700) \(directory())"
        case 9:
            return "setfacl -m u:\(number(1...5)):r \(one)"
        case 10:
            return "setfacl -d -m u:\(number(1...5)):rx \(directory())"
        case 11:
            return "setcap cap_net_raw+ep \(one)"
        case 12:
            return "chattr +c \(one)"
        default:
            return "chmod 751 .; touch -d @\(number(1...999_999)) ."
        }
    }
}
