#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Speaks the autoscaler judge's protocol on standard input and output until it ends.
package func runJudge() {
    var session = JudgeSession()
    while let line = readLine(strippingNewline: true) {
        guard let answer = session.answer(to: line) else { continue }
        print(answer)
        fflush(nil)
    }
}
