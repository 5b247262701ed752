import ArgumentParser

/// A link's rate as `tc` writes it: `25gbit`, `200mbit`, `1.5gbit`; `none` does not limit it.
struct LinkRate: ExpressibleByArgument, Hashable {
  /// Infinite for no limit.
  let bitsPerSecond: Double

  private static let units: [(suffix: String, scale: Double)] = [
    ("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9), ("tbit", 1e12),
  ]
  /// What is outside is a slip: no link is slower than a modem or faster than a petabit.
  private static let believable = 1e3...1e15

  init?(argument: String) {
    let text = argument.lowercased()
    if text == "none" {
      bitsPerSecond = .infinity
      return
    }
    guard let unit = Self.units.first(where: { text.hasSuffix($0.suffix) }) else { return nil }
    let number = text.dropLast(unit.suffix.count)
    // Only digits and a point: `Double` would take "nan", "0x1p9" and "1e9" as well.
    guard number.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }), let value = Double(number),
      Self.believable.contains(value * unit.scale)
    else { return nil }
    bitsPerSecond = value * unit.scale
  }

  var bytesPerSecond: Double { bitsPerSecond / 8 }
  var defaultValueDescription: String { bitsPerSecond.isFinite ? "\(bitsPerSecond)bit" : "none" }
}
