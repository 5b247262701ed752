import Foundation

/// The last line of a run's `metrics.jsonl`.
struct LastMeasurement: Decodable {
  let step: Int
  let loss: Double?
  let tokensPerSecond: Double?
  let heldOutLoss: Double?

  private enum CodingKeys: String, CodingKey {
    case step, loss
    case tokensPerSecond = "tokens_per_second"
    case heldOutLoss = "held_out_loss"
  }

  /// More than any line has.
  private static let tailByteCount: UInt64 = 64 << 10

  /// Nil where no whole line is: there is no such file, it lies elsewhere, or no step is done.
  static func read(_ path: String) -> LastMeasurement? {
    let kind = try? FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType
    guard kind == .typeRegular, let handle = FileHandle(forReadingAtPath: path) else { return nil }
    defer { try? handle.close() }
    guard let size = try? handle.seekToEnd(), (try? handle.seek(toOffset: size - min(size, tailByteCount))) != nil,
      let tail = try? handle.readToEnd(), let end = tail.lastIndex(of: UInt8(ascii: "\n"))
    else { return nil }
    // What comes after the last end of a line is being written.
    let lines = tail[..<end].split(separator: UInt8(ascii: "\n"))
    return lines.last.flatMap { try? JSONDecoder().decode(LastMeasurement.self, from: $0) }
  }
}
