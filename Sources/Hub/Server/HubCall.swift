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
    }

    let verb: Verb
    let dataDirectory: String

    static let help = """
        berth-hub: the control plane of Berth

          berth-hub init --data DIR          make a hub: database, keys, CA, bucket, first token
          berth-hub serve --data DIR         run it
          berth-hub token create --data DIR  make another single-use admin token
          berth-hub check-config --data DIR  check DIR/hub.toml
          berth-hub version | help

        DIR/hub.toml, all keys optional:
          listen = "127.0.0.1:7443"
          addresses = ["https://hub.example.org:7443"]   what hosts and clients connect to
          database = "host=/run/postgresql dbname=berth"  instead of the private cluster
          [limits]
          lease = "30s"

        """

    /// - Throws: `UsageError`.
    init(_ arguments: [String]) throws {
        var words: [String] = []
        var data: String?
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--data" {
                guard let value = rest.popFirst() else {
                    throw UsageError("--data needs a directory")
                }
                data = value
            } else if argument.hasPrefix("--data=") {
                data = String(argument.dropFirst("--data=".count))
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
        let name = words.isEmpty ? "help" : words.joined(separator: " ")
        guard let verb = Verb(rawValue: name) else {
            throw UsageError("\"\(name)\" is not a command; see berth-hub help")
        }
        self.verb = verb
        switch verb {
        case .help, .version:
            dataDirectory = ""
        case .checkConfiguration, .initialize, .serve, .createToken:
            guard let data, !data.isEmpty else {
                throw UsageError("\(name) needs --data DIR, the hub's directory")
            }
            dataDirectory = data.hasPrefix("/") ? data : Self.absolute(data)
        }
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
