package import Tensors

/// A safetensors file, open for reading. Its header is validated; its data is read when asked for.
package final class SafetensorsFile {
  package let path: String
  package let header: SafetensorsHeader
  /// The digest of the header's bytes: with the tensors' digests in it, a digest of the whole file.
  package let headerDigest: String
  package let size: Int
  private let files: any FileSystem
  private let file: OpenFile
  private let indexByName: [String: Int]
  /// What a piece of the file is read into before it is converted; made when first needed.
  private lazy var staging = Buffer<UInt64>(count: (min(size - header.byteCount, Self.pieceByteCount) + 7) / 8)

  /// How much is read at a time: small enough to stay in a cache, large enough to make calls rare.
  static let pieceByteCount = 1 << 20

  package init(_ path: String, files: any FileSystem = LocalFileSystem()) throws(CheckpointError) {
    let file = try files.open(path)
    do {
      let size = try files.size(of: file)
      let bytes = try Self.headerBytes(of: file, size: size, files)
      header = try SafetensorsHeader(
        json: Array(bytes.dropFirst(SafetensorsHeader.lengthFieldByteCount)), fileSize: size, path: path)
      headerDigest = Digest(of: bytes).hexadecimal
      self.size = size
    } catch {
      try? files.close(file)
      throw error
    }
    self.path = path
    self.files = files
    self.file = file
    indexByName = Dictionary(
      uniqueKeysWithValues: header.entries.enumerated().map { ($0.element.name, $0.offset) })
  }

  /// A failed close of a file that was only read loses nothing.
  deinit { try? files.close(file) }

  private static func headerBytes(
    of file: OpenFile, size: Int, _ files: any FileSystem
  ) throws(CheckpointError) -> [UInt8] {
    let fieldSize = SafetensorsHeader.lengthFieldByteCount
    guard size >= fieldSize else {
      throw CheckpointError(
        .malformed, file.path, "a safetensors file has at least \(fieldSize) bytes, this one \(size)")
    }
    let field = Buffer<UInt8>(count: fieldSize)
    try files.readAll(file, at: 0, into: field)
    let count = try SafetensorsHeader.jsonByteCount(lengthField: field.elements, fileSize: size, path: file.path)
    let bytes = Buffer<UInt8>(count: fieldSize + count)
    try files.readAll(file, at: 0, into: bytes)
    return bytes.elements
  }

  /// A tensor by name.
  package func entry(_ name: String) throws(CheckpointError) -> TensorEntry {
    guard let index = indexByName[name] else {
      throw CheckpointError(.missing, path, tensor: name, "the file has no such tensor")
    }
    return header.entries[index]
  }

  package func contains(_ name: String) -> Bool { indexByName[name] != nil }

  // MARK: Reading

  /// Reads a whole tensor of F32, BF16 or F16 as `Float`, and checks its digest if the file is one of ours.
  package func read(_ name: String, into values: Buffer<Float>) throws(CheckpointError) {
    let entry = try entry(name)
    try ElementConversion.requireFloat(entry, path: path)
    try requireCount(values.count, of: entry)
    try read(entry, elements: 0..<values.count, verifying: true) { piece, first, count in
      ElementConversion.toFloat(piece, type: entry.type, into: values[first..<first + count])
    }
  }

  /// Reads some of a tensor's elements. A part cannot be checked against the tensor's digest.
  package func read(_ name: String, elements: Range<Int>, into values: Buffer<Float>) throws(CheckpointError) {
    let entry = try entry(name)
    try ElementConversion.requireFloat(entry, path: path)
    precondition(values.count == elements.count, "\(elements.count) elements into \(values.count)")
    try read(entry, elements: elements, verifying: false) { piece, first, count in
      ElementConversion.toFloat(piece, type: entry.type, into: values[first..<first + count])
    }
  }

  /// Reads a whole tensor of I32 or I64; a value beyond `Int32` is an error.
  package func readIntegers(_ name: String, into values: Buffer<Int32>) throws(CheckpointError) {
    let entry = try entry(name)
    try ElementConversion.requireInteger(entry, path: path)
    try requireCount(values.count, of: entry)
    try read(entry, elements: 0..<values.count, verifying: true) { piece, first, count throws(CheckpointError) in
      try ElementConversion.toInt32(
        piece, entry: entry, path: path, first: first, into: values[first..<first + count])
    }
  }

  /// Reads all tensors of a file of ours and checks their digests.
  package func verify() throws(CheckpointError) {
    for entry in header.entries {
      try read(entry, bytes: 0..<entry.bytes.count, verifying: true) { _, _, _ in }
    }
  }

  private func requireCount(_ count: Int, of entry: TensorEntry) throws(CheckpointError) {
    guard entry.elementCount == count else {
      throw CheckpointError(
        .contradiction, path, tensor: entry.name,
        "it has \(entry.elementCount) elements \(entry.shape), \(count) are expected")
    }
  }

  /// Reads a range of a tensor piece by piece; `body` gets each piece, its first element in the range and its count.
  private func read(
    _ entry: TensorEntry, elements: Range<Int>, verifying: Bool,
    _ body: (_ piece: Buffer<UInt64>, _ first: Int, _ count: Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    precondition(
      elements.lowerBound >= 0 && elements.upperBound <= entry.elementCount,
      "elements \(elements) of \(entry.elementCount)")
    let width = entry.type.bitCount / 8
    precondition(width > 0, "elements of \(entry.type) are no whole bytes")
    let range = elements.lowerBound * width..<elements.upperBound * width
    try read(entry, bytes: range, verifying: verifying) { piece, first, count throws(CheckpointError) in
      try body(piece, first / width, count / width)
    }
  }

  /// The same in bytes, which tensors of any type consist of.
  private func read(
    _ entry: TensorEntry, bytes range: Range<Int>, verifying: Bool,
    _ body: (_ piece: Buffer<UInt64>, _ first: Int, _ count: Int) throws(CheckpointError) -> Void
  ) throws(CheckpointError) {
    let start = header.byteCount + entry.bytes.lowerBound + range.lowerBound
    var digest = Digest()
    for first in stride(from: 0, to: range.count, by: Self.pieceByteCount) {
      let count = min(Self.pieceByteCount, range.count - first)
      let bytes = staging.reinterpreted(as: UInt8.self)[0..<count]
      try files.readAll(file, at: start + first, into: bytes)
      if verifying && header.hasDigests { digest.update(bytes) }
      try body(staging, first, count)
    }
    if verifying { try check(digest.hexadecimal, of: entry) }
  }

  private func check(_ digest: String, of entry: TensorEntry) throws(CheckpointError) {
    guard header.hasDigests else { return }
    guard let expected = header.digest(of: entry.name), expected == digest else {
      throw CheckpointError(
        .damaged, path, tensor: entry.name,
        "its digest is \(digest), it was written with \(header.digest(of: entry.name) ?? "none"); "
          + "the file is damaged: copy it again or use an earlier checkpoint")
    }
  }
}
