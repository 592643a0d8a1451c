/// Runs `body` for every element, at most `width` at once, and answers in the elements' order.
///
/// - Throws: what the first failing `body` throws; the others are canceled.
func concurrentMap<Element: Sendable, Answer: Sendable>(
    _ elements: [Element], width: Int, _ body: @escaping @Sendable (Element) async throws -> Answer
) async throws -> [Answer] {
    try await withThrowingTaskGroup(of: (Int, Answer).self) { group in
        var answers = [Answer?](repeating: nil, count: elements.count)
        var rest = elements.enumerated().makeIterator()
        for _ in 0..<width {
            guard let (position, element) = rest.next() else { break }
            group.addTask { (position, try await body(element)) }
        }
        while let (position, answer) = try await group.next() {
            answers[position] = answer
            if let (next, element) = rest.next() {
                group.addTask { (next, try await body(element)) }
            }
        }
        return answers.compactMap { $0 }
    }
}
