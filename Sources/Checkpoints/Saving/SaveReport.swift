package import Communication
import Tensors

/// How the saving of a checkpoint ended; the same on every rank.
package struct SaveReport: Hashable, Sendable {
  package let step: Int
  /// Where the checkpoint is, or should be.
  package let path: String
  /// Why there is none. The checkpoints of before are as they were, and training can go on.
  package let refusal: Refusal?
  /// What went wrong although it is complete.
  package let warning: String?
}

/// What rank 0 tells the others about a save.
enum SaveMessage: Hashable {
  case goOnWaiting
  case saved(warning: String?)
  case failed(Refusal)

  /// Messages are of one size, so that the receive can be posted beforehand; longer texts are cut.
  static let byteCount = 1024
  private static let headerCount = 4

  init(_ outcome: Result<String?, Refusal>) {
    switch outcome {
    case .success(let warning): self = .saved(warning: warning)
    case .failure(let refusal): self = .failed(refusal)
    }
  }

  /// Kind, exit code, length of the text in two bytes, text.
  var bytes: [UInt8] {
    let (kind, code, text): (UInt8, UInt8, String) =
      switch self {
      case .goOnWaiting: (0, 0, "")
      case .saved(let warning): (1, 0, warning ?? "")
      case .failed(let refusal): (2, UInt8(truncatingIfNeeded: refusal.kind.rawValue), refusal.message)
      }
    let content = Array(text.utf8.prefix(Self.byteCount - Self.headerCount))
    let header = [kind, code, UInt8(content.count & 0xff), UInt8(content.count >> 8)]
    return header + content + [UInt8](repeating: 0, count: Self.byteCount - Self.headerCount - content.count)
  }

  /// Nil for bytes that are no such message.
  init?(bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    let count = Int(bytes[2]) | Int(bytes[3]) << 8
    guard count <= Self.byteCount - Self.headerCount else { return nil }
    let text = String(decoding: bytes[Self.headerCount..<Self.headerCount + count], as: UTF8.self)
    switch bytes[0] {
    case 0: self = .goOnWaiting
    case 1: self = .saved(warning: text.isEmpty ? nil : text)
    case 2:
      guard let kind = Refusal.Kind(rawValue: Int32(bytes[1])) else { return nil }
      self = .failed(Refusal(kind, text))
    default: return nil
    }
  }

  func report(step: Int, path: String) -> SaveReport? {
    switch self {
    case .goOnWaiting: nil
    case .saved(let warning): SaveReport(step: step, path: path, refusal: nil, warning: warning)
    case .failed(let refusal): SaveReport(step: step, path: path, refusal: refusal, warning: nil)
    }
  }
}
