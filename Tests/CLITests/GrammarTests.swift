import Shared
import Testing

@testable import CLI

@Suite("The command line")
struct GrammarTests {
    private let table = CommandTable.berth

    private func parse(_ text: String) throws -> ParsedCommandLine {
        let words = text.split(separator: " ").map { Argument(String($0)) }
        return try CommandLineParser(table: table).parse(words)
    }

    private func commandName(_ line: ParsedCommandLine) -> String? {
        guard case .run(let command) = line.request else { return nil }
        return command.name
    }

    @Test("every command has a summary, examples that parse to it, and help that names its flags")
    func complete() throws {
        for command in table.commands {
            #expect(!command.summary.isEmpty, "\(command.name)")
            #expect(!command.examples.isEmpty, "\(command.name)")
            let help = HelpText(table: table).text(of: command.path)
            for option in command.options { #expect(help.contains("--\(option.name)")) }
            for example in command.examples where !example.contains("$(") {
                let words = example.split(separator: " ").dropFirst().prefix { $0 != ">" }
                let line = try parse(words.joined(separator: " "))
                guard command.name != "help" else { continue }
                #expect(commandName(line) == command.name, "\(example)")
            }
        }
    }

    @Test("command names, flags and letters are unique")
    func unique() {
        #expect(Set(table.commands.map(\.name)).count == table.commands.count)
        for command in table.commands {
            let names = command.options.map(\.name)
            #expect(Set(names).count == names.count, "\(command.name)")
            let letters = (command.options + table.globalOptions).compactMap(\.letter)
            #expect(Set(letters).count == letters.count, "\(command.name)")
            let verbs = table.commands.filter { $0.path[0] == command.path[0] }
            let words = verbs.flatMap { $0.aliases + $0.path.dropFirst() }
            #expect(Set(words).count == words.count, "\(command.name)")
        }
    }

    @Test(
        "nouns in the plural, short forms and verbs that others use are understood",
        arguments: [
            ("projects ls", "project list"), ("op ls", "operation list"),
            ("ops show abcd", "operation show"), ("hosts get h1", "host show"),
            ("project rm x", "project delete"), ("backups ls p latest", "backup ls"),
            ("copies list", "copy list"), ("buckets ls", "bucket list"),
            ("-o json project list", "project list"), ("-v status", "status"),
        ])
    func aliases(text: String, name: String) throws {
        #expect(commandName(try parse(text)) == name)
    }

    @Test(
        "what was mistyped is named, with what was perhaps meant",
        arguments: [
            ("projct list", "\"projct\" is not a command", "berth project"),
            ("project mvoe x", "\"mvoe\" is not a command of berth project", "project move"),
            ("project lst", "lst", "project list"), ("stauts", "stauts", "berth status"),
            ("frobnicate", "frobnicate", "berth help"),
            ("status --jsn", "unknown flag --jsn", "--json"),
            ("project move x --too h", "unknown flag --too", "--to"),
            ("status --frobnicate", "unknown flag", "berth help status"),
            ("status -x", "unknown flag -x", "berth help status"),
            ("project", "needs a verb", "berth help project"),
            ("project move", "needs PROJECT", "usage: berth project move PROJECT"),
            ("backup ls p", "needs BACKUP", "usage: berth backup ls PROJECT BACKUP [PATH]"),
            ("status extra", "no use for \"extra\"", "usage: berth status"),
            ("status --limit", "needs a value", "berth help status"),
            ("status --json=1", "takes no value", "berth help status"),
            ("status -o xml", "cannot be \"xml\"", "table, json, jsonl, id"),
            ("status --limit 1 --limit 2", "given twice", "berth help status"),
            ("copy list --state gone", "cannot be \"gone\"", "pending"),
        ])
    func mistakes(text: String, what: String, hint: String) {
        let failure = #expect(throws: CommandFailure.self) { try parse(text) }
        #expect(failure?.exitCode == .usage)
        #expect(failure?.message.contains(what) == true, "\(failure?.message ?? "")")
        #expect(failure?.hint?.contains(hint) == true, "\(failure?.hint ?? "")")
    }

    @Test("values may follow a flag or be part of it, before and after operands")
    func values() throws {
        for text in [
            "project move notes --to h2 -o json", "project move --to=h2 notes --output=json",
            "-ojson project move notes --to h2",
        ] {
            let line = try parse(text)
            #expect(line.operands == [Argument("notes")])
            #expect(line.options["to"] == [Argument("h2")])
            #expect(line.options["output"] == [Argument("json")])
        }
    }

    @Test("what follows -- is a command where one is taken, and operands elsewhere")
    func dashes() throws {
        let execute = try parse("project exec notes --root -- ls --all -o x --")
        #expect(execute.operands == [Argument("notes")])
        #expect(execute.command == ["ls", "--all", "-o", "x", "--"].map { Argument($0) })
        let entries = try parse("backup ls notes latest -- --odd-name")
        #expect(entries.operands.last == Argument("--odd-name"))
    }

    @Test("words keep their raw bytes")
    func rawBytes() throws {
        let name = Argument(bytes: [0x61, 0xFF, 0x2F, 0x0A])
        let words = ["backup", "ls", "notes", "latest"].map { Argument($0) } + [name]
        let line = try CommandLineParser(table: table).parse(words)
        #expect(line.operands.last?.bytes == name.bytes)
        let attached = Argument(bytes: Array("--path=".utf8) + [0xFE, 0x3D, 0xFF])
        let restore = try CommandLineParser(table: table).parse(
            ["backup", "restore", "notes"].map { Argument($0) } + [attached])
        #expect(restore.options["path"]?.first?.bytes == [0xFE, 0x3D, 0xFF])
    }

    @Test(
        "-h asks for help anywhere", arguments: ["-h", "project -h", "project move -h", "--help"])
    func help(text: String) throws {
        guard case .help(let path) = try parse(text).request else {
            Issue.record("not the help")
            return
        }
        #expect(path == text.split(separator: " ").map(String.init).filter { !$0.hasPrefix("-") })
    }

    @Test(
        "spans of time have a unit",
        arguments: [
            ("45", .seconds(45)), ("90s", .seconds(90)), ("500ms", .milliseconds(500)),
            ("10m", .seconds(600)), ("2h", .seconds(7200)), ("7d", .seconds(604_800)),
            ("", nil), ("s", nil), ("-1s", nil), ("1.5h", nil), ("1 h", nil), ("99999999999h", nil),
            ("9223372036854775808", nil), ("4000d", nil), ("1w", nil),
        ] as [(String, Duration?)])
    func spans(text: String, span: Duration?) {
        #expect(TimeSpan.read(text) == span)
    }

    @Test(
        "distances count insertions, deletions, substitutions and swaps",
        arguments: [
            ("", "", 0), ("", "abc", 3), ("abc", "", 3), ("move", "mvoe", 1), ("list", "lst", 1),
            ("kitten", "sitting", 3), ("same", "same", 0),
        ])
    func distances(left: String, right: String, distance: Int) {
        #expect(Suggestion.distance(left, right) == distance)
        #expect(Suggestion.distance(right, left) == distance)
    }

    @Test(
        "destinations of a copy may name a path, in raw bytes",
        arguments: [
            ("anna", "anna", nil), ("anna:a/b", "anna", "a/b"), ("anna:", "anna", ""),
            ("anna:a:b", "anna", "a:b"),
        ] as [(String, String, String?)])
    func destinations(word: String, project: String, path: String?) throws {
        let (name, place) = try CreateCopy.destination(Argument(word))
        #expect(name == project)
        #expect(place?.description == path)
    }

    @Test(
        "destinations that name no project or leave it are refused",
        arguments: [":a", "", "a:/b", "a:../b"])
    func badDestinations(word: String) {
        let failure = #expect(throws: CommandFailure.self) {
            try CreateCopy.destination(Argument(word))
        }
        #expect(failure?.exitCode == .usage)
    }

    @Test("paths are percent-encoded byte by byte")
    func encoding() {
        #expect(APIRequest.encoded("a/ ÿ%~") == "a%2F%20%C3%BF%25~")
        let request = APIRequest.get(
            ["projects", "a/../b?c"],
            query: [.init("path", "a/b"), .init("x", nil), .init("y", "ü&")])
        #expect(request.target == "/v1/projects/a%2F..%2Fb%3Fc?path=a%2Fb&y=%C3%BC%26")
    }

    @Test("words for a shell are quoted so that it reads them back")
    func quoting() {
        #expect(ExportKey.quoted("/srv/b k") == "'/srv/b k'")
        #expect(ExportKey.quoted("a'b$(x)") == #"'a'\''b$(x)'"#)
    }
}
