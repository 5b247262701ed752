import Checkpoints
import Tensors

/// A safetensors file put together by hand, so that it can be wrong in one way.
func safetensors(_ header: String, data: [UInt8] = [], length: UInt64? = nil) -> [UInt8] {
  let json = Array(header.utf8)
  let length = length ?? UInt64(json.count)
  return (0..<8).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + json + data
}

/// The little-endian bytes of values.
func bytes<Element: BitwiseCopyable & Sendable>(_ values: [Element]) -> [UInt8] {
  Buffer(values).reinterpreted(as: UInt8.self).elements
}

/// The error that a body throws; nil when it throws none.
func checkpointError(_ body: () throws -> Void) -> CheckpointError? {
  do {
    try body()
    return nil
  } catch {
    return error as? CheckpointError
  }
}
