/// Where a database is and how its connections behave.
public struct PostgresOptions: Sendable, CustomStringConvertible {
    /// A libpq connection string or URI (PostgreSQL 15, 34.1.1), may be empty; it may hold a
    /// password.
    public var conninfo: String
    /// Further libpq keywords, such as `host`, `dbname`, `user`; they win over `conninfo`.
    public var parameters: [String: String]
    /// What `pg_stat_activity` calls the connections; default `berth`.
    public var applicationName: String
    /// How long a connection attempt may take; default 5 seconds.
    public var connectTimeout: Duration
    /// How long one statement may take (statement_timeout); default 30 seconds, nil is unlimited.
    public var statementTimeout: Duration?
    /// How long a statement may wait for one lock (lock_timeout); default 10 seconds, nil is
    /// unlimited.
    public var lockTimeout: Duration?
    /// How long a transaction may sit idle before the server ends its connection
    /// (idle_in_transaction_session_timeout); default 60 seconds, nil is unlimited.
    public var idleInTransactionTimeout: Duration?
    /// How many prepared statements one connection keeps, 1 to 10 000; default 256.
    public var preparedStatementLimit: Int

    /// Options from a connection string, with the defaults of the properties.
    public init(conninfo: String = "", parameters: [String: String] = [:]) {
        self.conninfo = conninfo
        self.parameters = parameters
        applicationName = "berth"
        connectTimeout = .seconds(5)
        statementTimeout = .seconds(30)
        lockTimeout = .seconds(10)
        idleInTransactionTimeout = .seconds(60)
        preparedStatementLimit = 256
    }

    /// Options for a server by name.
    ///
    /// - Parameters:
    ///   - host: a host name, an address, or the directory of a Unix socket.
    ///   - port: the TCP port, or the number in the Unix socket's name; default 5432.
    ///   - database: the database's name.
    ///   - user: the role's name.
    ///   - password: the role's password, default none.
    public init(
        host: String, port: Int = 5432, database: String, user: String, password: String? = nil
    ) {
        self.init(parameters: [
            "host": host, "port": String(port), "dbname": database, "user": user,
        ])
        parameters["password"] = password
    }

    /// Names the place without any password.
    public var description: String {
        let shown = ["host", "port", "dbname", "user"].compactMap { key in
            parameters[key].map { "\(key)=\($0)" }
        }
        return shown.isEmpty ? "the configured database" : shown.joined(separator: " ")
    }

    /// The keywords and values for PQconnectStartParams, in the order in which later ones win.
    var keywords: [(String, String)] {
        var words = [
            ("keepalives_idle", "15"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", "15000"), ("fallback_application_name", "berth"),
        ]
        if !conninfo.isEmpty { words.append(("dbname", conninfo)) }
        words += parameters.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        words.append(("application_name", applicationName))
        words.append(("client_encoding", "UTF8"))
        return words
    }

    /// The statement that sets up a fresh session.
    var sessionSetup: String {
        func milliseconds(_ limit: Duration?) -> String {
            guard let limit else { return "0" }
            return String(limit.wholeMilliseconds)
        }
        return """
            SET statement_timeout = \(milliseconds(statementTimeout));
            SET lock_timeout = \(milliseconds(lockTimeout));
            SET idle_in_transaction_session_timeout = \(milliseconds(idleInTransactionTimeout));
            SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601';
            SET bytea_output = 'hex'; SET extra_float_digits = 1
            """
    }
}
