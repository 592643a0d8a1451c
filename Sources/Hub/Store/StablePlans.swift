import Postgres

/// What the hub asks of PostgreSQL's planner: by keys, always.
///
/// The hot tables are empty at one moment and full of dead rows at the next. A plan that was made for
/// an empty table reads it from one end to the other, and is kept; the keys are the same good plan at
/// every size. So a statement is planned once: making the plan of a claim or of ends takes several
/// times as long as carrying it out.
enum StablePlans {
    /// The same database, asked by keys.
    static func of(_ options: PostgresOptions) -> PostgresOptions {
        var options = options
        options.parameters["options"] =
            "-c enable_seqscan=off -c jit=off -c plan_cache_mode=force_generic_plan"
        return options
    }
}

extension PostgresTransaction {
    /// Runs a statement whose right plan depends on its values, such as how rare a name is: it is
    /// planned for them.
    func queryPlanned(_ query: PostgresQuery) async throws -> PostgresResult {
        try await self.query("SET LOCAL plan_cache_mode = force_custom_plan")
        let result = try await self.query(query)
        try await self.query("SET LOCAL plan_cache_mode TO DEFAULT")
        return result
    }
}
