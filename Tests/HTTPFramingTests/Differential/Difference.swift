/// What two readers of the same bytes must agree on: every message that we take, the reference takes too, with the same start,
/// fields and body, and it finds none that we do not. We may refuse what it accepts, never the other way round.
///
/// Returns the first disagreement, nil when there is none.
func difference(ours: Reading, reference: Reading) -> String? {
    for (index, message) in ours.messages.enumerated() {
        if index == ours.beyondReference { return nil }
        guard index < reference.messages.count else {
            // A head that we have read and it has not: it refused it, or it finds its end elsewhere.
            if !message.isComplete, reference.refusal == nil { return "only we found message \(index): \(message)" }
            return "we take message \(index), the reference \(reference.refusal ?? "does not see it"): \(message)"
        }
        let other = reference.messages[index]
        guard message.start == other.start, message.fields == other.fields else {
            return "message \(index) differs: ours \(message), reference \(other)"
        }
        if message.isComplete {
            guard other.isComplete, message.body == other.body else {
                return
                    "message \(index) ends differently: ours \(message), reference \(other), \(reference.refusal ?? "no error")"
            }
        } else if ours.refusal == nil {
            guard !other.isComplete else { return "the reference finds an end of message \(index): \(other)" }
            if let refusal = reference.refusal {
                return "we wait for more of message \(index), the reference says \(refusal): \(message)"
            }
        }
    }
    guard ours.refusal == nil, !ours.stopped else { return nil }
    if reference.messages.count > ours.messages.count {
        return
            "the reference finds message \(ours.messages.count) where we wait for more: \(reference.messages[ours.messages.count])"
    }
    return nil
}
