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

  /// The bytes of the file's current piece, which begins at a multiple of its size: all pieces but the first and the last are
  /// whole pages, which reach the device without a copy in the page cache.
  private let staging: Buffer<UInt8>
  /// How many of the file's bytes have been written, and how many have come.
  private var (writtenCount, count): (Int, Int)
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
    let header = Self.headerBytes(entries, DigestMetadata.make(digests, extra: metadata))
    headerByteCount = header.count
    (writtenCount, count) = (header.count, header.count)
    staging = Self.staging(forFileOf: header.count + (entries.last?.bytes.upperBound ?? 0))
    self.files = files
    file = try files.create(path)
    try files.writeAll(file, at: 0, from: Buffer(header))
    finishEmptyTensors()
  }

  /// Pages of memory, as many as a piece has or the whole file needs.
  private static func staging(forFileOf byteCount: Int) -> Buffer<UInt8> {
    let page = Memory.pageSize
    let pages = (min(byteCount, SafetensorsFile.pieceByteCount) + page - 1) / page
    return Buffer(Memory(byteCount: pages * page, alignment: page), byteOffset: 0, count: pages * page)
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
      let missing = headerByteCount + entries[entryIndex].bytes.upperBound - count
      let place = count % staging.count
      let taken = min(bytes.count, staging.count - place, missing)
      let staged = staging[place..<place + taken]
      staged.copy(from: bytes[0..<taken])
      digest.update(staged)
      bytes = bytes[taken..<bytes.count]
      count += taken
      if count % staging.count == 0 { try flush() }
      if taken == missing { finishTensor() }
    }
  }

  private func flush() throws(CheckpointError) {
    let place = writtenCount % staging.count
    try files.writeAll(file, at: writtenCount, from: staging[place..<place + count - writtenCount])
    unsyncedByteCount += count - writtenCount
    writtenCount = count
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
    if writtenCount < count { try flush() }
    let header = Self.headerBytes(entries, DigestMetadata.make(digests, extra: extraMetadata))
    try files.writeAll(file, at: 0, from: Buffer(header))
    try files.sync(file)
    isOpen = false
    try files.close(file)
    return FileSummary(size: count, digest: Digest(of: header).hexadecimal)
  }
}
