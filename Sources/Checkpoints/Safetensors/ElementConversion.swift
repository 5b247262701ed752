import Tensors

/// Elements of a file as the types we compute with. Both are little-endian.
enum ElementConversion {
  /// Checks that a tensor can be read as `Float`.
  static func requireFloat(_ entry: TensorEntry, path: String) throws(CheckpointError) {
    guard [.f32, .bf16, .f16].contains(entry.type) else {
      throw CheckpointError(
        .unsupported, path, tensor: entry.name,
        "its dtype is \(entry.type.rawValue); weights are read from F32, BF16 and F16")
    }
  }

  /// Checks that a tensor can be read as `Int32`.
  static func requireInteger(_ entry: TensorEntry, path: String) throws(CheckpointError) {
    guard [.i32, .i64].contains(entry.type) else {
      throw CheckpointError(
        .unsupported, path, tensor: entry.name, "its dtype is \(entry.type.rawValue); ids are read from I32 and I64")
    }
  }

  /// F32, BF16 and F16, widened exactly: subnormals, infinities and not-a-numbers included.
  static func toFloat(
    _ piece: Buffer<UInt64>, type: ElementType, into values: Buffer<Float>
  ) {
    let count = values.count
    switch type {
    case .f32: values.copy(from: piece.reinterpreted(as: Float.self)[0..<count])
    case .bf16:
      widen(piece.reinterpreted(as: UInt16.self)[0..<count], into: values) { Float(bitPattern: UInt32($0) << 16) }
    case .f16: widen(piece.reinterpreted(as: Float16.self)[0..<count], into: values) { Float($0) }
    default: preconditionFailure("elements of type \(type) as Float")
    }
  }

  /// The equal counts let the compiler drop the checks inside the loop and use vectors.
  @inline(__always)
  private static func widen<Source>(
    _ source: Buffer<Source>, into values: Buffer<Float>, _ convert: (Source) -> Float
  ) {
    let count = values.count
    precondition(source.count == count, "\(source.count) elements into \(count)")
    for index in 0..<count { values[index] = convert(source[index]) }
  }

  /// I32, and I64 whose values fit.
  static func toInt32(
    _ piece: Buffer<UInt64>, entry: TensorEntry, path: String, first: Int, into values: Buffer<Int32>
  ) throws(CheckpointError) {
    switch entry.type {
    case .i32:
      values.copy(from: piece.reinterpreted(as: Int32.self)[0..<values.count])
    case .i64:
      let source = piece.reinterpreted(as: Int64.self)
      for index in 0..<values.count {
        guard let value = Int32(exactly: source[index]) else {
          throw CheckpointError(
            .malformed, path, tensor: entry.name,
            "element \(first + index) is \(source[index]), which is no 32-bit number")
        }
        values[index] = value
      }
    default: preconditionFailure("elements of type \(entry.type) as Int32")
    }
  }
}
