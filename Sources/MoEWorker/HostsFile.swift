package import Communication

/// Where a job is to run, as `launch/cluster.sh --hosts` is told.
///
/// A line is a host, alone or with the number of its ranks, as MPICH writes it (`node7:4`) or as others do (`node7
/// slots=4`); `#` begins a comment. What is anything else is refused with its line.
package struct HostsFile: Hashable, Sendable {
  package struct Host: Hashable, Sendable {
    package let name: String
    /// Nil if the file does not say.
    package let rankCount: Int?
    /// Counted from 1.
    package let line: Int
  }

  package private(set) var hosts: [Host] = []

  package static let largestByteCount = 1 << 20
  package static let mostHosts = 1024
  package static let mostRanksPerHost = 1024
  private static let longestName = 253

  /// Reads a file's content.
  ///
  /// - Throws: a refusal that names the line.
  package init(_ bytes: [UInt8], path: String) throws(Refusal) {
    // Names are the same host whatever their case.
    var lineOfName: [String: Int] = [:]
    for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
      do throws(BadLine) {
        guard let host = try Self.host(of: line, number: index + 1) else { continue }
        if let earlier = lineOfName.updateValue(host.line, forKey: host.name.lowercased()) {
          throw BadLine("\(host.name) is in line \(earlier) already")
        }
        guard hosts.count < Self.mostHosts else { throw BadLine("more than \(Self.mostHosts) hosts") }
        hosts.append(host)
      } catch {
        throw Refusal(.invalidData, "\(path), line \(index + 1): \(error.reason)")
      }
    }
    guard !hosts.isEmpty else { throw Refusal(.invalidData, "\(path) names no host") }
  }

  private struct BadLine: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
  }

  /// Nil if there is none in the line.
  private static func host(of line: ArraySlice<UInt8>, number: Int) throws(BadLine) -> Host? {
    guard line.allSatisfy({ (0x20...0x7e).contains($0) || isBlank($0) }) else {
      throw BadLine("only printable ASCII is allowed (is the file from Windows?)")
    }
    let words = line.split(whereSeparator: isBlank).map { String(decoding: $0, as: UTF8.self) }
      .prefix { !$0.hasPrefix("#") }
    guard let first = words.first else { return nil }
    guard words.count == 1 || words.count == 2 && words[1].hasPrefix("slots=") else {
      throw BadLine("one host a line: NAME, NAME:RANKS or NAME slots=RANKS")
    }
    guard !first.contains("@") else { throw BadLine("the user of a host belongs into ssh's configuration, not here") }
    let parts = first.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let afterName = words.dropFirst().first.map { String($0.dropFirst("slots=".count)) }
    if afterName == "" { throw BadLine("slots= needs a number") }
    if parts.count == 2, afterName != nil { throw BadLine("the number of ranks is given twice") }
    if parts.last == "", parts.count == 2 { throw BadLine("the number of ranks is missing after the colon") }
    return Host(
      name: try name(parts[0]), rankCount: try (parts.dropFirst().first ?? afterName).map(rankCount), line: number)
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

  /// Shells and ssh must find nothing to interpret in a host's name, so only what names and addresses consist of is taken.
  private static func name(_ text: String) throws(BadLine) -> String {
    let isWhole = { (byte: UInt8?) in byte.map { isLetter($0) || isDigit($0) } ?? false }
    guard text.utf8.count <= longestName, isWhole(text.utf8.first), isWhole(text.utf8.last),
      text.utf8.allSatisfy({ isLetter($0) || isDigit($0) || "._-".utf8.contains($0) })
    else { throw BadLine("no host name or IPv4 address; letters, digits, '.', '-' and '_' are allowed") }
    return text
  }

  private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }
  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  /// Digits alone, without a zero before them: what MPICH would read otherwise is refused.
  private static func rankCount(_ text: String) throws(BadLine) -> Int {
    guard text.utf8.first != UInt8(ascii: "0"), text.utf8.allSatisfy(isDigit), let count = Int(text),
      (1...mostRanksPerHost).contains(count)
    else { throw BadLine("the number of ranks must be from 1 to \(mostRanksPerHost)") }
    return count
  }
}
