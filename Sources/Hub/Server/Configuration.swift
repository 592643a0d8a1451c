import Platform

/// What `hub.toml` in the data directory may say; every key has a default.
struct Configuration: Sendable {
    /// Where the hub's files are: database cluster, bucket, keys, certificates.
    var dataDirectory: String
    /// Address and port to listen on; port 0 takes a free one.
    ///
    /// Default `127.0.0.1:7443`.
    var listen: ListenAddress
    /// What join tokens carry, each `https://host:port`; default: the listen address.
    var addresses: [String]
    /// A libpq connection string; nil for the private cluster in the data directory.
    var database: String?
    /// A libpq connection string of the role that owns the tables and applies migrations; nil where
    /// `database` is that role, which then could alter the event log.
    var databaseOwner: String?
    /// The unprivileged user that a private cluster runs as when the hub is root; default
    /// `postgres`.
    var databaseUser: String
    /// Where the master key file is; default `master.key` in the data directory.
    var masterKeyFile: String
    /// Where the SQL files are; default: found beside the program, or what is compiled in.
    var migrations: String?
    /// How long a lease lasts; 2 s to 10 min, default 30 s.
    var lease: Duration
    /// How many operations of a host back up, and restore, at once; 1 to 32, default 2.
    var backupsPerHost: Int64
    var restoresPerHost: Int64
    /// How many moves run at once; 1 to 1000, default 4.
    var moves: Int64
    /// How many days operations are kept; 2 to 3,650, default 30.
    var operationDays: Int64
    /// Connections to the database; 2 to 100, default 10.
    var databaseConnections: Int64
    /// Open HTTP connections; 16 to 100,000, default 4096.
    var httpConnections: Int64
    /// How old the events are that the feed still offers; 1 min to 10 years, default 90 days.
    ///
    /// The log itself keeps all of them.
    var eventFeed: Duration
    /// How long a copy waits for its destination; 1 h to 365 days, default 7 days.
    var copyLifetime: Duration
    /// How long a bucket may fail before what needs it is parked; 1 s to 1 day, default 15 min.
    var bucketPatience: Duration

    /// What join tokens carry: the configured addresses, or where the hub listens.
    var publicAddresses: [String] {
        guard addresses.isEmpty else { return addresses }
        let host = listen.host.contains(":") ? "[\(listen.host)]" : listen.host
        return ["https://\(host):\(listen.port)"]
    }

    /// An address and a port.
    struct ListenAddress: Sendable, Equatable {
        var host: String
        var port: UInt16
    }

    /// Reads `hub.toml` of a data directory.
    ///
    /// - Throws: `ConfigurationError` with file, line and column.
    static func load(dataDirectory: String) throws -> Configuration {
        var file = try ConfigurationFile.load(path: dataDirectory + "/hub.toml")
        let listenText = try file.string("listen") ?? "127.0.0.1:7443"
        guard let listen = ListenAddress(listenText) else {
            throw file.complaint(
                about: "listen", message: "must be an address and a port, as in 127.0.0.1:7443")
        }
        let addresses = try file.strings("addresses")
        for address in addresses ?? [] where !address.hasPrefix("https://") {
            throw file.complaint(
                about: "addresses", message: "must be https://host:port, not \"\(address)\"")
        }
        let configuration = Configuration(
            dataDirectory: dataDirectory,
            listen: listen,
            addresses: addresses ?? [],
            database: try file.string("database"),
            databaseOwner: try file.string("database_owner"),
            databaseUser: try file.string("database_user") ?? "postgres",
            masterKeyFile: try file.string("master_key_file") ?? dataDirectory + "/master.key",
            migrations: try file.string("migrations"),
            lease: try file.duration("limits", "lease", in: .seconds(2)...(.seconds(600)))
                ?? .seconds(30),
            backupsPerHost: try file.integer("limits", "backups_per_host", in: 1...32) ?? 2,
            restoresPerHost: try file.integer("limits", "restores_per_host", in: 1...32) ?? 2,
            moves: try file.integer("limits", "moves", in: 1...1000) ?? 4,
            operationDays: try file.integer("limits", "operation_days", in: 2...3650) ?? 30,
            databaseConnections: try file.integer(
                "limits", "database_connections", in: 2...100) ?? 10,
            httpConnections: try file.integer(
                "limits", "http_connections", in: 16...100_000) ?? 4096,
            eventFeed: try file.duration(
                "limits", "event_feed", in: .seconds(60)...(.seconds(3650 * 86_400)))
                ?? .seconds(90 * 86_400),
            copyLifetime: try file.duration(
                "limits", "copy_lifetime", in: .seconds(3600)...(.seconds(365 * 86_400)))
                ?? .seconds(7 * 86_400),
            bucketPatience: try file.duration(
                "limits", "bucket_patience", in: .seconds(1)...(.seconds(86_400)))
                ?? .seconds(900))
        try file.refuseUnknown()
        return configuration
    }
}

extension Configuration.ListenAddress {
    /// Reads `address:port`, where an IPv6 address stands in brackets.
    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...])
        else { return nil }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty else { return nil }
        self.init(host: host, port: port)
    }
}
