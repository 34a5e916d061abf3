import SidekickModel

/// Spreads requests over groups of endpoints by weight, exactly and evenly: smooth weighted round robin. Each turn every group that can take
/// the request gains its weight in credit, the one with the most takes it and pays what all gained. With weights 1 and 9 one in ten goes to
/// the first, and never two within ten.
struct ShareBoard: Sendable {
    /// One group for each share, then one for all other revisions, which has what is left of 100.
    private(set) var shares: [RevisionShare] = []
    private var credit: [Int] = [0]

    var isActive: Bool { !shares.isEmpty }
    var groups: Int { shares.count + 1 }

    /// Takes over new shares; credit earned by other ones counts no more.
    mutating func set(_ new: [RevisionShare]) {
        guard new != shares else { return }
        shares = new
        credit = [Int](repeating: 0, count: new.count + 1)
    }

    func group(of revision: Int) -> Int { shares.firstIndex { $0.revision == revision } ?? shares.count }

    func weight(of group: Int) -> Int {
        group < shares.count ? shares[group].percent : max(0, 100 - shares.reduce(0) { $0 + $1.percent })
    }

    /// The group whose turn it is among those that can take the request; nil when none can.
    mutating func take(_ able: [Bool]) -> Int? {
        var best: Int?
        var sum = 0
        for group in 0..<groups where able[group] && weight(of: group) > 0 {
            credit[group] += weight(of: group)
            sum += weight(of: group)
            if best.map({ credit[group] > credit[$0] }) ?? true { best = group }
        }
        if let best { credit[best] -= sum }
        return best
    }
}
