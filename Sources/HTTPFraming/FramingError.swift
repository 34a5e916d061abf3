/// Why a message is refused. Whatever two readers could understand differently is here, so that no request can hide in another.
package enum FramingError: Error, Hashable, Sendable, CaseIterable {
    case malformedRequestLine, invalidTarget, targetTooLong, unsupportedMethod, unsupportedVersion
    case malformedStatusLine
    case headTooLarge, tooManyFields
    case invalidFieldName, invalidFieldValue, foldedField, bareCarriageReturn, bareLineFeed
    case missingHost, duplicateHost, invalidHost
    case invalidContentLength, duplicateContentLength, lengthAndTransferCoding
    case invalidTransferCoding, unsupportedTransferCoding, transferCodingBeforeHTTP11
    case invalidConnectionOption, unsupportedExpectation
    case invalidChunkSize, chunkExtensionTooLong, missingChunkEnd, invalidTrailer, trailersTooLarge

    /// The status a client whose request is refused gets. (A response refused for the same reason becomes 502.)
    package var status: Int {
        switch self {
        case .targetTooLong: 414
        case .unsupportedExpectation: 417
        case .headTooLarge, .tooManyFields, .trailersTooLarge: 431
        case .unsupportedMethod, .unsupportedTransferCoding: 501
        case .unsupportedVersion: 505
        default: 400
        }
    }
}

extension FramingError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .malformedRequestLine: "the request line is not METHOD SP target SP HTTP/1.1"
        case .invalidTarget: "the request target is not a path, an absolute http URL, or * for OPTIONS"
        case .targetTooLong: "the request target is too long"
        case .unsupportedMethod: "CONNECT is not supported"
        case .unsupportedVersion: "only HTTP/1.0 and HTTP/1.1 are spoken here"
        case .malformedStatusLine: "the status line is not HTTP/1.1 SP three digits SP reason"
        case .headTooLarge: "the head is too large"
        case .tooManyFields: "the head has too many fields"
        case .invalidFieldName: "a field name is empty, has a byte that no token has, or is not followed by a colon"
        case .invalidFieldValue: "a field value has a control character"
        case .foldedField: "a field value goes on in the next line"
        case .bareCarriageReturn: "a carriage return is not followed by a line feed"
        case .bareLineFeed: "a line feed has no carriage return before it"
        case .missingHost: "an HTTP/1.1 request needs a Host field"
        case .duplicateHost: "there is more than one Host field"
        case .invalidHost: "the host is not a name or address with an optional port"
        case .invalidContentLength: "Content-Length is not one decimal number"
        case .duplicateContentLength: "there is more than one Content-Length"
        case .lengthAndTransferCoding: "Content-Length and Transfer-Encoding are both there"
        case .invalidTransferCoding: "Transfer-Encoding does not end in one chunked"
        case .unsupportedTransferCoding: "the only transfer coding spoken here is chunked"
        case .transferCodingBeforeHTTP11: "HTTP/1.0 has no Transfer-Encoding"
        case .invalidConnectionOption: "Connection is not a list of tokens"
        case .unsupportedExpectation: "the only expectation known here is 100-continue"
        case .invalidChunkSize: "a chunk size is not a hexadecimal number, or its extension not a name with an optional value"
        case .chunkExtensionTooLong: "a chunk extension is too long"
        case .missingChunkEnd: "a chunk is not followed by an end of line"
        case .invalidTrailer: "a trailer is not a field, or one that only a head may have"
        case .trailersTooLarge: "the trailers are too large"
        }
    }
}
