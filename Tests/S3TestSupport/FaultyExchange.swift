import Platform

/// One request and its answer, spoiled or not.
struct FaultyExchange {
    let request: WireMessage
    let proxied: ProxiedRequest
    let client: Socket
    let upstream: UInt16
    /// What a listing that goes in circles shows: providers refuse the tokens that it invents.
    let firstPage: Locked<WireMessage?>

    /// - Returns: whether the client's connection goes on.
    func run(_ fault: Fault?) -> Bool {
        switch fault {
        case nil: return reply(forwarded())
        case .refuse(let status, let code): return reply(refusal(status, code))
        case .refuseAfter(let status, let code):
            _ = forwarded()
            return reply(refusal(status, code))
        case .resetBefore:
            client.resetWhenClosed()
            return false
        case .resetAfter:
            _ = forwarded()
            client.resetWhenClosed()
            return false
        case .truncate:
            sendHalf(forwarded())
            return false
        case .stall:
            sendHalf(forwarded())
            // Until the client has enough of it, or a minute.
            _ = client.received()
            return false
        case .wrongBytes: return replyWrong()
        case .duplicate:
            _ = forwarded()
            return reply(forwarded())
        case .acknowledgeAndLose:
            guard ["PUT", "DELETE", "POST"].contains(proxied.method) else {
                return reply(forwarded())
            }
            return reply(
                WireMessage(status: 200, headers: [("ETag", "\"lost\"")], body: []))
        case .staleList: return replyListing { _ in Self.emptyListing }
        case .listTwice: return replyListing(Self.doubled)
        case .listLoop: return replyEndless()
        case .redirect(let address):
            return reply(
                WireMessage(
                    status: 307, headers: [("Location", address)],
                    body: Self.errorDocument("TemporaryRedirect")))
        }
    }

    // MARK: the provider's side

    /// The provider's answer, framed anew; 502 when it gives none.
    private func forwarded() -> WireMessage {
        forwarded(request)
    }

    private func forwarded(_ request: WireMessage) -> WireMessage {
        var request = request
        request.set("Connection", "close")
        guard let server = try? Socket.connected(to: upstream), server.send(request.bytes) else {
            return refusal(502, "ProxyFoundNobody")
        }
        let reader = WireReader(server)
        guard var answer = WireMessage(headOf: reader) else {
            return refusal(502, "ProxyGotNothing")
        }
        // Not the interim answers.
        while answer.words.dropFirst().first == "100" {
            guard let next = WireMessage(headOf: reader) else {
                return refusal(502, "ProxyGotNothing")
            }
            answer = next
        }
        answer.body = reader.rest()
        if answer["Transfer-Encoding"] != nil { answer.body = WireReader.unchunked(answer.body) }
        answer.set("Transfer-Encoding", nil)
        answer.set("Connection", nil)
        if proxied.method != "HEAD" { answer.set("Content-Length", String(answer.body.count)) }
        return answer
    }

    // MARK: the client's side

    private func reply(_ answer: WireMessage) -> Bool {
        var answer = answer
        if proxied.method == "HEAD" { answer.body = [] }
        return client.send(answer.bytes)
    }

    /// The head and half of the body, or half of the head.
    private func sendHalf(_ answer: WireMessage) {
        let hasBody = proxied.method != "HEAD" && !answer.body.isEmpty
        client.send(
            hasBody
                ? answer.head + answer.body.prefix(answer.body.count / 2)
                : Array(answer.head.prefix(answer.head.count / 2)))
    }

    private func replyWrong() -> Bool {
        if request.body.isEmpty {
            var answer = forwarded()
            if !answer.body.isEmpty { answer.body[answer.body.count / 2] ^= 1 }
            return reply(answer)
        }
        var spoiled = request
        spoiled.body[spoiled.body.count / 2] ^= 1
        return reply(forwarded(spoiled))
    }

    private func replyListing(_ change: (String) -> String) -> Bool {
        var answer = forwarded()
        if proxied.isListing {
            answer.body = Array(change(String(decoding: answer.body, as: UTF8.self)).utf8)
            answer.set("Content-Length", String(answer.body.count))
        }
        return reply(answer)
    }

    private func replyEndless() -> Bool {
        guard proxied.isListing else { return reply(forwarded()) }
        let page = firstPage.withLock { page -> WireMessage? in
            proxied.target.contains("continuation-token") ? page : nil
        }
        var answer = page ?? forwarded()
        firstPage.withLock { [answer] page in page = answer }
        answer.body = Array(Self.endless(String(decoding: answer.body, as: UTF8.self)).utf8)
        answer.set("Content-Length", String(answer.body.count))
        return reply(answer)
    }

    private func refusal(_ status: Int, _ code: String) -> WireMessage {
        WireMessage(
            status: status, headers: [("Content-Type", "application/xml")],
            body: Self.errorDocument(code))
    }

    private static func errorDocument(_ code: String) -> [UInt8] {
        Array(
            ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>\(code)</Code>"
                + "<Message>told by the fault proxy</Message></Error>").utf8)
    }

    private static let emptyListing =
        "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"

    /// Each entry twice.
    private static func doubled(_ text: String) -> String {
        var text = text
        guard let begin = text.firstRange(of: "<Contents>"),
            let end = text.ranges(of: "</Contents>").last
        else { return text }
        let entries = text[begin.lowerBound..<end.upperBound]
        text.insert(contentsOf: String(entries), at: end.upperBound)
        return text
    }

    /// Cut off, whatever it says, and with a token that is new each time.
    private static func endless(_ text: String) -> String {
        var text = text
        for element in ["IsTruncated", "NextContinuationToken"] {
            while let begin = text.firstRange(of: "<\(element)>"),
                let end = text.firstRange(of: "</\(element)>")
            {
                text.removeSubrange(begin.lowerBound..<end.upperBound)
            }
        }
        guard let end = text.firstRange(of: "</ListBucketResult>") else { return text }
        text.insert(
            contentsOf: "<IsTruncated>true</IsTruncated><NextContinuationToken>"
                + "\(Random.hex(bytes: 8))</NextContinuationToken>", at: end.lowerBound)
        return text
    }
}
