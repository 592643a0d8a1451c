// swift-tools-version: 6.2
import PackageDescription

/// The strict settings of every Swift target: Swift 6 language mode, the upcoming features that
/// will be defaults, strict memory safety, and warnings as errors.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

/// Swift modules and what each may import; `Tests/LayeringTests` holds the sources to this table.
let modules: [(name: String, imports: [String])] = [
    ("Shared", []),
    ("Platform", ["CPlatform", "CToml"]),
    ("Postgres", ["CPostgres", "Platform"]),
    ("SQLite", ["CSQLite", "Platform"]),
    ("Btrfs", ["CBtrfs", "CPlatform", "Platform"]),
    ("HTTP", ["CMicrohttpd", "CCurl", "COpenSSL", "Platform"]),
    ("ObjectStore", ["CPlatform", "COpenSSL", "CExpat", "HTTP", "Platform"]),
    ("Repository", ["COpenSSL", "CZstd", "CPlatform", "ObjectStore", "Platform"]),
    (
        "Hub",
        [
            "Shared", "Platform", "Postgres", "HTTP", "ObjectStore", "Repository", "COpenSSL",
        ]
    ),
    (
        "HostAgent",
        [
            "Shared", "Platform", "SQLite", "Btrfs", "HTTP", "ObjectStore", "Repository",
            "CPlatform",
        ]
    ),
    ("CLI", ["Shared", "HTTP", "Platform"]),
]

/// Modules with a test target named `<module>Tests`, and what the tests need beyond the module.
let tests: [(module: String, imports: [String])] = [
    ("Shared", []),
    ("Platform", []),
    ("Postgres", ["Platform"]),
    ("SQLite", ["Platform"]),
    ("Btrfs", ["Platform"]),
    ("HTTP", ["Platform"]),
    ("ObjectStore", ["Platform", "HTTP", "S3TestSupport"]),
    ("Repository", ["CPlatform", "Platform", "ObjectStore"]),
    (
        "Hub",
        [
            "Shared", "Platform", "Postgres", "HTTP", "ObjectStore", "Repository", "S3TestSupport",
            "Simulator",
        ]
    ),
    (
        "HostAgent",
        [
            "Shared", "Platform", "SQLite", "Btrfs", "HTTP", "ObjectStore", "Repository",
            "CPlatform",
        ]
    ),
    ("CLI", ["Shared", "HTTP", "Platform"]),
]

/// What several test targets share: libraries in `Tests`, and what each may import.
let supports: [(name: String, imports: [String])] = [
    ("S3TestSupport", ["HTTP", "ObjectStore", "Platform"]),
    ("Simulator", ["Shared"]),
]

let libraries: [(name: String, pkgConfig: String?, packages: [String])] = [
    ("CPostgres", "libpq", ["libpq-dev"]),
    ("CSQLite", "sqlite3", ["libsqlite3-dev"]),
    ("CBtrfs", "libbtrfsutil", ["libbtrfsutil-dev", "libbtrfs-dev"]),
    ("CMicrohttpd", "libmicrohttpd", ["libmicrohttpd-dev", "libgnutls28-dev"]),
    ("CCurl", "libcurl", ["libcurl4-openssl-dev"]),
    ("COpenSSL", "libcrypto", ["libssl-dev"]),
    ("CExpat", "expat", ["libexpat1-dev"]),
    ("CZstd", "libzstd", ["libzstd-dev"]),
]

let executables: [(name: String, modules: [String])] = [
    ("berth-hub", ["Hub"]), ("berth-agent", ["HostAgent"]), ("berth", ["CLI"]),
    ("berth-bench-s3", ["Repository", "ObjectStore", "HTTP"]),
    ("berth-bench-repository", ["Repository"]),
]

/// `BERTH_ONLY=Repository,HTTP` narrows the package to those modules, what they import and their
/// tests, for quick work on one of them.
func isWanted(_ module: String) -> Bool {
    guard let only = Context.environment["BERTH_ONLY"], !only.isEmpty else { return true }
    var wanted = Set(only.split(separator: ",").map(String.init))
    if wanted.contains("EndToEnd") { wanted.formUnion(executables.flatMap(\.modules)) }
    if wanted.contains("Simulator") { wanted.insert("Shared") }
    var grows = true
    while grows {
        let more = modules.filter { wanted.contains($0.name) }.flatMap(\.imports)
        grows = !wanted.isSuperset(of: more)
        wanted.formUnion(more)
    }
    return wanted.contains(module)
}

/// A support is there where something that tests with it is.
func isSupportWanted(_ name: String) -> Bool {
    isTested(name) || isTested("EndToEnd")
        || tests.contains { $0.imports.contains(name) && isTested($0.module) }
}

func isTested(_ module: String) -> Bool {
    guard let only = Context.environment["BERTH_ONLY"], !only.isEmpty else { return true }
    return only.split(separator: ",").contains { $0 == module }
}

var targets: [Target] = libraries.filter { isWanted($0.name) }.map { library in
    .systemLibrary(
        name: library.name, path: "Sources/C/\(library.name)", pkgConfig: library.pkgConfig,
        providers: [.apt(library.packages)])
}
if isWanted("CPlatform") {
    targets.append(.target(name: "CPlatform", path: "Sources/C/CPlatform"))
}
if isWanted("CToml") {
    targets.append(.target(name: "CToml", path: "Sources/C/CToml"))
}
targets += modules.filter { isWanted($0.name) }.map { module in
    .target(
        name: module.name, dependencies: module.imports.map { .byName(name: $0) },
        swiftSettings: strict)
}
targets += executables.filter { $0.modules.allSatisfy(isTested) || isTested("EndToEnd") }.map {
    executable in
    .executableTarget(
        name: executable.name,
        dependencies: executable.modules.map { .byName(name: $0) } + ["Platform"],
        path: "Sources/Executables/\(executable.name)", swiftSettings: strict)
}
targets += supports.filter { isSupportWanted($0.name) }.map { support in
    .target(
        name: support.name, dependencies: support.imports.map { .byName(name: $0) },
        path: "Tests/\(support.name)", swiftSettings: strict)
}
targets += tests.filter { isTested($0.module) }.map { test in
    .testTarget(
        name: "\(test.module)Tests",
        dependencies: [.byName(name: test.module)] + test.imports.map { .byName(name: $0) },
        swiftSettings: strict)
}
if isTested("EndToEnd") {
    // The programs are built for these tests, which run them as processes.
    targets.append(
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "Shared", "Platform", "S3TestSupport", "berth-hub", "berth-agent", "berth",
            ],
            swiftSettings: strict))
}
if isTested("Simulator") {
    targets.append(
        .testTarget(
            name: "SimulatorTests", dependencies: ["Simulator", "Shared"], swiftSettings: strict))
    targets.append(
        .executableTarget(
            name: "berth-simulate", dependencies: ["Simulator"], path: "Tests/Simulate",
            swiftSettings: strict))
}
if isTested("Layering") {
    targets.append(.testTarget(name: "LayeringTests", swiftSettings: strict))
}

let package = Package(
    name: "Berth",
    products: executables.filter { $0.modules.allSatisfy(isTested) || isTested("EndToEnd") }.map {
        .executable(name: $0.name, targets: [$0.name])
    },
    targets: targets,
    cxxLanguageStandard: .cxx17
)
