import Glibc
import Testing

@Suite("Layering and rules of the house", .timeLimit(.minutes(2)))
struct LayeringTests {
    @Test("every source keeps to the table of Package.swift and to the rules of STYLE.md")
    func sources() throws {
        let table = ModuleTable(manifest: try SourceTree.read("Package.swift"))
        let check = SourceCheck(table: table)
        let files = try SourceTree.swiftFiles()
        #expect(files.count > 50, "the walk found the sources")
        let found = files.flatMap { check.violations(in: $0) }.map(\.description).sorted()
        #expect(found.isEmpty, "\n\(found.joined(separator: "\n"))\n")
    }

    @Test("the table is read whole")
    func table() throws {
        let table = ModuleTable(manifest: try SourceTree.read("Package.swift"))
        #expect(table.modules["Shared"] == [])
        #expect(table.modules["SQLite"] == ["CSQLite", "Platform"])
        #expect(table.modules["Hub"]?.contains("HostAgent") == false)
        #expect(table.modules["HostAgent"]?.contains("Hub") == false)
        #expect(table.executables["berth-hub"] == ["Hub"])
        #expect(table.executables.count == 5)
        #expect(table.tests.count == table.modules.count)
        #expect(table.tests["Btrfs"] == ["Platform"])
        #expect(table.supports["S3TestSupport"] == ["HTTP", "ObjectStore", "Platform"])
    }

    @Test("drivers import neither the domain nor the products, whatever the table says")
    func drivers() throws {
        let table = ModuleTable(manifest: try SourceTree.read("Package.swift"))
        let products: Set<String> = ["Shared", "Hub", "HostAgent", "CLI"]
        for driver in ["Platform", "Postgres", "SQLite", "Btrfs", "HTTP", "ObjectStore"] {
            let imports = try #require(table.modules[driver])
            #expect(imports.isDisjoint(with: products), "\(driver)")
        }
        #expect(table.modules["Repository"]?.isDisjoint(with: products) == true)
        #expect(table.modules["CLI"] == ["Shared", "HTTP", "Platform"])
    }
}
