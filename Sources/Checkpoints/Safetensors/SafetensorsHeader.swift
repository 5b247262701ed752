/// One tensor of a safetensors file.
package struct TensorEntry: Hashable, Sendable {
  package let name: String
  package let type: ElementType
  package let shape: [Int]
  /// Where its bytes lie, counted from the end of the header.
  package let bytes: Range<Int>

  package init(name: String, type: ElementType, shape: [Int], bytes: Range<Int>) {
    self.name = name
    self.type = type
    self.shape = shape
    self.bytes = bytes
  }

  package var elementCount: Int { bytes.count * 8 / type.bitCount }
}

/// What a safetensors file says about itself: eight bytes of length, then JSON with a name, type, shape and byte range
/// per tensor and text under `__metadata__`.
///
/// A header is accepted if and only if Hugging Face's `safetensors` accepts it, except for what that library lets pass
/// against its own description: duplicate names, of which it takes the last, and tensors described by lists.
package struct SafetensorsHeader: Hashable, Sendable {
  /// In the order of their bytes.
  package let entries: [TensorEntry]
  package let metadata: [String: String]
  /// The header's own size in the file, its length field included.
  package let byteCount: Int

  /// The most JSON that a file may have.
  package static let sizeLimit = 100_000_000
  package static let lengthFieldByteCount = 8
  static let metadataKey = "__metadata__"

  package init(entries: [TensorEntry], metadata: [String: String], byteCount: Int) {
    self.entries = entries
    self.metadata = metadata
    self.byteCount = byteCount
  }

  /// The length of the JSON that follows the first eight bytes of a file.
  package static func jsonByteCount(
    lengthField: [UInt8], fileSize: Int, path: String
  ) throws(CheckpointError) -> Int {
    let length = lengthField.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(sizeLimit) else {
      throw CheckpointError(
        .malformed, path, "the header claims \(length) bytes, more than \(sizeLimit); this is no safetensors file")
    }
    guard Int(length) <= fileSize - lengthFieldByteCount else {
      throw CheckpointError(
        .malformed, path, "the header claims \(length) bytes in a file of \(fileSize); it is cut short")
    }
    return Int(length)
  }

  /// Reads the JSON and checks that the tensors cover the rest of the file exactly, without hole or overlap.
  package init(json: [UInt8], fileSize: Int, path: String) throws(CheckpointError) {
    let parsed: JSONValue
    do {
      parsed = try JSONReader.parse(json)
    } catch {
      throw CheckpointError(.malformed, path, "the header is not valid JSON: \(error)")
    }
    guard let members = parsed.object else { throw CheckpointError(.malformed, path, "the header is no JSON object") }
    byteCount = Self.lengthFieldByteCount + json.count
    metadata = try Self.metadata(members[Self.metadataKey], path: path)
    var entries: [TensorEntry] = []
    for (name, value) in members where name != Self.metadataKey {
      entries.append(try Self.entry(name, value, path: path))
    }
    entries.sort { Self.comesBefore($0, $1) }
    try Self.checkCoverage(entries, dataByteCount: fileSize - byteCount, path: path)
    self.entries = entries
  }

  private static func comesBefore(_ left: TensorEntry, _ right: TensorEntry) -> Bool {
    let bounds = (left.bytes.lowerBound, left.bytes.upperBound)
    let otherBounds = (right.bytes.lowerBound, right.bytes.upperBound)
    return bounds == otherBounds ? left.name < right.name : bounds < otherBounds
  }

  private static func metadata(_ value: JSONValue?, path: String) throws(CheckpointError) -> [String: String] {
    guard let value, value != .null else { return [:] }
    guard let members = value.object else {
      throw CheckpointError(.malformed, path, "\(metadataKey) is no JSON object")
    }
    var metadata: [String: String] = [:]
    for (key, value) in members {
      guard let text = value.string else {
        throw CheckpointError(.malformed, path, "\(metadataKey) has something other than text under \"\(key)\"")
      }
      metadata[key] = text
    }
    return metadata
  }

  private static func entry(
    _ name: String, _ value: JSONValue, path: String
  ) throws(CheckpointError) -> TensorEntry {
    func malformed(_ message: String) -> CheckpointError {
      CheckpointError(.malformed, path, tensor: name, message)
    }
    guard let members = value.object else { throw malformed("its description is no JSON object") }
    guard let typeName = members["dtype"]?.string else { throw malformed("it has no dtype") }
    guard let type = ElementType(rawValue: typeName) else { throw malformed("the dtype \(typeName) does not exist") }
    guard let shape = sizes(members["shape"]) else { throw malformed("its shape is no list of sizes") }
    guard let offsets = sizes(members["data_offsets"]), offsets.count == 2, offsets[0] <= offsets[1] else {
      throw malformed("its data_offsets are no start and end")
    }
    guard let size = type.byteCount(of: shape) else {
      throw malformed("its size overflows, or is no whole number of bytes: \(typeName) \(shape)")
    }
    guard size == offsets[1] - offsets[0] else {
      throw malformed("\(typeName) \(shape) takes \(size) bytes, its data_offsets span \(offsets[1] - offsets[0])")
    }
    return TensorEntry(name: name, type: type, shape: shape, bytes: offsets[0]..<offsets[1])
  }

  private static func sizes(_ value: JSONValue?) -> [Int]? {
    guard let elements = value?.array else { return nil }
    let sizes = elements.compactMap(\.integer).filter { $0 >= 0 }
    return sizes.count == elements.count ? sizes : nil
  }

  private static func checkCoverage(
    _ entries: [TensorEntry], dataByteCount: Int, path: String
  ) throws(CheckpointError) {
    var end = 0
    for entry in entries {
      guard entry.bytes.lowerBound == end else {
        let fault = entry.bytes.lowerBound < end ? "overlaps what comes before it" : "leaves a hole before it"
        throw CheckpointError(
          .malformed, path, tensor: entry.name,
          "it starts at byte \(entry.bytes.lowerBound) of the data and \(fault), which ends at byte \(end)")
      }
      end = entry.bytes.upperBound
      guard end <= dataByteCount else {
        throw CheckpointError(
          .malformed, path, tensor: entry.name,
          "it ends at byte \(end) of the data, but the file holds \(dataByteCount) bytes of data")
      }
    }
    guard end == dataByteCount else {
      throw CheckpointError(
        .malformed, path, "the tensors take \(end) bytes, but the file holds \(dataByteCount) bytes of data")
    }
  }
}
