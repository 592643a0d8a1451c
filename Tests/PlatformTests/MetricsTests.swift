import Platform
import Testing

@Suite("Metrics")
struct MetricsTests {
    @Test("the text is what Prometheus reads")
    func text() {
        let metrics = Metrics()
        let served = metrics.register(
            "berth_requests_total", .counter, help: "Requests served.", labels: ["route", "status"])
        let running = metrics.register("berth_running", .gauge, help: "Back\\slash\nand line.")
        let wait = metrics.register(
            "berth_wait_seconds", .histogram(bounds: [0.1, 1]), help: "Waits.")
        served.add(1, "/v1/\"projects\"", "200")
        served.add(2, "/v1/\"projects\"", "200")
        served.add(1, "/", "404")
        running.set(2.5)
        wait.observe(.milliseconds(50))
        wait.observe(0.5)
        wait.observe(7)
        #expect(
            metrics.text() == """
                # HELP berth_requests_total Requests served.
                # TYPE berth_requests_total counter
                berth_requests_total{route="/",status="404"} 1
                berth_requests_total{route="/v1/\\"projects\\"",status="200"} 3
                # HELP berth_running Back\\\\slash\\nand line.
                # TYPE berth_running gauge
                berth_running 2.5
                # HELP berth_wait_seconds Waits.
                # TYPE berth_wait_seconds histogram
                berth_wait_seconds_bucket{le="0.1"} 1
                berth_wait_seconds_bucket{le="1"} 2
                berth_wait_seconds_bucket{le="+Inf"} 3
                berth_wait_seconds_sum 7.55
                berth_wait_seconds_count 3

                """)
    }

    @Test("a metric without labels is there before it is counted")
    func zero() {
        let metrics = Metrics()
        _ = metrics.register("berth_starts_total", .counter, help: "Starts.")
        #expect(metrics.text().hasSuffix("berth_starts_total 0\n"))
    }

    @Test("label values beyond the limit are dropped, the known ones still count")
    func limit() {
        let metrics = Metrics()
        let metric = metrics.register("berth_x_total", .counter, help: "X.", labels: ["x"])
        for index in 0..<(Metrics.seriesLimit + 50) { metric.add(1, "\(index)") }
        metric.add(1, "0")
        let lines = metrics.text().split(separator: "\n")
        #expect(lines.count == Metrics.seriesLimit + 2)
        #expect(lines.contains("berth_x_total{x=\"0\"} 2"))
    }

    @Test("counts from many tasks add up")
    func concurrent() async {
        let metrics = Metrics()
        let metric = metrics.register("berth_x_total", .counter, help: "X.")
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<100 { group.addTask { for _ in 0..<100 { metric.add() } } }
        }
        #expect(metrics.text().hasSuffix("berth_x_total 10000\n"))
    }
}
