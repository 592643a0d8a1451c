import Postgres
import Shared

/// The shadow registry: tables of the same names in a schema of their own, filled from the log by
/// the statements that the hub itself uses.
struct ReplayStore: Sendable {
    let connection: PostgresConnection

    private static let schema = "berth_replay"
    /// The session advisory lock that keeps two replays apart.
    private static let lock: Int64 = 0x6265_7274_6872

    /// A table of the registry and what identifies its rows.
    struct Table: Sendable {
        let name: String
        let key: [String]
        let columns: [String]
    }

    /// How one table differs from its shadow.
    struct Difference: Sendable, Equatable {
        let table: String
        /// Rows that only the live table has, only the log has, and that say something else.
        var extra: Int64
        var missing: Int64
        var changed: Int64
        /// The keys of a few of them.
        var examples: [String]
    }

    /// How far a step came.
    struct Step: Sendable {
        /// The last event that was applied.
        var last: Int64
        var applied: Int64
        /// Events of forms that this program does not know.
        var unknown: Int64
    }

    /// Waits for another replay, until the lock timeout.
    func takeLock() async throws {
        // 1.
        try await connection.query("SELECT pg_advisory_lock(\(Self.lock))")
    }

    /// The tables with their keys, read from the catalog.
    func tables() async throws -> [Table] {
        var tables: [Table] = []
        for name in RegistryStatements.tables {
            // 2.
            let rows = try await connection.query(
                """
                SELECT a.attname::text AS name,
                    array_position(i.indkey::smallint[], a.attnum) AS place
                FROM pg_attribute a
                JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
                WHERE a.attrelid = to_regclass('public.' || \(name)::text) AND a.attnum > 0
                    AND NOT a.attisdropped
                ORDER BY a.attnum
                """
            ).rows
            let columns = try rows.map { row in
                (try row.decode("name", as: String.self), try row.decode("place", as: Int?.self))
            }
            let key = columns.compactMap { name, place in place.map { ($0, name) } }
                .sorted { $0.0 < $1.0 }.map(\.1)
            tables.append(Table(name: name, key: key, columns: columns.map(\.0)))
        }
        return tables
    }

    /// Makes the empty shadow tables and the function that applies events to them; what an earlier
    /// replay left is dropped.
    func prepare(_ tables: [Table]) async throws {
        // 3.
        var script = """
            SET client_min_messages = warning;
            DROP SCHEMA IF EXISTS \(Self.schema) CASCADE; CREATE SCHEMA \(Self.schema);
            SET search_path = \(Self.schema), public, pg_temp; SET synchronous_commit = off;
            SET jit = off;

            """
        for table in tables {
            script += """
                CREATE UNLOGGED TABLE \(Self.schema).\(table.name)
                    (LIKE public.\(table.name), PRIMARY KEY (\(table.key.joined(separator: ", "))));

                """
        }
        script += Self.function
        try await connection.execute(script: script)
    }

    /// `apply_events(after, count)`: applies the next events in order, one statement each, and
    /// stops with an error at one that does not follow on what is there.
    private static var function: String {
        let branches = RegistryStatements.all.sorted {
            ($0.key.type, $0.key.version) < ($1.key.type, $1.key.version)
        }
        .map { form, statement in
            """
            when '\(form.type)/\(form.version)' then
                with e as (select item.time, item.payload, item.project, item.host)
                \(statement.sql);
            """
        }.joined(separator: "\n")
        return """
            create function \(schema).apply_events(after bigint, through bigint, count bigint,
                out last bigint, out applied bigint, out unknown bigint)
            language plpgsql as $body$
            declare
                item record;
                is_known boolean;
                changed bigint;
            begin
                last := after; applied := 0; unknown := 0;
                for item in select sequence, type || '/' || version as form, time, payload,
                    project, host from public.events
                    where sequence > after and sequence <= through order by sequence limit count
                loop
                    if item.sequence <> last + 1 then
                        raise exception 'event % is missing', last + 1;
                    end if;
                    is_known := true;
                    case item.form
                    \(branches)
                    else is_known := false;
                    end case;
                    if is_known then
                        get diagnostics changed = row_count;
                        if changed = 0 then
                            raise exception 'event % (%) does not follow on those before it',
                                item.sequence, item.form;
                        end if;
                        applied := applied + 1;
                    else
                        unknown := unknown + 1;
                    end if;
                    last := item.sequence;
                end loop;
            end $body$;
            """
    }

    /// Applies the next events, at most `count` and none behind `through`.
    func apply(after: Int64, through: Int64, count: Int) async throws -> Step {
        // 4.
        let row = try await connection.query(
            """
            SELECT last, applied, unknown
            FROM \(identifier: Self.schema).apply_events(\(after), \(through), \(count))
            """
        ).one()
        return Step(
            last: try row.decode("last"), applied: try row.decode("applied"),
            unknown: try row.decode("unknown"))
    }

    /// Where the log ends, in what this transaction sees.
    func end() async throws -> Int64 {
        // 5.
        try await connection.query("SELECT sequence FROM public.event_counter").one()
            .decode("sequence")
    }

    /// Keeps everybody else from changing the registry until the transaction ends.
    func stopChanges() async throws {
        // 6. Tables first, then the counter, as every writer does.
        try await connection.execute(
            script: "SET LOCAL lock_timeout = '200ms'; LOCK TABLE "
                + RegistryStatements.tables.map { "public.\($0)" }.joined(separator: ", ")
                + " IN SHARE ROW EXCLUSIVE MODE")
        // 7.
        try await connection.query("SELECT FROM public.event_counter FOR UPDATE")
    }

    /// Compares a table with its shadow, byte for byte in the form in which they are dumped.
    func difference(_ table: Table) async throws -> Difference? {
        let key = table.key.joined(separator: ", ")
        let first = table.key.first ?? ""
        let text = """
            SELECT count(*) FILTER (WHERE s.\(first) IS NULL) AS extra,
                count(*) FILTER (WHERE l.\(first) IS NULL) AS missing,
                count(*) FILTER (WHERE l.\(first) = s.\(first)) AS changed,
                (array_agg((\(key))::text))[1:5] AS examples
            FROM public.\(table.name) l FULL JOIN \(Self.schema).\(table.name) s USING (\(key))
            WHERE l.\(first) IS NULL OR s.\(first) IS NULL OR l::text <> s::text
            """
        // 8.
        let row = try await connection.query(PostgresQuery(stringLiteral: text)).one()
        let difference = Difference(
            table: table.name, extra: try row.decode("extra"),
            missing: try row.decode("missing"), changed: try row.decode("changed"),
            examples: try row.decode("examples", as: [String]?.self) ?? [])
        let count = difference.extra + difference.missing + difference.changed
        return count == 0 ? nil : difference
    }

    /// Removes the rows that the log does not have.
    func removeExtra(_ table: Table) async throws {
        let text = """
            DELETE FROM public.\(table.name) l WHERE NOT EXISTS (
                SELECT FROM \(Self.schema).\(table.name) s WHERE \(Self.match(table)))
            """
        // 9.
        try await connection.query(PostgresQuery(stringLiteral: text))
    }

    /// Makes the rows what the log says, and adds those that are missing.
    func putRight(_ table: Table) async throws {
        let columns = table.columns.joined(separator: ", ")
        let values = table.columns.map { "s.\($0)" }.joined(separator: ", ")
        let change = """
            UPDATE public.\(table.name) l SET (\(columns)) = (\(values))
            FROM \(Self.schema).\(table.name) s
            WHERE \(Self.match(table)) AND l::text <> s::text
            """
        // 10.
        try await connection.query(PostgresQuery(stringLiteral: change))
        let addition = """
            INSERT INTO public.\(table.name) (\(columns))
            SELECT \(values) FROM \(Self.schema).\(table.name) s WHERE NOT EXISTS (
                SELECT FROM public.\(table.name) l WHERE \(Self.match(table)))
            """
        // 11.
        try await connection.query(PostgresQuery(stringLiteral: addition))
    }

    /// Removes the shadow tables.
    func drop() async throws {
        // 12.
        try await connection.execute(script: "DROP SCHEMA IF EXISTS \(Self.schema) CASCADE")
    }

    private static func match(_ table: Table) -> String {
        table.key.map { "l.\($0) = s.\($0)" }.joined(separator: " AND ")
    }
}
