import Foundation
import Glibc

/// A process of this machine as the kernel lists it.
package struct RunningProcess {
  /// Seconds since 1970.
  let startedAt: Double

  /// Nil where there is none; one that has ended and that nobody has asked for counts as none.
  package init?(_ number: Int) {
    guard let text = FileManager.default.contents(atPath: "/proc/\(number)/stat"), let boot = Self.bootedAt else {
      return nil
    }
    // `123 (name) S …`: the name may hold anything.
    let fields = String(decoding: text, as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > Self.startField, !["Z", "X"].contains(fields[0]), let ticks = Double(fields[Self.startField])
    else { return nil }
    startedAt = boot + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
  }

  /// Its place after the name, from 0.
  private static let startField = 19

  private static var bootedAt: Double? {
    let text = FileManager.default.contents(atPath: "/proc/stat").map { String(decoding: $0, as: UTF8.self) } ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("btime ") }
    return line.flatMap { Double($0.dropFirst("btime ".count)) }
  }
}
