import Glibc
import Platform
import Shared
import Testing

@testable import Hub

@Suite("A bucket's credentials")
struct CredentialTests {
    @Test("are given by reference only, and what is none is never repeated")
    func references() throws {
        #expect(try CredentialReference("env:KEY_1", of: "x") == .environment("KEY_1"))
        #expect(try CredentialReference("file:/etc/key", of: "x") == .file("/etc/key"))
        #expect(try CredentialReference("sealed", of: "x") == .sealed)
        for text in ["AKIAsecret", "env:", "env:1A", "env:A B", "file:etc/key", "", "file:"] {
            let problem = #expect(throws: Problem.self) {
                try CredentialReference(text, of: "the secret key")
            }
            #expect(problem?.code == "invalid-credential-reference")
            if text.count > 6 { #expect("\(problem?.detail ?? "")".contains(text) == false) }
        }
    }

    @Test("in a file that others can use, or with more than one line, are refused")
    func files() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/secret"
        try DurableFile.write(Array("s3cret\n".utf8), to: path, mode: 0o600)
        #expect(try CredentialReader.line(of: path, bucket: "eu") == "s3cret")
        for mode: mode_t in [0o640, 0o604, 0o660] {
            #expect(unsafe chmod(path, mode) == 0)
            #expect { try CredentialReader.line(of: path, bucket: "eu") } throws: { error in
                "\(error)".contains("chmod 600") && !"\(error)".contains("s3cret")
            }
        }
        try DurableFile.write(Array("a\nb\n".utf8), to: path, mode: 0o600)
        #expect(throws: (any Error).self) { try CredentialReader.line(of: path, bucket: "eu") }
        #expect(throws: (any Error).self) {
            try CredentialReader.line(of: directory.path + "/none", bucket: "eu")
        }
    }

    @Test("stay out of a bucket's settings when they are changed member by member")
    func merging() throws {
        var old = BucketSettings()
        old.endpoint = "https://a.example"
        old.bucket = "backups"
        old.accessKey = "env:A"
        old.secretKey = "env:B"
        old.storageClass = "STANDARD_IA"
        var change = BucketSettings()
        change.secretKey = "file:/new"
        change.storageClass = ""
        let new = BucketSettingsCheck.merged(old, change)
        #expect(new.accessKey == "env:A" && new.secretKey == "file:/new")
        #expect(new.storageClass == nil && new.endpoint == "https://a.example")
        #expect(BucketSettingsCheck.isReachDifferent(old, new))
        change = BucketSettings()
        change.grants = .gateway
        #expect(!BucketSettingsCheck.isReachDifferent(old, BucketSettingsCheck.merged(old, change)))
        try BucketSettingsCheck.check(new, kind: "s3")
        #expect(throws: Problem.self) { try BucketSettingsCheck.check(new, kind: "directory") }
        #expect(throws: Problem.self) {
            try BucketSettingsCheck.check(BucketSettings(path: "relative"), kind: "directory")
        }
    }
}
