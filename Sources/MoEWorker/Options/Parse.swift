import ArgumentParser
import Foundation

/// The numbers that flags take; what is no such number is refused with the reason.
enum Parse {
  /// The largest count that is believed: what is larger is a slip, and products of such numbers would overflow.
  private static let largestCount = Int(Int32.max)
  private static let mostThreads = 4096
  private static let largestMessage = 1 << 30

  static func positive(_ text: String) throws -> Int {
    guard let value = Int(text), value > 0, value <= largestCount else {
      throw ValidationError("a whole number from 1 to \(largestCount) is needed")
    }
    return value
  }

  static func threads(_ text: String) throws -> Int {
    guard let value = Int(text), value > 0, value <= mostThreads else {
      throw ValidationError("a whole number from 1 to \(mostThreads) is needed")
    }
    return value
  }

  static func notNegative(_ text: String) throws -> Int {
    guard let value = Int(text), value >= 0, value <= largestCount else {
      throw ValidationError("a whole number from 0 to \(largestCount) is needed")
    }
    return value
  }

  /// Bytes of one message.
  static func messageSize(_ text: String) throws -> Int {
    guard let value = Int(text), value > 0, value <= largestMessage else {
      throw ValidationError("a whole number of bytes from 1 to \(largestMessage) is needed")
    }
    return value
  }

  static func port(_ text: String) throws -> UInt16 {
    guard let value = UInt16(text) else { throw ValidationError("a whole number from 0 to 65535 is needed") }
    return value
  }

  static func seed(_ text: String) throws -> UInt64 {
    guard let value = UInt64(text) else { throw ValidationError("a whole number from 0 to 2^64 - 1 is needed") }
    return value
  }

  static func seconds(_ text: String) throws -> Double {
    let value = try positiveReal(text)
    guard value <= 1_000_000 else { throw ValidationError("at most 1000000 seconds can be waited") }
    return value
  }

  static func positiveReal(_ text: String) throws -> Double {
    guard let value = Double(text), value.isFinite, value > 0 else {
      throw ValidationError("a number above 0 is needed")
    }
    return value
  }

  static func notNegativeReal(_ text: String) throws -> Double {
    guard let value = Double(text), value.isFinite, value >= 0 else {
      throw ValidationError("a number, 0 or above, is needed")
    }
    return value
  }

  /// A probability or a decay: from 0 to below 1.
  static func belowOne(_ text: String) throws -> Double {
    guard let value = Double(text), value >= 0, value < 1 else {
      throw ValidationError("a number from 0 to below 1 is needed")
    }
    return value
  }

  /// A share: above 0, at most 1.
  static func share(_ text: String) throws -> Double {
    guard let value = Double(text), value > 0, value <= 1 else {
      throw ValidationError("a number above 0 and at most 1 is needed")
    }
    return value
  }

  /// Token ids separated by commas.
  static func tokens(_ text: String) throws -> [Int32] {
    try text.split(separator: ",", omittingEmptySubsequences: false).map { part in
      guard let value = Int32(part.trimmingCharacters(in: .whitespaces)), value >= 0 else {
        throw ValidationError("'\(part)' is no token id; whole numbers with commas between them are needed")
      }
      return value
    }
  }
}
