/// What queueing theory says of requests that share a number of slots.
///
/// Model: Poisson arrivals, exponential service, one queue (M/M/m). Erlang's C gives the share of requests that wait at all,
/// C(m, a), and of these the share exp(-(m - a) w / s) waits longer than w (a: offered load in requests, s: mean service time).
/// Source: A. K. Erlang 1917; e.g. Gross and Harris, Fundamentals of Queueing Theory, 2.3.
enum Queueing {
    /// The share of requests that wait longer than `wait` seconds with `slots` slots; 1 when the load does not fit.
    ///
    /// For example 0.35 requests in flight on 1, 2, 3 slots with w = 0: 0.35, 0.052, 0.006.
    static func shareWaiting(slots: Int, load: Double, service: Double, wait: Double) -> Double {
        guard load > 0 else { return 0 }
        guard Double(slots) > load else { return 1 }
        var blocking = 1.0
        for k in 1...slots { blocking = load * blocking / (Double(k) + load * blocking) }
        let m = Double(slots)
        let waiting = blocking / (1 - (load / m) * (1 - blocking))
        return waiting * exponential(-(m - load) * wait / max(service, 1e-6))
    }

    /// The smallest number of requests that Poisson-distributed requests in flight exceed with at most `probability`.
    static func poissonBound(mean: Double, probability: Double) -> Int {
        guard mean > 0 else { return 0 }
        // Beyond some hundreds the normal approximation is exact enough, and the sum would underflow.
        if mean > 400 { return Int((mean + 4 * mean.squareRoot() + 3).rounded(.up)) }
        var term = exponential(-mean)
        var below = term
        var count = 0
        while 1 - below > probability, count < 2000 {
            count += 1
            term *= mean / Double(count)
            below += term
        }
        return count
    }

    /// The probability that a Poisson-distributed number is below `bound`.
    static func poissonBelow(_ bound: Int, mean: Double) -> Double {
        guard bound > 0 else { return 0 }
        var term = exponential(-mean)
        var sum = term
        for k in 1..<max(bound, 1) {
            term *= mean / Double(k)
            sum += term
        }
        return min(1, sum)
    }

    /// e to the power of `x`, without a mathematics library: 2^n times a polynomial on the rest, accurate to 1e-12.
    static func exponential(_ x: Double) -> Double {
        if x < -700 { return 0 }
        if x > 700 { return .infinity }
        let scaled = x * 1.4426950408889634
        let whole = scaled.rounded()
        let rest = (scaled - whole) * 0.6931471805599453
        var term = 1.0
        var sum = 1.0
        for k in 1...14 {
            term *= rest / Double(k)
            sum += term
        }
        return Double(sign: .plus, exponent: Int(whole), significand: sum)
    }
}
