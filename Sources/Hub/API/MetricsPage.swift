import Glibc
import Platform

/// `/metrics`: what this process counts, in Prometheus's text form.
struct MetricsPage: Sendable {
    /// What is counted.
    let registry: Metrics

    /// The page.
    @Sendable func text() -> String {
        """
        # HELP berth_build_info The program's version.
        # TYPE berth_build_info gauge
        berth_build_info{version="\(SystemRoutes.version)"} 1
        # HELP berth_process_resident_bytes Resident memory of the hub's process.
        # TYPE berth_process_resident_bytes gauge
        berth_process_resident_bytes \(residentBytes())

        """ + registry.text()
    }

    /// The second number of /proc/self/statm (proc(5)), in pages; 0 where it cannot be read.
    private func residentBytes() -> Int64 {
        // The page lives without this figure.
        guard let bytes = try? DurableFile.read("/proc/self/statm", limitBytes: 4096) else {
            return 0
        }
        let words = bytes.split(separator: 0x20)
        guard words.count > 1, let pages = Int64(String(decoding: words[1], as: UTF8.self)) else {
            return 0
        }
        return pages * Int64(sysconf(Int32(_SC_PAGESIZE)))
    }
}
