/// Finds which of the valid words somebody meant who typed another.
package enum NearestKey {
    /// The candidate with the fewest edits from `word`, ignoring case; the first in alphabetical order among equals, nil when there
    /// is no candidate.
    package static func nearest(to word: String, among candidates: [String]) -> (key: String, edits: Int)? {
        let ranked = candidates.map { (key: $0, edits: edits(from: word.lowercased(), to: $0.lowercased())) }
        return ranked.min { ($0.edits, $0.key) < ($1.edits, $1.key) }
    }

    /// Whether so few edits make it likely that the candidate was meant: one for up to three letters, then a third of the word and one more.
    package static func isLikely(edits: Int, word: String) -> Bool {
        edits <= max(1, word.count / 3 + (word.count > 3 ? 1 : 0))
    }

    /// Optimal string alignment distance: Levenshtein's insertions, deletions and substitutions, and swaps of neighbours.
    package static func edits(from a: String, to b: String) -> Int {
        let a = Array(a)
        let b = Array(b)
        if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
        var beforePrevious: [Int] = []
        var previous = Array(0...b.count)
        for i in 1...a.count {
            var current = [i] + Array(repeating: 0, count: b.count)
            for j in 1...b.count {
                let substitution = previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)
                current[j] = min(previous[j] + 1, current[j - 1] + 1, substitution)
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                    current[j] = min(current[j], beforePrevious[j - 2] + 1)
                }
            }
            beforePrevious = previous
            previous = current
        }
        return previous[b.count]
    }
}
