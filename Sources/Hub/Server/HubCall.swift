import Glibc

/// What the command line of `berth-hub` asks for.
struct HubCall: Sendable {
    enum Verb: String, Sendable, CaseIterable {
        case help
        case version
        case checkConfiguration = "check-config"
        case initialize = "init"
        case serve
        case createToken = "token create"
        case bucketCredentials = "bucket-credentials"
        case verifyLog = "verify-log"
        case replay
        case migrateStatus = "migrate status"
        case migratePlan = "migrate plan"
        case migrateUp = "migrate up"
        case benchRegistry = "bench registry"
        case benchHosts = "bench hosts"
        case benchOperations = "bench operations"
    }

    let verb: Verb
    let dataDirectory: String
    /// `--expect SEQUENCE:HASH`: what an earlier check of the log printed.
    let anchor: LogVerification.Anchor?
    /// Whose credentials are piped in.
    let bucket: String
    /// `--peers`: the command that runs a peer of the engine.
    let peers: [String]
    /// `--check`: compares and changes nothing.
    let onlyCompares: Bool
    /// `--process PID`: the hub to be measured.
    let process: Int32

    static let help = """
        berth-hub: the control plane of Berth

          berth-hub init --data DIR          make a hub: database, keys, CA, bucket, first token
          berth-hub serve --data DIR         run it
          berth-hub token create --data DIR  make another single-use admin token
          berth-hub bucket-credentials BUCKET --data DIR <FILE
                                             seal a bucket's credentials in the database: two lines,
                                             the access key id and the secret key
          berth-hub check-config --data DIR  check DIR/hub.toml
          berth-hub migrate status --data DIR  which migrations the database has
          berth-hub migrate plan --data DIR    what `up` would run; `up` runs it, as serve does
          berth-hub verify-log --data DIR [--expect SEQUENCE:HASH]
                                             check the event log's hash chain, and that it is the
                                             one that an earlier check saw
          berth-hub replay --data DIR [--check]
                                             rebuild the registry from the event log, compare, and
                                             put right what differs; --check only compares
          berth-hub bench registry --data NEW  measure the registry on this machine, in a directory
                                             of its own that is removed again
          berth-hub bench hosts --process PID --data DIR
                                             measure what 3,000 simulated agents cost the hub that
                                             runs there; it is filled with hosts of no use
          berth-hub bench operations --data NEW [--peers COMMAND]
                                             the same for the operations engine, and its peers
          berth-hub version | help

        DIR/hub.toml, all keys optional:
          listen = "127.0.0.1:7443"
          addresses = ["https://hub.example.org:7443"]   what hosts and clients connect to
          database = "host=/run/postgresql dbname=berth user=berth_hub"
                                                         instead of the private cluster
          database_owner = "host=/run/postgresql dbname=berth user=berth_owner"
                                                         the role that owns the tables: it applies
                                                         migrations; the hub's own cannot alter the
                                                         event log
          [limits]
          lease = "30s"

        """

    /// - Throws: `UsageError`.
    init(_ arguments: [String]) throws {
        var words: [String] = []
        var data: String?
        var anchor: LogVerification.Anchor?
        var onlyCompares = false
        var process: Int32 = 0
        var peers: [String] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--data" {
                data = try Self.directory(rest.popFirst())
            } else if argument.hasPrefix("--data=") {
                data = String(argument.dropFirst("--data=".count))
            } else if argument == "--expect" {
                anchor = try Self.anchor(rest.popFirst())
            } else if argument == "--process" {
                process = try Self.process(rest.popFirst())
            } else if argument == "--peers" {
                peers = try Self.command(rest.popFirst())
            } else if argument == "--check" {
                onlyCompares = true
            } else if argument == "-h" || argument == "--help" {
                words = ["help"]
                break
            } else if argument == "--version" {
                words = ["version"]
            } else if argument.hasPrefix("-") {
                throw UsageError("\(argument) is not an option; see berth-hub help")
            } else {
                words.append(argument)
            }
        }
        if words.first == Verb.bucketCredentials.rawValue {
            guard words.count == 2 else {
                throw UsageError("bucket-credentials needs the name of one bucket")
            }
            bucket = words.removeLast()
        } else {
            bucket = ""
        }
        let name = words.isEmpty ? "help" : words.joined(separator: " ")
        guard let verb = Verb(rawValue: name) else {
            throw UsageError("\"\(name)\" is not a command; see berth-hub help")
        }
        self.verb = verb
        self.anchor = anchor
        self.peers = peers
        self.onlyCompares = onlyCompares
        self.process = process
        guard (process > 0) == (verb == .benchHosts) else {
            throw UsageError("--process belongs to bench hosts, which needs it")
        }
        guard anchor == nil || verb == .verifyLog, !onlyCompares || verb == .replay else {
            throw UsageError(
                "--expect belongs to verify-log and --check to replay; see berth-hub help")
        }
        switch verb {
        case .help, .version:
            dataDirectory = ""
        case .checkConfiguration, .initialize, .serve, .createToken, .bucketCredentials, .verifyLog,
            .replay, .migrateStatus, .migratePlan, .migrateUp, .benchRegistry, .benchHosts,
            .benchOperations:
            guard let data, !data.isEmpty else {
                throw UsageError("\(name) needs --data DIR, the hub's directory")
            }
            dataDirectory = data.hasPrefix("/") ? data : Self.absolute(data)
        }
    }

    private static func process(_ word: String?) throws -> Int32 {
        guard let value = word.flatMap({ Int32($0) }), value > 0 else {
            throw UsageError("--process needs the hub's process id")
        }
        return value
    }

    private static func directory(_ word: String?) throws -> String {
        guard let word else { throw UsageError("--data needs a directory") }
        return word
    }

    private static func anchor(_ word: String?) throws -> LogVerification.Anchor {
        guard let anchor = word.flatMap({ LogVerification.Anchor($0) }) else {
            throw UsageError("--expect needs SEQUENCE:HASH, as verify-log prints it")
        }
        return anchor
    }

    private static func command(_ word: String?) throws -> [String] {
        guard let word else { throw UsageError("--peers needs a command") }
        return word.split(separator: " ").map(String.init)
    }

    private static func absolute(_ path: String) -> String {
        guard let current = unsafe getcwd(nil, 0) else { return path }
        defer { unsafe free(current) }
        return unsafe String(cString: current) + "/" + path
    }
}

/// A command line that cannot be carried out.
struct UsageError: Error, Sendable, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
