/// Why a message on an HTTP/2 stream is refused (RFC 9113 section 8): it could not be told as HTTP/1.1 so that every reader understands
/// the same.
package enum StreamError: Error, Hashable, Sendable, CaseIterable {
    case invalidName, upperCaseName, invalidValue, connectionField
    case unknownPseudoField, repeatedPseudoField, latePseudoField, missingPseudoField
    case invalidMethod, connect, invalidScheme, invalidPath, invalidAuthority, authorityIsNotHost
    case invalidLength, repeatedLength, lengthIsNotData
    case invalidStatus
    case trailersTooLarge, invalidTrailer
}

extension StreamError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .invalidName: "a field name is empty or has a byte that no token has"
        case .upperCaseName: "a field name has an upper-case letter"
        case .invalidValue: "a field value has a control character, or blanks around it"
        case .connectionField: "a field speaks of the connection, which HTTP/2 has no fields for"
        case .unknownPseudoField: "a pseudo-header field is unknown here"
        case .repeatedPseudoField: "a pseudo-header field is there twice"
        case .latePseudoField: "a pseudo-header field comes after a field"
        case .missingPseudoField: "a pseudo-header field is missing"
        case .invalidMethod: "the method is not a token"
        case .connect: "CONNECT is not supported"
        case .invalidScheme: "the scheme is neither http nor https"
        case .invalidPath: "the path does not begin with / or has a byte that no path has"
        case .invalidAuthority: "the authority is not a name or address with an optional port"
        case .authorityIsNotHost: "authority and Host differ"
        case .invalidLength: "content-length is not one decimal number"
        case .repeatedLength: "there is more than one content-length"
        case .lengthIsNotData: "content-length is not what the data sum up to"
        case .invalidStatus: "the status is not three digits, or one that HTTP/2 has not"
        case .trailersTooLarge: "the trailers are too large"
        case .invalidTrailer: "a trailer is one that only a head may have"
        }
    }
}
