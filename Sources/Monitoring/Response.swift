/// What the server answers; each answer ends its connection.
struct Response {
  private let status: String
  private let content: [UInt8]
  private let contentType: String
  private let moreHeaders: [String]
  private let isBodyLeftOut: Bool

  /// The text exposition format of Prometheus.
  private static let metricsType = "text/plain; version=0.0.4; charset=utf-8"

  /// Nil while more of the request has to arrive.
  ///
  /// - Parameter page: makes the page of metrics.
  init?(to head: RequestHead, page: () -> String) {
    switch head {
    case .incomplete: return nil
    case .malformed: self.init(refusing: "400 Bad Request")
    case .tooLong: self.init(refusing: "431 Request Header Fields Too Large")
    case .request(_, let path) where path != "/metrics": self.init(refusing: "404 Not Found")
    case .request("GET", _): self.init("200 OK", Array(page().utf8), Self.metricsType)
    case .request("HEAD", _): self.init("200 OK", Array(page().utf8), Self.metricsType, isBodyLeftOut: true)
    case .request: self.init(refusing: "405 Method Not Allowed", ["Allow: GET, HEAD"])
    }
  }

  private init(refusing status: String, _ moreHeaders: [String] = []) {
    self.init(status, Array("\(status)\n".utf8), "text/plain; charset=utf-8", moreHeaders)
  }

  private init(
    _ status: String, _ content: [UInt8], _ contentType: String, _ moreHeaders: [String] = [],
    isBodyLeftOut: Bool = false
  ) {
    self.status = status
    self.content = content
    self.contentType = contentType
    self.moreHeaders = moreHeaders
    self.isBodyLeftOut = isBodyLeftOut
  }

  var bytes: [UInt8] {
    let headers =
      [
        "HTTP/1.1 \(status)", "Content-Type: \(contentType)", "Content-Length: \(content.count)", "Connection: close",
      ] + moreHeaders
    return Array((headers.joined(separator: "\r\n") + "\r\n\r\n").utf8) + (isBodyLeftOut ? [] : content)
  }
}
