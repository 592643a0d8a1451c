import Glibc
import Platform

/// Takes a fleet away, and finds what is left of one.
struct Removal: Sendable {
    let programs: Programs
    /// The fleet's directory; nothing outside of it is touched.
    let directory: String
    /// The ledgers of the fleet's hosts, which their control groups are named after.
    private var ledgers: [String] = []

    init(programs: Programs, directory: String) {
        self.programs = programs
        self.directory = directory
    }

    /// The demo's own removal.
    func run() async throws {
        try await shell(
            "grep -F ' \(directory)/' /proc/self/mounts | awk '$1 == \"tmpfs\" { print $2 }' | "
                + "xargs -r umount; "
                + "ROOT='\(programs.root)' BIN='\(programs.directory)' FLEET='\(directory)'; "
                + "source \"$ROOT/scripts/fleet-functions.sh\"; fleet_remove")
    }

    /// Directory, loop devices, mounts, processes and control groups that are still there.
    func leftovers() async throws -> String {
        try await shell(
            """
            ls -d '\(directory)' 2>/dev/null || true
            losetup --list --noheadings --output NAME,BACK-FILE | grep -F '\(directory)/' || true
            grep -F ' \(directory)/' /proc/self/mounts || true
            for process in /proc/[0-9]*; do
                [[ "$process" != /proc/$$ ]] || continue
                if [[ "$(readlink "$process/cwd" 2>/dev/null)" == '\(directory)/'* ]] ||
                    cat "$process/cmdline" 2>/dev/null | tr '\\0' ' ' | grep -qF '\(directory)/'; then
                    echo "$process: $(cat "$process/cmdline" 2>/dev/null | tr '\\0' ' ')"
                fi
            done
            find /sys/fs/cgroup -maxdepth 3 -type d -name 'berth-*' -print0 2>/dev/null |
                while IFS= read -r -d '' group; do
                    for ledger in \(ledgers.joined(separator: " ")); do
                        [[ "$group" != *"/berth-$ledger" ]] || echo "$group"
                    done
                done
            """)
    }

    /// Notes the names of the hosts' control groups, which are found by them afterwards.
    mutating func noteControlGroups() async throws {
        ledgers = try await shell("cat '\(directory)'/*/identity.json | jq -r .ledger || true")
            .split(separator: "\n").map(String.init)
    }

    /// Runs a shell line to its end, whether or not the test was cancelled.
    @discardableResult
    private func shell(_ line: String) async throws -> String {
        let output = try TemporaryDirectory(prefix: "berth-removal")
        let path = output.path + "/output"
        let log = try Descriptor(opening: path, flags: O_WRONLY | O_CREAT, mode: 0o600)
        let process = try await SpawnedProcess.start(
            "bash", ["-c", line], log: log, diesWithParent: true)
        let exit = await process.waitUninterrupted(atMost: .seconds(90))
        let text = String(decoding: try DurableFile.read(path, limitBytes: 1 << 20), as: UTF8.self)
        guard exit == .code(0) else {
            try process.signal(SIGKILL)
            throw RemovalFailure(description: "\(line): \(text)")
        }
        return text.trimmed
    }
}

/// A fleet that could not be taken away.
struct RemovalFailure: Error, CustomStringConvertible {
    let description: String
}
