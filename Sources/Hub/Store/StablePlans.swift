import Postgres

/// What the hub asks of PostgreSQL's planner: by keys, always.
///
/// The hot tables are empty at one moment and full of dead rows at the next. A plan that was made for
/// an empty table reads it from one end to the other, and is kept; the keys are the same good plan at
/// every size.
enum StablePlans {
    /// The same database, asked by keys.
    static func of(_ options: PostgresOptions) -> PostgresOptions {
        var options = options
        options.parameters["options"] = "-c enable_seqscan=off -c jit=off"
        return options
    }
}
