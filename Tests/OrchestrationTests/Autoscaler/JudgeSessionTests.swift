import ScalerTools
import Testing

struct JudgeSessionTests {
    @Test func `the judge's lines are answered in its protocol`() {
        var session = JudgeSession()
        let hello = session.answer(
            to:
                #"{"type":"hello","version":1,"scenario":{"conc":2,"cold":5.0,"wake":0.005,"slo":0.1,"max_replicas":1000,"init":3}}"#
        )
        #expect(hello == #"{"tick":1,"wake":"queue","min_gap":0.01,"standby":3,"per_second":false}"#)
        let tick = session.answer(
            to: #"{"type":"tick","t":12.5,"dt":0.5,"inflight":7,"busy":6,"queue":1,"oldest_wait":0.09,"avg_inflight":5.1,"#
                + #""busy_time":2.5,"peak_inflight":9,"arrivals":31,"completions":30,"ready":3,"starting":0,"standby":3}"#)
        #expect(tick?.hasPrefix(#"{"desired":4,"standby":"#) == true, "\(tick ?? "-")")
        #expect(session.answer(to: #"{"type":"end"}"#) == nil)
    }

    @Test(arguments: ["", "{", "nonsense", #"{"type":"tick"}"#, #"{"type":"tick","t":"#]) func `other lines are refused`(
        line: String
    ) {
        var session = JudgeSession()
        #expect(session.answer(to: line)?.contains("error") == true)
    }
}
