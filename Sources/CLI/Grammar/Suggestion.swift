/// What somebody who mistyped a word probably meant.
enum Suggestion {
    /// The word that needs the fewest changes, when that is at most a third of its length (at
    /// least 1), or the only one that begins so.
    static func nearest(to word: String, among words: [String]) -> String? {
        let begun = words.filter { $0.hasPrefix(word) }
        if word.count >= 2, begun.count == 1 { return begun[0] }
        let ranked = words.map { (word: $0, distance: distance(word, $0)) }
            .min { $0.distance < $1.distance }
        guard let ranked, ranked.distance <= max(1, ranked.word.count / 3) else { return nil }
        return ranked.word
    }

    /// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment)
    /// between words of at most 64 characters; longer ones are infinitely far.
    static func distance(_ left: String, _ right: String) -> Int {
        let a = Array(left), b = Array(right)
        guard a.count <= 64, b.count <= 64 else { return Int.max }
        var rows = [Array(0...b.count)]
        for i in 1..<(a.count + 1) {
            var row = [i]
            for j in 1..<(b.count + 1) {
                let change = rows[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)
                var best = min(rows[i - 1][j] + 1, row[j - 1] + 1, change)
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                    best = min(best, rows[i - 2][j - 2] + 1)
                }
                row.append(best)
            }
            rows.append(row)
        }
        return rows[a.count][b.count]
    }
}
