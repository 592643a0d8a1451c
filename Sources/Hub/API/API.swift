import HTTP
import Platform
import Postgres
import Shared

/// The hub's HTTP API: every route there is, in one list.
struct API: Sendable {
    private let router: Router

    init(
        pool: PostgresPool, principals: PrincipalCache, operations: OperationService,
        vault: RepositoryVault,
        locks: RepositoryLocks, feed: EventFeed, identifiers: Identifiers, logger: Logger,
        timeline: TimelineID,
        authority: Authority,
        addresses: [String], warnings: [String], schemaNumber: Int
    ) {
        let desk = OrderDesk(pool: pool, operations: operations)
        let registry = Metrics()
        let metrics = MetricsPage(registry: registry)
        let routes: [[Route]] = [
            SystemRoutes(
                pool: pool, identifiers: identifiers, timeline: timeline,
                authorityPEM: authority.certificatePEM, schemaNumber: schemaNumber,
                metrics: metrics.text
            ).routes,
            LimitRoutes(pool: pool, operations: operations).routes,
            FleetRoutes(
                pool: pool, operations: operations, identifiers: identifiers, warnings: warnings
            ).routes,
            BucketRoutes(
                pool: pool,
                desk: BucketDesk(
                    pool: pool, identifiers: identifiers, catalog: vault.catalog,
                    operations: operations)
            ).routes,
            HostRoutes(
                pool: pool, desk: desk, identifiers: identifiers,
                addresses: addresses, fingerprint: authority.fingerprint
            ).routes,
            DrainRoutes(
                pool: pool, desk: desk, operations: operations, identifiers: identifiers
            ).routes,
            BatchRoutes(
                pool: pool, desk: desk, operations: operations, identifiers: identifiers
            ).routes,
            ProjectRoutes(pool: pool, identifiers: identifiers).routes,
            WorkRoutes(desk: desk, pool: pool, vault: vault).routes,
            BackupRoutes(pool: pool, vault: vault).routes,
            MaintenanceRoutes(
                desk: desk, pool: pool,
                chores: RepositoryChores(vault: vault, pool: pool, log: logger)
            ).routes,
            CopyRoutes(pool: pool, desk: desk, operations: operations, vault: vault).routes,
            EventRoutes(pool: pool, feed: feed).routes,
            OperationRoutes(pool: pool, operations: operations).routes,
            EnrollmentRoutes(pool: pool, identifiers: identifiers, timeline: timeline).routes,
            AgentRoutes(operations: operations, restores: RestoreCounts(registry)).routes,
            GrantRoutes(pool: pool, operations: operations, vault: vault, locks: locks).routes,
            GatewayRoutes(
                pool: pool, operations: operations, vault: vault, locks: locks,
                backups: BackupCounts(registry)
            ).routes,
        ]
        router = Router(
            routes: routes.flatMap { $0 }, pool: pool, principals: principals, logger: logger,
            identifiers: identifiers)
    }

    /// Answers one request.
    @Sendable func answer(_ request: HTTPRequest, _ body: HTTPBodyStream) async -> HTTPResponse {
        await router.answer(request, body)
    }
}
