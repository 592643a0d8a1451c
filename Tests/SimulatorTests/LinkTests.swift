import Glibc
import Testing

@Suite("The simulator's decisions")
struct LinkTests {
    @Test("are the product's own sources, not copies of them")
    func links() {
        let parts = #filePath.split(separator: "/").dropLast(2)
        let directory = "/" + parts.joined(separator: "/") + "/Simulator/Product"
        guard let stream = unsafe opendir(directory) else {
            Issue.record("\(directory) cannot be read")
            return
        }
        defer { unsafe closedir(stream) }
        var count = 0
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard name.hasSuffix(".swift") else { continue }
            count += 1
            #expect(unsafe entry.pointee.d_type == UInt8(DT_LNK), "\(name) is a copy")
        }
        #expect(count >= 20)
    }
}
