import ScalerTools
import SidekickModel
import Testing

/// The production scaler beside the baselines, over loads made here.
struct SimulationRunTests {
    private func run(_ rates: [(seconds: Double, rate: Double)]) -> SimulationRun {
        var spec = ServiceSpec(service: "web", image: "web:1")
        spec.scale.concurrency = 2
        spec.replicas.max = 100
        var steps: [LoadTrace.Step] = []
        for (seconds, rate) in rates {
            steps.append(.init(at: steps.last.map { $0.at + $0.seconds } ?? 0, seconds: seconds, requestsPerSecond: rate))
        }
        var settings = SimulationRun.Settings()
        settings.coldStart = 5
        settings.wake = 0.005
        return SimulationRun(spec, trace: LoadTrace(steps: steps), settings: settings)
    }

    @Test func `everybody gets the same requests; a fixed peak waits for nothing and costs most`() {
        let run = run([(300, 5), (300, 100), (300, 5), (900, 0)])
        let reports = [run.scaler(recordsChanges: false)] + SimulationRun.Baseline.allCases.map(run.baseline)
        #expect(Set(reports.map(\.requests)).count == 1)
        let fixed = reports[1]
        #expect(fixed.violations == 0)
        #expect(fixed.waits.max == 0)
        for report in reports.dropFirst(2) + reports.prefix(1) {
            #expect(report.onlineReplicaSeconds < fixed.onlineReplicaSeconds, "\(report.policy)")
        }
    }

    @Test
    func `on steps of load the scaler has fewer late requests than Knative's and Kubernetes', at no higher cost than Knative's`()
    {
        let run = run((0..<10).map { (seconds: 300, rate: $0 % 2 == 0 ? 10 : 60) })
        let ours = run.scaler(recordsChanges: true)
        let (hpa, kpa) = (run.baseline(.hpa), run.baseline(.kpa))
        print("steps: late \(ours.violationPercent)%, hpa \(hpa.violationPercent)%, kpa \(kpa.violationPercent)%")
        #expect(ours.violationPercent < 0.5)
        #expect(kpa.violations > ours.violations && hpa.violations > ours.violations)
        #expect(ours.onlineReplicaSeconds < kpa.onlineReplicaSeconds)
        #expect(ours.changes.count >= 10)
    }

    @Test func `a steady load is what the baselines are made for: they hold it with the count their target asks for`() {
        let run = run([(1200, 50)])
        // 5 in flight on replicas of 2 at 70%: 4.
        #expect((3.5...5.5).contains(run.baseline(.kpa).meanOnline), "\(run.baseline(.kpa).meanOnline)")
        #expect((3.5...5.5).contains(run.baseline(.hpa).meanOnline), "\(run.baseline(.hpa).meanOnline)")
    }

    @Test func `the plot is SVG with its text escaped, and the sparkline as wide as asked`() {
        let trace = LoadTrace(steps: [
            .init(at: 0, seconds: 10, requestsPerSecond: 1), .init(at: 10, seconds: 10, requestsPerSecond: 8),
        ])
        let changes = [
            PolicyReport.Change(at: 0, online: 1, standby: 1, reason: ""), .init(at: 10, online: 4, standby: 2, reason: ""),
        ]
        let svg = TracePlot.svg(title: "<web> & \"co\"", trace: trace, changes: changes)
        #expect(svg.hasPrefix("<svg ") && svg.hasSuffix("</svg>\n"))
        #expect(svg.contains("&lt;web&gt; &amp; &quot;co&quot;"))
        #expect(TracePlot.sparkline(trace, columns: 4) == "▁▁██")
        #expect(TracePlot.sparkline(changes, seconds: 20, columns: 4) == "▂▂██")
    }
}
