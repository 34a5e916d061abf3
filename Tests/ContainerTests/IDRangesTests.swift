import Testing

@testable import ContainerCore

@Suite struct IDRangesTests {
    @Test func `no two containers share a user id, and what is given back is used again`() throws {
        var ranges = IDRanges(engine: "default")
        var taken: Set<UInt32> = []
        while let first = ranges.take() {
            #expect(first >= 524_288 && first <= 1_879_048_192 - IDRanges.size && first % IDRanges.size == 0)
            #expect(taken.insert(first).inserted)
        }
        #expect(taken.count == 28_664)
        let one = try #require(taken.first)
        ranges.giveBack(one)
        #expect(ranges.take() == one)
        #expect(ranges.take() == nil)
    }

    @Test func `a range that an adopted container has is not given away`() {
        var ranges = IDRanges(engine: "default"), twin = IDRanges(engine: "default")
        let first = twin.take() ?? 0
        ranges.keep(first)
        #expect(ranges.take() != first)
    }
}
