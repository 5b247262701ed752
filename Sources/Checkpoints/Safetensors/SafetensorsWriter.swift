package import Tensors

/// A tensor that will be written.
package struct TensorDescription: Hashable, Sendable {
  package let name: String
  package let type: ElementType
  package let shape: [Int]

  package init(_ name: String, _ type: ElementType = .f32, shape: [Int]) {
    self.name = name
    self.type = type
    self.shape = shape
  }
}

/// Writes a new safetensors file as its tensors' bytes come, in the order of ``entries``.
///
/// The header has its final length from the start; when the last byte is written, it is written again with the digests.
package final class SafetensorsWriter {
  /// The tensors in the order in which their elements are appended: by name.
  package let entries: [TensorEntry]
  private let files: any FileSystem
  private let file: OpenFile
  private let extraMetadata: [String: String]
  private let headerByteCount: Int
  private var digests: [String: String]

  private let staging: Buffer<UInt64>
  private let stagingBytes: Buffer<UInt8>
  private var stagedByteCount = 0
  /// Where in the data section the staged bytes go.
  private var dataOffset = 0
  private var entryIndex = 0
  private var digest = Digest()
  private var unsyncedByteCount = 0

  /// Written bytes are synced after so many, so that no single sync takes long and other ranks can be kept informed.
  private static let syncInterval = 256 << 20

  /// Creates the file, which must not exist.
  ///
  /// - Precondition: names are distinct and sizes can be counted.
  package init(
    creating path: String, tensors: [TensorDescription], metadata: [String: String] = [:],
    files: any FileSystem = LocalFileSystem()
  ) throws(CheckpointError) {
    entries = Self.place(tensors)
    extraMetadata = metadata
    digests = Dictionary(
      uniqueKeysWithValues: entries.map { ($0.name, String(repeating: "0", count: Digest.hexadecimalCount)) })
    staging = SafetensorsFile.staging(forByteCount: entries.last?.bytes.upperBound ?? 0)
    stagingBytes = staging.reinterpreted(as: UInt8.self)
    let header = Self.headerBytes(entries, DigestMetadata.make(digests, extra: metadata))
    headerByteCount = header.count
    self.files = files
    file = try files.create(path)
    try files.writeAll(file, at: 0, from: Buffer(header))
    finishEmptyTensors()
  }

  private var isOpen = true

  deinit { if isOpen { try? files.close(file) } }

  /// The tensors sorted by name, one after another.
  private static func place(_ tensors: [TensorDescription]) -> [TensorEntry] {
    var offset = 0
    return tensors.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }.map { tensor in
      guard let size = tensor.type.byteCount(of: tensor.shape) else {
        preconditionFailure("\(tensor.name): \(tensor.type) \(tensor.shape) cannot be counted")
      }
      defer { offset += size }
      return TensorEntry(name: tensor.name, type: tensor.type, shape: tensor.shape, bytes: offset..<offset + size)
    }
  }

  /// The length field and the JSON, padded with spaces to a multiple of eight bytes.
  private static func headerBytes(_ entries: [TensorEntry], _ metadata: [String: String]) -> [UInt8] {
    var members: [String: JSONValue] = [
      SafetensorsHeader.metadataKey: .object(metadata.mapValues { .string($0) })
    ]
    for entry in entries {
      members[entry.name] = [
        "dtype": .string(entry.type.rawValue), "shape": .array(entry.shape.map { .integer($0) }),
        "data_offsets": [.integer(entry.bytes.lowerBound), .integer(entry.bytes.upperBound)],
      ]
    }
    var json = Array(JSONValue.object(members).description.utf8)
    while json.count % 8 != 0 { json.append(UInt8(ascii: " ")) }
    return (0..<8).map { UInt8(truncatingIfNeeded: json.count >> (8 * $0)) } + json
  }

  var path: String { file.path }

  /// The digest of a tensor whose last element has been appended.
  func digest(of tensor: String) -> String { digests[tensor] ?? "" }

  // MARK: Appending

  /// The next elements, of any number, of the current tensor and those after it.
  package func append<Element>(_ values: Buffer<Element>) throws(CheckpointError) {
    var bytes = values.reinterpreted(as: UInt8.self)
    while bytes.count > 0 {
      precondition(entryIndex < entries.count, "\(bytes.count) bytes more than \(file.path) has tensors for")
      let missing = entries[entryIndex].bytes.upperBound - dataOffset - stagedByteCount
      let count = min(bytes.count, stagingBytes.count - stagedByteCount, missing)
      stagingBytes[stagedByteCount..<stagedByteCount + count].copy(from: bytes[0..<count])
      bytes = bytes[count..<bytes.count]
      stagedByteCount += count
      if count == missing || stagedByteCount == stagingBytes.count { try flush() }
      if count == missing { finishTensor() }
    }
  }

  private func flush() throws(CheckpointError) {
    digest.update(staging, byteCount: stagedByteCount)
    try files.writeAll(file, at: headerByteCount + dataOffset, from: stagingBytes[0..<stagedByteCount])
    dataOffset += stagedByteCount
    unsyncedByteCount += stagedByteCount
    stagedByteCount = 0
    if unsyncedByteCount >= Self.syncInterval {
      try files.sync(file)
      unsyncedByteCount = 0
    }
  }

  private func finishTensor() {
    digests[entries[entryIndex].name] = digest.hexadecimal
    digest = Digest()
    entryIndex += 1
    finishEmptyTensors()
  }

  private func finishEmptyTensors() {
    while entryIndex < entries.count, entries[entryIndex].bytes.isEmpty {
      digests[entries[entryIndex].name] = Digest().hexadecimal
      entryIndex += 1
    }
  }

  /// Writes the digests, syncs and closes the file.
  package func finish() throws(CheckpointError) -> FileSummary {
    precondition(
      entryIndex == entries.count, "\(file.path) is finished at tensor \(entryIndex) of \(entries.count)")
    let header = Self.headerBytes(entries, DigestMetadata.make(digests, extra: extraMetadata))
    try files.writeAll(file, at: 0, from: Buffer(header))
    try files.sync(file)
    isOpen = false
    try files.close(file)
    return FileSummary(size: headerByteCount + dataOffset, digest: Digest(of: header).hexadecimal)
  }
}
