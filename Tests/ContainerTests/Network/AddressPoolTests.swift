import Testing

@testable import ContainerCore

struct AddressPoolTests {
    @Test(arguments: [UInt64](1...20))
    func `no number has two owners and none is lost, whatever the order`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        let range: ClosedRange<UInt32> = 2...UInt32.random(in: 6...200, using: &random)
        var pool = AddressPool(range)
        var model: [String: UInt32] = [:]
        for step in 0..<2000 {
            let owner = "c\(Int.random(in: 0..<220, using: &random))"
            switch Int.random(in: 0..<3, using: &random) {
            case 0:
                #expect(pool.giveBack(owner) == model.removeValue(forKey: owner), "seed \(seed) step \(step)")
            case 1:
                let number = UInt32.random(in: 0...210, using: &random)
                let free = range.contains(number) && !model.values.contains(number) && model[owner] == nil
                #expect(
                    pool.restore(number, for: owner) == (free || model[owner] == number && range.contains(number)), "seed \(seed)"
                )
                if free { model[owner] = number }
            default:
                let number = pool.take(for: owner)
                if let had = model[owner] {
                    #expect(number == had, "seed \(seed) step \(step)")
                } else if let number {
                    #expect(range.contains(number) && !model.values.contains(number), "seed \(seed) step \(step)")
                    model[owner] = number
                } else {
                    #expect(model.count == range.count, "seed \(seed) step \(step)")
                }
            }
            #expect(pool.taken == model, "seed \(seed) step \(step)")
        }
    }

    @Test func `a number given back is used again only after all others`() {
        var pool = AddressPool(2...70)
        var seen: [UInt32] = []
        for turn in 0..<69 {
            seen.append(pool.take(for: "c\(turn)") ?? 0)
            _ = pool.giveBack("c\(turn)")
        }
        #expect(seen == Array(2...70))
        #expect(pool.take(for: "again") == 2)
    }

    @Test(arguments: [
        ("10.88.0.0/16", "10.88.0.1", 65_533), ("192.168.7.0/24", "192.168.7.1", 253), ("10.0.0.8/29", "10.0.0.9", 5),
    ])
    func `a subnet gives its first address to the gateway and keeps network and broadcast`(
        text: String, gateway: String, hosts: Int
    ) throws {
        let subnet = try #require(IPv4Subnet(text))
        #expect(subnet.description == text && subnet.gateway.description == gateway && subnet.hosts.count == hosts)
        for number in subnet.hosts { #expect(subnet.number(of: subnet[number]) == number) }
    }

    @Test(arguments: [
        "", "10.0.0.0", "10.0.0.0/8", "10.0.0.1/24", "10.0.0.0/30", "10.0.0/24", "010.0.0.0/24", "10.0.0.256/24", "10.0.0.0/+24",
        "a/24",
        "10.0.0.0/24/1",
    ])
    func `what is no subnet for a bridge is refused`(text: String) {
        #expect(IPv4Subnet(text) == nil)
    }

    @Test func `a veth's name holds its number and fits the kernel's limit`() {
        let names = NetworkNames(engine: "abcdefgh")
        for number: UInt32 in [2, 255, 4096, 65_534] {
            #expect(names.veth(number).utf8.count <= 15)
            #expect(names.number(ofVeth: names.veth(number)) == number)
        }
        for other in ["svabcdefg-0002", "svabcdefgh-2", "svabcdefgh-", "svabcdefgh-zz", "eth0"] {
            #expect(names.number(ofVeth: other) == nil, "\(other)")
        }
    }
}

/// A small generator with a seed (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}
