import Shared
import Testing

@testable import CLI

@Suite("Progress")
struct ProgressTests {
    private func running(_ progress: Progress?) -> ProgressView {
        ProgressView(Samples.operation(.running, progress: progress), at: .zero)
    }

    @Test("a line tells phase, bar, amounts, rate, time left and the current item")
    func line() {
        let view = running(
            Samples.progress(
                "restore", 4, done: 27_273_042_329, total: 44_023_414_784, rate: 88_080_384,
                eta: 191, message: "src/data/run7.parquet"))
        #expect(
            ProgressLine.text(view, width: 120, at: .seconds(1))
                == " ▸ [4/6] restore  ██████████░░░░░░░░  61%  25.4 GiB/41.0 GiB  84.0 MiB/s  "
                + "ETA 3:11  src/data/run7.parquet")
    }

    @Test(
        "a line never reaches the last column, so that the terminal does not wrap",
        arguments: 8...140)
    func width(columns: Int) {
        let view = running(
            Samples.progress(
                "restore", 4, done: 27_273_042_329, total: 44_023_414_784, rate: 88_080_384,
                eta: 191, message: String(repeating: "ü/", count: 90)))
        #expect(ProgressLine.text(view, width: columns, at: .seconds(1)).count < columns)
        #expect(ProgressLine.text(view, width: columns, at: .seconds(90)).count < columns)
    }

    @Test("the item's name cannot break out of the line")
    func hostileName() {
        let view = running(
            Samples.progress("upload", 2, done: 1, total: 9, message: "a\u{1B}[2J\nb"))
        let line = ProgressLine.text(view, width: 120, at: .zero)
        #expect(line.hasSuffix(#"a\x1b[2J\nb"#))
    }

    @Test("percent is 100 only when all is done, and unknown without a total")
    func percent() {
        func percent(_ done: Int64, _ total: Int64?) -> Int? {
            ProgressLine.percent(Samples.progress("x", 1, done: done, total: total))
        }
        #expect(percent(0, 10) == 0)
        #expect(percent(999_999, 1_000_000) == 99)
        #expect(percent(10, 10) == 100)
        #expect(percent(11, 10) == 100)
        #expect(percent(Int64.max - 1, Int64.max) == 99)
        #expect(percent(5, nil) == nil)
        #expect(percent(0, 0) == nil)
        #expect(percent(-1, 5) == nil)
    }

    @Test("a parent whose phase changes moves, although it has no progress of its own")
    func parentMoves() {
        var view = running(nil)
        #expect(view.update(Samples.operation(.running, phase: "stage"), at: .seconds(9)) == nil)
        #expect(view.obstacle(at: .seconds(15)) == nil)
        #expect(view.obstacle(at: .seconds(19)) == "stalled 10s")
    }

    @Test("after ten seconds without movement it says stalled, and neither rate nor time left")
    func stalled() {
        var view = running(
            Samples.progress("upload", 2, done: 5 << 20, total: 9 << 20, rate: 1000, eta: 9))
        #expect(view.obstacle(at: .seconds(9)) == nil)
        #expect(view.obstacle(at: .seconds(40)) == "stalled 40s")
        let line = ProgressLine.text(view, width: 120, at: .seconds(40))
        #expect(line.contains("stalled 40s") && !line.contains("ETA") && !line.contains("/s "))
        let moved = Samples.progress("upload", 2, done: 6 << 20, total: 9 << 20, at: 41_000)
        #expect(view.update(moved, at: .seconds(41)) == nil)
        #expect(view.obstacle(at: .seconds(42)) == nil)
    }

    @Test("a parked operation shows why, one that waits for its children shows their progress")
    func parked() {
        let offline = Waiting(
            reason: .hostOffline, sentence: "host h7 offline since 14:02", nextTryAt: nil)
        let parked = ProgressView(Samples.operation(.waiting, waiting: offline), at: .zero)
        let line = ProgressLine.text(parked, width: 120, at: .seconds(60))
        #expect(line == " ▸ waiting  waiting: host h7 offline since 14:02")
        let children = Waiting(reason: .children, sentence: "1 of 3 done", nextTryAt: nil)
        let view = ProgressView(
            Samples.operation(
                .waiting, progress: Samples.progress("restore", 4, done: 1, total: 4),
                waiting: children), at: .zero)
        #expect(ProgressLine.text(view, width: 120, at: .seconds(1)).contains("[4/6] restore"))
    }

    @Test("progress of the stream means that a queued operation runs by now; old progress does not")
    func started() {
        var view = ProgressView(Samples.operation(.queued), at: .zero)
        #expect(view.obstacle(at: .zero) == "waiting: in the queue")
        _ = view.update(Samples.progress("stop", 1, at: -5), at: .seconds(1))
        #expect(view.isParked)
        _ = view.update(Samples.progress("backup", 2, at: 5), at: .seconds(1))
        #expect(!view.isParked)
        #expect(view.phase == "backup")
    }

    @Test("a hub that does not answer is shown until it does")
    func lost() {
        var view = running(Samples.progress("upload", 2, done: 1, total: 9))
        view.lost(at: .seconds(1))
        view.lost(at: .seconds(5))
        #expect(view.obstacle(at: .seconds(13))?.contains("not answered for 12s") == true)
        _ = view.update(Samples.operation(.running), at: .seconds(14))
        #expect(view.obstacle(at: .seconds(14)) == nil)
    }

    @Test("the end of a phase is told once, with how long it took; old progress changes nothing")
    func phases() {
        var view = running(Samples.progress("stop", 1, at: 0))
        let backup = Samples.progress("backup", 2, done: 1, total: 2, at: 1800)
        #expect(view.update(backup, at: .milliseconds(1800)) == " ✔ stop  1.8s")
        #expect(view.update(backup, at: .milliseconds(1900)) == nil)
        let late = Samples.progress("stop", 1, at: 100)
        #expect(view.update(late, at: .seconds(2)) == nil)
        #expect(view.phase == "backup")
    }

    @Test("without a terminal: a line for each phase and state, and one every ten seconds")
    func plain() {
        var plain = PlainProgress()
        var view = running(
            Samples.progress(
                "restore", 4, done: 27_273_042_329, total: 44_023_414_784, rate: 88_080_384,
                eta: 191))
        let first = plain.line(view, time: Samples.now, at: .zero)
        #expect(
            first == "\(Samples.now) \(Samples.operationID()) restore 4/6 61% "
                + "27273042329/44023414784 bytes rate=88080384.0/s eta=191s")
        #expect(plain.line(view, time: Samples.now, at: .seconds(9)) == nil)
        #expect(plain.line(view, time: Samples.now, at: .seconds(10))?.contains("stalled") == true)
        #expect(plain.line(view, time: Samples.now, at: .seconds(19)) == nil)
        #expect(plain.line(view, time: Samples.now, at: .seconds(20)) != nil)
        _ = view.update(Samples.progress("start", 6, at: 21_000), at: .seconds(21))
        #expect(
            plain.line(view, time: Samples.now, at: .seconds(21))?.contains("start 6/6") == true)
        #expect(plain.line(view, time: Samples.now, at: .seconds(22)) == nil)
    }
}
