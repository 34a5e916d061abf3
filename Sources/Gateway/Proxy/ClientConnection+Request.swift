import EventLoop
import Glibc
import HTTPFraming
import Orchestration
import SidekickModel

/// From the client to the replica.
extension ClientConnection {
    /// Admission found a place. False when nobody waits for it any more.
    func forward(to ref: EndpointRef, target: Int32) -> Bool {
        guard phase == .waiting, exchange.ref == nil else { return false }
        exchange.ref = ref
        exchange.target = target
        exchange.forwarded = worker.now
        phase = .exchanging
        exchange.sent = 0
        readdress(toPeer: ref.isPeer)
        // A request that must not be sent twice goes only where the replica is known to be still there.
        if let idle = worker.takeIdle(target, onlyFresh: !exchange.method.isIdempotent || !exchange.requestDone) {
            take(idle)
            pumpRequest()
        } else {
            connect(to: target)
        }
        return true
    }

    /// Begins a new connection to a replica for the request.
    func connect(to target: Int32) {
        do throws(SystemError) {
            let isPeer = exchange.ref?.isPeer ?? false
            let upstream = try worker.connect(to: target, isPeer: isPeer)
            take(upstream)
            wait(isPeer ? timeouts.peerConnect : timeouts.connect)
            if upstream.isConnected { pumpRequest() }
        } catch {
            connectFailed()
        }
    }

    private func take(_ upstream: UpstreamConnection) {
        upstream.client = self
        exchange.upstream = upstream
    }

    /// The replica did not take the connection: another has to be found.
    func connectFailed() {
        guard let ref = exchange.ref else { return }
        giveBack(.connectFailed(id, ref, arrived: exchange.arrived))
    }

    /// The replica closed the connection without a byte: the request is sent once more, wherever there is a place.
    func sendAgain() {
        guard let ref = exchange.ref else { return }
        giveBack(.returned(id, ref, arrived: exchange.arrived))
    }

    /// The peer has no place: nobody saw the request. What was streamed to it is gone, though, and with it the request.
    func turnedAway() {
        guard let service = exchange.service, let ref = exchange.ref else { return }
        guard exchange.streamed else { return giveBack(.turnedAway(id, ref, arrived: exchange.arrived)) }
        exchange.upstream?.close()
        exchange.upstream = nil
        exchange.ref = nil
        worker.step(service, .finished(ref, failed: true))
        answer(.peerHasNoPlace, close: true)
    }

    /// Puts the line that peers know one another by at the end of the head, or takes it away.
    private func readdress(toPeer: Bool) {
        guard toPeer || exchange.peerLineBytes > 0 else { return }
        let end = exchange.headBytes - 2
        worker.scratch.clear()
        worker.scratch.append(UnsafeRawBufferPointer(rebasing: request.bytes[..<end]))
        if toPeer, let service = exchange.service {
            let waited = (worker.now.nanoseconds - exchange.arrived.nanoseconds) / 1_000_000
            worker.hub.peering.line(service: service.name, waited: Milliseconds(waited), into: &worker.scratch)
        }
        let line = worker.scratch.count - end
        worker.scratch.append(request.suffix(from: end + exchange.peerLineBytes))
        swap(&request, &worker.scratch)
        exchange.peerLineBytes = line
    }

    private func giveBack(_ event: AdmissionEvent) {
        guard let service = exchange.service else { return }
        exchange.upstream?.close()
        exchange.upstream = nil
        exchange.ref = nil
        exchange.sent = 0
        phase = .waiting
        waitForNobody()
        worker.step(service, event)
    }

    func upstreamReady() {
        guard phase == .exchanging || phase == .tunnel, let upstream = exchange.upstream else { return }
        if upstream.transport.canRead, exchange.sent > 0 { pumpResponse() }
        if phase == .exchanging || phase == .tunnel, upstream === exchange.upstream { pumpRequest() }
    }

    /// Sends what there is of the request, and reads on as long as the replica takes it.
    func pumpRequest() {
        guard let upstream = exchange.upstream, upstream.isConnected else { return }
        defer { armExchange() }
        guard sendBuffered(upstream) else { return }
        var turns = 0
        while phase == .exchanging || phase == .tunnel, !exchange.requestDone || exchange.bodyReady > 0, !exchange.uploadBroken {
            if exchange.bodyReady == 0, !input.isEmpty {
                guard scanBody() else { return }
            }
            if exchange.bodyReady > 0 {
                guard upstream.transport.canWrite else { return }
                let count = upstream.transport.send(input.prefix(exchange.bodyReady))
                if count > 0 {
                    input.consume(count)
                    exchange.bodyReady -= count
                    exchange.streamed = true
                } else if count != -Int(EAGAIN) {
                    return uploadFailed()
                }
                continue
            }
            if exchange.body.isDone {
                exchange.requestDone = true
                break
            }
            guard transport.canRead else { return }
            turns += 1
            guard turns < 16 else {
                worker.loop.later { [self] in pumpRequest() }
                return
            }
            let count = fill()
            if count == -Int(EAGAIN) { return }
            if count <= 0 { return clientEnded(count) }
            exchange.awaitsContinue = false
            pace.moved(count, now: worker.now)
        }
        input.rest(worker.pool)
    }

    /// Sends the `request` buffer; whether all of it is sent.
    private func sendBuffered(_ upstream: UpstreamConnection) -> Bool {
        while exchange.sent < request.count {
            guard upstream.transport.canWrite || exchange.sent == 0 else { return false }
            let count = upstream.transport.send(request.suffix(from: exchange.sent))
            if count > 0 {
                exchange.sent += count
            } else {
                if count != -Int(EAGAIN) { upstreamEnded() }
                return false
            }
        }
        return true
    }

    /// Marks how much of the input belongs to the body; false when the body is malformed and the exchange ended.
    private func scanBody() -> Bool {
        do throws(FramingError) {
            exchange.bodyReady = try exchange.body.take(input.bytes)
            return true
        } catch {
            let fault = LocalAnswer(error.status, "\(error)")
            endUpstream(failed: false)
            if exchange.responseBegan { abort() } else { answer(fault, close: true) }
            return false
        }
    }

    private func clientEnded(_ count: Int) {
        guard phase == .tunnel, count == 0 else { return leave() }
        exchange.requestDone = true
        exchange.upstream?.transport.endWriting()
        if exchange.responseDone { finishTunnel() }
    }

    /// The replica takes no more of the body. It may have answered already: what it sent is read first.
    private func uploadFailed() {
        exchange.uploadBroken = true
        exchange.upstream?.transport.canRead = true
        pumpResponse()
    }

    /// Sets whom the exchange waits for, and how long.
    func armExchange() {
        switch phase {
        case .tunnel: wait(timeouts.tunnel)
        case .exchanging:
            guard let upstream = exchange.upstream, upstream.isConnected else { return }
            // Where both talk at once, as in a stream of messages, silence of the client is no fault as long as it takes what comes.
            let isDuplex = exchange.responseBegan && !exchange.requestDone && output.isEmpty && transport.canWrite
            guard isDuplex || !waitsForClient(upstream) else { return waitForClient() }
            pace.pause(now: worker.now)
            wait(timeouts.replica)
        default: break
        }
    }

    private func waitsForClient(_ upstream: UpstreamConnection) -> Bool {
        if !output.isEmpty || (exchange.responseReady > 0 && !transport.canWrite) { return true }
        guard !exchange.awaitsContinue else { return false }
        return !exchange.requestDone && exchange.bodyReady == 0 && exchange.sent == request.count && !exchange.uploadBroken
    }

    /// The deadline of the exchange came: ends it as the fault of whom it waited for.
    func exchangeTimedOut() {
        guard phase == .exchanging, let upstream = exchange.upstream else { return abort() }
        guard upstream.isConnected else { return connectFailed() }
        let clientsFault = waitsForClient(upstream)
        if clientsFault, !output.isEmpty || exchange.responseReady > 0, takesOn() { return }
        guard !exchange.responseBegan, output.isEmpty else { return abort() }
        endUpstream(failed: !clientsFault)
        answer(clientsFault ? .clientSilent : .replicaSilent, close: clientsFault)
    }
}
