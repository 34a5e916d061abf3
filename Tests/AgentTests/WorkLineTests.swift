import Testing

@testable import Agent

struct WorkLineTests {
    @Test func `a few at once, the urgent first, then in order`() {
        var line = WorkLine<Int>(limit: 2)
        #expect(line.add(1, isUrgent: false) == 1 && line.add(2, isUrgent: false) == 2)
        #expect(line.add(3, isUrgent: false) == nil && line.add(4, isUrgent: true) == nil)
        #expect(line.add(5, isUrgent: true) == nil && line.add(6, isUrgent: false) == nil)
        #expect([line.next(), line.next(), line.next(), line.next()] == [4, 5, 3, 6])
        #expect(line.next() == nil && line.next() == nil)
        #expect(line.add(7, isUrgent: false) == 7 && line.add(8, isUrgent: false) == 8 && line.add(9, isUrgent: false) == nil)
    }
}
