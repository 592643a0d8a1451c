import FoundationEssentials
import Glibc
import Platform
import Testing

@Suite("Notifying systemd and taking its signals", .timeLimit(.minutes(1)))
struct ServiceSupervisorTests {
    /// Python's socket module plays systemd: it binds the name and prints one datagram.
    private static let receiver = """
        import socket, sys
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = sys.argv[1]
        s.bind("\\0" + name[1:] if name[0] == "@" else name)
        open(sys.argv[2], "w").close()
        print(s.recv(4096).decode())
        """

    @Test("a state and a status line arrive", arguments: [true, false])
    func notifies(isAbstract: Bool) async throws {
        let directory = try TemporaryDirectory()
        let name = (isAbstract ? "@" : "") + directory.path + "/notify"
        let ready = directory.path + "/ready"
        async let result = ChildProcess.run(
            "python3", ["-c", Self.receiver, name, ready], deadline: .seconds(30))
        try await eventually { unsafe access(ready, F_OK) == 0 }
        let supervisor = ServiceSupervisor(environment: ["NOTIFY_SOCKET": name])
        try supervisor.notify(.ready, status: "two\nlines")
        #expect(try await result.text == "READY=1\nSTATUS=twolines\n")
    }

    @Test("without a socket nothing happens; a wrong one is an error")
    func nobody() throws {
        try ServiceSupervisor(environment: [:]).notify(.stopping)
        let wrong = ServiceSupervisor(environment: ["NOTIFY_SOCKET": "relative"])
        #expect(throws: PlatformError.self) { try wrong.notify(.watchdog) }
    }

    @Test("the watchdog is due at half its interval")
    func watchdog() {
        let supervisor = ServiceSupervisor(environment: ["WATCHDOG_USEC": "3000000"])
        #expect(supervisor.watchdogInterval == .milliseconds(1500))
        #expect(ServiceSupervisor(environment: [:]).watchdogInterval == nil)
    }

    @Test("SIGTERM and SIGINT arrive as values, and SIGHUP and SIGPIPE do nothing")
    func signals() async throws {
        try Signals.ignorePipeAndHangUp()
        let termination = try Signals.termination()
        kill(getpid(), SIGHUP)
        kill(getpid(), SIGPIPE)
        kill(getpid(), SIGTERM)
        var iterator = termination.makeAsyncIterator()
        #expect(await iterator.next() == SIGTERM)
        kill(getpid(), SIGINT)
        #expect(await iterator.next() == SIGINT)
    }
}
