import EventLoop
import Glibc
import HTTPFraming
import Logging
import Orchestration
import SidekickModel

/// From the replica to the client.
extension ClientConnection {
    /// Passes on what the replica sent as far as the client takes it.
    func pumpResponse() {
        guard let upstream = exchange.upstream else { return }
        var turns = 0
        while phase == .exchanging || phase == .tunnel, exchange.upstream === upstream {
            if !upstream.input.isEmpty || (exchange.responseBegan && exchange.response.isDone) {
                if !exchange.responseBegan {
                    guard output.isEmpty else { break }
                    if takeHead(upstream) { continue }
                } else {
                    guard passBody(upstream) else { break }
                    guard phase == .exchanging || phase == .tunnel else { return }
                    if !upstream.input.isEmpty { continue }
                }
            }
            guard phase == .exchanging || phase == .tunnel, exchange.upstream === upstream else { return }
            guard upstream.transport.canRead, output.isEmpty, transport.canWrite else { break }
            turns += 1
            guard turns < 16 else {
                worker.loop.later { [self] in pumpResponse() }
                break
            }
            let count = upstream.fill()
            if count == -Int(EAGAIN) { break }
            if count <= 0 { return upstreamEnded(cleanly: count == 0) }
        }
        if phase == .exchanging || phase == .tunnel {
            exchange.upstream?.rest()
            armExchange()
        }
    }

    /// Reads one head from the replica's bytes; true when there was one and the loop goes on with what follows.
    private func takeHead(_ upstream: UpstreamConnection) -> Bool {
        let head: ResponseHead?
        do throws(FramingError) {
            head = try upstream.scanner.scan(upstream.input.bytes, toHead: exchange.method == .head)
        } catch {
            worker.hub.log.warning("malformed response from a replica of \(exchange.service?.name ?? ""): \(error)")
            fail(.replicaUnclear)
            return false
        }
        guard let head else { return false }
        if exchange.ref?.isPeer ?? false, head.status == 503,
            upstream.scanner.section.fields.contains(where: { $0.role == .peer })
        {
            turnedAway()
            return false
        }
        if head.isInterim {
            passInterim(head, upstream)
        } else if head.status == 101 {
            guard exchange.upgrade else {
                fail(.replicaUnclear)
                return false
            }
            beginTunnel(head, upstream)
        } else {
            beginResponse(head, upstream)
        }
        return true
    }

    private func passInterim(_ head: ResponseHead, _ upstream: UpstreamConnection) {
        if exchange.minorVersion > 0 {
            output.append(upstream.input.prefix(head.end))
            exchange.answered = true
            exchange.awaitsContinue = false
            _ = flush()
        }
        upstream.input.consume(head.end)
        upstream.scanner.reset()
    }

    private func beginResponse(_ head: ResponseHead, _ upstream: UpstreamConnection) {
        // A client of HTTP/1.0 knows no chunks, and its request said so.
        guard exchange.minorVersion > 0 || head.body != .chunked else { return fail(.replicaUnclear) }
        exchange.responseBegan = true
        exchange.responded = worker.now
        exchange.answered = true
        exchange.status = head.status
        exchange.upstreamKeepAlive = head.keepAlive
        exchange.response = BodyScanner(head.body, limits: worker.configuration.framing)
        exchange.closeAfter = !exchange.keepAlive || head.body == .untilClose || worker.isDraining
        let connection: HeadWriter.Connection =
            exchange.closeAfter ? .close : exchange.minorVersion == 0 ? .keepAlive : .asItIs
        let fields = upstream.scanner.section.fields
        if HeadWriter.passesUnchanged(fields, connection) {
            // Head and body leave as they lie in the buffer.
            exchange.responseReady = head.end
            if upstream.input.count > head.end, !extendReady(upstream) { return }
            upstream.scanner.reset()
            return
        }
        worker.scratch.clear()
        HeadWriter.response(head, fields, upstream.input.bytes, connection, into: &worker.scratch)
        upstream.input.consume(head.end)
        upstream.scanner.reset()
        if !upstream.input.isEmpty, !extendReady(upstream) { return }
        sendHead(upstream)
    }

    /// Sends the head in the worker's scratch with what is ready of the body.
    private func sendHead(_ upstream: UpstreamConnection) {
        let head = worker.scratch.count
        let count =
            transport.canWrite
            ? transport.send(worker.scratch.bytes, upstream.input.prefix(exchange.responseReady)) : -Int(EAGAIN)
        let sent = max(0, count)
        self.sent(sent)
        if sent < head {
            output.append(worker.scratch.suffix(from: sent))
        } else {
            upstream.input.consume(sent - head)
            exchange.responseReady -= sent - head
        }
        if count < 0, count != -Int(EAGAIN) { transport.noteBroken() }
    }

    /// Marks the response bytes that lie behind those already marked. False when they are malformed and the exchange ended.
    private func extendReady(_ upstream: UpstreamConnection) -> Bool {
        let rest = UnsafeRawBufferPointer(rebasing: upstream.input.bytes[exchange.responseReady...])
        do throws(FramingError) {
            let count = try exchange.response.take(rest)
            exchange.responseReady += count
            exchange.responseBytes += count
            return true
        } catch {
            worker.hub.log.warning("malformed response body from a replica of \(exchange.service?.name ?? ""): \(error)")
            abortBroken()
            return false
        }
    }

    /// Passes on what is ready of the response; false when the client must take some first.
    private func passBody(_ upstream: UpstreamConnection) -> Bool {
        if exchange.responseReady == 0, !exchange.response.isDone, !extendReady(upstream) { return true }
        if exchange.responseReady > 0, output.isEmpty, transport.canWrite {
            let count = transport.send(upstream.input.prefix(exchange.responseReady))
            if count > 0 {
                upstream.input.consume(count)
                exchange.responseReady -= count
                sent(count)
            } else if count != -Int(EAGAIN) {
                leave()
                return true
            }
        }
        if exchange.response.isDone, exchange.responseReady > 0 {
            // The whole response is here: the replica is free, however slowly the client takes the rest.
            output.append(upstream.input.prefix(exchange.responseReady))
            upstream.input.consume(exchange.responseReady)
            exchange.responseReady = 0
        }
        guard exchange.responseReady == 0 else { return false }
        if exchange.response.isDone { finishExchange(upstream) }
        return true
    }

    private func finishExchange(_ upstream: UpstreamConnection) {
        let whole = exchange.requestDone && exchange.bodyReady == 0
        let close = exchange.closeAfter || !whole
        release(upstream, keep: whole && exchange.upstreamKeepAlive && upstream.isReusable)
        finishPlace(failed: false)
        endRequest(close: close)
    }

    private func release(_ upstream: UpstreamConnection, keep: Bool) {
        exchange.upstream = nil
        upstream.client = nil
        if keep {
            upstream.isReused = true
            upstream.rest()
            worker.keepIdle(upstream)
        } else {
            upstream.close()
        }
    }

    /// Gives the place at the replica back.
    private func finishPlace(failed: Bool) {
        guard let service = exchange.service, let ref = exchange.ref else { return }
        exchange.ref = nil
        worker.step(service, .finished(ref, failed: failed))
    }

    func endUpstream(failed: Bool) {
        exchange.upstream?.close()
        exchange.upstream = nil
        finishPlace(failed: failed)
    }

    /// The replica's fault: answered where that is possible, cut where a response has begun.
    private func fail(_ answer: LocalAnswer) {
        guard !exchange.responseBegan else { return abortBroken() }
        endUpstream(failed: true)
        self.answer(answer, close: false)
    }

    private func abortBroken() {
        endUpstream(failed: true)
        abort()
    }

    /// The replica closed or broke the connection.
    func upstreamEnded(cleanly: Bool = false) {
        guard let upstream = exchange.upstream else { return }
        if phase == .tunnel {
            guard cleanly else { return abort() }
            exchange.responseDone = true
            transport.endWriting()
            if exchange.requestDone { finishTunnel() }
            return
        }
        if exchange.responseBegan {
            guard exchange.response.endsAtClose, cleanly else { return abortBroken() }
            exchange.response = BodyScanner(.none)
            return finishExchange(upstream)
        }
        if upstream.transport.wasRefused { exchange.sent = 0 }
        guard exchange.isRepeatable, upstream.input.isEmpty else { return fail(.replicaBroke) }
        exchange.attempts += 1
        upstream.close()
        exchange.upstream = nil
        guard upstream.isReused else { return sendAgain() }
        // A kept connection the replica had closed says nothing of the replica: try it with a new one.
        exchange.sent = 0
        connect(to: upstream.target)
    }

    // MARK: Tunnels

    private func beginTunnel(_ head: ResponseHead, _ upstream: UpstreamConnection) {
        exchange.responseBegan = true
        exchange.responded = worker.now
        exchange.answered = true
        exchange.closeAfter = true
        exchange.status = head.status
        exchange.body = BodyScanner(.untilClose)
        exchange.requestDone = false
        exchange.response = BodyScanner(.untilClose)
        exchange.responseReady = head.end
        if upstream.input.count > head.end { _ = extendReady(upstream) }
        upstream.scanner.reset()
        phase = .tunnel
        transport.canRead = true
        pumpRequest()
    }

    func finishTunnel() {
        endUpstream(failed: false)
        endRequest(close: true)
    }
}
