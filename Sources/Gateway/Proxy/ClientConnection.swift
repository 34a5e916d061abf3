import EventLoop
import Glibc
import HTTPFraming
import Logging
import Orchestration
import SidekickModel

/// One client's connection: reads requests one after the other, and carries each to a replica and its response back.
final class ClientConnection: EventHandler {
    enum Phase {
        /// Between requests, or reading a head.
        case reading
        /// Admission has the request: it is held, or about to be forwarded.
        case waiting
        /// A replica has the request.
        case exchanging
        /// The protocol was switched: bytes go both ways until both sides end.
        case tunnel
        /// The last response is on its way out; nothing more is read as a request.
        case ending
        case closed
    }

    let slot: Int
    /// Changes with each request, so that an answer that comes too late finds nobody.
    private(set) var serial: UInt32
    var phase = Phase.reading
    var exchange = Exchange()
    /// Read from the client and not passed on.
    var input = InputBuffer()
    /// For the client and not sent yet. While it has bytes nothing more is read from the replica.
    var output = ByteQueue()
    /// The request as it goes to a replica: the head, and the body where it came whole with the head.
    var request = ByteQueue()
    var transport: Transport
    var scanner: RequestScanner
    /// Kept alive, as an unowned reference costs two atomic steps per use; the worker lets go of the connection when it is closed.
    let worker: Worker
    private var timer: TimerID?
    private var timerAt = Instant.zero
    private var deadline = Instant(nanoseconds: .max)
    private var isReadingHeads = false
    private var isTurnPlanned = false
    /// The client said that its last request was the last, and every byte of that is read.
    private var saysNoMore = false
    /// Bytes taken and thrown away since the last answer.
    private var discarded = 0
    /// Nothing was asked on it yet.
    private var isFresh = true
    /// When the head that is being read began.
    private var headBegan: Instant?
    let client: ClientName
    /// Looked up when a request first needs it: most never do.
    private lazy var scope = ConnectionScope(
        local: isPeer ? nil : transport.localAddress(), peer: isPeer ? nil : transport.peerAddress(), isPeer: isPeer,
        bridge: worker.configuration.bridge)
    var pace: ClientPace
    /// What the client had not acknowledged when it was last looked, and what was sent since.
    var unacknowledged: Int?
    private var isTurnedAway = false

    /// One stream of a session: it carries one request.
    let isStream: Bool

    init(worker: Worker, slot: Int, serial: UInt32, transport: consuming Transport, client: ClientName) {
        self.worker = worker
        self.slot = slot
        self.serial = serial
        self.client = client
        isStream = transport.isStream
        self.transport = transport
        scanner = RequestScanner(limits: worker.configuration.framing)
        pace = ClientPace(rate: worker.configuration.minimumRate, grace: worker.configuration.timeouts.slow)
    }

    var id: RequestID { RequestID(UInt64(worker.index) << 56 | UInt64(slot) << 32 | UInt64(serial), isForwarded: isPeer) }
    private var isPeer: Bool { client.isPeer }
    var timeouts: GatewayConfiguration.Timeouts { worker.configuration.timeouts }

    func begin() {
        guard register() else { return }
        readHeads()
    }

    /// Answers before anything was asked, since there is no room for one more client.
    func turnAway(_ refusal: LocalAnswer) {
        isTurnedAway = true
        guard register() else { return }
        answer(refusal, close: true)
    }

    private func register() -> Bool {
        do throws(SystemError) {
            try transport.register(worker.loop, self)
        } catch {
            worker.hub.log.error("\(error)")
            close()
            return false
        }
        return true
    }

    /// The client speaks HTTP/2 on the connection: a session takes it over.
    private func becomeSession() {
        phase = .closed
        if let timer { worker.loop.cancel(timer) }
        timer = nil
        worker.beginSession(transport.take(), client, early: input.bytes)
        worker.closed(self)
        input.discard(worker.pool)
    }

    // MARK: Events

    func ready(_ readiness: Readiness) {
        transport.note(readiness)
        switch phase {
        case .reading:
            if flush() { readHeads() }
        case .waiting:
            if transport.peerClosed { leave() }
        case .exchanging:
            if readiness.isBroken || (transport.peerClosed && exchange.requestDone) { return leave() }
            if flush(), readiness.canWrite { pumpResponse() }
            if readiness.canRead, phase == .exchanging { pumpRequest() }
        case .tunnel:
            if readiness.isError { return leave() }
            if flush(), readiness.canWrite { pumpResponse() }
            if phase == .tunnel { pumpRequest() }
        case .ending: finishEnding()
        case .closed: break
        }
    }

    func expired(_ tag: Int) {
        timer = nil
        guard phase != .closed, deadline.nanoseconds != .max else { return }
        guard deadline <= worker.now else { return wait(until: deadline) }
        deadline = Instant(nanoseconds: .max)
        switch phase {
        case .reading, .ending:
            if !output.isEmpty, takesOn() { return }
            phase == .ending || headBegan == nil ? close() : answer(.clientSilent, close: true)
        case .exchanging, .tunnel: exchangeTimedOut()
        case .waiting, .closed: break
        }
    }

    /// Moves the deadline. The timer itself moves only when it must ring sooner: a later deadline is found when it rings.
    func wait(_ span: Milliseconds) { wait(until: worker.now + span) }

    func wait(until new: Instant) {
        deadline = new
        if let timer {
            guard new < timerAt else { return }
            worker.loop.reschedule(timer, at: new)
        } else {
            timer = worker.loop.schedule(at: new, self)
        }
        timerAt = new
    }

    func waitForNobody() { deadline = Instant(nanoseconds: .max) }

    // MARK: Requests

    /// Reads and begins requests as long as there are whole ones and none is being answered.
    func readHeads() {
        guard !isReadingHeads, !isTurnPlanned else { return }
        isReadingHeads = true
        defer { isReadingHeads = false }
        var turns = 0
        while phase == .reading, output.isEmpty {
            // One who sends faster than requests are answered here gets no more than its turn.
            turns += 1
            guard turns <= 64 else {
                planTurn()
                return
            }
            // Peers speak HTTP/1.1 to one another: only its heads are looked at for what shows who they are.
            if !input.isEmpty, isFresh, !isStream, !isPeer {
                switch HTTP2Preface.match(input.bytes) {
                case .no: isFresh = false
                case .begun: break
                case .whole: return becomeSession()
                }
            }
            if !input.isEmpty, !isFresh || isStream || isPeer {
                do throws(FramingError) {
                    if let head = try scanner.scan(input.bytes) {
                        headBegan = nil
                        begin(head)
                        continue
                    }
                } catch {
                    answer(LocalAnswer(error.status, "\(error)"), close: true)
                    return
                }
            }
            guard transport.canRead else { break }
            let count = fill()
            if count > 0 { continue }
            if count == -Int(EAGAIN) { break }
            return close()
        }
        guard phase == .reading else { return }
        if worker.isDraining, !worker.drainsGently, input.isEmpty, output.isEmpty {
            // One that has just come is about to ask.
            guard isFresh else { return close() }
            return wait(Milliseconds(500))
        }
        input.rest(worker.pool)
        if !output.isEmpty {
            waitForClient()
        } else if input.isEmpty {
            headBegan = nil
            wait(timeouts.keepAlive)
        } else if headBegan == nil {
            headBegan = worker.now
            wait(timeouts.head)
        }
    }

    /// Goes on with reading heads after everybody else had a turn. At most one turn is planned, however often the socket tells of more.
    private func planTurn() {
        guard !isTurnPlanned else { return }
        isTurnPlanned = true
        worker.loop.later { [self] in
            isTurnPlanned = false
            if phase == .reading { readHeads() }
        }
    }

    private func begin(_ head: RequestHead) {
        let bytes = input.bytes
        isFresh = false
        exchange.method = head.method
        exchange.minorVersion = head.minorVersion
        exchange.keepAlive = head.keepAlive
        exchange.upgrade = head.upgrade
        exchange.arrived = worker.now
        exchange.body = BodyScanner(head.body, limits: worker.configuration.framing)
        exchange.requestDone = exchange.body.isDone
        exchange.awaitsContinue = head.expectsContinue && !exchange.requestDone
        pace.renew()
        let newID = worker.newID()
        if let log = worker.accessLog { exchange.logDraft = beginLog(log, head, newID) }
        var path = head.path.of(bytes)
        if path.isEmpty || path[0] != 0x2F { path = UnsafeRawBufferPointer(start: Self.rootPath.utf8Start, count: 1) }
        let service: ServiceEntry?
        if isPeer {
            guard let visit = visit(bytes) else { return answer(.notAPeer, close: true) }
            exchange.arrived = worker.now - visit.waited
            service = worker.service(authority: visit.authority, path: path) { scope.routesInternalNames }
        } else {
            if !transport.isSecure, let redirect = worker.redirect,
                let location = redirect.location(authority: head.authority.of(bytes), path: path)
            {
                input.consume(Int(head.bytes.end))
                scanner.reset()
                return answer(.redirect(to: location), close: false)
            }
            service = worker.service(authority: head.authority.of(bytes), path: path) { scope.routesInternalNames }
        }
        guard let service else {
            input.consume(Int(head.bytes.end))
            scanner.reset()
            return answer(isPeer ? .turnAway : .noRoute, close: false)
        }
        exchange.service = service
        request.clear()
        let context = HeadWriter.Context(
            client: client.address, isSecure: transport.isSecure, isTrusted: client.isTrusted,
            writesForwarded: worker.configuration.writesForwarded && !isPeer, newID: newID)
        HeadWriter.request(head, scanner.section.fields, bytes, context, into: &request)
        exchange.headBytes = request.count
        input.consume(Int(head.bytes.end))
        scanner.reset()
        if !exchange.requestDone, !takeWholeBody() { return }
        input.rest(worker.pool)
        // One who has ended its side already would be told of by no further event.
        if transport.peerClosed, input.isEmpty, exchange.requestDone { return leave() }
        phase = .waiting
        waitForNobody()
        let held = request.count + input.count
        worker.step(service, isPeer ? .visited(id, since: exchange.arrived, bytes: held) : .arrived(id, bytes: held))
    }

    /// What a peer says of the request whose head was just read.
    private func visit(_ bytes: UnsafeRawBufferPointer) -> Peering.Visit? {
        guard let field = scanner.section.fields.first(where: { $0.role == .peer }) else { return nil }
        return worker.hub.peering.visit(field.value.of(bytes))
    }

    private static let rootPath: StaticString = "/"

    /// Puts the body behind the head where it is already there as a whole, so that the request can be sent again if need be. False when
    /// the body is malformed and was answered.
    private func takeWholeBody() -> Bool {
        guard !input.isEmpty else { return true }
        do throws(FramingError) {
            var ahead = exchange.body
            let count = try ahead.take(input.bytes)
            guard ahead.isDone, count <= 16 << 10 else { return true }
            request.append(input.prefix(count))
            input.consume(count)
            exchange.body = ahead
            exchange.requestDone = true
            return true
        } catch {
            answer(LocalAnswer(error.status, "\(error)"), close: true)
            return false
        }
    }

    /// Admission refused the request.
    func refuse(_ why: AdmissionRefusal) {
        guard phase == .waiting else { return }
        switch why {
        case .queueFull: answer(.queueFull, close: false)
        case .deadline: answer(.waitedTooLong, close: false)
        case .serviceRemoved: answer(isPeer ? .turnAway : .serviceGone, close: false)
        case .noPlace: answer(.turnAway, close: false)
        }
    }

    /// Gives the gateway's own answer to the request. A client whose request was not read whole is closed after it.
    func answer(_ answer: LocalAnswer, close: Bool) {
        exchange.status = answer.status
        exchange.responseBytes = answer.explanation.utf8.count + 1
        let ends = close || !exchange.keepAlive || !exchange.requestDone || worker.isDraining
        answer.write(into: &output, close: ends, toHead: exchange.method == .head, minorVersion: exchange.minorVersion)
        endRequest(close: ends)
    }

    /// The response is whole, in `output` at the latest: what comes next.
    func endRequest(close: Bool) {
        countRequest(status: exchange.status)
        saysNoMore = !exchange.keepAlive && exchange.requestDone && exchange.bodyReady == 0
        serial &+= 1
        exchange = Exchange()
        exchange.requestDone = true
        request.clear()
        guard close || transport.peerClosed else {
            phase = .reading
            _ = flush()
            return readHeads()
        }
        phase = .ending
        waitForClient()
        finishEnding()
    }

    /// Sends what is left, then ends our direction and waits for the client's end: closing while it still sends would reset the
    /// connection and may take the response away from it.
    private func finishEnding() {
        guard flush() else { return }
        // Closing resets only where something came that is not read.
        if saysNoMore, input.isEmpty, !transport.canRead { return close() }
        if exchange.endedAt == nil {
            exchange.endedAt = worker.now
            transport.endWriting()
            wait(Milliseconds(1000))
        }
        while transport.canRead, phase == .ending {
            input.discard(worker.pool)
            let count = fill()
            discarded += max(0, count)
            if count == -Int(EAGAIN) { break }
            // One who goes on sending without reading is cut off.
            if count <= 0 || discarded > 1 << 20 { return close() }
        }
        input.discard(worker.pool)
    }

    // MARK: Bytes

    /// Reads once into `input`.
    func fill() -> Int { transport.fill(&input, worker.pool) }

    /// Sends what waits; whether all of it is sent.
    func flush() -> Bool {
        while !output.isEmpty, transport.canWrite {
            let count = transport.send(output.bytes)
            if count > 0 {
                output.consume(count)
                sent(count)
                if phase == .exchanging || phase == .tunnel { armExchange() }
            } else if count != -Int(EAGAIN) {
                // Broken: epoll says so too, and that closes it where closing is safe.
                output.clear()
                transport.noteBroken()
                return false
            }
        }
        if output.isEmpty { output.clear() }
        return output.isEmpty
    }

    // MARK: Ends

    /// The gateway stops: a connection without a request goes now, others after it.
    func drain() {
        if phase == .reading, input.isEmpty, output.isEmpty { readHeads() }
    }

    /// The client left with a request open.
    func leave() {
        let service = exchange.service
        let ref = exchange.ref
        let request = id
        exchange.upstream?.close()
        exchange.upstream = nil
        let waited = phase == .waiting
        if service != nil || exchange.logDraft >= 0 { countRequest(status: 0) }
        close()
        guard let service else { return }
        if let ref {
            worker.step(service, .finished(ref, failed: false))
        } else if waited {
            worker.step(service, .gone(request))
        }
    }

    /// Ends the connection so that the client cannot take a cut response for a whole one.
    func abort() {
        transport.resetOnClose()
        leave()
    }

    func close() {
        guard phase != .closed else { return }
        phase = .closed
        if let timer { worker.loop.cancel(timer) }
        timer = nil
        transport.close(worker.loop)
        if isTurnedAway { worker.turnedAway() }
        input.discard(worker.pool)
        exchange = Exchange()
        worker.closed(self)
    }
}
